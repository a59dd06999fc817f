// Recurrences that are stepped, as Python classes that take torch's tensors.
//
// Their methods return false, before anything is written, for tensors that the kernels cannot read as they are.
#include <nanobind/nanobind.h>

#include <atomic>
#include <numeric>
#include <utility>
#include <vector>

#include "bindings/bindings.hpp"
#include "bindings/stepped_layer.hpp"
#include "bindings/tensors.hpp"
#include "streaming/packed_stack.hpp"

namespace unrolled {

namespace {

namespace nb = nanobind;

constexpr double kShortWork = 1e5;  // floating-point operations for which the interpreter is not let go

// Stacked layers of one element type, whose states are tensors that the caller keeps alive.
template <class Real>
class LayerStepper {
public:
    explicit LayerStepper(std::size_t rows) : stack_(rows), order_(rows) {
        std::iota(order_.begin(), order_.end(), std::int64_t{0});
    }

    bool add_layer(const nb::tuple &settings, const nb::tuple &weights, nb::handle h, nb::handle c) {
        Problem<Real> problem{};
        Real *to_h = nullptr, *to_c = nullptr;
        if (!describe_layer(settings_of(settings), weights, problem) ||
            !view(h, {order_.size(), problem.units}, to_h) || !view(c, {order_.size(), problem.units}, to_c))
            return false;
        stack_.add_layer(problem, to_h, to_c);
        return true;
    }
    bool pack_layer(std::size_t layer, const nb::tuple &settings, const nb::tuple &weights) {
        Problem<Real> problem{};
        if (!describe_layer(settings_of(settings), weights, problem)) return false;
        stack_.pack_layer(layer, problem);
        return true;
    }

    // Remember these tensors, and their versions and addresses: `has_changed` compares.
    void watch(const nb::list &weights) {
        weights_ = weights;
        seen_.clear();
        for (std::size_t k = 0; k < weights_.size(); ++k) seen_.push_back(mark_of(weights_[k]));
    }
    bool has_changed() const {
        for (std::size_t k = 0; k < seen_.size(); ++k)
            if (mark_of(weights_[k]) != seen_[k]) return true;
        return false;
    }

    // x (T, N, F) to out (T, N, H); one step without the first axis, one row without the second either.
    bool step(nb::handle x, nb::handle out, int threads) {
        const SteppedLayer<Real> *const layers = stack_.layers();
        SteppedStack<Real> call{nullptr, 0, order_.data(), order_.size(), 1, {}, {}};
        std::size_t to_steps = 1;
        TensorDescription from{}, to{};
        if (!describe_source(x, from) || !describe_target(out, to) ||
            !view_steps(from, layers[0].problem.inputs, call.steps, call.x) ||
            !view_steps(to, layers[stack_.n_layers() - 1].problem.units, to_steps, call.out) ||
            to_steps != call.steps)
            return false;
        const OneCall held(is_busy_);
        if (stack_.work() * static_cast<double>(call.n_rows * call.steps) < kShortWork) {
            stack_.step(call, 1);
        } else {
            nb::gil_scoped_release released;
            stack_.step(call, threads);
        }
        return true;
    }

private:
    PackedStack<Real> stack_;
    std::vector<std::int64_t> order_;
    std::atomic_flag is_busy_{};
    nb::list weights_;
    std::vector<std::pair<long long, void *>> seen_;

    // Torch counts writes to a tensor; its address changes where its memory is replaced.
    static std::pair<long long, void *> mark_of(nb::handle tensor) {
        TensorDescription description{};
        describe_target(tensor, description);
        return {nb::cast<long long>(tensor.attr("_version")), description.data};
    }

    template <class Element>
    bool view_steps(TensorDescription tensor, std::size_t width, std::size_t &steps,
                    StepView<Element> &to) const {
        std::int64_t shape[] = {1, 1, 1}, strides[] = {0, 0, 1};
        if (tensor.ndim < 1 || tensor.ndim > 3) return false;
        const int missing = 3 - tensor.ndim;
        for (int axis = missing; axis < 3; ++axis) {
            shape[axis] = tensor.shape[axis - missing];
            strides[axis] = tensor.strides ? tensor.strides[axis - missing] : 0;
        }
        tensor.ndim = 3, tensor.shape = shape, tensor.strides = strides;
        steps = static_cast<std::size_t>(shape[0]);
        if (!matches<StepView<Element>>(tensor, {steps, order_.size(), width})) return false;
        to = Viewed<StepView<Element>>::of(tensor);
        return true;
    }
};

template <class Real>
void bind_layer_stepper(nb::module_ &m, const char *name) {
    using Stepper = LayerStepper<Real>;
    nb::class_<Stepper>(m, name)
        .def(nb::init<std::size_t>())
        .def("add_layer", &Stepper::add_layer, nb::arg(), nb::arg(), nb::arg(), nb::arg().none())
        .def("pack_layer", &Stepper::pack_layer)
        .def("watch", &Stepper::watch)
        .def("has_changed", &Stepper::has_changed)
        .def("step", &Stepper::step);
}

}  // namespace

void bind_streaming(nb::module_ &m) {
    bind_layer_stepper<float>(m, "FloatStepper");
    bind_layer_stepper<double>(m, "DoubleStepper");
}

}  // namespace unrolled
