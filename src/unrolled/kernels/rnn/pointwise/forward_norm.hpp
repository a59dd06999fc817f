// Forward pointwise of cells with layer norm. A thread has all hidden units of a row.
#pragma once

#include "rnn/pointwise/forward.hpp"

namespace unrolled::UNROLLED_ISA {

template <class T, class CellRule>
class NormedForwardPointwise final : public ForwardRows<T, CellRule> {
    using Base = ForwardRows<T, CellRule>;
    using Base::context_, Base::kLanes, Base::offset_of, Base::rule_, Base::save_vector, Base::saved_row;
    using typename Base::Row, typename Base::S, typename Base::Scratch, typename Base::Step,
        typename Base::Vec;
    static constexpr int kGemms = kNormGemms<CellRule>.count;

public:
    NormedForwardPointwise(const ForwardContext<T> &context, const CellRule &rule) : Base(context, rule) {}

    void run(const Scratch &scratch, const RowSet &rows, Range blocks, const Step &now) const override {
        for (std::size_t i = 0; i < now.active; ++i)
            run_row(scratch, Base::row_of(scratch, rows, blocks, now, i));
    }

private:
    void run_row(const Scratch &scratch, Row row) const {
        T *const saved = context_.outputs.saved ? saved_row(row.t, row.index) : nullptr;
        T scales[Sizes<T>::kScales]{};
        if (saved && CellRule::kStates > 1) row.saved = saved + context_.sizes.c_offset;
        const Vec total_c = normalise(scratch, row, saved, scales);
        if constexpr (CellRule::kStates > 1) {
            const NormMoments<T, kCellNormGemms> norm(scratch.cell, &total_c, row.units);
            scales[kNormGemms<CellRule>.groups] = norm.mean[0],
            scales[kNormGemms<CellRule>.groups + 1] = norm.scale[0];
            const T *const gain = context_.norm.cell_gain(), *const shift = context_.norm.cell_shift();
            Base::template run_units<false, true>(row, [&](std::size_t vector, std::size_t, const Vec *,
                                                           Vec *, Vec *after) {
                const std::size_t unit = vector * kLanes;
                const Vec o = S::load(scratch.norm_row + vector * kGemms * kLanes);
                after[1] = S::load(scratch.cell + unit);
                after[0] = o * Tanh<T>{}(S::load(gain + unit) * norm(0, after[1]) + S::load(shift + unit));
            });
        } else {
            Base::template run_units<false, true>(row, [&](std::size_t vector, std::size_t, auto... args) {
                Vec preacts[CellRule::kPreacts];
                for (int s = 0; s < CellRule::kPreacts; ++s)
                    preacts[s] = S::load(scratch.norm_row + (vector * kGemms + s) * kLanes);
                rule_.forward(preacts, args...);
            });
        }
        for (std::size_t k = 0; saved && k < Sizes<T>::kScales; k += kLanes)
            save_vector(saved + context_.sizes.scales_offset() + k, S::load(scales + k));
    }

    // Normalise the pre-activations of a row to x^, and save it. Then scratch.norm_row holds, for each vector
    // of units, the cell's pre-activations; or an LSTM's o, whose c goes into scratch.cell. Return the sum of
    // the vectors of c.
    Vec normalise(const Scratch &scratch, const Row &row, T *saved, T *scales) const {
        Vec totals[kGemms]{}, total_c{};
        for (std::size_t vector = 0; vector < row.vectors; ++vector)
            for (int s = 0; s < kGemms; ++s) {
                const Vec preacts = S::load(row.preacts + s * row.gemm_stride + offset_of(row, vector));
                S::store(scratch.norm_row + (vector * kGemms + s) * kLanes, preacts);
                totals[s] += preacts;
            }
        const NormMoments<T, kNormGemms<CellRule>> norm(scratch.norm_row, totals, row.units);
        for (int group = 0; group < kNormGemms<CellRule>.groups; ++group) scales[group] = norm.scale[group];
        for (std::size_t vector = 0; vector < row.vectors; ++vector) {
            const std::size_t unit = vector * kLanes;
            T *const norm_row = scratch.norm_row + vector * kGemms * kLanes;
            Vec normed[kGemms], preacts[CellRule::kPreacts], gates[CellRule::kSaved];
            for (int s = 0; s < kGemms; ++s)
                normed[s] = first_lanes<T>(norm(s, S::load(norm_row + s * kLanes)), row.units - unit);
            if (saved)
                for (int s = 0; s < kGemms; ++s)
                    save_vector(saved + (vector * kGemms + s) * kLanes, normed[s]);
            preacts_from_normed<T, CellRule>(normed, context_.norm, unit, preacts);
            if constexpr (CellRule::kStates > 1) {
                const Vec c = CellRule::cell(preacts, S::load(row.c + offset_of(row, vector)), gates);
                S::store(scratch.cell + unit, c);
                S::store(norm_row, gates[3]);
                total_c += c;
            } else {
                for (int s = 0; s < CellRule::kPreacts; ++s) S::store(norm_row + s * kLanes, preacts[s]);
            }
        }
        return total_c;
    }
};

}  // namespace unrolled::UNROLLED_ISA
