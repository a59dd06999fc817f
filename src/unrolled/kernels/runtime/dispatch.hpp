// The kernels of one instruction set as a table, and the choice among tables at run time.
#pragma once

#include <cstddef>
#include <vector>

#include "rnn/problem.hpp"

namespace unrolled {

// A recurrence for one element type.
template <class T>
struct RecurrenceKernels {
    void (*forward)(const Call<T> &call, const Outcome<T> &outcome, const Plan &plan);
    void (*backward)(const Call<T> &call, const Gradients<T> &gradients, const Plan &plan);
    std::size_t (*saved)(const Call<T> &call);
};

struct Kernels {
    const char *name;
    RecurrenceKernels<float> recurrence_float;
    RecurrenceKernels<double> recurrence_double;
    void (*matmul)(const float *a, const float *b, float *c, std::size_t m, std::size_t n, std::size_t k,
                   int threads);
    void (*tanh_float)(const float *in, float *out, std::size_t n);
    void (*tanh_double)(const double *in, double *out, std::size_t n);
    void (*sigmoid_float)(const float *in, float *out, std::size_t n);
    void (*sigmoid_double)(const double *in, double *out, std::size_t n);
};

// Tables that were compiled in and that this processor can run, the plainest first.
std::vector<const Kernels *> runnable();

// The table in use: at first the last of runnable().
const Kernels &selected();

// Use the table of that name; false if this processor cannot run it.
bool select(const char *name);

}  // namespace unrolled
