// Linear head of a sequence network, forward and backward: features are standardised, some of them dropped,
// and multiplied by the weights.
//
// Forward, a vector holds outputs; backward, inputs of the weights. Every sum is one thread's, in one order, so
// that no result depends on the number of threads.
#pragma once

#include "gemm/packing.hpp"
#include "rnn/scratch.hpp"
#include "runtime/scratch_arena.hpp"
#include "sequence/problem.hpp"

namespace unrolled::UNROLLED_ISA {

inline constexpr std::size_t kHeadTile = 8;  // sums that are computed at once, in registers

// Rows of features: step after step of a sequence, sequence after sequence.
template <class T>
T *head_row(const LinearHead &head, const StepView<T> &view, std::size_t row) {
    return row_at(view, row / head.steps, row % head.steps);
}

// What the features of a row are multiplied by, at most a vector of them.
inline Simd<float>::Vec head_factor(const LinearHead &head, const float *keep, std::size_t at,
                                    std::size_t count) {
    using S = Simd<float>;
    const auto factor = load_units(head.factor, at, count);
    return keep ? factor * S::splat(head.keep_scale) * load_units(keep, at, count) : factor;
}

struct LinearHeadForward {
    using S = Simd<float>;
    using Vec = S::Vec;
    static constexpr std::size_t kLanes = S::kLanes;

    const LinearHead &head;
    float *const inputs, *const outputs;  // (M, D), (M, K)
    const int threads;
    float *panels = nullptr, *biases = nullptr;  // of a vector of outputs each

    std::size_t layout_scratch(void *block) {
        ScratchArena arena(block);
        const std::size_t vectors = (head.outputs + kLanes - 1) / kLanes;
        panels = arena.allocate<float>(vectors * head.width * kLanes);
        biases = arena.allocate<float>(vectors * kLanes);
        if (block) pack();
        return arena.bytes();
    }

    void run(int thread) const {
        const Range mine = share_of(head.rows * head.steps, thread, threads);
        for (std::size_t row = mine.begin; row < mine.end; ++row) lay_inputs(row);
        for (std::size_t row = mine.begin; row < mine.end; row += kHeadTile)
            multiply(row, mine.end - row < kHeadTile ? mine.end - row : kHeadTile);
    }

private:
    void pack() const {
        const std::size_t D = head.width, K = head.outputs;
        for (std::size_t first = 0; first < K; first += kLanes) {
            const std::size_t count = K - first < kLanes ? K - first : kLanes;
            copy_padded(head.bias + first, count, biases + first, kLanes);
            for (std::size_t d = 0; d < D; ++d)
                for (std::size_t lane = 0; lane < kLanes; ++lane)
                    panels[first * D + d * kLanes + lane] =
                        lane < count ? head.weight[(first + lane) * D + d] : 0.0f;
        }
    }

    void lay_inputs(std::size_t row) const {
        const std::size_t D = head.width;
        const float *const features = head_row(head, head.features, row);
        const float *const keep = head_row(head, head.keep, row);
        for (std::size_t d = 0; d < D; d += kLanes) {
            const std::size_t count = D - d < kLanes ? D - d : kLanes;
            const Vec centered = load_units(features, d, count) - load_units(head.center, d, count);
            S::store(inputs + row * D + d, centered * head_factor(head, keep, d, count), count);
        }
    }

    // Outputs of `count` rows from `row` on, at most kHeadTile.
    void multiply(std::size_t row, std::size_t count) const {
        const std::size_t D = head.width, K = head.outputs;
        const float *from[kHeadTile];
        for (std::size_t i = 0; i < kHeadTile; ++i) from[i] = inputs + (row + (i < count ? i : 0)) * D;
        for (std::size_t first = 0; first < K; first += kLanes) {
            Vec sums[kHeadTile];
            for (std::size_t i = 0; i < kHeadTile; ++i) sums[i] = S::load(biases + first);
            for (std::size_t d = 0; d < D; ++d) {
                const Vec weight = S::load(panels + first * D + d * kLanes);
                for (std::size_t i = 0; i < kHeadTile; ++i) sums[i] += S::splat(from[i][d]) * weight;
            }
            const std::size_t valid = K - first < kLanes ? K - first : kLanes;
            for (std::size_t i = 0; i < count; ++i) S::store(outputs + (row + i) * K + first, sums[i], valid);
        }
    }
};

struct LinearHeadBackward {
    using S = Simd<float>;
    using Vec = S::Vec;
    static constexpr std::size_t kLanes = S::kLanes;
    static constexpr std::size_t kRowsAtOnce = 128;  // longer sums are sums of such: fewer roundings

    const LinearHead &head;
    const LinearHeadGradients &gradients;
    const int threads;

    void run(int thread) const {
        const Range rows = share_of(head.rows * head.steps, thread, threads);
        for (std::size_t row = rows.begin; row < rows.end; row += kHeadTile)
            write_d_features(row, rows.end - row < kHeadTile ? rows.end - row : kHeadTile);
        const Range vectors = share_of((head.width + kLanes - 1) / kLanes, thread, threads);
        for (std::size_t vector = vectors.begin; vector < vectors.end; ++vector)
            for (std::size_t k = 0; k < head.outputs; k += kHeadTile) write_d_weight(vector * kLanes, k);
        if (thread == 0) write_d_bias();
    }

private:
    // Gradients of the features of `count` rows from `row` on, at most kHeadTile.
    void write_d_features(std::size_t row, std::size_t count) const {
        const std::size_t D = head.width, K = head.outputs;
        const float *d_outputs[kHeadTile];
        for (std::size_t i = 0; i < kHeadTile; ++i)
            d_outputs[i] = gradients.d_outputs + (row + (i < count ? i : 0)) * K;
        for (std::size_t d = 0; d < D; d += kLanes) {
            const std::size_t valid = D - d < kLanes ? D - d : kLanes;
            Vec sums[kHeadTile]{};
            for (std::size_t k = 0; k < K; ++k) {
                const Vec weight = load_units(head.weight + k * D, d, valid);
                for (std::size_t i = 0; i < kHeadTile; ++i) sums[i] += S::splat(d_outputs[i][k]) * weight;
            }
            for (std::size_t i = 0; i < count; ++i) {
                const float *const keep = head_row(head, head.keep, row + i);
                S::store(head_row(head, gradients.d_features, row + i) + d,
                         sums[i] * head_factor(head, keep, d, valid), valid);
            }
        }
    }

    // Gradients of the weights of at most kHeadTile outputs from `k` on, and a vector of inputs from `d` on.
    void write_d_weight(std::size_t d, std::size_t k) const {
        const std::size_t D = head.width, K = head.outputs, M = head.rows * head.steps;
        const std::size_t valid = D - d < kLanes ? D - d : kLanes, count = K - k < kHeadTile ? K - k : kHeadTile;
        std::size_t output[kHeadTile];
        for (std::size_t i = 0; i < kHeadTile; ++i) output[i] = k + (i < count ? i : 0);
        Vec totals[kHeadTile]{};
        for (std::size_t begin = 0; begin < M; begin += kRowsAtOnce) {
            const std::size_t end = M - begin < kRowsAtOnce ? M : begin + kRowsAtOnce;
            Vec sums[kHeadTile]{};
            for (std::size_t row = begin; row < end; ++row) {
                const Vec inputs = load_units(gradients.inputs + row * D, d, valid);
                for (std::size_t i = 0; i < kHeadTile; ++i)
                    sums[i] += S::splat(gradients.d_outputs[row * K + output[i]]) * inputs;
            }
            for (std::size_t i = 0; i < kHeadTile; ++i) totals[i] += sums[i];
        }
        for (std::size_t i = 0; i < count; ++i)
            S::store(gradients.d_weight + (k + i) * D + d, totals[i], valid);
    }

    void write_d_bias() const {
        const std::size_t K = head.outputs, M = head.rows * head.steps;
        for (std::size_t k = 0; k < K; ++k) {
            double sum = 0;
            for (std::size_t row = 0; row < M; ++row) sum += static_cast<double>(gradients.d_outputs[row * K + k]);
            gradients.d_bias[k] = static_cast<float>(sum);
        }
    }
};

inline void linear_head_forward(const LinearHead &head, float *inputs, float *outputs, int threads) {
    LinearHeadForward pass{head, inputs, outputs, threads};
    run_pass(pass, threads);
}

inline void linear_head_backward(const LinearHead &head, const LinearHeadGradients &gradients, int threads) {
    LinearHeadBackward pass{head, gradients, threads};
    run_parts(pass, threads);
}

}  // namespace unrolled::UNROLLED_ISA
