// The module itself, and its functions on arrays, which kernels/__init__.py has checked. The recurrences are
// bound in pointers.cpp and tensors.cpp.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <string>
#include <vector>

#include "bindings/bindings.hpp"
#include "runtime/dispatch.hpp"

namespace nb = nanobind;

template <class T>
using In = nb::ndarray<const T, nb::c_contig, nb::device::cpu>;
template <class T>
using Out = nb::ndarray<T, nb::c_contig, nb::device::cpu>;

// Bind one function of the table under `name`, for the element type of its member pointer.
template <class T>
static void bind(nb::module_ &m, const char *name,
                 void (*unrolled::Kernels::*kernel)(const T *, T *, std::size_t)) {
    m.def(
        name,
        [kernel](const In<T> &x, const Out<T> &out) {
            const auto run = unrolled::selected().*kernel;
            nb::gil_scoped_release released;
            run(x.data(), out.data(), x.size());
        },
        nb::arg("x").noconvert(), nb::arg("out").noconvert());
}

NB_MODULE(_compiled, m) {
    unrolled::bind_recurrence(m);
    unrolled::bind_door(m);
    bind(m, "tanh", &unrolled::Kernels::tanh_float);
    bind(m, "tanh", &unrolled::Kernels::tanh_double);
    bind(m, "sigmoid", &unrolled::Kernels::sigmoid_float);
    bind(m, "sigmoid", &unrolled::Kernels::sigmoid_double);
    m.def("compiler", [] { return std::string(UNROLLED_COMPILER); });
    m.def("selected", [] { return std::string(unrolled::selected().name); });
    m.def("select", [](const std::string &name) { return unrolled::select(name.c_str()); }, nb::arg("name"));
    m.def("runnable", [] {
        std::vector<std::string> names;
        for (const auto *table : unrolled::runnable()) names.emplace_back(table->name);
        return names;
    });
}
