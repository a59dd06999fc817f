// A recurrence on one instruction set: its scratch memory, its threads, its cell.
#pragma once

#include "rnn/backward.hpp"
#include "rnn/forward.hpp"
#include "rnn/narrow.hpp"
#include "rnn/pointwise/backward_norm.hpp"
#include "rnn/pointwise/forward_norm.hpp"

namespace unrolled::UNROLLED_ISA {

template <class T, class F>
void with_cell_rule(const Problem<T> &problem, F f) {
    if (problem.cell == kGru) return f(GruRule<T>{});
    if (problem.cell == kLstm) return f(LstmRule<T>{});
    f(RnnRule<T>{problem.activation, problem.slope ? *problem.slope : T{}});
}

template <class T>
void forward(const Problem<T> &problem, const Outputs<T> &outputs, const Partition &partition) {
    with_cell_rule(problem, [&](auto rule) {
        ForwardContext<T> context(problem, outputs, partition, rule);
        using Narrow = NarrowForwardPass<T, decltype(rule)>;
        if (Narrow::fits(context)) {
            Narrow narrow(context, rule);
            return run_pass(narrow, partition.threads);
        }
        const PlainForwardPointwise<T, decltype(rule)> plain(context, rule);
        const NormedForwardPointwise<T, decltype(rule)> normed(context, rule);
        const ForwardPointwise<T> &pointwise =
            context.sizes.has_norm ? static_cast<const ForwardPointwise<T> &>(normed) : plain;
        Barrier barrier(partition.threads);
        ForwardPass<T> pass(context, pointwise, barrier);
        run_pass(pass, partition.threads, partition.splits_units);
    });
}

template <class T>
void backward(const Problem<T> &problem, const Gradients<T> &gradients, const Partition &partition) {
    with_cell_rule(problem, [&](auto rule) {
        BackwardContext<T> context(problem, gradients, partition, rule);
        const PlainBackwardPointwise<T, decltype(rule)> plain(context, rule);
        const NormedBackwardPointwise<T, decltype(rule)> normed(context, rule);
        const BackwardPointwise<T> &pointwise =
            context.sizes.has_norm ? static_cast<const BackwardPointwise<T> &>(normed) : plain;
        Barrier barrier(partition.threads);
        BackwardPass<T> pass(context, pointwise, barrier);
        run_pass(pass, partition.threads, partition.splits_units);
    });
}

// Number of elements that forward saves for backward.
template <class T>
std::size_t saved(const Problem<T> &problem) {
    std::size_t count = 0;
    with_cell_rule(problem, [&](auto rule) { count = Sizes<T>(problem, rule).saved_total(problem); });
    return count;
}

}  // namespace unrolled::UNROLLED_ISA
