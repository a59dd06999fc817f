#include "bindings/tensors.hpp"

namespace unrolled {

namespace nb = nanobind;

namespace {

constexpr int kOnCpu = 1;  // kDLCPU

// The part of DLPackExchangeAPI that is read here.
struct ExchangeApi {
    std::uint32_t major, minor;
    void *previous, *allocate, *to_managed, *from_managed;
    int (*describe)(void *tensor, TensorDescription *description);
    void *stream;
};

const ExchangeApi *exchange = nullptr;
PyObject *is_negated_function = nullptr;  // never released, as the table

}  // namespace

bool open_exchange(const nb::object &capsule, const nb::object &is_negated) {
    const auto *table =
        static_cast<const ExchangeApi *>(PyCapsule_GetPointer(capsule.ptr(), "dlpack_exchange_api"));
    if (!table) PyErr_Clear();
    if (!table || table->major != 1 || !table->describe) return false;
    exchange = table;
    is_negated_function = nb::object(is_negated).release().ptr();
    return true;
}

bool describe_target(nb::handle tensor, TensorDescription &description) {
    if (exchange && exchange->describe(tensor.ptr(), &description) == 0)
        return description.device == kOnCpu && description.lanes == 1;
    PyErr_Clear();
    return false;
}

bool describe_source(nb::handle tensor, TensorDescription &description) {
    if (!is_negated_function) return false;
    PyObject *const is_negated = PyObject_CallOneArg(is_negated_function, tensor.ptr());
    if (!is_negated) PyErr_Clear();
    Py_XDECREF(is_negated);
    return is_negated == Py_False && describe_target(tensor, description);
}

}  // namespace unrolled
