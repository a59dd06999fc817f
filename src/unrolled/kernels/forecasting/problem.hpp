// Problem descriptors of what a Forecaster computes beside its recurrence: the windows of a batch, and the
// readout with its loss.
//
// Plain data only, as in rnn/problem.hpp. Shapes: B windows of T steps with F inputs, R readouts of each, M =
// B R; H units of the core, U of the readout, V recent levels, h steps of the horizon, A anchors, K inputs
// ahead, Q quantiles.
#pragma once

#include "rnn/problem.hpp"

namespace unrolled {

// Columns of what the readout reads: the state, the context, asinh of the recent levels and of the anchors, the
// inputs ahead.
inline constexpr std::size_t kContext = 2;

// The readout of a Forecaster and its loss, as ForecastNetwork and quantile_loss of
// models/forecasting/network.py define them.
struct QuantileReadout {
    std::size_t windows, readouts, steps, units, hidden, recent, horizon, anchors, ahead, quantiles;
    int threads;
    StepView<const float> states;        // (T, B, H)
    Array<const std::int64_t> steps_of;  // (B, R) where each window is read out
    Array<const float> context;          // (M, kContext)
    Array<const float> recent_levels;    // (M, V)
    Array<const float> anchor_levels;    // (M, h, A)
    Array<const float> ahead_inputs;     // (M, h, K)
    Array<const float> targets, mask;    // (M, h)
    Array<const float> weights;          // (M,)
    Array<const float> levels;           // (Q,) of the quantiles, Q odd
    Array<const float> keep;             // (M, D), which multiplies what the readout reads; null for 1
    Array<const float> hidden_weight, hidden_bias;      // (U, D), (U,)
    Array<const float> quantile_weight, quantile_bias;  // (h Q, U), (h Q,)
    Array<const float> anchor_weight, anchor_bias;      // (h A, U), (h A,); null without anchors

    std::size_t rows() const { return windows * readouts; }
    std::size_t width() const { return units + kContext + recent + horizon * (anchors + ahead); }
    std::size_t outputs() const { return horizon * (quantiles + anchors); }
};

struct QuantileReadoutGradients {
    Array<float> hidden_weight, hidden_bias, quantile_weight, quantile_bias, anchor_weight, anchor_bias;
};

// Number of elements that the forward pass saves for backward, on the selected instruction set; on another,
// backward would read them in another order.
std::size_t saved_elements(const QuantileReadout &problem);

// Compute the loss, and write the gradient of the states (T, B, H) and what the gradients of the weights need.
// Throw std::invalid_argument for a readout outside 0 .. T - 1.
double quantile_readout_forward(const QuantileReadout &problem, float *d_states, float *saved);

// Write the gradients of the weights from what the forward pass saved.
void quantile_readout_backward(const QuantileReadout &problem, float *saved,
                               const QuantileReadoutGradients &gradients);

// Series, one after the other, each row a step.
struct SeriesRows {
    std::size_t rows, inputs, ahead;
    Array<const float> input_rows, ahead_rows;                    // (rows, F), (rows, K)
    Array<const double> working, center, unit;                    // (rows,)
    Array<const float> share, log_share, observed, usable, seen;  // (rows,)
};

// Windows that end at some rows, read out at some steps before; as Windows of models/forecasting/windows.py.
struct WindowBatch {
    std::size_t windows, readouts, steps, recent, horizon, anchors;
    int threads;
    float limit;                             // of levels, either way
    Array<const std::int64_t> ends;          // (B,)
    Array<const std::int64_t> steps_back;    // (B, R)
    Array<const std::int64_t> cuts;          // (B,), or null
    Array<const std::int64_t> references;    // (h,) offsets from an origin; null: its center is the reference
    Array<const std::int64_t> recent_steps;  // (V,) offsets
    Array<const std::int64_t> anchor_steps;  // (h, A) offsets
};

struct WindowArrays {
    Array<float> inputs;                                      // (B, T, F)
    Array<float> recent_levels, anchor_levels, ahead_inputs;  // (M, V), (M, h, A), (M, h, K)
    Array<float> context, targets, mask, weights;             // (M, 2), (M, h), (M, h), (M,)
};

// Copy the windows of a batch; false, and nothing is written, where a row lies outside the series.
bool gather_windows(const SeriesRows &series, const WindowBatch &batch, const WindowArrays &to);

}  // namespace unrolled
