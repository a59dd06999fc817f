// Descriptors of recurrences that are stepped: packed weights, and the states of the rows.
//
// Plain data only, as in rnn/problem.hpp. Shapes: T steps, N rows that a state is kept for, H hidden units.
#pragma once

#include "rnn/problem.hpp"

namespace unrolled {

// A layer whose weights are packed once, for any number of steps.
template <class Real>
struct SteppedLayer {
    Problem<Real> problem;  // of one step: settings, sizes and weights; no inputs and no states
    void *packed;           // the weights as the selected instruction set packs them
    Array<Real> h, c;       // (N, H) the states, overwritten by each step; c of an LSTM only
};

// Layers on top of one another, and some of their rows to be stepped.
template <class Real>
struct SteppedStack {
    const SteppedLayer<Real> *layers;
    std::size_t n_layers;
    const std::int64_t *rows;  // positions in the states, in x and in out
    std::size_t n_rows, steps;
    StepView<const Real> x;  // (T, N, F)
    StepView<Real> out;      // (T, N, H) of the last layer
};

}  // namespace unrolled
