// Problem descriptors of a recurrence: pointers, sizes, and the partition of the work among threads.
//
// Plain data only. Files that are compiled once for each instruction set include this header; an inline
// function here would be compiled for each of them, and the linker would keep any one copy.
#pragma once

#include <cstddef>
#include <cstdint>

namespace unrolled {

enum Cell { kRnn, kGru, kLstm };
inline constexpr int kPRelu = 3;  // its index among the activations
inline constexpr int kMaxThreads = 64;
// Below this many floating-point operations a thread, waking it costs more than it saves.
inline constexpr double kMinThreadWork = 1.5e6;

// Sum of the lengths of `rows` rows of at most `steps` steps; null for rows of that many. Throws
// std::invalid_argument for a length outside 0 .. `steps`.
double total_steps(const std::int64_t *lengths, std::size_t rows, std::size_t steps);

// A contiguous array.
template <class T>
using Array = T *;

// An array (T, B, last) whose last axis is contiguous; strides count elements.
template <class T>
struct StepView {
    T *data;
    std::ptrdiff_t step_stride, row_stride;
};

enum class Operand {
#define UNROLLED_DIFFERENTIABLE(name, ...) name,
#define UNROLLED_CONSTANT(name, ...) name,
#include "rnn/operands.def"
    kCount
};

// Inputs of forward and backward. An absent operand is null. `mask` multiplies h_{t-1} where it enters
// weight_hh; `seed` draws zoneout's masks, and -1 takes their mean.
template <class Real>
struct Problem {
    int cell, activation;
    bool reverse;
    double zoneout_h, zoneout_c;
    std::int64_t seed;
    int threads;
    std::size_t steps, rows, inputs, units;  // T, B, F, H
#define UNROLLED_DIFFERENTIABLE(name, View, ...) View<const Real> name;
#define UNROLLED_CONSTANT(name, Element, ...) Array<const Element> name;
#include "rnn/operands.def"
};

template <class Real>
struct Outputs {
    StepView<Real> out;  // (T, B, H)
    Array<Real> h_n, c_n;
    Array<Real> saved;  // for backward; null where there is none
};

// What backward reads beside the problem, and the gradients it writes: d_x, d_h0, ... A null gradient is
// zero where it is read and not computed where it is written.
template <class Real>
struct Gradients {
    StepView<const Real> out;  // of forward
    Array<const Real> saved;
    StepView<const Real> grad_out;
    Array<const Real> grad_h_n, grad_c_n;
#define UNROLLED_DIFFERENTIABLE(name, View, ...) View<Real> d_##name;
#define UNROLLED_CONSTANT(...)
#include "rnn/operands.def"
};

// Each thread runs its own rows through all steps; or, where `splits_units`, all threads run all rows
// together, each for its own hidden units, and synchronise once a step.
struct Partition {
    int threads;
    bool splits_units;
    const std::int64_t *order;    // row indices, thread after thread, each thread's longest row first
    const std::int64_t *lengths;  // of the rows in `order`: steps from the first on, or from a start on
    const std::size_t *begins;    // threads + 1 offsets into `order`
};

// Run a recurrence on the selected instruction set. Throw std::invalid_argument for a length outside 0 .. T.
template <class T>
void forward(const Problem<T> &problem, const Outputs<T> &outputs);
template <class T>
void backward(const Problem<T> &problem, const Gradients<T> &gradients);

// Number of elements that forward writes into `saved`.
template <class T>
std::size_t saved_elements(const Problem<T> &problem);

}  // namespace unrolled
