// Stem, pooling, head and loss of a sequence network, on torch's tensors.
//
// Every function returns false, the loss None, before anything is written, for tensors that the kernels cannot
// read as they are; nn/ops/sequence.py hands over no such tensors.
#include <nanobind/nanobind.h>

#include <cstdint>

#include "bindings/bindings.hpp"
#include "bindings/tensors.hpp"
#include "sequence/problem.hpp"

namespace unrolled {

namespace {

namespace nb = nanobind;

// values, change_scale, weight, bias, lengths of the stem, and its numbers of scales and of steps a block.
bool describe_stem(const nb::tuple &tensors, std::size_t scales, std::size_t stride, int threads,
                   ConvStem &stem) {
    TensorDescription values{}, weight{};
    if (tensors.size() != 5 || !describe_source(tensors[0], values) || values.ndim != 3 ||
        !describe_source(tensors[2], weight) || weight.ndim != 3)
        return false;
    const auto size = [](std::int64_t n) { return static_cast<std::size_t>(n); };
    stem = {.rows = size(values.shape[0]),
            .steps = size(values.shape[1]),
            .inputs = size(values.shape[2]),
            .channels = size(weight.shape[0]),
            .scales = scales,
            .stride = stride,
            .threads = threads,
            .values = {}, .change_scale = {}, .weight = {}, .bias = {}, .lengths = {}};
    return view(tensors[0], {stem.rows, stem.steps, stem.inputs}, stem.values) &&
           view(tensors[1], {stem.inputs}, stem.change_scale) &&
           view(tensors[2], {stem.channels, 2 * stem.inputs, kTaps}, stem.weight) &&
           view(tensors[3], {stem.channels}, stem.bias) && view(tensors[4], {stem.rows}, stem.lengths);
}

bool stem_forward(const nb::tuple &tensors, std::size_t scales, std::size_t stride, int threads,
                  nb::handle out, nb::handle activations) {
    ConvStem stem{};
    ConvStemOutputs outputs{};
    if (!describe_stem(tensors, scales, stride, threads, stem) ||
        !view(out, {stem.blocks(), stem.rows, stem.width()}, outputs.out) ||
        !view(activations, {stem.rows, stem.steps, stem.channels}, outputs.activations))
        return false;
    nb::gil_scoped_release released;
    conv_stem_forward(stem, outputs);
    return true;
}

bool stem_backward(const nb::tuple &tensors, std::size_t scales, std::size_t stride, int threads,
                   nb::handle out, nb::handle activations, nb::handle d_out, nb::handle d_weight,
                   nb::handle d_bias) {
    ConvStem stem{};
    ConvStemGradients gradients{};
    if (!describe_stem(tensors, scales, stride, threads, stem) ||
        !view(out, {stem.blocks(), stem.rows, stem.width()}, gradients.out) ||
        !view(activations, {stem.rows, stem.steps, stem.channels}, gradients.activations) ||
        !view(d_out, {stem.blocks(), stem.rows, stem.width()}, gradients.d_out) ||
        !view(d_weight, {stem.channels, 2 * stem.inputs, kTaps}, gradients.d_weight) ||
        !view(d_bias, {stem.channels}, gradients.d_bias))
        return false;
    nb::gil_scoped_release released;
    conv_stem_backward(stem, gradients);
    return true;
}

bool describe_pool(nb::handle states, nb::handle lengths, const Poolings &poolings, int threads, Pool &pool) {
    TensorDescription description{};
    if (!describe_source(states, description) || description.ndim != 3) return false;
    pool = {.rows = static_cast<std::size_t>(description.shape[1]),
            .steps = static_cast<std::size_t>(description.shape[0]),
            .units = static_cast<std::size_t>(description.shape[2]),
            .threads = threads,
            .poolings = poolings,
            .states = {}, .lengths = {}};
    return view(states, {pool.steps, pool.rows, pool.units}, pool.states) &&
           view(lengths, {pool.rows}, pool.lengths);
}

// `poolings`: where last, mean and max begin in a row of `pooled`, -1 for none, and its width.
Poolings poolings_of(const nb::tuple &numbers) {
    return {nb::cast<std::ptrdiff_t>(numbers[0]), nb::cast<std::ptrdiff_t>(numbers[1]),
            nb::cast<std::ptrdiff_t>(numbers[2]), nb::cast<std::size_t>(numbers[3])};
}

bool pooling_forward(nb::handle states, nb::handle lengths, const nb::tuple &poolings, int threads,
                     nb::handle pooled, nb::handle maxima) {
    Pool pool{};
    PoolOutputs outputs{};
    if (!describe_pool(states, lengths, poolings_of(poolings), threads, pool) ||
        !view(pooled, {pool.rows, pool.poolings.width}, outputs.pooled) ||
        !view(maxima, {pool.rows, pool.units}, outputs.maxima))
        return false;
    nb::gil_scoped_release released;
    pool_forward(pool, outputs);
    return true;
}

bool pooling_backward(nb::handle states, nb::handle lengths, const nb::tuple &poolings, int threads,
                      nb::handle d_pooled, nb::handle maxima, nb::handle d_states) {
    Pool pool{};
    PoolGradients gradients{};
    if (!describe_pool(states, lengths, poolings_of(poolings), threads, pool) ||
        !view(d_pooled, {pool.rows, pool.poolings.width}, gradients.d_pooled) ||
        !view(maxima, {pool.rows, pool.units}, gradients.maxima) ||
        !view(d_states, {pool.steps, pool.rows, pool.units}, gradients.d_states))
        return false;
    nb::gil_scoped_release released;
    pool_backward(pool, gradients);
    return true;
}

// View rows of features, (B, D) or (B, T, D); None stays null.
template <class T>
bool view_features(nb::handle tensor, const LinearHead &head, StepView<T> &to) {
    TensorDescription description{};
    if (tensor.is_none()) return true;
    if (!describe_source(tensor, description)) return false;
    if (description.ndim != 2) return view(tensor, {head.rows, head.steps, head.width}, to);
    const std::int64_t shape[] = {description.shape[0], 1, description.shape[1]};
    const std::int64_t strides[] = {description.strides[0], 0, description.strides[1]};
    description.ndim = 3, description.shape = shape, description.strides = strides;
    if (!matches<StepView<T>>(description, {head.rows, head.steps, head.width})) return false;
    to = Viewed<StepView<T>>::of(description);
    return true;
}

// features, center, factor, weight, bias, keep; `keep_scale` multiplies what is kept.
bool describe_head(const nb::tuple &tensors, float keep_scale, int threads, LinearHead &head) {
    TensorDescription features{}, weight{};
    if (tensors.size() != 6 || !describe_source(tensors[0], features) || features.ndim < 2 ||
        features.ndim > 3 || !describe_source(tensors[3], weight) || weight.ndim != 2)
        return false;
    const auto size = [](std::int64_t n) { return static_cast<std::size_t>(n); };
    head = {.rows = size(features.shape[0]),
            .steps = features.ndim == 2 ? 1 : size(features.shape[1]),
            .width = size(features.shape[features.ndim - 1]),
            .outputs = size(weight.shape[0]),
            .threads = threads,
            .features = {}, .keep = {},
            .keep_scale = keep_scale,
            .center = {}, .factor = {}, .weight = {}, .bias = {}};
    return view_features(tensors[0], head, head.features) && view(tensors[1], {head.width}, head.center) &&
           view(tensors[2], {head.width}, head.factor) &&
           view(tensors[3], {head.outputs, head.width}, head.weight) &&
           view(tensors[4], {head.outputs}, head.bias) && view_features(tensors[5], head, head.keep);
}

bool head_forward(const nb::tuple &tensors, float keep_scale, int threads, nb::handle inputs,
                  nb::handle outputs) {
    LinearHead head{};
    Array<float> to_inputs{}, to_outputs{};
    if (!describe_head(tensors, keep_scale, threads, head) ||
        !view(inputs, {head.rows * head.steps, head.width}, to_inputs) ||
        !view(outputs, {head.rows * head.steps, head.outputs}, to_outputs))
        return false;
    nb::gil_scoped_release released;
    linear_head_forward(head, to_inputs, to_outputs);
    return true;
}

bool head_backward(const nb::tuple &tensors, float keep_scale, int threads, nb::handle inputs,
                   nb::handle d_outputs, nb::handle d_features, nb::handle d_weight, nb::handle d_bias) {
    LinearHead head{};
    LinearHeadGradients gradients{};
    if (!describe_head(tensors, keep_scale, threads, head) ||
        !view(inputs, {head.rows * head.steps, head.width}, gradients.inputs) ||
        !view(d_outputs, {head.rows * head.steps, head.outputs}, gradients.d_outputs) ||
        !view_features(d_features, head, gradients.d_features) ||
        !view(d_weight, {head.outputs, head.width}, gradients.d_weight) ||
        !view(d_bias, {head.outputs}, gradients.d_bias))
        return false;
    nb::gil_scoped_release released;
    linear_head_backward(head, gradients);
    return true;
}

// The loss; None for tensors that the kernels cannot read.
nb::object loss_of(nb::handle logits, nb::handle targets, nb::handle weights, double divisor, int threads,
                   nb::handle row_weights, nb::handle gradient) {
    TensorDescription description{};
    if (!describe_source(logits, description) || description.ndim != 2) return nb::none();
    CrossEntropy problem{.rows = static_cast<std::size_t>(description.shape[0]),
                         .classes = static_cast<std::size_t>(description.shape[1]),
                         .threads = threads,
                         .divisor = divisor,
                         .logits = {}, .weights = {}, .targets = {}, .row_weights = {},
                         .rows_per_weight = 1, .gradient = {}};
    if (!row_weights.is_none()) {
        TensorDescription weights_of_rows{};
        if (!describe_source(row_weights, weights_of_rows) || weights_of_rows.ndim != 1) return nb::none();
        const auto count = static_cast<std::size_t>(weights_of_rows.shape[0]);
        if (count == 0 || problem.rows % count || !view(row_weights, {count}, problem.row_weights))
            return nb::none();
        problem.rows_per_weight = problem.rows / count;
    }
    if (problem.classes == 0 || !view(logits, {problem.rows, problem.classes}, problem.logits) ||
        !view(targets, {problem.rows}, problem.targets) || !view(weights, {problem.classes}, problem.weights) ||
        !view(gradient, {problem.rows, problem.classes}, problem.gradient))
        return nb::none();
    double loss = 0;
    {
        nb::gil_scoped_release released;
        loss = cross_entropy(problem);
    }
    return nb::float_(loss);
}

// The loss of outputs (M, 1); None for tensors that the kernels cannot read.
nb::object squared_error_of(nb::handle outputs, nb::handle targets, nb::handle row_weights,
                            nb::handle gradient) {
    TensorDescription description{};
    if (!describe_source(outputs, description) || description.ndim != 2) return nb::none();
    SquaredError problem{.rows = static_cast<std::size_t>(description.shape[0]),
                         .outputs = {}, .targets = {}, .row_weights = {}, .gradient = {}};
    if (!view(outputs, {problem.rows, 1}, problem.outputs) || !view(targets, {problem.rows}, problem.targets) ||
        !view(row_weights, {problem.rows}, problem.row_weights) ||
        !view(gradient, {problem.rows, 1}, problem.gradient))
        return nb::none();
    return nb::float_(squared_error(problem));
}

}  // namespace

void bind_sequence(nb::module_ &m) {
    m.def("conv_stem_forward", stem_forward, nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(),
          nb::arg().none());
    m.def("conv_stem_backward", stem_backward, nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(),
          nb::arg().none(), nb::arg(), nb::arg(), nb::arg());
    m.def("pool_forward", pooling_forward, nb::arg(), nb::arg().none(), nb::arg(), nb::arg(), nb::arg(),
          nb::arg().none());
    m.def("pool_backward", pooling_backward, nb::arg(), nb::arg().none(), nb::arg(), nb::arg(), nb::arg(),
          nb::arg().none(), nb::arg());
    m.def("linear_head_forward", head_forward);
    m.def("linear_head_backward", head_backward);
    m.def("cross_entropy", loss_of, nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg().none(),
          nb::arg());
    m.def("squared_error", squared_error_of, nb::arg(), nb::arg(), nb::arg().none(), nb::arg());
}

}  // namespace unrolled
