// The recurrences as functions of tensors as they are, for calls so short that asking each tensor from
// Python for its address, shape and strides would cost as much as the work.
//
// The framework describes its tensors itself, by DLPack's table of C functions (version 1, the type
// attribute __dlpack_c_exchange_api__). What is not as the kernels read it is left to the way through
// Python, which copies it or says what is wrong: then the answer is false, and nothing has been written.
#include <nanobind/nanobind.h>
#include <nanobind/stl/vector.h>

#include <array>
#include <cstdint>
#include <initializer_list>
#include <vector>

#include "bindings/bindings.hpp"
#include "rnn/problem.hpp"

namespace unrolled {

namespace {

namespace nb = nanobind;

// The parts of dlpack.h that are read here; their layout is fixed within version 1.
struct Described {
    void *data;
    std::int32_t device, device_id, ndim;
    std::uint8_t kind, bits;
    std::uint16_t lanes;
    std::int64_t *shape, *strides;
    std::uint64_t byte_offset;

    char *address() const { return static_cast<char *>(data) + byte_offset; }
};
struct Exchange {
    std::uint32_t major, minor;
    void *previous, *allocate, *take, *give;
    int (*describe)(void *tensor, Described *description);
    void *stream;
};
enum Kind : std::uint8_t { kInteger = 0, kFloat = 2, kBool = 6 };
enum Place {
    kX,
    kH0,
    kC0,
    kWih,
    kWhh,
    kBih,
    kBhh,
    kSlope,
    kGainIh,
    kGainHh,
    kGainCell,
    kBiasCell,
    kLengths,
    kResets,
    kMask
};
constexpr int kPlaces = kMask + 1, kLearned = kBiasCell + 1, kOnCpu = 1;

const Exchange *exchange = nullptr;
PyObject *is_lazy = nullptr;  // kept for ever, as the exchange is

// `lazy` says of a tensor whether its numbers lie in memory with the other sign, which DLPack cannot say.
bool open(const nb::object &capsule, const nb::object &lazy) {
    const auto *found =
        static_cast<const Exchange *>(PyCapsule_GetPointer(capsule.ptr(), "dlpack_exchange_api"));
    if (!found) PyErr_Clear();
    if (!found || found->major != 1 || !found->describe) return false;
    exchange = found;
    is_lazy = nb::object(lazy).release().ptr();
    return true;
}

// Whether the tensor lies on the CPU; what kind of numbers it has is for the caller to see.
bool describe(nb::handle tensor, Described &to) {
    if (exchange->describe(tensor.ptr(), &to) == 0) return to.device == kOnCpu && to.lanes == 1;
    PyErr_Clear();
    return false;
}

// The same of a tensor that is to be read.
bool read(nb::handle tensor, Described &to) {
    PyObject *const answer = PyObject_CallOneArg(is_lazy, tensor.ptr());
    if (!answer) PyErr_Clear();
    Py_XDECREF(answer);
    return answer == Py_False && describe(tensor, to);
}

bool is(const Described &found, std::initializer_list<std::size_t> shape, std::uint8_t kind, int bits) {
    if (found.kind != kind || found.bits != bits || found.ndim != static_cast<int>(shape.size()))
        return false;
    const auto *size = found.shape;
    for (const auto wanted : shape)
        if (*size++ != static_cast<std::int64_t>(wanted)) return false;
    return true;
}

// Contiguous from axis `first` on; the strides of axes before it may be any.
bool is_laid_out(const Described &found, int first) {
    std::int64_t stride = 1;
    for (int axis = found.ndim - 1; axis >= first; --axis) {
        if (found.shape[axis] != 1 && found.strides[axis] != stride) return false;
        stride *= found.shape[axis];
    }
    return true;
}

template <class T>
T *at(const Described &found) {
    return reinterpret_cast<T *>(found.address());
}

template <class T>
Steps<T> steps(const Described &found) {
    return {at<T>(found), found.strides[0], found.strides[1]};
}

// One recurrence with the operands that it has.
class Recurrence {
public:
    Recurrence(int cell, int activation, bool reverse, double zoneout_h, double zoneout_c,
               std::vector<int> places)
        : cell_(cell),
          activation_(activation),
          reverse_(reverse),
          zoneout_h_(zoneout_h),
          zoneout_c_(zoneout_c),
          places_(std::move(places)) {}

    bool forward(std::int64_t seed, int threads, const nb::tuple &operands, nb::handle out, nb::handle h_n,
                 nb::handle c_n, nb::handle saved) const {
        Operands seen;
        if (!look(operands, seen)) return false;
        return seen.is_double ? run_forward<double>(seen, seed, threads, out, h_n, c_n, saved)
                              : run_forward<float>(seen, seed, threads, out, h_n, c_n, saved);
    }

    bool backward(std::int64_t seed, int threads, const nb::tuple &operands, nb::handle out, nb::handle saved,
                  const nb::tuple &grads, const nb::list &found) const {
        Operands seen;
        if (!look(operands, seen)) return false;
        return seen.is_double ? run_backward<double>(seen, seed, threads, out, saved, grads, found)
                              : run_backward<float>(seen, seed, threads, out, saved, grads, found);
    }

private:
    struct Operands {
        std::array<Described, kPlaces> at{};
        std::size_t T, B, F, H;
        bool is_double;
    };

    const int cell_, activation_;
    const bool reverse_;
    const double zoneout_h_, zoneout_c_;
    const std::vector<int> places_;

    bool look(const nb::tuple &operands, Operands &to) const {
        if (!exchange || operands.size() != places_.size()) return false;
        for (std::size_t k = 0; k < places_.size(); ++k)
            if (!read(operands[k], to.at[places_[k]])) return false;
        const Described &x = to.at[kX], &w_hh = to.at[kWhh];
        if (x.ndim != 3 || w_hh.ndim != 2 || x.kind != kFloat || (x.bits != 32 && x.bits != 64)) return false;
        to.T = x.shape[0], to.B = x.shape[1], to.F = x.shape[2], to.H = w_hh.shape[1],
        to.is_double = x.bits == 64;
        for (const int place : places_)
            if (!fits(place, to)) return false;
        return true;
    }

    bool fits(int place, const Operands &all) const {
        const auto &one = all.at[place];
        const auto H = all.H, rows = H * (cell_ == kRnn ? 1 : cell_ == kGru ? 3 : 4);
        const int bits = all.is_double ? 64 : 32;
        if (!is_laid_out(one, place == kX ? 2 : 0)) return false;
        switch (place) {
            case kX:
                return true;
            case kH0:
            case kC0:
            case kMask:
                return is(one, {all.B, H}, kFloat, bits);
            case kWih:
                return is(one, {rows, all.F}, kFloat, bits);
            case kWhh:
                return is(one, {rows, H}, kFloat, bits);
            case kSlope:
                return is(one, {1}, kFloat, bits);
            case kGainCell:
            case kBiasCell:
                return is(one, {H}, kFloat, bits);
            case kLengths:
                return is(one, {all.B}, kInteger, 64);
            case kResets:
                return is(one, {all.B, all.T}, kBool, 8);
            default:
                return is(one, {rows}, kFloat, bits);
        }
    }

    template <class T>
    Call<T> call(const Operands &all, std::int64_t seed, int threads) const {
        const auto to = [&](Place place) { return at<const T>(all.at[place]); };
        return {cell_,
                activation_,
                reverse_,
                threads,
                all.T,
                all.B,
                all.F,
                all.H,
                steps<const T>(all.at[kX]),
                to(kH0),
                to(kC0),
                to(kWih),
                to(kWhh),
                to(kBih),
                to(kBhh),
                to(kSlope),
                to(kGainIh),
                to(kGainHh),
                to(kGainCell),
                to(kBiasCell),
                at<const std::int64_t>(all.at[kLengths]),
                at<const bool>(all.at[kResets]),
                to(kMask),
                zoneout_h_,
                zoneout_c_,
                seed};
    }

    template <class T>
    bool run_forward(const Operands &all, std::int64_t seed, int threads, nb::handle out, nb::handle h_n,
                     nb::handle c_n, nb::handle saved) const {
        Described to_out{}, to_h{}, to_c{}, to_saved{};
        if (!describe(out, to_out) || !describe(h_n, to_h)) return false;
        if ((!c_n.is_none() && !describe(c_n, to_c)) || (!saved.is_none() && !describe(saved, to_saved)))
            return false;
        const auto given = call<T>(all, seed, threads);
        nb::gil_scoped_release released;
        unrolled::forward(given, Outcome<T>{steps<T>(to_out), at<T>(to_h), at<T>(to_c), at<T>(to_saved)});
        return true;
    }

    template <class T>
    bool run_backward(const Operands &all, std::int64_t seed, int threads, nb::handle out, nb::handle saved,
                      const nb::tuple &grads, const nb::list &found) const {
        Described from_out{}, from_saved{};
        std::array<Described, 3> of{};  // out, h_n and c_n
        std::array<Described, kLearned> to{};
        if (!read(out, from_out) || (!saved.is_none() && !read(saved, from_saved))) return false;
        for (std::size_t k = 0; k < grads.size(); ++k) {
            const nb::handle one = grads[k];
            if (!one.is_none() && !(read(one, of[k]) && is_gradient<T>(of[k], k == 0, all))) return false;
        }
        for (std::size_t k = 0; k < found.size(); ++k) {
            const nb::handle one = found[k];
            if (!one.is_none() && !describe(one, to[places_[k]])) return false;
        }
        const auto given = call<T>(all, seed, threads);
        const std::size_t kept = saved_elements(given);
        if (!is(from_out, {all.T, all.B, all.H}, kFloat, 8 * sizeof(T)) || !is_laid_out(from_out, 2))
            return false;
        if (saved.is_none() ? kept != 0
                            : !is(from_saved, {kept}, kFloat, 8 * sizeof(T)) || !is_laid_out(from_saved, 0))
            return false;
        const auto into = [&](Place place) { return at<T>(to[place]); };
        const auto rows = [](const Described &one) {
            return one.data ? steps<T>(one) : Steps<T>{nullptr, 0, 0};
        };
        const Steps<T> grad_out = rows(of[0]);
        nb::gil_scoped_release released;
        unrolled::backward(given,
                           Gradients<T>{{at<const T>(from_out), from_out.strides[0], from_out.strides[1]},
                                        at<const T>(from_saved),
                                        {grad_out.data, grad_out.per_step, grad_out.per_row},
                                        at<const T>(of[1]),
                                        at<const T>(of[2]),
                                        rows(to[kX]),
                                        into(kH0),
                                        into(kC0),
                                        into(kWih),
                                        into(kWhh),
                                        into(kBih),
                                        into(kBhh),
                                        into(kSlope),
                                        into(kGainIh),
                                        into(kGainHh),
                                        into(kGainCell),
                                        into(kBiasCell)});
        return true;
    }

    // Of out (T, B, H), its last axis contiguous; of a state (B, H), with axes of size 1 before, contiguous.
    template <class T>
    static bool is_gradient(const Described &one, bool is_of_out, const Operands &all) {
        const int axis = one.ndim - 2;
        return one.kind == kFloat && one.bits == 8 * sizeof(T) && axis >= 0 &&
               is_laid_out(one, is_of_out ? 2 : 0) && one.shape[axis] == static_cast<std::int64_t>(all.B) &&
               one.shape[axis + 1] == static_cast<std::int64_t>(all.H) &&
               (!is_of_out || (one.ndim == 3 && one.shape[0] == static_cast<std::int64_t>(all.T)));
    }
};

}  // namespace

void bind_door(nb::module_ &m) {
    // Python caches recurrences, and graphs that nobody ran backward hold them, for as long as the process
    // lives. The switch is that of all modules built with the same nanobind; nothing narrower would do.
    nb::set_leak_warnings(false);
    m.def("open_exchange", open, nb::arg().none(), nb::arg());
    nb::class_<Recurrence>(m, "Recurrence")
        .def(nb::init<int, int, bool, double, double, std::vector<int>>())
        .def("forward", &Recurrence::forward, nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(),
             nb::arg().none(), nb::arg().none())
        .def("backward", &Recurrence::backward, nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg().none(),
             nb::arg(), nb::arg());
}

}  // namespace unrolled
