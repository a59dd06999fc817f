// A call of a recurrence on one instruction set: its memory, its team, its cell.
#pragma once

#include "rnn/backward.hpp"
#include "rnn/forward.hpp"
#include "runtime/buffer_cache.hpp"

namespace unrolled::UNROLLED_ISA {

template <class T, class F>
void with_rule(const Call<T> &call, F f) {
    if (call.cell == kGru) return f(GruRule<T>{});
    if (call.cell == kLstm) return f(LstmRule<T>{});
    f(RnnRule<T>{call.activation, call.slope ? *call.slope : T{}});
}

template <class Sweep>
void run_sweep(Sweep &sweep, int members) {
    Block block(sweep.carve(nullptr));
    sweep.carve(block.data());
    run_team(members, [](void *self, int member) { static_cast<Sweep *>(self)->run(member); }, &sweep);
}

template <class T>
void forward(const Call<T> &call, const Outcome<T> &outcome, const Plan &plan) {
    with_rule(call, [&](auto rule) {
        ForwardJob<T> job(call, outcome, plan, rule);
        const ForwardRowsOf<T, decltype(rule)> cell_rows(job, rule);
        Barrier meeting(plan.members);
        Forward<T> sweep(job, cell_rows, meeting);
        run_sweep(sweep, plan.members);
    });
}

template <class T>
void backward(const Call<T> &call, const Gradients<T> &gradients, const Plan &plan) {
    with_rule(call, [&](auto rule) {
        BackwardJob<T> job(call, gradients, plan, rule);
        const BackwardRowsOf<T, decltype(rule)> cell_rows(job, rule);
        Barrier meeting(plan.members);
        Backward<T> sweep(job, cell_rows, meeting);
        run_sweep(sweep, plan.members);
    });
}

// Elements that forward saves for backward.
template <class T>
std::size_t saved(const Call<T> &call) {
    std::size_t count = 0;
    with_rule(call, [&](auto rule) { count = Shape<T>(call, rule).kept_in_all(call); });
    return count;
}

}  // namespace unrolled::UNROLLED_ISA
