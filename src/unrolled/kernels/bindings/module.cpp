// The module _compiled: functions on arrays, which kernels/__init__.py has validated, and on the process.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <string>
#include <vector>

#include "bindings/bindings.hpp"
#include "runtime/buffer_cache.hpp"
#include "runtime/contention.hpp"
#include "runtime/dispatch.hpp"

namespace nb = nanobind;

template <class T>
using In = nb::ndarray<const T, nb::c_contig, nb::device::cpu>;
template <class T>
using Out = nb::ndarray<T, nb::c_contig, nb::device::cpu>;

// Bind one function of the table under `name`, for the element type of its member pointer.
template <class T>
static void bind(nb::module_ &m, const char *name,
                 void (*unrolled::KernelTable::*kernel)(const T *, T *, std::size_t)) {
    m.def(
        name,
        [kernel](const In<T> &x, const Out<T> &out) {
            const auto run = unrolled::selected().*kernel;
            nb::gil_scoped_release released;
            run(x.data(), out.data(), x.size());
        },
        nb::arg("x").noconvert(), nb::arg("out").noconvert());
}

using Matrix = nb::ndarray<const float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using OutMatrix = nb::ndarray<float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

// C (m, n) = A (m, k) B (k, n): for benchmarks/gemm_share.py, which knows the sizes.
static void matmul(const Matrix &a, const Matrix &b, const OutMatrix &c, int threads) {
    nb::gil_scoped_release released;
    unrolled::selected().matmul(a.data(), b.data(), c.data(), a.shape(0), b.shape(1), a.shape(1), threads);
}

NB_MODULE(_compiled, m) {
    unrolled::bind_recurrence(m);
    unrolled::bind_optimizer(m);
    unrolled::bind_sequence(m);
    unrolled::bind_streaming(m);
    unrolled::bind_sequence_streaming(m);
    unrolled::bind_band_levels(m);
    unrolled::bind_forecasting(m);
    m.def("matmul", matmul);
    m.def("release", unrolled::release_buffers);
    m.def("watch_contention", unrolled::watch_contention);
    m.def("is_contended", unrolled::is_contended);
    bind(m, "tanh", &unrolled::KernelTable::tanh_float);
    bind(m, "tanh", &unrolled::KernelTable::tanh_double);
    bind(m, "sigmoid", &unrolled::KernelTable::sigmoid_float);
    bind(m, "sigmoid", &unrolled::KernelTable::sigmoid_double);
    bind(m, "softplus", &unrolled::KernelTable::softplus);
    bind(m, "asinh", &unrolled::KernelTable::asinh);
    bind(m, "gelu", &unrolled::KernelTable::gelu);
    m.def("compiler", [] { return std::string(UNROLLED_COMPILER); });
    m.def("selected", [] { return std::string(unrolled::selected().name); });
    m.def("select", [](const std::string &name) { return unrolled::select(name.c_str()); }, nb::arg("name"));
    m.def("runnable", [] {
        std::vector<std::string> names;
        for (const auto *table : unrolled::runnable()) names.emplace_back(table->name);
        return names;
    });
}
