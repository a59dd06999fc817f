// Problem descriptors of the parts of a sequence network around its recurrence: the convolutional stem
// before it, the pooling of its states, the head and the loss after it.
//
// Plain data only, as in rnn/problem.hpp. Shapes: B rows, T steps, F inputs, C channels, H units, D features, K
// outputs; T' = T / stride, rounded up.
#pragma once

#include "rnn/problem.hpp"

namespace unrolled {

inline constexpr std::size_t kTaps = 9;  // of each convolution of the stem

// The inputs x, their scaled changes, and causal convolutions of both with dilations 1, 2, 4, ..., as the
// class ConvStem of nn/modules/conv_stem.py defines them. `lengths` is null where every row has T steps.
struct ConvStem {
    std::size_t rows, steps, inputs, channels, scales, stride;
    int threads;
    Array<const float> values;          // (B, T, F)
    Array<const float> change_scale;    // (F,)
    Array<const float> weight, bias;    // (C, 2 F, kTaps), (C,)
    Array<const std::int64_t> lengths;  // (B,)

    std::size_t width() const { return 2 * inputs + channels; }
    std::size_t blocks() const { return (steps + stride - 1) / stride; }
};

struct ConvStemOutputs {
    Array<float> out;          // (T', B, 2 F + C), zero beyond a length
    Array<float> activations;  // (B, T, C) before the blocks of a stride are averaged; null if the stride is 1
};

struct ConvStemGradients {
    Array<const float> out, activations;  // of forward
    StepView<const float> d_out;          // (T', B, 2 F + C); beyond a length it is not read
    Array<float> d_weight, d_bias;
};

// Where a pooling begins in a row of the result; -1 for a pooling that is not wanted.
struct Poolings {
    std::ptrdiff_t last, mean, max;
    std::size_t width;  // of a row of the result
};

// The states of each row, pooled over its valid steps: the last, their mean, their maximum unit by unit.
struct Pool {
    std::size_t rows, steps, units;
    int threads;
    Poolings poolings;
    StepView<const float> states;       // (T, B, H)
    Array<const std::int64_t> lengths;  // (B,), or null
};

struct PoolOutputs {
    Array<float> pooled;         // (B, width)
    Array<std::int32_t> maxima;  // (B, H) the step of each maximum, the first of several; null without `max`
};

struct PoolGradients {
    Array<const float> d_pooled;
    Array<const std::int32_t> maxima;
    Array<float> d_states;  // (T, B, H), zero beyond a length
};

// Outputs W ((f - center) factor keep keep_scale) + b of features f, one row for each step of each sequence;
// `keep` is 1, or 0 for a feature that is dropped.
struct LinearHead {
    std::size_t rows, steps, width, outputs;  // B, T, D, K; M = B T
    int threads;
    StepView<const float> features, keep;  // (B, T, D); keep is null where none is dropped
    float keep_scale;
    Array<const float> center, factor;  // (D,)
    Array<const float> weight, bias;    // (K, D), (K,)
};

struct LinearHeadGradients {
    Array<const float> inputs;     // (M, D) of the weights, as forward wrote them
    Array<const float> d_outputs;  // (M, K)
    StepView<float> d_features;    // (B, T, D)
    Array<float> d_weight, d_bias;
};

// Σ v w[y] (log Σ_k e^(z_k) - z_y) / divisor over the rows z of the logits, and its gradient.
struct CrossEntropy {
    std::size_t rows, classes;
    int threads;
    double divisor;
    Array<const float> logits;          // (M, K)
    Array<const float> weights;         // (K,) of the classes
    Array<const std::int64_t> targets;  // (M,) y; a row with a negative one is left out
    Array<const float> row_weights;     // v, (N,), one for M / N rows each; null for 1
    std::size_t rows_per_weight;
    Array<float> gradient;  // (M, K)
};

// Σ v (z - y)² / M over M outputs z, and its gradient.
struct SquaredError {
    std::size_t rows;
    Array<const float> outputs, targets;  // (M,) each
    Array<const float> row_weights;       // v, (M,); null for 1
    Array<float> gradient;                // (M,)
};

// Rows `begins[thread]` up to `begins[thread + 1]` are a thread's.
struct RowPartition {
    int threads;
    const std::size_t *begins;
};

// Run on the selected instruction set. Throw std::invalid_argument for a length outside 0 .. T.
void conv_stem_forward(const ConvStem &stem, const ConvStemOutputs &outputs);
void conv_stem_backward(const ConvStem &stem, const ConvStemGradients &gradients);
void pool_forward(const Pool &pool, const PoolOutputs &outputs);
void pool_backward(const Pool &pool, const PoolGradients &gradients);

// Write the inputs of the weights, (M, D), and the outputs, (M, K).
void linear_head_forward(const LinearHead &head, float *inputs, float *outputs);
void linear_head_backward(const LinearHead &head, const LinearHeadGradients &gradients);

// Compute the loss and write its gradient. Throw std::invalid_argument for a target that is no class.
double cross_entropy(const CrossEntropy &problem);

// Compute the loss and write its gradient, on one thread: to share the rows would take longer than they do.
double squared_error(const SquaredError &problem);

}  // namespace unrolled
