// A call of a recurrence on one instruction set: its memory, its team, its cell.
#pragma once

#include "backward.hpp"
#include "memory.hpp"

namespace unrolled::UNROLLED_ISA {

template <class T, class F> void with_rule(const Call<T> &call, F f) {
    if (call.cell == kGru) return f(GruRule<T>{});
    if (call.cell == kLstm) return f(LstmRule<T>{});
    const T slope = call.slope ? *call.slope : T{};
    with_activation<T>(call.activation, slope, [&](auto phi) { f(RnnRule<T, decltype(phi)>{phi}); });
}

template <class Sweep> void run_sweep(Sweep &sweep, int members) {
    Block block(sweep.carve(nullptr));
    sweep.carve(block.data());
    run_team(members, [](void *self, int member) { static_cast<Sweep *>(self)->run(member); }, &sweep);
}

template <class T> void forward(const Call<T> &call, const Outcome<T> &outcome, const Plan &plan) {
    with_rule(call, [&](auto rule) {
        Barrier meeting(plan.members);
        Forward<T, decltype(rule)> sweep(call, outcome, plan, rule, meeting);
        run_sweep(sweep, plan.members);
    });
}

template <class T> void backward(const Call<T> &call, const Gradients<T> &gradients, const Plan &plan) {
    with_rule(call, [&](auto rule) {
        Barrier meeting(plan.members);
        Backward<T, decltype(rule)> sweep(call, gradients, plan, rule, meeting);
        run_sweep(sweep, plan.members);
    });
}

// Elements that forward saves for backward.
template <class T> std::size_t saved(const Call<T> &call) {
    std::size_t count = 0;
    with_rule(call, [&](auto rule) { count = Shape<T, decltype(rule)>(call).kept_in_all(call); });
    return count;
}

}  // namespace unrolled::UNROLLED_ISA
