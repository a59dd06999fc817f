// Runs one table of kernels on buffers of exact size, under the sanitizers: see test_sanitizers.py.
#include <cstdio>
#include <memory>

#include "runtime/dispatch.hpp"

namespace unrolled::UNROLLED_ISA { extern const KernelTable kernels; }

template <class T> static void run(void (*kernel)(const T *, T *, std::size_t)) {
    for (std::size_t n = 0; n <= 70; ++n) {
        const std::unique_ptr<T[]> in(new T[n]), out(new T[n]);
        for (std::size_t i = 0; i < n; ++i) in[i] = T(1e3) * (T(i) - T(35)) * T(i % 7);
        kernel(in.get(), out.get(), n);
        kernel(in.get(), in.get(), n);
    }
}

int main() {
    const auto &table = unrolled::UNROLLED_ISA::kernels;
    run(table.tanh_float);
    run(table.tanh_double);
    run(table.sigmoid_float);
    run(table.sigmoid_double);
    std::puts(table.name);
}
