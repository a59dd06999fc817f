// Backward pointwise of cells with layer norm. A thread has all hidden units of a row.
//
// Forward saved the normalised values x^ alone: what the cell would have saved is recomputed from them, and
// the gradients of the pre-activations go back through the gains and the norm.
#pragma once

#include "rnn/pointwise/backward.hpp"

namespace unrolled::UNROLLED_ISA {

template <class T, class CellRule>
class NormedBackwardPointwise final : public BackwardRows<T, CellRule> {
    using Base = BackwardRows<T, CellRule>;
    using Base::c_before, Base::context_, Base::kLanes, Base::kWide, Base::rule_, Base::sizes_,
        Base::split_zoneout;
    using typename Base::Row, typename Base::S, typename Base::Scratch, typename Base::Step,
        typename Base::Vec;
    static constexpr int kGemms = kNormGemms<CellRule>.count;

public:
    NormedBackwardPointwise(const BackwardContext<T> &context, const CellRule &rule) : Base(context, rule) {}

    void run(const Scratch &scratch, const RowSet &rows, Range, const Step &now,
             Range row_range) const override {
        for (std::size_t i = row_range.begin; i < row_range.end; ++i)
            run_row(scratch, Base::row_of(scratch, rows, now, i));
    }

private:
    void run_row(const Scratch &scratch, const Row row) const {
        const T *const normed = row.saved, *const scales = normed + sizes_.scales_offset();
        const bool is_recomputed = !sizes_.needs_only_outputs(context_.problem);
        if (is_recomputed) recompute(scratch, row, scales);
        NormBackward<T, kNormGemms<CellRule>> norm_backward;
        for (std::size_t vector = 0; vector < sizes_.vectors; ++vector) {
            Vec d_preacts[CellRule::kPreacts];
            run_units(scratch, row, vector, is_recomputed, d_preacts);
            gains_backward(scratch, normed, vector, d_preacts, norm_backward);
        }
        norm_backward.reduce(scales, sizes_.units);
        const std::size_t block_rows = scratch.capacity * kWide,
                          gemm_stride = sizes_.unit_blocks * block_rows;
        for (std::size_t vector = 0; vector < sizes_.vectors; ++vector) {
            T *const to = row.d_preacts + vector / 2 * block_rows + vector % 2 * kLanes;
            for (int i_gemm = 0; i_gemm < kGemms; ++i_gemm) {
                const std::size_t at = (vector * kGemms + i_gemm) * kLanes;
                const Vec d = norm_backward(i_gemm, S::load(scratch.d_norm_row + at), S::load(normed + at));
                S::store(to + i_gemm * gemm_stride, first_lanes<T>(d, sizes_.units - vector * kLanes));
            }
        }
    }

    // From the gradients of a vector of states to those of the cell's pre-activations.
    [[gnu::always_inline]] void run_units(const Scratch &scratch, const Row &row, std::size_t vector,
                                          bool is_recomputed, Vec *d_preacts) const {
        const std::size_t unit = vector * kLanes,
                          left = sizes_.units - unit < kLanes ? sizes_.units - unit : kLanes;
        const std::size_t offset = vector / 2 * row.stride + vector % 2 * kLanes;
        const T *const recomputed = scratch.recomputed + vector * CellRule::kPreacts * kLanes;
        Vec d_after[2], around[2]{}, saved[CellRule::kSaved], before[2]{}, d_before[2]{};
        d_after[0] = S::load(row.d_h + offset) + load_units(row.grad_out, unit, left);
        if constexpr (CellRule::kStates > 1) d_after[1] = S::load(row.d_c + offset);
        split_zoneout(row, unit, d_after, around);
        if (row.has_next_step && row.grad_out) __builtin_prefetch(row.grad_out + row.grad_ahead + unit, 0, 2);
        for (int s = 0; s < CellRule::kPreacts; ++s)
            saved[s] = is_recomputed ? S::load(recomputed + s * kLanes) : load_units(row.out, unit, left);
        if constexpr (CellRule::kPassesState) before[0] = load_units(row.h, unit, left);
        if constexpr (CellRule::kStates > 1) {
            before[1] = c_before(row, unit, left);
            const Vec d_c = S::load(scratch.cell[1] + unit), tanh_c = S::load(scratch.cell[2] + unit);
            CellRule::gates_backward(saved, before, d_after[0] * tanh_c, d_after[1] + d_c, d_preacts,
                                     d_before);
        } else {
            rule_.backward(saved, before, d_after, d_preacts, d_before);
        }
        if constexpr (CellRule::kLearnsSlope)
            S::store(scratch.d_slope, S::load(scratch.d_slope) + rule_.d_slope(saved, d_after));
        if (context_.has_state_path) S::store(row.d_h + offset, d_before[0] + around[0]);
        if constexpr (CellRule::kStates > 1) S::store(row.d_c + offset, d_before[1] + around[1]);
    }

    // From the gradients of the cell's pre-activations to those of x^, and of gains and shifts.
    void gains_backward(const Scratch &scratch, const T *normed, std::size_t vector, const Vec *d_preacts,
                        NormBackward<T, kNormGemms<CellRule>> &norm_backward) const {
        const std::size_t unit = vector * kLanes, from = vector * kGemms * kLanes;
        for (int i_gemm = 0; i_gemm < CellRule::kPreacts; ++i_gemm)
            add_to(scratch.d_norm.shift(i_gemm) + unit, d_preacts[i_gemm]);
        for (int i_gemm = 0; i_gemm < kGemms; ++i_gemm) {
            const Vec x = S::load(normed + from + i_gemm * kLanes),
                      d = d_preacts[kNormGemms<CellRule>.list[i_gemm].preact];
            add_to(scratch.d_norm.gain(i_gemm) + unit, d * x);
            const Vec d_normed = d * S::load(context_.norm.gain(i_gemm) + unit);
            S::store(scratch.d_norm_row + from + i_gemm * kLanes, d_normed);
            norm_backward.add(i_gemm, d_normed, x);
        }
    }
    static void add_to(T *at, Vec value) { S::store(at, S::load(at) + value); }

    // Recompute from x^ what the cell would have saved; for an LSTM also go back through the norm of its c.
    void recompute(const Scratch &scratch, const Row &row, const T *scales) const {
        NormBackward<T, kCellNormGemms> norm_backward;
        for (std::size_t vector = 0; vector < sizes_.vectors; ++vector) {
            const std::size_t unit = vector * kLanes,
                              left = sizes_.units - unit < kLanes ? sizes_.units - unit : kLanes;
            const T *const from = row.saved + vector * kGemms * kLanes;
            Vec normed[kGemms], preacts[CellRule::kPreacts], saved[CellRule::kSaved], before[2]{}, after[2];
            for (int i_gemm = 0; i_gemm < kGemms; ++i_gemm) {
                normed[i_gemm] = S::load(from + i_gemm * kLanes);
                if (row.has_next_step) __builtin_prefetch(from + row.saved_ahead + i_gemm * kLanes, 0, 2);
            }
            preacts_from_normed<T, CellRule>(normed, context_.norm, unit, preacts);
            if constexpr (CellRule::kStates > 1) {
                const Vec c = CellRule::cell(preacts, c_before(row, unit, left), saved);
                cell_norm_backward(scratch, row, unit, left, c, saved[3],
                                   scales + kNormGemms<CellRule>.groups, norm_backward);
            } else {
                rule_.forward(preacts, before, saved, after);
            }
            for (int s = 0; s < CellRule::kPreacts; ++s)
                S::store(scratch.recomputed + (vector * CellRule::kPreacts + s) * kLanes, saved[s]);
        }
        if (CellRule::kStates < 2) return;
        norm_backward.reduce(scales + kNormGemms<CellRule>.groups + 1, sizes_.units);
        for (std::size_t unit = 0; unit < sizes_.units; unit += kLanes) {
            T *const d = scratch.cell[1] + unit;
            const Vec d_c = norm_backward(0, S::load(d), S::load(scratch.cell[0] + unit));
            S::store(d, first_lanes<T>(d_c, sizes_.units - unit));
        }
    }

    // Back through tanh of the normalised c, given the mean and scale of its norm.
    [[gnu::always_inline]] void cell_norm_backward(const Scratch &scratch, const Row &row, std::size_t unit,
                                                   std::size_t left, Vec c, Vec o, const T *norm,
                                                   NormBackward<T, kCellNormGemms> &norm_backward) const {
        const Vec normed = (c - norm[0]) * norm[1], gain = S::load(context_.norm.cell_gain() + unit);
        const Vec tanh_c = Tanh<T>{}(gain * normed + S::load(context_.norm.cell_shift() + unit));
        const std::size_t offset = unit / kWide * row.stride + unit % kWide;
        Vec d_after[2]{S::load(row.d_h + offset) + load_units(row.grad_out, unit, left)}, around[2];
        split_zoneout(row, unit, d_after, around);
        const Vec d = d_after[0] * o * (T{1} - tanh_c * tanh_c), d_normed = first_lanes<T>(d * gain, left);
        add_to(scratch.d_norm.cell_gain() + unit, d * normed);
        add_to(scratch.d_norm.cell_shift() + unit, d);
        norm_backward.add(0, d_normed, normed);
        S::store(scratch.cell[0] + unit, normed);
        S::store(scratch.cell[1] + unit, d_normed);
        S::store(scratch.cell[2] + unit, tanh_c);
    }
};

}  // namespace unrolled::UNROLLED_ISA
