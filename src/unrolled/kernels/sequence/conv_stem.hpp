// Convolutional stem, forward and backward: each thread takes its rows one after the other.
//
// A row's inputs u_t = (x_t; change_t) lie step after step in scratch. Of the early steps of a scale, whose
// taps reach before the first, every tap is laid out in full, with what stands for the missing ones. A vector
// holds channels of one scale; a panel is the weights of a vector, or their gradients, one for each tap and
// input.
#pragma once

#include "gemm/packing.hpp"
#include "rnn/scratch.hpp"
#include "runtime/scratch_arena.hpp"
#include "sequence/problem.hpp"

namespace unrolled::UNROLLED_ISA {

// Steps whose inputs lie `row_stride` apart, each tap's `tap_stride` from the one newer by a dilation.
struct TapView {
    const float *first;
    std::ptrdiff_t row_stride, tap_stride;
    std::size_t begin, end;  // steps of the row
};

// The channels of a stem in vectors, no vector with channels of two scales.
class StemSizes {
    using S = Simd<float>;

public:
    static constexpr std::size_t kLanes = S::kLanes;
    static constexpr std::size_t kTile = 12;  // steps, or weights, that are summed at once, in registers

    explicit StemSizes(const ConvStem &stem)
        : stem_(stem),
          inputs(2 * stem.inputs),
          terms(kTaps * inputs),
          panel((terms + kTile - 1) / kTile * kTile * kLanes) {
        for (std::size_t scale = 0; scale < stem.scales; ++scale) {
            vectors += (channels_of(scale) + kLanes - 1) / kLanes;
            if (channels_of(scale)) reach = (kTaps - 1) << scale;
        }
    }

    // Call f(vector, first channel, channels, dilation) for every vector.
    template <class F>
    void for_each_vector(F f) const {
        std::size_t vector = 0, channel = 0;
        for (std::size_t scale = 0; scale < stem_.scales; ++scale)
            for (std::size_t left = channels_of(scale); left > 0;) {
                const std::size_t count = left < kLanes ? left : kLanes;
                f(vector++, channel, count, std::size_t{1} << scale);
                channel += count, left -= count;
            }
    }
    std::size_t length(std::size_t row) const {
        return stem_.lengths ? static_cast<std::size_t>(stem_.lengths[row]) : stem_.steps;
    }
    // Elements of the inputs of a row and, for whole tiles, of zeros after the last.
    std::size_t row_elements() const { return (stem_.steps + kTile) * inputs; }
    // Elements of the taps of all early steps.
    std::size_t tap_elements() const {
        return ((reach < stem_.steps ? reach : stem_.steps) + kTile) * terms;
    }

    // Write the weights as panels, and the bias of each vector.
    void pack(float *panels, float *biases) const {
        for_each_vector([&](std::size_t vector, std::size_t first, std::size_t count, std::size_t) {
            for (std::size_t lane = 0; lane < kLanes; ++lane) {
                const bool is_channel = lane < count;
                const float *const weight = stem_.weight + (first + lane) * terms;
                biases[vector * kLanes + lane] = is_channel ? stem_.bias[first + lane] : 0.0f;
                for (std::size_t tap = 0; tap < kTaps; ++tap)
                    for (std::size_t f = 0; f < inputs; ++f)
                        panels[vector * panel + (tap * inputs + f) * kLanes + lane] =
                            is_channel ? weight[f * kTaps + kTaps - 1 - tap] : 0.0f;
            }
        });
    }

    // Write the inputs of a row.
    void lay_inputs(std::size_t row, float *u) const {
        const std::size_t F = stem_.inputs, n = length(row);
        const float *const x = stem_.values + row * stem_.steps * F;
        for (std::size_t t = 0; t < n; ++t)
            for (std::size_t f = 0; f < F; ++f) {
                u[t * inputs + f] = x[t * F + f];
                u[t * inputs + F + f] =
                    t ? (x[t * F + f] - x[(t - 1) * F + f]) / stem_.change_scale[f] : 0.0f;
            }
        fill_zero(u + n * inputs, kTile * inputs);
    }

    // Write all taps of the steps that reach before the first, of a row of n steps. A missing value is the mean
    // of the step's taps that are there, a missing change 0.
    TapView lay_early_taps(const float *u, std::size_t n, std::size_t dilation, float *taps) const {
        const std::size_t F = stem_.inputs, early = early_steps(n, dilation);
        for (std::size_t t = 0; t < early; ++t) {
            float *const to = taps + t * terms;
            const std::size_t present = t / dilation + 1 < kTaps ? t / dilation + 1 : kTaps;
            for (std::size_t f = 0; f < inputs; ++f) {
                float sum = 0;
                for (std::size_t tap = 0; tap < present; ++tap)
                    sum += to[tap * inputs + f] = u[(t - tap * dilation) * inputs + f];
                const float missing = f < F ? sum / static_cast<float>(present) : 0.0f;
                for (std::size_t tap = present; tap < kTaps; ++tap) to[tap * inputs + f] = missing;
            }
        }
        fill_zero(taps + early * terms, kTile * terms);
        return {taps, static_cast<std::ptrdiff_t>(terms), static_cast<std::ptrdiff_t>(inputs), 0, early};
    }
    TapView late_taps(const float *u, std::size_t n, std::size_t dilation) const {
        const std::size_t early = early_steps(n, dilation);
        return {u + early * inputs, static_cast<std::ptrdiff_t>(inputs),
                -static_cast<std::ptrdiff_t>(dilation * inputs), early, n};
    }

private:
    const ConvStem &stem_;
    // Steps of a row of n steps whose taps reach before the first.
    static std::size_t early_steps(std::size_t n, std::size_t dilation) {
        const std::size_t reaches = (kTaps - 1) * dilation;
        return n < reaches ? n : reaches;
    }
    std::size_t channels_of(std::size_t scale) const {
        return stem_.channels / stem_.scales + (scale < stem_.channels % stem_.scales);
    }

public:
    const std::size_t inputs, terms, panel;  // 2 F; kTaps · 2 F; elements of a panel
    std::size_t vectors = 0, reach = 0;      // reach: steps before the first that are read
};

struct StemForward {
    using S = Simd<float>;
    using Vec = S::Vec;
    static constexpr std::size_t kLanes = S::kLanes, kTile = StemSizes::kTile;

    const ConvStem &stem;
    const ConvStemOutputs &outputs;
    const RowPartition &partition;
    StemSizes sizes{stem};
    float *panels = nullptr, *biases = nullptr;
    float *inputs = nullptr, *taps = nullptr;  // for each thread

    std::size_t layout_scratch(void *block) {
        ScratchArena arena(block);
        panels = arena.allocate<float>(sizes.vectors * sizes.panel);
        biases = arena.allocate<float>(sizes.vectors * kLanes);
        inputs = arena.allocate<float>(partition.threads * sizes.row_elements());
        taps = arena.allocate<float>(partition.threads * sizes.tap_elements());
        if (block) sizes.pack(panels, biases);
        return arena.bytes();
    }

    void run(int thread) const {
        float *const u = inputs + thread * sizes.row_elements();
        for (std::size_t row = partition.begins[thread]; row < partition.begins[thread + 1]; ++row) {
            sizes.lay_inputs(row, u);
            const std::size_t W = stem.width(), B = stem.rows, C = stem.channels;
            float *const out = outputs.out + row * W;
            if (stem.stride == 1) {
                convolve(thread, u, sizes.length(row), out + sizes.inputs, B * W);
                for (std::size_t t = 0; t < sizes.length(row); ++t)
                    copy_padded(u + t * sizes.inputs, sizes.inputs, out + t * B * W, sizes.inputs);
            } else {
                float *const activations = outputs.activations + row * stem.steps * C;
                convolve(thread, u, sizes.length(row), activations, C);
                average(u, activations, sizes.length(row), out);
            }
            for (std::size_t t = (sizes.length(row) + stem.stride - 1) / stem.stride; t < stem.blocks(); ++t)
                fill_zero(out + t * B * W, W);
        }
    }

private:
    // ReLU of the sums of every channel, for steps 0 .. n - 1 of a row; steps lie `stride` apart.
    void convolve(int thread, const float *u, std::size_t n, float *to, std::size_t stride) const {
        std::size_t laid = 0;
        TapView early{};
        sizes.for_each_vector(
            [&](std::size_t vector, std::size_t first, std::size_t count, std::size_t dilation) {
                if (dilation != laid)
                    early = sizes.lay_early_taps(u, n, laid = dilation, taps + thread * sizes.tap_elements());
                for (const TapView &view : {early, sizes.late_taps(u, n, dilation)})
                    convolve_view(view, vector, count, to + first, stride);
            });
    }
    void convolve_view(const TapView &view, std::size_t vector, std::size_t count, float *to,
                       std::size_t stride) const {
        const float *const panel = panels + vector * sizes.panel;
        const Vec bias = S::load(biases + vector * kLanes);
        const float *first = view.first;
        for (std::size_t t = view.begin; t < view.end; t += kTile, first += kTile * view.row_stride) {
            Vec sums[kTile];
            for (std::size_t i = 0; i < kTile; ++i) sums[i] = bias;
            for (std::size_t tap = 0; tap < kTaps; ++tap) {
                const float *const from = first + static_cast<std::ptrdiff_t>(tap) * view.tap_stride;
                for (std::size_t f = 0; f < sizes.inputs; ++f) {
                    const Vec weight = S::load(panel + (tap * sizes.inputs + f) * kLanes);
                    for (std::size_t i = 0; i < kTile; ++i)
                        sums[i] += S::splat(from[static_cast<std::ptrdiff_t>(i) * view.row_stride +
                                                 static_cast<std::ptrdiff_t>(f)]) *
                                   weight;
                }
            }
            const std::size_t valid = view.end - t < kTile ? view.end - t : kTile;
            for (std::size_t i = 0; i < valid; ++i)
                S::store(to + (t + i) * stride, S::at_least(sums[i], Vec{}), count);
        }
    }

    // Means over blocks of `stride` steps, the last one shorter.
    void average(const float *u, const float *activations, std::size_t n, float *out) const {
        const std::size_t step = stem.rows * stem.width();
        for (std::size_t begin = 0; begin < n; begin += stem.stride, out += step) {
            const std::size_t end = begin + stem.stride < n ? begin + stem.stride : n;
            mean_of(u, sizes.inputs, begin, end, out);
            mean_of(activations, stem.channels, begin, end, out + sizes.inputs);
        }
    }
    static void mean_of(const float *steps, std::size_t width, std::size_t begin, std::size_t end, float *to) {
        const Vec factor = S::splat(1.0f / static_cast<float>(end - begin));
        for (std::size_t k = 0; k < width; k += kLanes) {
            const std::size_t count = width - k < kLanes ? width - k : kLanes;
            Vec sum{};
            for (std::size_t t = begin; t < end; ++t) sum += S::load(steps + t * width + k, count);
            S::store(to + k, sum * factor, count);
        }
    }
};

struct StemBackward {
    using S = Simd<float>;
    using Vec = S::Vec;
    static constexpr std::size_t kLanes = S::kLanes, kTile = StemSizes::kTile;

    const ConvStem &stem;
    const ConvStemGradients &gradients;
    const RowPartition &partition;
    static constexpr int kPhases = 2;  // each thread its rows; then their sum
    StemSizes sizes{stem};
    float *inputs = nullptr, *taps = nullptr, *d_sums = nullptr;  // for each thread, as all here
    float *d_panels = nullptr, *d_biases = nullptr;

    std::size_t layout_scratch(void *block) {
        ScratchArena arena(block);
        const std::size_t threads = partition.threads;
        inputs = arena.allocate<float>(threads * sizes.row_elements());
        taps = arena.allocate<float>(threads * sizes.tap_elements());
        d_sums = arena.allocate<float>(threads * stem.steps * kLanes);
        d_panels = arena.allocate<float>(threads * sizes.vectors * sizes.panel);
        d_biases = arena.allocate<float>(threads * sizes.vectors * kLanes);
        return arena.bytes();
    }

    void run(int thread, int phase) const {
        if (phase == 0) run_rows(thread);
        if (phase == 1 && thread == 0) reduce();
    }

private:
    void run_rows(int thread) const {
        float *const u = inputs + thread * sizes.row_elements();
        fill_zero(d_panels_of(thread), sizes.vectors * sizes.panel);
        fill_zero(d_biases_of(thread), sizes.vectors * kLanes);
        for (std::size_t row = partition.begins[thread]; row < partition.begins[thread + 1]; ++row) {
            const std::size_t n = sizes.length(row);
            sizes.lay_inputs(row, u);
            std::size_t laid = 0;
            TapView early{};
            sizes.for_each_vector(
                [&](std::size_t vector, std::size_t first, std::size_t count, std::size_t dilation) {
                    if (dilation != laid)
                        early =
                            sizes.lay_early_taps(u, n, laid = dilation, taps + thread * sizes.tap_elements());
                    gather_d_sums(thread, row, vector, first, count);
                    for (const TapView &view : {early, sizes.late_taps(u, n, dilation)})
                        add_weights(thread, view, vector);
                });
        }
    }

    float *d_panels_of(int thread) const { return d_panels + thread * sizes.vectors * sizes.panel; }
    float *d_biases_of(int thread) const { return d_biases + thread * sizes.vectors * kLanes; }

    // The gradients of a vector's sums at each step of a row, through mean and ReLU; add up the bias's.
    void gather_d_sums(int thread, std::size_t row, std::size_t vector, std::size_t first,
                       std::size_t count) const {
        const std::size_t n = sizes.length(row), W = stem.width(), C = stem.channels;
        const bool is_averaged = stem.stride > 1;
        const float *const active = is_averaged ? gradients.activations + row * stem.steps * C + first
                                                : gradients.out + row * W + sizes.inputs + first;
        const std::size_t stride = is_averaged ? C : stem.rows * W;
        float *const to = d_sums + thread * stem.steps * kLanes;
        Vec total{};
        for (std::size_t begin = 0, block = 0; begin < n; begin += stem.stride, ++block) {
            const std::size_t end = begin + stem.stride < n ? begin + stem.stride : n;
            const Vec d_block = S::load(row_at(gradients.d_out, block, row) + sizes.inputs + first, count) *
                                S::splat(1.0f / static_cast<float>(end - begin));
            for (std::size_t t = begin; t < end; ++t) {
                const Vec is_active = S::load(active + t * stride, count);
                const Vec d = S::select((typename S::Bits)(is_active > Vec{}), d_block, Vec{});
                S::store(to + t * kLanes, d);
                total += d;
            }
        }
        float *const d_bias = d_biases_of(thread) + vector * kLanes;
        S::store(d_bias, S::load(d_bias) + total);
    }

    void add_weights(int thread, const TapView &view, std::size_t vector) const {
        const float *const d = d_sums + (thread * stem.steps + view.begin) * kLanes;
        float *const panel = d_panels_of(thread) + vector * sizes.panel;
        const auto n = static_cast<std::ptrdiff_t>(view.end - view.begin);
        for (std::size_t term = 0; term < sizes.terms; term += kTile) {
            const float *from[kTile];
            Vec sums[kTile];
            for (std::size_t i = 0; i < kTile; ++i) {
                const std::size_t one = term + i < sizes.terms ? term + i : 0;  // the others are not reduced
                from[i] = view.first + static_cast<std::ptrdiff_t>(one / sizes.inputs) * view.tap_stride +
                          one % sizes.inputs;
                sums[i] = S::load(panel + (term + i) * kLanes);
            }
            for (std::ptrdiff_t t = 0; t < n; ++t) {
                const Vec d_sum = S::load(d + t * static_cast<std::ptrdiff_t>(kLanes));
                for (std::size_t i = 0; i < kTile; ++i)
                    sums[i] += S::splat(from[i][t * view.row_stride]) * d_sum;
            }
            for (std::size_t i = 0; i < kTile; ++i) S::store(panel + (term + i) * kLanes, sums[i]);
        }
    }

    void reduce() const {
        sizes.for_each_vector([&](std::size_t vector, std::size_t first, std::size_t count, std::size_t) {
            for (std::size_t lane = 0; lane < count; ++lane) {
                gradients.d_bias[first + lane] = total(d_biases, sizes.vectors * kLanes, vector * kLanes + lane);
                float *const weight = gradients.d_weight + (first + lane) * sizes.terms;
                for (std::size_t tap = 0; tap < kTaps; ++tap)
                    for (std::size_t f = 0; f < sizes.inputs; ++f)
                        weight[f * kTaps + kTaps - 1 - tap] =
                            total(d_panels, sizes.vectors * sizes.panel,
                                  vector * sizes.panel + (tap * sizes.inputs + f) * kLanes + lane);
            }
        });
    }
    // Sum over the threads of the element at `at` of each thread's part.
    float total(const float *parts, std::size_t size, std::size_t at) const {
        float sum = parts[at];
        for (int thread = 1; thread < partition.threads; ++thread) sum += parts[thread * size + at];
        return sum;
    }
};

inline void conv_stem_forward(const ConvStem &stem, const ConvStemOutputs &outputs,
                              const RowPartition &partition) {
    StemForward pass{stem, outputs, partition};
    run_pass(pass, partition.threads);
}

inline void conv_stem_backward(const ConvStem &stem, const ConvStemGradients &gradients,
                               const RowPartition &partition) {
    StemBackward pass{stem, gradients, partition};
    run_pass(pass, partition.threads);
}

}  // namespace unrolled::UNROLLED_ISA
