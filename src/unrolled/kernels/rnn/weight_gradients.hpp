// Gradients of the weights: GEMMs over many rows of steps at once, accumulated by each thread.
#pragma once

#include "rnn/pointwise/backward.hpp"

namespace unrolled::UNROLLED_ISA {

template <class T>
class WeightGradients {
    using S = Simd<T>;
    using Vec = typename S::Vec;
    using Scratch = BackwardScratch<T>;
    static constexpr std::size_t kWide = kColumns<T>, kLanes = S::kLanes;

public:
    explicit WeightGradients(const BackwardContext<T> &context)
        : context_(context),
          sizes_(context.sizes),
          gradients_(context.gradients),
          width_(sizes_.units + 1 + sizes_.inputs) {}

    bool is_needed() const { return gradients_.d_weight_ih; }

    void layout_scratch(ScratchArena &arena, Scratch &scratch) const {
        scratch.left = arena.allocate<T>(scratch.capacity * stride());
        scratch.d_weights = arena.allocate<T>(begin_of(sizes_.gemms.count));
    }

    // Pack row i of a step into a row of the left operand: (h_{t-1}, 1, x_t). Stores are whole vectors: what
    // they write beyond the end is overwritten, or lies between rows.
    void pack_left_row(const Scratch &scratch, const RowSet &rows, const BackwardStep &now,
                       std::size_t i) const {
        const std::size_t H = sizes_.units, F = sizes_.inputs, row = rows.order[i];
        const T *const h = context_.h_before(rows, now.t, i), *const x =
                                                                  row_at(context_.problem.x, now.t, row);
        const T *const mask = context_.problem.mask ? context_.problem.mask + row * H : nullptr;
        T *const left = scratch.left + (now.filled + i) * stride(), *const left_x = left + H + 1;
        for (std::size_t u = 0; u < H; u += kLanes) {
            const std::size_t count = H - u < kLanes ? H - u : kLanes;
            const Vec value = load_units(h, u, count);
            S::store(left + u, mask ? value * load_units(mask, u, count) : value);
        }
        left[H] = T{1};
        for (std::size_t f = 0; f < F; f += kLanes)
            S::store(left_x + f, load_units(x, f, F - f < kLanes ? F - f : kLanes));
    }

    // d_weights = or += left^T d_preacts over the rows of steps that are filled.
    void add(const Scratch &scratch, Range blocks, std::size_t filled, bool accumulates) const {
        const std::size_t block_rows = scratch.capacity * kWide;
        for (int i_gemm = 0; i_gemm < sizes_.gemms.count; ++i_gemm) {
            const Range columns = columns_of(i_gemm);
            const std::size_t panel = i_gemm * sizes_.unit_blocks + blocks.begin;
            Gemm<T> gemm{};
            gemm.n_terms = 1;
            gemm.terms[0] = {scratch.left + columns.begin,
                             stride(),
                             scratch.d_preacts + panel * block_rows,
                             block_rows,
                             1,
                             1,
                             filled};
            gemm.result = panel_of(scratch, i_gemm, blocks.begin);
            gemm.result_stride = (columns.end - columns.begin) * kWide;
            if (accumulates) gemm.accumulate();
            run_gemm<T, true>(gemm, 0, columns.end - columns.begin, 0, blocks.end - blocks.begin);
        }
    }

    // Reduce all threads' d_weights into the gradients, each thread some panels.
    void reduce(const Scratch *scratches, int thread) const {
        const Range mine =
            share_of(sizes_.gemms.count * sizes_.unit_blocks, thread, context_.partition.threads);
        for (std::size_t panel = mine.begin; panel < mine.end; ++panel) reduce_panel(scratches, panel);
        if (thread > 0) return;
        if (gradients_.d_slope) {
            *gradients_.d_slope = T{};
            for (int other = 0; other < context_.partition.threads; ++other)
                *gradients_.d_slope += horizontal_sum<T>(S::load(scratches[other].d_slope));
        }
        if (sizes_.has_norm)
            for (int i_gemm = 0; i_gemm <= sizes_.gemms.count; ++i_gemm) reduce_norm(scratches, i_gemm);
    }

private:
    const BackwardContext<T> &context_;
    const Sizes<T> &sizes_;
    const Gradients<T> &gradients_;
    const std::size_t width_;  // of a row of the left operand

    std::size_t stride() const { return (width_ + kWide - 1) / kWide * kWide + kLanes; }

    // The columns of the left operand that a gate GEMM reads.
    Range columns_of(int i_gemm) const {
        const GemmSource source = sizes_.gemms.list[i_gemm].source;
        return {source == kInput ? sizes_.units : 0, source == kState ? sizes_.units + 1 : width_};
    }
    // Offset of a GEMM's panels in d_weights; beyond the last GEMM, the size of all of them.
    std::size_t begin_of(int i_gemm) const {
        std::size_t depth = 0;
        for (int before = 0; before < i_gemm; ++before)
            depth += columns_of(before).end - columns_of(before).begin;
        return depth * sizes_.unit_blocks * kWide;
    }
    T *panel_of(const Scratch &scratch, int i_gemm, std::size_t block) const {
        const Range columns = columns_of(i_gemm);
        return scratch.d_weights + begin_of(i_gemm) + block * (columns.end - columns.begin) * kWide;
    }

    void reduce_panel(const Scratch *scratches, std::size_t panel) const {
        const std::size_t H = sizes_.units, F = sizes_.inputs;
        const std::size_t block = panel % sizes_.unit_blocks, unit = block * kWide;
        const int i_gemm = static_cast<int>(panel / sizes_.unit_blocks);
        const auto [source, gate, preact, group] = sizes_.gemms.list[i_gemm];
        const Range columns = columns_of(i_gemm);
        const std::size_t row = gate * H + unit, present = H - unit < kWide ? H - unit : kWide;
        T *const reduced = panel_of(scratches[0], i_gemm, block), *const ones =
                                                                      reduced + (H - columns.begin) * kWide;
        for (int other = 1; other < context_.partition.threads && !context_.partition.splits_units; ++other) {
            const T *const more = panel_of(scratches[other], i_gemm, block);
            for (std::size_t k = 0; k < (columns.end - columns.begin) * kWide; k += kLanes)
                S::store(reduced + k, S::load(reduced + k) + S::load(more + k));
        }
        if (source != kInput) spread(reduced, H, present, gradients_.d_weight_hh + row * H);
        if (source != kState) spread(ones + kWide, F, present, gradients_.d_weight_ih + row * F);
        if (sizes_.has_norm || !gradients_.d_bias_ih) return;
        if (source != kInput) copy_padded(ones, present, gradients_.d_bias_hh + row, present);
        if (source != kState) copy_padded(ones, present, gradients_.d_bias_ih + row, present);
    }
    // Transpose `depth` rows of a panel into `present` rows of a weight.
    static void spread(const T *panel, std::size_t depth, std::size_t present, T *weight) {
        constexpr std::size_t kStretch = 64 / sizeof(T);
        for (std::size_t k0 = 0; k0 < depth; k0 += kStretch)
            for (std::size_t c = 0; c < present; ++c)
                for (std::size_t k = k0; k < k0 + kStretch && k < depth; ++k)
                    weight[c * depth + k] = panel[k * kWide + c];
    }

    // Reduce gain and shift of one norm: a GEMM's, whose shift is its bias; or, after these, the cell's.
    void reduce_norm(const Scratch *scratches, int i_gemm) const {
        const std::size_t H = sizes_.units;
        const bool is_cell = i_gemm == sizes_.gemms.count;
        const auto [source, gate, preact, group] = sizes_.gemms.list[is_cell ? 0 : i_gemm];
        T *gain = gradients_.d_gain_cell, *shift = gradients_.d_bias_cell;
        if (!is_cell) {
            T *const bias = source == kInput ? gradients_.d_bias_ih : gradients_.d_bias_hh;
            gain = (source == kInput ? gradients_.d_gain_ih : gradients_.d_gain_hh) + gate * H;
            shift = bias ? bias + gate * H : nullptr;
        }
        for (std::size_t u = 0; u < H; ++u) {
            T gains{}, shifts{};
            for (int other = 0; other < context_.partition.threads; ++other) {
                const NormParameters<T> &d_norm = scratches[other].d_norm;
                gains += d_norm.gain(i_gemm)[u];
                shifts += is_cell ? d_norm.cell_shift()[u] : d_norm.shift(preact)[u];
            }
            if (gain) gain[u] = gains;
            if (shift) shift[u] = shifts;
            if (shift && !is_cell && source == kBoth)
                gradients_.d_bias_ih[u] = shifts;  // the plain RNN's two biases
        }
    }
};

}  // namespace unrolled::UNROLLED_ISA
