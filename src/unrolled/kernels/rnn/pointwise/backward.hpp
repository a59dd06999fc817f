// Backward, the part that knows the cell: from the gradients of a step's states to those of its sums.
#pragma once

#include "rnn/pointwise/layer_norm.hpp"
#include "rnn/pointwise/zoneout.hpp"
#include "rnn/scratch.hpp"

namespace unrolled::UNROLLED_ISA {

// What a row's step started from: the state of the step before, the initial one, or zeros.
enum class Origin { kStep, kInitial, kZero };

// One call of backward, as all its members see it.
template <class T>
struct BackwardContext {
    const Problem<T> &problem;
    const Gradients<T> &gradients;
    const Partition &partition;
    const Sizes<T> sizes;
    const Zoneout<T> zoneout;
    const bool has_state_path;  // whether a gradient reaches h_{t-1} past the product
    NormParameters<T> norm{};

    template <class CellRule>
    BackwardContext(const Problem<T> &problem, const Gradients<T> &gradients, const Partition &partition,
                    const CellRule &rule)
        : problem(problem),
          gradients(gradients),
          partition(partition),
          sizes(problem, rule),
          zoneout(problem),
          has_state_path(CellRule::kPassesState || problem.zoneout_h > 0) {}

    std::size_t step_before(std::size_t t) const { return problem.reverse ? t + 1 : t - 1; }
    Origin origin(const RowSet &rows, std::size_t t, std::size_t i) const {
        if (is_reset_before(problem, rows.order[i], rows.lengths[i], t)) return Origin::kZero;
        const bool is_first = problem.reverse ? static_cast<std::int64_t>(t) + 1 == rows.lengths[i] : t == 0;
        return is_first ? Origin::kInitial : Origin::kStep;
    }
    // The state before a row's step t; null for zeros.
    const T *h_before(const RowSet &rows, std::size_t t, std::size_t i) const {
        const std::size_t row = rows.order[i];
        const Origin from = origin(rows, t, i);
        if (from == Origin::kStep) return row_at(gradients.out, step_before(t), row);
        return from == Origin::kInitial ? initial(problem.h0, row) : nullptr;
    }
    const T *initial(const T *state, std::size_t row) const {
        return state ? state + row * sizes.units : nullptr;
    }
    const T *saved(std::size_t t, std::size_t row) const {
        return gradients.saved + (t * problem.rows + row) * sizes.saved_per_row;
    }
};

// What a member works in; where units are split most of it is shared.
template <class T>
struct BackwardScratch {
    struct Place {
        std::size_t t, row;
    };
    std::size_t capacity;        // rows of steps that d_sums, left and places hold
    T *d_h, *d_c, *d_recurrent;  // of the state; of what entered W_hh, where that was not the state
    T *d_preacts;                // panels of the sums, `room` rows each
    T *left;                     // h_{t-1}, 1, x_t of each row of a step
    T *d_weights;                // panels of the sums, a row for each column of `left`
    T *d_x, *d_slope;
    // Of layer norm, a row each: gradients of the normalised sums; what the rule would have saved; for the
    // cell x^, its gradient and tanh.
    T *d_norm_row, *recomputed, *cell[3];
    Place *places;
    NormParameters<T> d_norm;
};

// `filled` rows of earlier steps lie before this one's in d_sums.
struct BackwardStep {
    std::size_t t, active, filled;
};

// The sweep calls this for some rows of a step, and its blocks of units.
template <class T>
class BackwardPointwise {
public:
    virtual void run(const BackwardScratch<T> &scratch, const RowSet &rows, Range blocks,
                     const BackwardStep &now, Range some) const = 0;

protected:
    ~BackwardPointwise() = default;
};

template <class T, class CellRule>
class CellBackwardPointwise final : public BackwardPointwise<T> {
    using S = Simd<T>;
    using Vec = typename S::Vec;
    using Scratch = BackwardScratch<T>;
    using Step = BackwardStep;
    static constexpr std::size_t kWide = kColumns<T>, kLanes = S::kLanes;
    static constexpr int kHalves = kNormGemms<CellRule>.count;

public:
    CellBackwardPointwise(const BackwardContext<T> &context, const CellRule &rule)
        : context_(context), sizes_(context.sizes), rule_(rule) {}

    // What goes past the sums stays in d_h and d_c.
    void run(const Scratch &scratch, const RowSet &rows, Range blocks, const Step &now,
             Range some) const override {
        if (sizes_.has_norm)
            for (std::size_t i = some.begin; i < some.end; ++i)
                run_normed(scratch, row_of(scratch, rows, now, i), blocks);
        else if (sizes_.has_zoneout)
            rule_.with_step(
                [&](const auto &step) { run_rows<false>(step, scratch, rows, blocks, now, some); });
        else
            rule_.with_step(
                [&](const auto &step) { run_rows<true>(step, scratch, rows, blocks, now, some); });
    }

private:
    // A row at a step.
    struct Row {
        T *d_h, *d_c, *d_preacts;
        const T *out, *grad_out, *saved, *h, *c;  // h and c are those before the step
        bool c_is_saved;                          // and so lies between other vectors that were saved
        std::size_t stride, c_stride;             // of d_h and d_c, from block to block; of saved c
        typename Zoneout<T>::Keys keys;
        bool has_next_step;                      // by another step of the sweep
        std::ptrdiff_t saved_ahead, grad_ahead;  // from this step's to the next one's
    };

    const BackwardContext<T> &context_;
    const Sizes<T> &sizes_;
    const CellRule rule_;

    // A function for each activation: one for all of them would run out of registers.
    template <bool kPlain, class RuleStep>
    [[gnu::noinline]] void run_rows(const RuleStep step, const Scratch &scratch, const RowSet &rows,
                                    Range blocks, const Step &now, Range some) const {
        for (std::size_t i = some.begin; i < some.end; ++i) {
            const Row row = row_of(scratch, rows, now, i);
            run_units<kPlain>(step, scratch, row, blocks, store_to_panels(scratch, row));
        }
    }
    // Where the gradients of a vector of the sums go without layer norm.
    [[gnu::always_inline]] auto store_to_panels(const Scratch &scratch, const Row &row) const {
        const std::size_t block_rows = scratch.capacity * kWide,
                          gemm_stride = sizes_.unit_blocks * block_rows;
        return [block_rows, gemm_stride, panels = row.d_preacts](std::size_t vector, const Vec *d_preacts) {
            T *const to = panels + vector / 2 * block_rows + vector % 2 * kLanes;
            for (int i_gemm = 0; i_gemm < CellRule::kPreacts; ++i_gemm)
                S::store(to + i_gemm * gemm_stride, d_preacts[i_gemm]);
        };
    }

    [[gnu::always_inline]] Row row_of(const Scratch &scratch, const RowSet &rows, const Step &now,
                                      std::size_t i) const {
        const Problem<T> &problem = context_.problem;
        const std::size_t index = rows.order[i];
        const std::ptrdiff_t ahead = problem.reverse ? 1 : -1;
        Row row{};
        row.d_h = scratch.d_h + i * kWide;
        if constexpr (CellRule::kStates > 1) row.d_c = scratch.d_c + i * kWide;
        row.d_preacts = scratch.d_preacts + (now.filled + i) * kWide;
        row.out = row_at(context_.gradients.out, now.t, index);
        row.grad_out = row_at(context_.gradients.grad_out, now.t, index);
        row.saved = sizes_.saved_vectors ? context_.saved(now.t, index) : nullptr;
        if constexpr (CellRule::kPassesState) row.h = context_.h_before(rows, now.t, i);
        if constexpr (CellRule::kStates > 1) {
            const Origin from = context_.origin(rows, now.t, i);
            row.c_is_saved = from == Origin::kStep;
            if (row.c_is_saved) row.c = context_.saved(context_.step_before(now.t), index) + sizes_.c_offset;
            row.c_stride = sizes_.c_stride;
            if (from == Origin::kInitial) row.c = context_.initial(problem.c0, index);
        }
        row.stride = rows.count * kWide;
        if (sizes_.has_zoneout) row.keys = context_.zoneout.keys(now.t, index);
        row.has_next_step = problem.reverse ? now.t + 1 < problem.steps : now.t > 0;
        row.saved_ahead = ahead * static_cast<std::ptrdiff_t>(problem.rows * sizes_.saved_per_row);
        row.grad_ahead = ahead * context_.gradients.grad_out.step_stride;
        return row;
    }

    // The loop holds what it reads in locals, as forward's does.
    template <bool kPlain, class RuleStep, class Put>
    [[gnu::always_inline]] void run_units(const RuleStep step, const Scratch &scratch, const Row row,
                                          Range blocks, Put store) const {
        const std::size_t H = sizes_.units;
        const std::size_t end = blocks.end * 2 < sizes_.vectors ? blocks.end * 2 : sizes_.vectors;
        const bool has_norm = !kPlain && sizes_.has_norm, has_state_path = context_.has_state_path;
        const int saved_vectors = !has_norm ? sizes_.saved_vectors : row.saved ? CellRule::kPreacts : 0;
        T *const d_slope = scratch.d_slope;
        for (std::size_t vector = blocks.begin * 2; vector < end; ++vector) {
            const std::size_t unit = vector * kLanes, left = H - unit < kLanes ? H - unit : kLanes;
            const std::size_t offset = vector / 2 * row.stride + vector % 2 * kLanes;
            Vec d_after[2], past[2]{}, saved[CellRule::kSaved], before[2]{}, d_preacts[CellRule::kPreacts],
                d_before[2]{};
            d_after[0] = S::load(row.d_h + offset) + load_units(row.grad_out, unit, left);
            if constexpr (CellRule::kStates > 1) d_after[1] = S::load(row.d_c + offset);
            if constexpr (!kPlain) split_zoneout(row, unit, d_after, past);
            const T *const from = row.saved + vector * saved_vectors * kLanes;
            if (row.has_next_step) {  // ask now for what the same row's next step will read
                for (int s = 0; s < saved_vectors && !has_norm; ++s)
                    __builtin_prefetch(from + row.saved_ahead + s * kLanes, 0, 2);
                if (row.grad_out) __builtin_prefetch(row.grad_out + row.grad_ahead + unit, 0, 2);
            }
            for (int s = 0; s < CellRule::kSaved - (CellRule::kStates > 1); ++s)
                saved[s] = saved_vectors ? S::load(from + s * kLanes) : load_units(row.out, unit, left);
            if constexpr (CellRule::kPassesState) before[0] = load_units(row.h, unit, left);
            if constexpr (CellRule::kStates > 1) before[1] = c_before(row, unit, left);
            if (CellRule::kStates > 1 && has_norm)
                cell_backward(scratch, unit, saved, before, d_after, d_preacts, d_before);
            else
                step.backward(saved, before, d_after, d_preacts, d_before);
            if constexpr (RuleStep::kLearnsSlope)
                S::store(d_slope, S::load(d_slope) + step.d_slope(saved, d_after));
            if (has_state_path) S::store(row.d_h + offset, d_before[0] + past[0]);
            if constexpr (CellRule::kStates > 1) S::store(row.d_c + offset, d_before[1] + past[1]);
            store(vector, d_preacts);
        }
    }

    static Vec c_before(const Row &row, std::size_t unit, std::size_t left) {
        return row.c_is_saved ? S::load(row.c + unit / kLanes * row.c_stride) : load_units(row.c, unit, left);
    }

    // A row with layer norm, which comes with all its units.
    void run_normed(const Scratch &scratch, Row row, Range blocks) const {
        const T *const normed = row.saved, *const scales = normed + sizes_.scales_offset();
        const bool is_recomputed = !sizes_.needs_only_outputs(context_.problem);
        if (is_recomputed) recompute(scratch, row, scales);
        row.saved = is_recomputed ? scratch.recomputed : nullptr;
        NormBackward<T, kNormGemms<CellRule>> norm_backward;
        run_units<false>(rule_, scratch, row, blocks, [&](std::size_t vector, const Vec *d_preacts) {
            gains_backward(scratch, normed, vector, d_preacts, norm_backward);
        });
        norm_backward.reduce(scales, sizes_.units);
        const std::size_t block_rows = scratch.capacity * kWide,
                          gemm_stride = sizes_.unit_blocks * block_rows;
        for (std::size_t vector = 0; vector < sizes_.vectors; ++vector) {
            T *const to = row.d_preacts + vector / 2 * block_rows + vector % 2 * kLanes;
            for (int i_gemm = 0; i_gemm < kHalves; ++i_gemm) {
                const std::size_t at = (vector * kHalves + i_gemm) * kLanes;
                const Vec d = norm_backward(i_gemm, S::load(scratch.d_norm_row + at), S::load(normed + at));
                S::store(to + i_gemm * gemm_stride, first_lanes<T>(d, sizes_.units - vector * kLanes));
            }
        }
    }

    // From the gradients of the rule's sums to those of the normalised ones, and of gains and shifts.
    void gains_backward(const Scratch &scratch, const T *normed, std::size_t vector, const Vec *d_preacts,
                        NormBackward<T, kNormGemms<CellRule>> &norm_backward) const {
        const std::size_t unit = vector * kLanes, from = vector * kHalves * kLanes;
        for (int i_gemm = 0; i_gemm < CellRule::kPreacts; ++i_gemm)
            add_to(scratch.d_norm.shift(i_gemm) + unit, d_preacts[i_gemm]);
        for (int i_gemm = 0; i_gemm < kHalves; ++i_gemm) {
            const Vec x = S::load(normed + from + i_gemm * kLanes),
                      d = d_preacts[kNormGemms<CellRule>.list[i_gemm].preact];
            add_to(scratch.d_norm.gain(i_gemm) + unit, d * x);
            const Vec d_normed = d * S::load(context_.norm.gain(i_gemm) + unit);
            S::store(scratch.d_norm_row + from + i_gemm * kLanes, d_normed);
            norm_backward.add(i_gemm, d_normed, x);
        }
    }
    static void add_to(T *at, Vec value) { S::store(at, S::load(at) + value); }

    // What the rule would have saved, from x^; for an LSTM also the way back through the norm of its c.
    void recompute(const Scratch &scratch, const Row &row, const T *scales) const {
        NormBackward<T, kCellNormGemms> norm_backward;
        for (std::size_t vector = 0; vector < sizes_.vectors; ++vector) {
            const std::size_t unit = vector * kLanes,
                              left = sizes_.units - unit < kLanes ? sizes_.units - unit : kLanes;
            const T *const from = row.saved + vector * kHalves * kLanes;
            Vec normed[kHalves], preacts[CellRule::kPreacts], saved[CellRule::kSaved], before[2]{}, after[2];
            for (int i_gemm = 0; i_gemm < kHalves; ++i_gemm) {
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

    // Through tanh of the normalised c, whose mean and scale these are.
    [[gnu::always_inline]] void cell_norm_backward(const Scratch &scratch, const Row &row, std::size_t unit,
                                                   std::size_t left, Vec c, Vec o, const T *norm,
                                                   NormBackward<T, kCellNormGemms> &norm_backward) const {
        const Vec normed = (c - norm[0]) * norm[1], gain = S::load(context_.norm.cell_gain() + unit);
        const Vec tanh_c = Tanh<T>{}(gain * normed + S::load(context_.norm.cell_shift() + unit));
        const std::size_t offset = unit / kWide * row.stride + unit % kWide;
        Vec d_after[2]{S::load(row.d_h + offset) + load_units(row.grad_out, unit, left)}, past[2];
        split_zoneout(row, unit, d_after, past);
        const Vec d = d_after[0] * o * (T{1} - tanh_c * tanh_c), d_normed = first_lanes<T>(d * gain, left);
        add_to(scratch.d_norm.cell_gain() + unit, d * normed);
        add_to(scratch.d_norm.cell_shift() + unit, d);
        norm_backward.add(0, d_normed, normed);
        S::store(scratch.cell[0] + unit, normed);
        S::store(scratch.cell[1] + unit, d_normed);
        S::store(scratch.cell[2] + unit, tanh_c);
    }

    // The gradients of what the cell proposed, and what zoneout lets past it.
    void split_zoneout(const Row &row, std::size_t unit, Vec *d_after, Vec *past) const {
        if (!sizes_.has_zoneout) return;
        for (int part = 0; part < CellRule::kStates; ++part)
            past[part] = context_.zoneout.split_gradient(part, row.keys, unit, d_after[part]);
    }

    // The rule with what turn_cell found in place of its own way through tanh(c).
    static void cell_backward(const Scratch &scratch, std::size_t unit, const Vec *saved, const Vec *before,
                              const Vec *d_after, Vec *d_preacts, Vec *d_before) {
        if constexpr (CellRule::kStates > 1) {
            const Vec d_c = S::load(scratch.cell[1] + unit), tanh_c = S::load(scratch.cell[2] + unit);
            CellRule::gates_backward(saved, before, d_after[0] * tanh_c, d_after[1] + d_c, d_preacts,
                                     d_before);
        }
    }
};

}  // namespace unrolled::UNROLLED_ISA
