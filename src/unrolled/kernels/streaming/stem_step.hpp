// The convolutional stem, one step of some streams at a time: taps come from the ring of each stream's last inputs.
//
// Every sum is that of sequence/conv_stem.hpp, term for term.
#pragma once

#include "sequence/conv_stem.hpp"
#include "streaming/problem.hpp"

namespace unrolled::UNROLLED_ISA {

class StemStep {
    using S = Simd<float>;
    static constexpr std::size_t kLanes = S::kLanes, kTile = StemSizes::kTile, kChains = 4;

public:
    explicit StemStep(const SteppedStem &stem) : stem_(stem), sizes_(stem.stem) {}

    void layout_scratch(ScratchArena &arena, std::size_t rows) {
        taps_ = arena.allocate<float>(n_scales() * rows * sizes_.terms);
        active_ = arena.allocate<float>(rows * stem_.stem.channels);
        rows_ = rows;
    }

    // Take the scaled inputs x (count, F) of some streams, and write what the core reads of them, (N, W) by stream.
    void run(const std::int64_t *streams, std::size_t count, const std::int64_t *steps, const float *x,
             float *out) const {
        const ConvStem &stem = stem_.stem;
        const std::size_t W = stem.width(), C = stem.channels, U = sizes_.inputs;
        for (std::size_t i = 0; i < count; ++i) {
            const auto stream = static_cast<std::size_t>(streams[i]), t = static_cast<std::size_t>(steps[stream]);
            lay_input(stream, t, x + i * stem.inputs);
            for (std::size_t scale = 0; scale < n_scales(); ++scale)
                lay_taps(stream, t, std::size_t{1} << scale, taps_of(scale) + i * sizes_.terms);
        }
        convolve(count);
        for (std::size_t i = 0; i < count; ++i) {
            const auto stream = static_cast<std::size_t>(streams[i]), t = static_cast<std::size_t>(steps[stream]);
            const float *const u = input_at(stream, t), *const active = active_ + i * C;
            float *const to = out + stream * W;
            if (stem.stride == 1) {
                copy_padded(u, U, to, U);
                copy_padded(active, C, to + U, C);
                continue;
            }
            const std::size_t phase = t % stem.stride;
            float *const sums = stem_.block + stream * W;
            if (phase == 0) fill_zero(sums, W);
            const float factor = 1.0f / static_cast<float>(phase + 1);
            for (std::size_t k = 0; k < W; ++k) {
                sums[k] += k < U ? u[k] : active[k - U];
                to[k] = sums[k] * factor;
            }
        }
    }

private:
    const SteppedStem &stem_;
    const StemSizes sizes_;
    float *taps_ = nullptr, *active_ = nullptr;
    std::size_t rows_ = 0;

    // Scales that have channels.
    std::size_t n_scales() const {
        return stem_.stem.channels < stem_.stem.scales ? stem_.stem.channels : stem_.stem.scales;
    }
    float *taps_of(std::size_t scale) const { return taps_ + scale * rows_ * sizes_.terms; }
    float *input_at(std::size_t stream, std::size_t t) const {
        return stem_.ring + (stream * stem_.ring_steps + t % stem_.ring_steps) * sizes_.inputs;
    }

    void lay_input(std::size_t stream, std::size_t t, const float *x) const {
        const std::size_t F = stem_.stem.inputs;
        float *const u = input_at(stream, t);
        const float *const before = t ? input_at(stream, t - 1) : nullptr;
        for (std::size_t f = 0; f < F; ++f) {
            u[F + f] = before ? (x[f] - before[f]) / stem_.stem.change_scale[f] : 0.0f;
            u[f] = x[f];
        }
    }

    // All taps of a step; as StemSizes::lay_early_taps, a missing value is the mean of those that are there.
    void lay_taps(std::size_t stream, std::size_t t, std::size_t dilation, float *to) const {
        const std::size_t F = stem_.stem.inputs, U = sizes_.inputs;
        const std::size_t present = t / dilation + 1 < kTaps ? t / dilation + 1 : kTaps;
        for (std::size_t tap = 0; tap < present; ++tap)
            copy_padded(input_at(stream, t - tap * dilation), U, to + tap * U, U);
        if (present == kTaps) return;
        for (std::size_t f = 0; f < U; ++f) {
            float sum = 0;
            for (std::size_t tap = 0; tap < present; ++tap) sum += to[tap * U + f];
            const float missing = f < F ? sum / static_cast<float>(present) : 0.0f;
            for (std::size_t tap = present; tap < kTaps; ++tap) to[tap * U + f] = missing;
        }
    }

    struct Channels {
        std::size_t vector, first, count, scale;
    };

    // ReLU of the sums of all channels, (count, C): a tile of streams at a time, then several vectors of one stream.
    void convolve(std::size_t count) const {
        const std::size_t tiled = count / kTile * kTile;
        Channels group[kChains];
        std::size_t in_group = 0, scale = 0;
        sizes_.for_each_vector([&](std::size_t vector, std::size_t first, std::size_t channels, std::size_t dilation) {
            while ((std::size_t{1} << scale) != dilation) ++scale;
            const Channels each{vector, first, channels, scale};
            for (std::size_t i = 0; i < tiled; i += kTile) convolve_tile(each, i);
            group[in_group++] = each;
            if (in_group < kChains && vector + 1 < sizes_.vectors) return;
            while (in_group < kChains) group[in_group++] = each;  // computed again, to the same numbers
            for (std::size_t i = tiled; i < count; ++i) convolve_group(group, i);
            in_group = 0;
        });
    }
    void convolve_tile(const Channels &channels, std::size_t row) const {
        const float *const taps = taps_of(channels.scale) + row * sizes_.terms;
        const float *const panel = stem_.panels + channels.vector * sizes_.panel;
        S::Vec sums[kTile];
        for (auto &sum : sums) sum = S::load(stem_.biases + channels.vector * kLanes);
        for (std::size_t term = 0; term < sizes_.terms; ++term) {
            const S::Vec weight = S::load(panel + term * kLanes);
            for (std::size_t i = 0; i < kTile; ++i) sums[i] += S::splat(taps[i * sizes_.terms + term]) * weight;
        }
        for (std::size_t i = 0; i < kTile; ++i) write(sums[i], channels, row + i);
    }
    void convolve_group(const Channels (&group)[kChains], std::size_t row) const {
        const float *taps[kChains], *panels[kChains];
        S::Vec sums[kChains];
        for (std::size_t j = 0; j < kChains; ++j) {
            taps[j] = taps_of(group[j].scale) + row * sizes_.terms;
            panels[j] = stem_.panels + group[j].vector * sizes_.panel;
            sums[j] = S::load(stem_.biases + group[j].vector * kLanes);
        }
        for (std::size_t term = 0; term < sizes_.terms; ++term)
            for (std::size_t j = 0; j < kChains; ++j)
                sums[j] += S::splat(taps[j][term]) * S::load(panels[j] + term * kLanes);
        for (std::size_t j = 0; j < kChains; ++j) write(sums[j], group[j], row);
    }
    void write(S::Vec sum, const Channels &channels, std::size_t row) const {
        S::store(active_ + row * stem_.stem.channels + channels.first, S::at_least(sum, S::Vec{}), channels.count);
    }
};

}  // namespace unrolled::UNROLLED_ISA
