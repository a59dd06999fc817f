// One call of a recurrence as pointers and sizes, and how its work is shared out.
//
// Only plain data: files that are compiled for each instruction set include this, and an inline function
// here would be compiled once for each of them with one copy kept.
#pragma once

#include <cstddef>
#include <cstdint>

namespace unrolled {

enum Cell { kRnn, kGru, kLstm };
inline constexpr int kPRelu = 3;         // its place among the activations
inline constexpr int kMostMembers = 64;  // of a team

// (T, B, last) with the last axis contiguous.
template <class T>
struct Steps {
    T *data;
    std::ptrdiff_t per_step, per_row;
};

// What forward and backward share. Absent things are null.
template <class T>
struct Call {
    int cell, activation;
    bool reverse;
    int threads;
    std::size_t steps, rows, inputs, units;  // T, B, F, H
    Steps<const T> x;
    const T *h0, *c0;                            // (B, H)
    const T *w_ih, *w_hh, *b_ih, *b_hh, *slope;  // (G H, F), (G H, H), (G H), (G H), (1)
    const T *gain_ih, *gain_hh, *gain_cell, *bias_cell;
    const std::int64_t *lengths;  // (B)
    const bool *resets;           // (B, T)
    const T *mask;                // (B, H), times h_{t-1} on its way into w_hh
    double zoneout_h, zoneout_c;
    std::int64_t seed;  // of zoneout; -1 takes its mean
};

template <class T>
struct Outcome {
    Steps<T> out;
    T *h_n, *c_n;
    T *saved;
};

template <class T>
struct Gradients {
    Steps<const T> out;  // of forward: (T, B, H)
    const T *saved;
    Steps<const T> grad_out;
    const T *grad_h_n, *grad_c_n;
    Steps<T> grad_x;
    T *grad_h0, *grad_c0;
    T *w_ih, *w_hh, *b_ih, *b_hh, *slope;
    T *gain_ih, *gain_hh, *gain_cell, *bias_cell;
};

// Who does what: each member of the team runs its own rows through all steps, or all members run all
// rows together, each for its own units.
struct Plan {
    int members;
    bool splits_units;
    const std::int64_t *order;    // rows, member after member, the longest of each member first
    const std::int64_t *lengths;  // beside `order`
    const std::size_t *begins;    // members + 1 places in `order`
};

// Run a call on the instruction set in use; rnn.cpp shares out the work. They throw
// std::invalid_argument for a length that is not in 0 .. T.
template <class T>
void forward(const Call<T> &call, const Outcome<T> &outcome);
template <class T>
void backward(const Call<T> &call, const Gradients<T> &gradients);

// Elements that forward writes into `saved` for backward.
template <class T>
std::size_t saved_elements(const Call<T> &call);

}  // namespace unrolled
