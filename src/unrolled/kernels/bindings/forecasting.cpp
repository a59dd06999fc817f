// Windows and readout of a Forecaster, on torch's tensors.
//
// Every function returns false, or None, before anything is written, for tensors that the kernels cannot read
// as they are; nn/ops/forecasting.py hands over no such tensors.
#include <nanobind/nanobind.h>

#include <cstdint>

#include "bindings/bindings.hpp"
#include "bindings/tensors.hpp"
#include "forecasting/problem.hpp"

namespace unrolled {

namespace {

namespace nb = nanobind;

// Size of an axis of a tensor; false if it has another number of axes.
bool size_of(nb::handle tensor, int axes, int axis, std::size_t &size) {
    TensorDescription description{};
    if (!describe_source(tensor, description) || description.ndim != axes) return false;
    size = static_cast<std::size_t>(description.shape[axis]);
    return true;
}

// In the order of ReadoutOperands of nn/ops/forecasting.py.
bool describe_readout(const nb::tuple &tensors, int threads, QuantileReadout &readout) {
    if (tensors.size() != 17) return false;
    QuantileReadout &p = readout = {};
    p.threads = threads;
    if (!size_of(tensors[0], 3, 0, p.steps) || !size_of(tensors[0], 3, 2, p.units) ||
        !size_of(tensors[1], 2, 0, p.windows) || !size_of(tensors[1], 2, 1, p.readouts) ||
        !size_of(tensors[3], 2, 1, p.recent) || !size_of(tensors[4], 3, 1, p.horizon) ||
        !size_of(tensors[4], 3, 2, p.anchors) || !size_of(tensors[5], 3, 2, p.ahead) ||
        !size_of(tensors[9], 1, 0, p.quantiles) || !size_of(tensors[11], 2, 0, p.hidden))
        return false;
    const std::size_t M = p.rows(), h = p.horizon, U = p.hidden, D = p.width();
    if (p.readouts == 0 || p.quantiles % 2 == 0 || tensors[15].is_none() != (p.anchors == 0) ||
        tensors[16].is_none() != (p.anchors == 0))
        return false;
    return view(tensors[0], {p.steps, p.windows, p.units}, p.states) &&
           view(tensors[1], {p.windows, p.readouts}, p.steps_of) &&
           view(tensors[2], {M, kContext}, p.context) && view(tensors[3], {M, p.recent}, p.recent_levels) &&
           view(tensors[4], {M, h, p.anchors}, p.anchor_levels) &&
           view(tensors[5], {M, h, p.ahead}, p.ahead_inputs) && view(tensors[6], {M, h}, p.targets) &&
           view(tensors[7], {M, h}, p.mask) && view(tensors[8], {M}, p.weights) &&
           view(tensors[9], {p.quantiles}, p.levels) && view(tensors[10], {M, D}, p.keep) &&
           view(tensors[11], {U, D}, p.hidden_weight) && view(tensors[12], {U}, p.hidden_bias) &&
           view(tensors[13], {h * p.quantiles, U}, p.quantile_weight) &&
           view(tensors[14], {h * p.quantiles}, p.quantile_bias) &&
           view(tensors[15], {h * p.anchors, U}, p.anchor_weight) &&
           view(tensors[16], {h * p.anchors}, p.anchor_bias);
}

// Number of elements of `saved`; None for tensors that the kernels cannot read.
nb::object readout_saved_elements(const nb::tuple &tensors) {
    QuantileReadout readout{};
    if (!describe_readout(tensors, 1, readout)) return nb::none();
    return nb::int_(saved_elements(readout));
}

nb::object readout_forward(const nb::tuple &tensors, int threads, nb::handle d_states, nb::handle saved) {
    QuantileReadout readout{};
    Array<float> to = nullptr, memory = nullptr;
    if (!describe_readout(tensors, threads, readout) ||
        !view(d_states, {readout.steps, readout.windows, readout.units}, to) ||
        !view(saved, {saved_elements(readout)}, memory))
        return nb::none();
    double loss = 0;
    {
        nb::gil_scoped_release released;
        loss = quantile_readout_forward(readout, to, memory);
    }
    return nb::float_(loss);
}

// `gradients`: of the six weights, in their order; None for those that are not there.
bool readout_backward(const nb::tuple &tensors, int threads, nb::handle saved, const nb::tuple &gradients) {
    QuantileReadout readout{};
    Array<float> memory = nullptr;
    QuantileReadoutGradients to{};
    if (gradients.size() != 6 || !describe_readout(tensors, threads, readout)) return false;
    const std::size_t h = readout.horizon, U = readout.hidden, Q = readout.quantiles, A = readout.anchors;
    if (!view(saved, {saved_elements(readout)}, memory) ||
        !view(gradients[0], {U, readout.width()}, to.hidden_weight) ||
        !view(gradients[1], {U}, to.hidden_bias) || !view(gradients[2], {h * Q, U}, to.quantile_weight) ||
        !view(gradients[3], {h * Q}, to.quantile_bias) || !view(gradients[4], {h * A, U}, to.anchor_weight) ||
        !view(gradients[5], {h * A}, to.anchor_bias) || gradients[4].is_none() != (A == 0) ||
        gradients[5].is_none() != (A == 0))
        return false;
    nb::gil_scoped_release released;
    quantile_readout_backward(readout, memory, to);
    return true;
}

// `rows`: of the series, in the order of SeriesRows of nn/ops/forecasting.py.
bool describe_series(const nb::tuple &rows, SeriesRows &series) {
    series = {};
    if (rows.size() != 10 || !size_of(rows[0], 2, 0, series.rows) || !size_of(rows[0], 2, 1, series.inputs) ||
        !size_of(rows[1], 2, 1, series.ahead))
        return false;
    const std::size_t n = series.rows;
    return view(rows[0], {n, series.inputs}, series.input_rows) &&
           view(rows[1], {n, series.ahead}, series.ahead_rows) && view(rows[2], {n}, series.working) &&
           view(rows[3], {n}, series.center) && view(rows[4], {n}, series.unit) &&
           view(rows[5], {n}, series.share) && view(rows[6], {n}, series.log_share) &&
           view(rows[7], {n}, series.observed) && view(rows[8], {n}, series.usable) &&
           view(rows[9], {n}, series.seen);
}

// `places`: ends, steps back, cuts, then the offsets of references, recent levels and anchors; the second and
// the last with two axes. `arrays`: in the order of WindowArrays of nn/ops/forecasting.py.
bool gather(const nb::tuple &rows, const nb::tuple &places, std::size_t steps, float limit,
            int threads, const nb::tuple &arrays) {
    SeriesRows series{};
    WindowBatch batch{};
    WindowArrays to{};
    batch.steps = steps, batch.limit = limit, batch.threads = threads;
    if (places.size() != 6 || arrays.size() != 8 || !describe_series(rows, series) ||
        !size_of(places[1], 2, 0, batch.windows) || !size_of(places[1], 2, 1, batch.readouts) ||
        !size_of(places[4], 1, 0, batch.recent) || !size_of(places[5], 2, 0, batch.horizon) ||
        !size_of(places[5], 2, 1, batch.anchors))
        return false;
    const std::size_t B = batch.windows, M = B * batch.readouts, h = batch.horizon;
    if (!view(places[0], {B}, batch.ends) || !view(places[1], {B, batch.readouts}, batch.steps_back) ||
        !view(places[2], {B}, batch.cuts) || !view(places[3], {h}, batch.references) ||
        !view(places[4], {batch.recent}, batch.recent_steps) ||
        !view(places[5], {h, batch.anchors}, batch.anchor_steps) ||
        !view(arrays[0], {B, steps, series.inputs}, to.inputs) ||
        !view(arrays[1], {M, batch.recent}, to.recent_levels) ||
        !view(arrays[2], {M, h, batch.anchors}, to.anchor_levels) ||
        !view(arrays[3], {M, h, series.ahead}, to.ahead_inputs) ||
        !view(arrays[4], {M, kContext}, to.context) || !view(arrays[5], {M, h}, to.targets) ||
        !view(arrays[6], {M, h}, to.mask) || !view(arrays[7], {M}, to.weights))
        return false;
    nb::gil_scoped_release released;
    return gather_windows(series, batch, to);
}

}  // namespace

void bind_forecasting(nb::module_ &m) {
    m.def("readout_saved_elements", readout_saved_elements);
    m.def("readout_forward", readout_forward);
    m.def("readout_backward", readout_backward);
    m.def("gather_windows", gather);
}

}  // namespace unrolled
