// A recurrence as a Python class that takes torch's tensors.
//
// Its methods return false, before anything is written, for tensors that the kernels cannot read as they are:
// nn/ops/launch.py then copies these, or raises an error that names the operand.
#include <nanobind/nanobind.h>
#include <nanobind/stl/vector.h>

#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "bindings/bindings.hpp"
#include "bindings/tensors.hpp"
#include "rnn/problem.hpp"

namespace unrolled {

namespace {

namespace nb = nanobind;

constexpr std::size_t kOperands = static_cast<std::size_t>(Operand::kCount);

struct Operands {
    std::array<TensorDescription, kOperands> descriptions{};
    std::size_t T, B, F, H;
    bool is_double;

    const TensorDescription &operator[](Operand operand) const {
        return descriptions[static_cast<std::size_t>(operand)];
    }
};

class Recurrence {
public:
    // `present`: indices of the operands that every call passes, in their order.
    Recurrence(int cell, int activation, bool reverse, double zoneout_h, double zoneout_c,
               std::vector<std::size_t> present)
        : cell_(cell),
          activation_(activation),
          reverse_(reverse),
          zoneout_h_(zoneout_h),
          zoneout_c_(zoneout_c),
          present_(std::move(present)) {
        for (const auto operand : present_) is_present_.at(operand) = true;
    }

    bool forward(std::int64_t seed, int threads, const nb::tuple &tensors, nb::handle out, nb::handle h_n,
                 nb::handle c_n, nb::handle saved) const {
        Operands operands;
        if (!describe(tensors, operands)) return false;
        return operands.is_double ? run_forward<double>(operands, seed, threads, out, h_n, c_n, saved)
                                  : run_forward<float>(operands, seed, threads, out, h_n, c_n, saved);
    }

    bool backward(std::int64_t seed, int threads, const nb::tuple &tensors, nb::handle out, nb::handle saved,
                  const nb::tuple &grads, const nb::list &results) const {
        Operands operands;
        if (!describe(tensors, operands)) return false;
        return operands.is_double ? run_backward<double>(operands, seed, threads, out, saved, grads, results)
                                  : run_backward<float>(operands, seed, threads, out, saved, grads, results);
    }

    std::size_t count_saved(std::size_t T, std::size_t B, std::size_t F, std::size_t H,
                            bool is_double) const {
        return is_double ? count_saved<double>(T, B, F, H) : count_saved<float>(T, B, F, H);
    }

private:
    const int cell_, activation_;
    const bool reverse_;
    const double zoneout_h_, zoneout_c_;
    const std::vector<std::size_t> present_;
    std::array<bool, kOperands> is_present_{};

    bool describe(const nb::tuple &tensors, Operands &operands) const {
        if (tensors.size() != present_.size()) return false;
        for (std::size_t k = 0; k < present_.size(); ++k)
            if (!describe_source(tensors[k], operands.descriptions[present_[k]])) return false;
        const TensorDescription &x = operands[Operand::x], &weight_hh = operands[Operand::weight_hh];
        if (x.ndim != 3 || weight_hh.ndim != 2) return false;
        operands.T = x.shape[0], operands.B = x.shape[1], operands.F = x.shape[2];
        operands.H = weight_hh.shape[1], operands.is_double = x.bits == 64;
        return operands.is_double ? has_shapes<double>(operands) : has_shapes<float>(operands);
    }

    // Whether every operand has the type, shape and strides that operands.def states.
    template <class Real>
    bool has_shapes(const Operands &operands) const {
        const std::size_t T = operands.T, B = operands.B, F = operands.F, H = operands.H;
        const std::size_t R = H * (cell_ == kRnn ? 1 : cell_ == kGru ? 3 : 4);
        const auto is_absent = [&](Operand operand) {
            return !is_present_[static_cast<std::size_t>(operand)];
        };
#define UNROLLED_DIFFERENTIABLE(name, View, need, ...)                                                   \
    if (!is_absent(Operand::name) && !matches<View<const Real>>(operands[Operand::name], {__VA_ARGS__})) \
        return false;
#define UNROLLED_CONSTANT(name, Element, need, ...)                                                          \
    if (!is_absent(Operand::name) && !matches<Array<const Element>>(operands[Operand::name], {__VA_ARGS__})) \
        return false;
#include "rnn/operands.def"
        return true;
    }

    template <class Real>
    Problem<Real> problem(const Operands &operands, std::int64_t seed, int threads) const {
        return {
            .cell = cell_,
            .activation = activation_,
            .reverse = reverse_,
            .zoneout_h = zoneout_h_,
            .zoneout_c = zoneout_c_,
            .seed = seed,
            .threads = threads,
            .steps = operands.T,
            .rows = operands.B,
            .inputs = operands.F,
            .units = operands.H,
#define UNROLLED_DIFFERENTIABLE(name, View, ...) \
    .name = Viewed<View<const Real>>::of(operands[Operand::name]),
#define UNROLLED_CONSTANT(name, Element, ...) \
    .name = Viewed<Array<const Element>>::of(operands[Operand::name]),
#include "rnn/operands.def"
        };
    }

    template <class Real>
    std::size_t count_saved(std::size_t T, std::size_t B, std::size_t F, std::size_t H) const {
        static constexpr Real kPresent{};  // of the operands only the presence of layer norm matters
        Problem<Real> sized =
            problem<Real>(Operands{.T = T, .B = B, .F = F, .H = H, .is_double = false}, -1, 1);
        sized.gain_hh = is_present_[static_cast<std::size_t>(Operand::gain_hh)] ? &kPresent : nullptr;
        return saved_elements(sized);
    }

    template <class Real>
    bool run_forward(const Operands &operands, std::int64_t seed, int threads, nb::handle out, nb::handle h_n,
                     nb::handle c_n, nb::handle saved) const {
        TensorDescription out_to{}, h_to{}, c_to{}, saved_to{};
        if (!describe_target(out, out_to) || !describe_target(h_n, h_to) ||
            (!c_n.is_none() && !describe_target(c_n, c_to)) ||
            (!saved.is_none() && !describe_target(saved, saved_to)))
            return false;
        const Problem<Real> described = problem<Real>(operands, seed, threads);
        nb::gil_scoped_release released;
        unrolled::forward(described, Outputs<Real>{.out = Viewed<StepView<Real>>::of(out_to),
                                                   .h_n = Viewed<Array<Real>>::of(h_to),
                                                   .c_n = Viewed<Array<Real>>::of(c_to),
                                                   .saved = Viewed<Array<Real>>::of(saved_to)});
        return true;
    }

    template <class Real>
    bool run_backward(const Operands &operands, std::int64_t seed, int threads, nb::handle out,
                      nb::handle saved, const nb::tuple &grads, const nb::list &results) const {
        const Problem<Real> described = problem<Real>(operands, seed, threads);
        const std::size_t T = operands.T, B = operands.B, H = operands.H, n_saved = saved_elements(described);
        TensorDescription out_from{}, saved_from{};
        if (!describe_source(out, out_from) || !matches<StepView<Real>>(out_from, {T, B, H})) return false;
        if (saved.is_none()
                ? n_saved != 0
                : !describe_source(saved, saved_from) || !matches<Array<Real>>(saved_from, {n_saved}))
            return false;
        std::array<TensorDescription, 3> grads_from{};  // of out, h_n and c_n
        for (std::size_t k = 0; k < grads.size(); ++k)
            if (!grads[k].is_none() && !describe_grad<Real>(grads[k], k == 0, operands, grads_from[k]))
                return false;
        Operands targets{};
        for (std::size_t k = 0; k < results.size(); ++k)
            if (!results[k].is_none() && !describe_target(results[k], targets.descriptions[present_[k]]))
                return false;
        nb::gil_scoped_release released;
        unrolled::backward(described, Gradients<Real>{
                                          .out = Viewed<StepView<const Real>>::of(out_from),
                                          .saved = Viewed<Array<const Real>>::of(saved_from),
                                          .grad_out = Viewed<StepView<const Real>>::of(grads_from[0]),
                                          .grad_h_n = Viewed<Array<const Real>>::of(grads_from[1]),
                                          .grad_c_n = Viewed<Array<const Real>>::of(grads_from[2]),
#define UNROLLED_DIFFERENTIABLE(name, View, ...) .d_##name = Viewed<View<Real>>::of(targets[Operand::name]),
#define UNROLLED_CONSTANT(...)
#include "rnn/operands.def"
                                      });
        return true;
    }

    // The gradient of out (T, B, H); or of a final state (B, H), which may have an axis of size 1 before
    // these.
    template <class Real>
    static bool describe_grad(nb::handle grad, bool is_of_out, const Operands &operands,
                              TensorDescription &from) {
        const std::size_t T = operands.T, B = operands.B, H = operands.H;
        if (!describe_source(grad, from)) return false;
        if (is_of_out) return matches<StepView<Real>>(from, {T, B, H});
        return matches<Array<Real>>(from, {B, H}) || matches<Array<Real>>(from, {1, B, H});
    }
};

// Name, axes and kind of each operand, as operands.def states them: for the test that Python reads it alike.
nb::list list_operands() {
    nb::list operands;
#define UNROLLED_DIFFERENTIABLE(name, View, need, ...) \
    operands.append(nb::make_tuple(#name, #View, #need, #__VA_ARGS__, true));
#define UNROLLED_CONSTANT(name, Element, need, ...) \
    operands.append(nb::make_tuple(#name, #Element, #need, #__VA_ARGS__, false));
#include "rnn/operands.def"
    return operands;
}

}  // namespace

void bind_recurrence(nb::module_ &m) {
    m.def("open_exchange", open_exchange, nb::arg().none(), nb::arg());
    m.def("operands", list_operands);
    nb::class_<Recurrence>(m, "Recurrence")
        .def(nb::init<int, int, bool, double, double, std::vector<std::size_t>>())
        .def("forward", &Recurrence::forward, nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(),
             nb::arg().none(), nb::arg().none())
        .def("backward", &Recurrence::backward, nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg().none(),
             nb::arg(), nb::arg())
        .def("saved_elements",
             [](const Recurrence &self, std::size_t T, std::size_t B, std::size_t F, std::size_t H,
                bool is_double) { return self.count_saved(T, B, F, H, is_double); });
}

}  // namespace unrolled
