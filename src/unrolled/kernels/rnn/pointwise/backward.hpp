// Backward pointwise: from the gradients of a step's states to those of its pre-activations.
#pragma once

#include "rnn/pointwise/layer_norm.hpp"
#include "rnn/pointwise/zoneout.hpp"
#include "rnn/scratch.hpp"

namespace unrolled::UNROLLED_ISA {

// The state that a row's step starts from: that of the step before, the initial one, or zeros.
enum class Origin { kStep, kInitial, kZero };

// One call of backward, shared by all threads.
template <class T>
struct BackwardContext {
    const Problem<T> &problem;
    const Gradients<T> &gradients;
    const Partition &partition;
    const Sizes<T> sizes;
    const Zoneout<T> zoneout;
    const bool has_state_path;  // whether a gradient reaches h_{t-1} around the GEMM
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
    // h before a row's step t; null for zeros.
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

// Scratch of a thread; where units are split most of it is shared.
template <class T>
struct BackwardScratch {
    struct Place {
        std::size_t t, row;
    };
    std::size_t capacity;        // rows of steps that d_preacts, left and places hold
    T *d_h, *d_c, *d_recurrent;  // of the state; of the input of W_hh, where that was not the state
    T *d_preacts;                // blocks of each gate GEMM, `capacity` rows each
    T *left;       // h_{t-1}, 1, x_t of each row of a step: the left operand of the weight GEMMs
    T *d_weights;  // panels of each gate GEMM, a row for each column of `left`
    T *d_x, *d_slope;
    // Layer norm, a row each: gradients of the normalised values; what the cell would have saved; x^ of c,
    // its gradient, and tanh of the normalised c.
    T *d_norm_row, *recomputed, *cell[3];
    Place *places;
    NormParameters<T> d_norm;
};

// `filled` rows of earlier steps lie before this step's in d_preacts.
struct BackwardStep {
    std::size_t t, active, filled;
};

// BackwardPass calls this for a range of rows of a step, and the thread's blocks of units. Gradients that go
// around the GEMM are left in d_h and d_c.
template <class T>
class BackwardPointwise {
public:
    virtual void run(const BackwardScratch<T> &scratch, const RowSet &rows, Range blocks,
                     const BackwardStep &now, Range row_range) const = 0;

protected:
    ~BackwardPointwise() = default;
};

// The rows of a step, for either kind of pointwise below.
template <class T, class CellRule>
class BackwardRows : public BackwardPointwise<T> {
protected:
    using S = Simd<T>;
    using Vec = typename S::Vec;
    using Scratch = BackwardScratch<T>;
    using Step = BackwardStep;
    static constexpr std::size_t kWide = kColumns<T>, kLanes = S::kLanes;

    struct Row {
        T *d_h, *d_c, *d_preacts;
        const T *out, *grad_out, *saved, *h, *c;  // h and c are those before the step
        bool c_is_saved;                          // and so lies between other saved vectors
        std::size_t stride, c_stride;             // of d_h and d_c, from block to block; of saved c
        typename Zoneout<T>::Keys keys;
        bool has_next_step;
        std::ptrdiff_t saved_ahead, grad_ahead;  // from this step's to the next one's
    };

    BackwardRows(const BackwardContext<T> &context, const CellRule &rule)
        : context_(context), sizes_(context.sizes), rule_(rule) {}
    ~BackwardRows() = default;

    const BackwardContext<T> &context_;
    const Sizes<T> &sizes_;
    const CellRule rule_;

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

    static Vec c_before(const Row &row, std::size_t unit, std::size_t left) {
        return row.c_is_saved ? S::load(row.c + unit / kLanes * row.c_stride) : load_units(row.c, unit, left);
    }

    // Split the gradients of the states into those of the proposed ones and those that zoneout passes around.
    void split_zoneout(const Row &row, std::size_t unit, Vec *d_after, Vec *around) const {
        if (!sizes_.has_zoneout) return;
        for (int part = 0; part < CellRule::kStates; ++part)
            around[part] = context_.zoneout.split_gradient(part, row.keys, unit, d_after[part]);
    }
};

template <class T, class CellRule>
class PlainBackwardPointwise final : public BackwardRows<T, CellRule> {
    using Base = BackwardRows<T, CellRule>;
    using Base::context_, Base::kLanes, Base::kWide, Base::rule_, Base::sizes_;
    using typename Base::Row, typename Base::S, typename Base::Scratch, typename Base::Step,
        typename Base::Vec;

public:
    PlainBackwardPointwise(const BackwardContext<T> &context, const CellRule &rule) : Base(context, rule) {}

    void run(const Scratch &scratch, const RowSet &rows, Range blocks, const Step &now,
             Range row_range) const override {
        if (sizes_.has_zoneout)
            rule_.with_step(
                [&](const auto &step) { run_rows<true>(step, scratch, rows, blocks, now, row_range); });
        else
            rule_.with_step(
                [&](const auto &step) { run_rows<false>(step, scratch, rows, blocks, now, row_range); });
    }

private:
    // One function for each activation: a single one for all of them would run out of registers.
    template <bool kHasZoneout, class RuleStep>
    [[gnu::noinline]] void run_rows(const RuleStep step, const Scratch &scratch, const RowSet &rows,
                                    Range blocks, const Step &now, Range row_range) const {
        for (std::size_t i = row_range.begin; i < row_range.end; ++i)
            run_units<kHasZoneout>(step, scratch, Base::row_of(scratch, rows, now, i), blocks);
    }

    // The loop holds what it reads in locals: a store of a vector might change any member, as far as the
    // compiler knows.
    template <bool kHasZoneout, class RuleStep>
    [[gnu::always_inline]] void run_units(const RuleStep step, const Scratch &scratch, const Row row,
                                          Range blocks) const {
        const std::size_t H = sizes_.units, block_rows = scratch.capacity * kWide;
        const std::size_t gemm_stride = sizes_.unit_blocks * block_rows;
        const std::size_t end = blocks.end * 2 < sizes_.vectors ? blocks.end * 2 : sizes_.vectors;
        const bool has_state_path = context_.has_state_path;
        const int saved_vectors = sizes_.saved_vectors;
        T *const d_slope = scratch.d_slope;
        for (std::size_t vector = blocks.begin * 2; vector < end; ++vector) {
            const std::size_t unit = vector * kLanes, left = H - unit < kLanes ? H - unit : kLanes;
            const std::size_t offset = vector / 2 * row.stride + vector % 2 * kLanes;
            Vec d_after[2], around[2]{}, saved[CellRule::kSaved], before[2]{}, d_preacts[CellRule::kPreacts],
                d_before[2]{};
            d_after[0] = S::load(row.d_h + offset) + load_units(row.grad_out, unit, left);
            if constexpr (CellRule::kStates > 1) d_after[1] = S::load(row.d_c + offset);
            if constexpr (kHasZoneout) Base::split_zoneout(row, unit, d_after, around);
            const T *const from = row.saved + vector * saved_vectors * kLanes;
            if (row.has_next_step) {  // prefetch what the same row's next step will read
                for (int s = 0; s < saved_vectors; ++s)
                    __builtin_prefetch(from + row.saved_ahead + s * kLanes, 0, 2);
                if (row.grad_out) __builtin_prefetch(row.grad_out + row.grad_ahead + unit, 0, 2);
            }
            for (int s = 0; s < CellRule::kSaved - (CellRule::kStates > 1); ++s)
                saved[s] = saved_vectors ? S::load(from + s * kLanes) : load_units(row.out, unit, left);
            if constexpr (CellRule::kPassesState) before[0] = load_units(row.h, unit, left);
            if constexpr (CellRule::kStates > 1) before[1] = Base::c_before(row, unit, left);
            step.backward(saved, before, d_after, d_preacts, d_before);
            if constexpr (RuleStep::kLearnsSlope)
                S::store(d_slope, S::load(d_slope) + step.d_slope(saved, d_after));
            if (has_state_path) S::store(row.d_h + offset, d_before[0] + around[0]);
            if constexpr (CellRule::kStates > 1) S::store(row.d_c + offset, d_before[1] + around[1]);
            T *const to = row.d_preacts + vector / 2 * block_rows + vector % 2 * kLanes;
            for (int s = 0; s < CellRule::kPreacts; ++s) S::store(to + s * gemm_stride, d_preacts[s]);
        }
    }
};

}  // namespace unrolled::UNROLLED_ISA
