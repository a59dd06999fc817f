// The kernels of one instruction set as a table, and the choice among tables at run time.
#pragma once

#include <cstddef>
#include <vector>

namespace unrolled {

struct Kernels {
    const char *name;
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
