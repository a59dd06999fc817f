// Descriptors of recurrences that are stepped: packed weights, and the states of the rows.
//
// Plain data only, as in rnn/problem.hpp. Shapes: T steps, N rows or streams that a state is kept for, F inputs, W
// inputs of the core, H hidden units, D features of the readout, K outputs.
#pragma once

#include "sequence/problem.hpp"

namespace unrolled {

// A layer whose weights are packed once, for any number of steps.
template <class Real>
struct SteppedLayer {
    Problem<Real> problem;  // of one step: settings, sizes and weights; no inputs and no states
    void *packed;           // the weights as the selected instruction set packs them
    Array<Real> h, c;       // (N, H) the states, overwritten by each step; c of an LSTM only
};

// Layers on top of one another, and some of their rows to be stepped.
template <class Real>
struct SteppedStack {
    const SteppedLayer<Real> *layers;
    std::size_t n_layers;
    const std::int64_t *rows;  // positions in the states, in x and in out
    std::size_t n_rows, steps;
    StepView<const Real> x;  // (T, N, F)
    StepView<Real> out;      // (T, N, H) of the last layer
};

// The stem of a network that is stepped: panels as StemSizes::pack lays them out, and the last inputs of each
// stream. States: `ring` (N, ring_steps, 2 F), the inputs of step t at t % ring_steps; `block` (N, 2 F + C), the
// sums over the block of a stride that is not complete.
struct SteppedStem {
    ConvStem stem;  // sizes, and change_scale; no values
    float *panels, *biases;
    std::size_t ring_steps;
    Array<float> ring, block;
};

// v · tanh(W h + b) of each state h, whose softmax over the steps weighs the states.
struct Attention {
    std::size_t units;
    Array<const float> weight, bias, score;  // (H, H), (H,), (H,)
    float *panels, *padded_bias, *padded_score;
};

// Pool the states of each row over its valid steps by attention, to (B, H), on the selected instruction set.
void attention_pool(const Pool &pool, const Attention &attention, float *out);

enum class Pooling : int { kLast, kMean, kMax, kAttention };
inline constexpr std::size_t kMaxPoolings = 16;

// Poolings of the states so far, one after the other in a row. States: (N, H) each, and `attended` (N, H + 2): the
// largest score, the sum of the weights, the weighted sum of the states.
struct SteppedPool {
    std::size_t count, units;
    Pooling list[kMaxPoolings];
    Array<float> sum, max, attended;  // null where no pooling needs them
    Attention attention;
};

// Outputs of standardised features, in double precision: W ((f - center) factor) + b.
struct Readout {
    std::size_t features, outputs;          // D, K
    Array<const float> center, factor;      // (D,)
    Array<const float> weight, bias;        // (K, D), (K,)
    double *packed;                         // the weights, rows of a multiple of kReadoutSums, then the biases
};
inline constexpr std::size_t kReadoutSums = 8;

// A network of a sequence estimator, whose states are those of N streams.
struct SteppedNetwork {
    SteppedStem *stem;  // null: the core reads the inputs
    const SteppedLayer<float> *layers;
    std::size_t n_layers, core_bytes;  // core_bytes: the scratch of a step of the layers
    SteppedPool *pool;  // null: an answer reads the state of its step alone
    Readout readout;
    Array<double> direct_sum;  // (N, F) of the inputs, where the readout reads them too; null where not
    bool reads_inputs;
    Array<float> inputs;  // (N, W) scratch: what the core reads at this step
};

// Steps of some streams: `counts[k]` rows of x, one after the other, are those of stream `streams[k]`.
struct SequenceSteps {
    const SteppedNetwork *networks;
    std::size_t n_networks, n_inputs, n_outputs;
    bool is_class;                 // outputs are logits
    const double *mean, *scale;    // (F,) of the inputs
    double limit;                  // of scaled inputs
    Array<std::int64_t> steps;     // (N,) steps of each stream so far
    const std::int64_t *streams, *counts, *begins;  // begins: the first row of each
    std::size_t n_streams;
    const double *x;  // (Σ counts, F)
    double *out;      // (Σ counts, K)
    // Make an answer (K,) of the outputs (M, K) of all networks.
    void (*answer)(const double *outputs, std::size_t n_networks, std::size_t n_outputs, bool is_class, double *to);
};

}  // namespace unrolled
