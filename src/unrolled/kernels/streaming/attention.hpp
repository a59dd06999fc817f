// Attention pooling, one state after the other: the softmax of the scores so far, with their maximum carried.
//
// Source: Milakov and Gimelshein, Online normalizer calculation for softmax (2018), algorithm 3.
#pragma once

#include "gemm/packing.hpp"
#include "rnn/scratch.hpp"
#include "runtime/scratch_arena.hpp"
#include "simd/math.hpp"
#include "streaming/problem.hpp"

namespace unrolled::UNROLLED_ISA {

struct AttentionSizes {
    static constexpr std::size_t kWide = kColumns<float>;
    static constexpr std::size_t kRows = 64;  // that are scored at once
    std::size_t units, blocks;

    explicit AttentionSizes(std::size_t units) : units(units), blocks(blocks_for<float>(units)) {}
    std::size_t panel_elements() const { return blocks * units * kWide; }
    std::size_t width() const { return blocks * kWide; }
    std::size_t scratch_elements() const { return 2 * blocks * kRows * kWide; }
};

inline void layout_attention(ScratchArena &arena, Attention &attention) {
    const AttentionSizes sizes(attention.units);
    attention.panels = arena.allocate<float>(sizes.panel_elements());
    attention.padded_bias = arena.allocate<float>(sizes.width());
    attention.padded_score = arena.allocate<float>(sizes.width());
}

inline void pack_attention(const Attention &attention) {
    const AttentionSizes sizes(attention.units);
    const std::size_t H = sizes.units, kWide = AttentionSizes::kWide;
    for (std::size_t block = 0; block < sizes.blocks; ++block) {
        const std::size_t first = block * kWide, present = H - first < kWide ? H - first : kWide;
        pack_panel(attention.weight + first * H, H, H, present, attention.panels + block * H * kWide);
    }
    copy_padded(attention.bias, H, attention.padded_bias, sizes.width());
    copy_padded(attention.score, H, attention.padded_score, sizes.width());
}

// Scores of at most AttentionSizes::kRows states.
[[gnu::noinline]] inline void score_states(const Attention &attention, const float *const *states,
                                           std::size_t count, float *scratch, float *scores) {
    using S = Simd<float>;
    const AttentionSizes sizes(attention.units);
    const std::size_t stride = count * AttentionSizes::kWide;
    float *const left = scratch, *const hidden = scratch + sizes.blocks * stride;
    for (std::size_t i = 0; i < count; ++i)
        pack_blocks(states[i], sizes.units, left + i * AttentionSizes::kWide, stride, 0, sizes.blocks);
    Gemm<float> gemm{};
    gemm.n_terms = 1;
    gemm.terms[0] = GemmTerm<float>::over(left, stride, attention.panels, sizes.units * AttentionSizes::kWide,
                                          sizes.units);
    gemm.bias = attention.padded_bias;
    gemm.result = hidden, gemm.result_stride = stride;
    run_gemm(gemm, 0, count, 0, sizes.blocks);
    for (std::size_t i = 0; i < count; ++i) {
        S::Vec sum{};
        for (std::size_t unit = 0; unit < sizes.width(); unit += S::kLanes) {
            const float *const from = hidden + unit / AttentionSizes::kWide * stride +
                                      i * AttentionSizes::kWide + unit % AttentionSizes::kWide;
            sum += Tanh<float>{}(S::load(from)) * S::load(attention.padded_score + unit);
        }
        float lanes[S::kLanes];
        S::store(lanes, sum);
        float score = 0;
        for (const float lane : lanes) score += lane;
        scores[i] = score;
    }
}

// Add a state with its score to (H + 2): the largest score, the sum of the weights, the weighted states.
[[gnu::noinline]] inline void attend(const float *before, bool is_first, const float *state, float score,
                                     std::size_t units, float *after) {
    if (is_first) {
        after[0] = score, after[1] = 1.0f;
        for (std::size_t unit = 0; unit < units; ++unit) after[2 + unit] = state[unit];
        return;
    }
    // not "score > before": a NaN is passed on
    const float top = score <= before[0] ? before[0] : score;
    const float old_share = __builtin_expf(before[0] - top), share = __builtin_expf(score - top);
    after[0] = top;
    after[1] = before[1] * old_share + share;
    for (std::size_t unit = 0; unit < units; ++unit)
        after[2 + unit] = before[2 + unit] * old_share + state[unit] * share;
}

[[gnu::noinline]] inline void read_attended(const float *attended, std::size_t units, float *to) {
    for (std::size_t unit = 0; unit < units; ++unit) to[unit] = attended[2 + unit] / attended[1];
}

// The states (T, B, H) of each row, weighed over its valid steps, to (B, H); a row of no step gives zeros.
struct AttentionPass {
    const Pool &pool;
    Attention attention;
    float *out;
    std::size_t out_stride;
    const RowPartition &partition;
    float *scratch = nullptr, *attended = nullptr;  // of each thread

    std::size_t layout_scratch(void *block) {
        ScratchArena arena(block);
        const AttentionSizes sizes(attention.units);
        layout_attention(arena, attention);
        if (block) pack_attention(attention);
        scratch = arena.allocate<float>(partition.threads * sizes.scratch_elements());
        attended = arena.allocate<float>(partition.threads * (sizes.units + 2));
        return arena.bytes();
    }

    void run(int thread) const {
        const AttentionSizes sizes(attention.units);
        float *const mine = scratch + thread * sizes.scratch_elements();
        float *const sums = attended + thread * (sizes.units + 2);
        for (std::size_t row = partition.begins[thread]; row < partition.begins[thread + 1]; ++row) {
            const std::size_t n = pool.lengths ? static_cast<std::size_t>(pool.lengths[row]) : pool.steps;
            for (std::size_t first = 0; first < n; first += AttentionSizes::kRows) {
                const float *states[AttentionSizes::kRows];
                float scores[AttentionSizes::kRows];
                const std::size_t left = n - first, count = left < AttentionSizes::kRows ? left : AttentionSizes::kRows;
                for (std::size_t i = 0; i < count; ++i) states[i] = row_at(pool.states, first + i, row);
                score_states(attention, states, count, mine, scores);
                for (std::size_t i = 0; i < count; ++i)
                    attend(sums, first + i == 0, states[i], scores[i], sizes.units, sums);
            }
            if (n)
                read_attended(sums, sizes.units, out + row * out_stride);
            else
                fill_zero(out + row * out_stride, sizes.units);
        }
    }
};

inline void attention_forward(const Pool &pool, const Attention &attention, float *out, std::size_t out_stride,
                              const RowPartition &partition) {
    AttentionPass pass{pool, attention, out, out_stride, partition};
    run_pass(pass, partition.threads);
}

}  // namespace unrolled::UNROLLED_ISA
