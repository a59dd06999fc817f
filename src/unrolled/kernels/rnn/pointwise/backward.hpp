// Backward, the part that knows the cell: from the gradients of a step's states to those of its sums.
#pragma once

#include "rnn/scratch.hpp"
#include "rnn/pointwise/layer_norm.hpp"
#include "rnn/pointwise/zoneout.hpp"

namespace unrolled::UNROLLED_ISA {

// What a row's step started from: the state of the step before, the initial one, or zeros.
enum class Origin { kStep, kInitial, kZero };

// One call of backward, as all its members see it.
template <class T>
struct BackwardJob {
    const Call<T> &call;
    const Gradients<T> &to;
    const Plan &plan;
    const Shape<T> shape;
    const Zoneout<T> zoneout;
    const bool passes;  // whether a gradient reaches h_{t-1} past the product
    Norm<T> norm{};

    template <class Rule>
    BackwardJob(const Call<T> &call, const Gradients<T> &to, const Plan &plan, const Rule &rule)
        : call(call),
          to(to),
          plan(plan),
          shape(call, rule),
          zoneout(call),
          passes(Rule::kPassesState || call.zoneout_h > 0) {}

    std::size_t step_before(std::size_t t) const { return call.reverse ? t + 1 : t - 1; }
    Origin origin(const Rows &rows, std::size_t t, std::size_t i) const {
        if (starts_anew(call, rows.order[i], rows.lengths[i], t)) return Origin::kZero;
        const bool is_first = call.reverse ? static_cast<std::int64_t>(t) + 1 == rows.lengths[i] : t == 0;
        return is_first ? Origin::kInitial : Origin::kStep;
    }
    // The state before a row's step t; null for zeros.
    const T *h_before(const Rows &rows, std::size_t t, std::size_t i) const {
        const std::size_t row = rows.order[i];
        const Origin from = origin(rows, t, i);
        if (from == Origin::kStep) return at(to.out, step_before(t), row);
        return from == Origin::kInitial ? initial(call.h0, row) : nullptr;
    }
    const T *initial(const T *state, std::size_t row) const {
        return state ? state + row * shape.units : nullptr;
    }
    const T *saved(std::size_t t, std::size_t row) const {
        return to.saved + (t * call.rows + row) * shape.kept_a_row;
    }
};

// What a member works in; where units are split most of it is shared.
template <class T>
struct BackwardOwn {
    struct Place {
        std::size_t t, row;
    };
    std::size_t room;            // rows of steps that d_sums, left and places hold
    T *d_h, *d_c, *d_recurrent;  // of the state; of what entered W_hh, where that was not the state
    T *d_sums;                   // panels of the sums, `room` rows each
    T *left;                     // h_{t-1}, 1, x_t of each row of a step
    T *d_weights;                // panels of the sums, a row for each column of `left`
    T *d_x, *d_slope;
    // Of layer norm, a row each: gradients of the normalised sums; what the rule would have saved; for the
    // cell x^, its gradient and tanh.
    T *d_together, *regained, *cell[3];
    Place *places;
    Norm<T> d_norm;
};

// `filled` rows of earlier steps lie before this one's in d_sums.
struct BackwardStep {
    std::size_t t, active, filled;
};

// The sweep calls this for some rows of a step, and its blocks of units.
template <class T>
class BackwardRows {
public:
    virtual void turn(const BackwardOwn<T> &own, const Rows &rows, Part blocks, const BackwardStep &now,
                      Part some) const = 0;

protected:
    ~BackwardRows() = default;
};

template <class T, class Rule>
class BackwardRowsOf final : public BackwardRows<T> {
    using S = Simd<T>;
    using Vec = typename S::Vec;
    using Own = BackwardOwn<T>;
    using Step = BackwardStep;
    static constexpr std::size_t kWide = kColumns<T>, kLanes = S::kLanes;
    static constexpr int kHalves = kNormed<Rule>.count;

public:
    BackwardRowsOf(const BackwardJob<T> &job, const Rule &rule) : job_(job), shape_(job.shape), rule_(rule) {}

    // What goes past the sums stays in d_h and d_c.
    void turn(const Own &own, const Rows &rows, Part blocks, const Step &now, Part some) const override {
        if (shape_.has_norm)
            for (std::size_t i = some.begin; i < some.end; ++i)
                turn_normed(own, row_of(own, rows, now, i), blocks);
        else if (shape_.mixes)
            rule_.with_step([&](const auto &step) { turn_rows<false>(step, own, rows, blocks, now, some); });
        else
            rule_.with_step([&](const auto &step) { turn_rows<true>(step, own, rows, blocks, now, some); });
    }

private:
    // A row at a step.
    struct Row {
        T *d_h, *d_c, *d_sums;
        const T *out, *grad_out, *saved, *h, *c;  // h and c are those before the step
        bool c_is_saved;                          // and so lies between other vectors that were saved
        std::size_t stride, c_apart;              // of d_h and d_c, from block to block; of saved c
        typename Zoneout<T>::Keys keys;
        bool is_followed;                        // by another step of the sweep
        std::ptrdiff_t saved_ahead, grad_ahead;  // from this step's to the next one's
    };

    const BackwardJob<T> &job_;
    const Shape<T> &shape_;
    const Rule rule_;

    // A function for each activation: one for all of them would run out of registers.
    template <bool kPlain, class RuleStep>
    [[gnu::noinline]] void turn_rows(const RuleStep step, const Own &own, const Rows &rows, Part blocks,
                                     const Step &now, Part some) const {
        for (std::size_t i = some.begin; i < some.end; ++i) {
            const Row row = row_of(own, rows, now, i);
            turn_units<kPlain>(step, own, row, blocks, to_panels(own, row));
        }
    }
    // Where the gradients of a vector of the sums go without layer norm.
    [[gnu::always_inline]] auto to_panels(const Own &own, const Row &row) const {
        const std::size_t block_rows = own.room * kWide, sum_stride = shape_.unit_blocks * block_rows;
        return [block_rows, sum_stride, panels = row.d_sums](std::size_t vector, const Vec *d_sums) {
            T *const to = panels + vector / 2 * block_rows + vector % 2 * kLanes;
            for (int sum = 0; sum < Rule::kSums; ++sum) S::store(to + sum * sum_stride, d_sums[sum]);
        };
    }

    [[gnu::always_inline]] Row row_of(const Own &own, const Rows &rows, const Step &now,
                                      std::size_t i) const {
        const Call<T> &call = job_.call;
        const std::size_t index = rows.order[i];
        const std::ptrdiff_t ahead = call.reverse ? 1 : -1;
        Row row{};
        row.d_h = own.d_h + i * kWide;
        if constexpr (Rule::kStates > 1) row.d_c = own.d_c + i * kWide;
        row.d_sums = own.d_sums + (now.filled + i) * kWide;
        row.out = at(job_.to.out, now.t, index);
        row.grad_out = at(job_.to.grad_out, now.t, index);
        row.saved = shape_.kept ? job_.saved(now.t, index) : nullptr;
        if constexpr (Rule::kPassesState) row.h = job_.h_before(rows, now.t, i);
        if constexpr (Rule::kStates > 1) {
            const Origin from = job_.origin(rows, now.t, i);
            row.c_is_saved = from == Origin::kStep;
            if (row.c_is_saved) row.c = job_.saved(job_.step_before(now.t), index) + shape_.c_at;
            row.c_apart = shape_.c_apart;
            if (from == Origin::kInitial) row.c = job_.initial(call.c0, index);
        }
        row.stride = rows.count * kWide;
        if (shape_.mixes) row.keys = job_.zoneout.keys(now.t, index);
        row.is_followed = call.reverse ? now.t + 1 < call.steps : now.t > 0;
        row.saved_ahead = ahead * static_cast<std::ptrdiff_t>(call.rows * shape_.kept_a_row);
        row.grad_ahead = ahead * job_.to.grad_out.per_step;
        return row;
    }

    // The loop holds what it reads in locals, as forward's does.
    template <bool kPlain, class RuleStep, class Put>
    [[gnu::always_inline]] void turn_units(const RuleStep step, const Own &own, const Row row, Part blocks,
                                           Put put) const {
        const std::size_t H = shape_.units;
        const std::size_t end = blocks.end * 2 < shape_.vectors ? blocks.end * 2 : shape_.vectors;
        const bool has_norm = !kPlain && shape_.has_norm, passes = job_.passes;
        const int kept = !has_norm ? shape_.kept : row.saved ? Rule::kSums : 0;
        T *const d_slope = own.d_slope;
        for (std::size_t vector = blocks.begin * 2; vector < end; ++vector) {
            const std::size_t unit = vector * kLanes, left = H - unit < kLanes ? H - unit : kLanes;
            const std::size_t place = vector / 2 * row.stride + vector % 2 * kLanes;
            Vec d_after[2], past[2]{}, saved[Rule::kSaved], before[2]{}, d_sums[Rule::kSums], d_before[2]{};
            d_after[0] = S::load(row.d_h + place) + units_at(row.grad_out, unit, left);
            if constexpr (Rule::kStates > 1) d_after[1] = S::load(row.d_c + place);
            if constexpr (!kPlain) split(row, unit, d_after, past);
            const T *const from = row.saved + vector * kept * kLanes;
            if (row.is_followed) {  // ask now for what the same row's next step will read
                for (int s = 0; s < kept && !has_norm; ++s)
                    __builtin_prefetch(from + row.saved_ahead + s * kLanes, 0, 2);
                if (row.grad_out) __builtin_prefetch(row.grad_out + row.grad_ahead + unit, 0, 2);
            }
            for (int s = 0; s < Rule::kSaved - (Rule::kStates > 1); ++s)
                saved[s] = kept ? S::load(from + s * kLanes) : units_at(row.out, unit, left);
            if constexpr (Rule::kPassesState) before[0] = units_at(row.h, unit, left);
            if constexpr (Rule::kStates > 1) before[1] = c_before(row, unit, left);
            if (Rule::kStates > 1 && has_norm)
                through_cell(own, unit, saved, before, d_after, d_sums, d_before);
            else
                step.backward(saved, before, d_after, d_sums, d_before);
            if constexpr (RuleStep::kLearnsSlope)
                S::store(d_slope, S::load(d_slope) + step.d_slope(saved, d_after));
            if (passes) S::store(row.d_h + place, d_before[0] + past[0]);
            if constexpr (Rule::kStates > 1) S::store(row.d_c + place, d_before[1] + past[1]);
            put(vector, d_sums);
        }
    }

    static Vec c_before(const Row &row, std::size_t unit, std::size_t left) {
        return row.c_is_saved ? S::load(row.c + unit / kLanes * row.c_apart) : units_at(row.c, unit, left);
    }

    // A row with layer norm, which comes with all its units.
    void turn_normed(const Own &own, Row row, Part blocks) const {
        const T *const normed = row.saved, *const scales = normed + shape_.scales_at();
        const bool is_regained = !shape_.is_in_outputs(job_.call);
        if (is_regained) regain(own, row, scales);
        row.saved = is_regained ? own.regained : nullptr;
        NormBack<T, kNormed<Rule>> back;
        turn_units<false>(rule_, own, row, blocks, [&](std::size_t vector, const Vec *d_sums) {
            through_gains(own, normed, vector, d_sums, back);
        });
        back.close(scales, shape_.units);
        const std::size_t block_rows = own.room * kWide, sum_stride = shape_.unit_blocks * block_rows;
        for (std::size_t vector = 0; vector < shape_.vectors; ++vector) {
            T *const to = row.d_sums + vector / 2 * block_rows + vector % 2 * kLanes;
            for (int sum = 0; sum < kHalves; ++sum) {
                const std::size_t at = (vector * kHalves + sum) * kLanes;
                const Vec d = back(sum, S::load(own.d_together + at), S::load(normed + at));
                S::store(to + sum * sum_stride, first_lanes<T>(d, shape_.units - vector * kLanes));
            }
        }
    }

    // From the gradients of the rule's sums to those of the normalised ones, and of gains and shifts.
    void through_gains(const Own &own, const T *normed, std::size_t vector, const Vec *d_sums,
                       NormBack<T, kNormed<Rule>> &back) const {
        const std::size_t unit = vector * kLanes, from = vector * kHalves * kLanes;
        for (int sum = 0; sum < Rule::kSums; ++sum) add_to(own.d_norm.shift(sum) + unit, d_sums[sum]);
        for (int sum = 0; sum < kHalves; ++sum) {
            const Vec x = S::load(normed + from + sum * kLanes), d = d_sums[kNormed<Rule>.list[sum].of_rule];
            add_to(own.d_norm.gain(sum) + unit, d * x);
            const Vec d_normed = d * S::load(job_.norm.gain(sum) + unit);
            S::store(own.d_together + from + sum * kLanes, d_normed);
            back.add(sum, d_normed, x);
        }
    }
    static void add_to(T *at, Vec value) { S::store(at, S::load(at) + value); }

    // What the rule would have saved, from x^; for an LSTM also the way back through the norm of its c.
    void regain(const Own &own, const Row &row, const T *scales) const {
        NormBack<T, kCellNormed> back;
        for (std::size_t vector = 0; vector < shape_.vectors; ++vector) {
            const std::size_t unit = vector * kLanes,
                              left = shape_.units - unit < kLanes ? shape_.units - unit : kLanes;
            const T *const from = row.saved + vector * kHalves * kLanes;
            Vec normed[kHalves], sums[Rule::kSums], saved[Rule::kSaved], before[2]{}, after[2];
            for (int sum = 0; sum < kHalves; ++sum) {
                normed[sum] = S::load(from + sum * kLanes);
                if (row.is_followed) __builtin_prefetch(from + row.saved_ahead + sum * kLanes, 0, 2);
            }
            sums_from<T, Rule>(normed, job_.norm, unit, sums);
            if constexpr (Rule::kStates > 1) {
                const Vec c = Rule::cell(sums, c_before(row, unit, left), saved);
                turn_cell(own, row, unit, left, c, saved[3], scales + kNormed<Rule>.groups, back);
            } else {
                rule_.forward(sums, before, saved, after);
            }
            for (int s = 0; s < Rule::kSums; ++s)
                S::store(own.regained + (vector * Rule::kSums + s) * kLanes, saved[s]);
        }
        if (Rule::kStates < 2) return;
        back.close(scales + kNormed<Rule>.groups + 1, shape_.units);
        for (std::size_t unit = 0; unit < shape_.units; unit += kLanes) {
            T *const d = own.cell[1] + unit;
            const Vec d_c = back(0, S::load(d), S::load(own.cell[0] + unit));
            S::store(d, first_lanes<T>(d_c, shape_.units - unit));
        }
    }

    // Through tanh of the normalised c, whose mean and scale these are.
    [[gnu::always_inline]] void turn_cell(const Own &own, const Row &row, std::size_t unit, std::size_t left,
                                          Vec c, Vec o, const T *norm, NormBack<T, kCellNormed> &back) const {
        const Vec normed = (c - norm[0]) * norm[1], gain = S::load(job_.norm.cell_gain() + unit);
        const Vec tanh_c = Tanh<T>{}(gain * normed + S::load(job_.norm.cell_shift() + unit));
        const std::size_t place = unit / kWide * row.stride + unit % kWide;
        Vec d_after[2]{S::load(row.d_h + place) + units_at(row.grad_out, unit, left)}, past[2];
        split(row, unit, d_after, past);
        const Vec d = d_after[0] * o * (T{1} - tanh_c * tanh_c), d_normed = first_lanes<T>(d * gain, left);
        add_to(own.d_norm.cell_gain() + unit, d * normed);
        add_to(own.d_norm.cell_shift() + unit, d);
        back.add(0, d_normed, normed);
        S::store(own.cell[0] + unit, normed);
        S::store(own.cell[1] + unit, d_normed);
        S::store(own.cell[2] + unit, tanh_c);
    }

    // The gradients of what the cell proposed, and what zoneout lets past it.
    void split(const Row &row, std::size_t unit, Vec *d_after, Vec *past) const {
        if (!shape_.mixes) return;
        for (int part = 0; part < Rule::kStates; ++part)
            past[part] = job_.zoneout.split(part, row.keys, unit, d_after[part]);
    }

    // The rule with what turn_cell found in place of its own way through tanh(c).
    static void through_cell(const Own &own, std::size_t unit, const Vec *saved, const Vec *before,
                             const Vec *d_after, Vec *d_sums, Vec *d_before) {
        if constexpr (Rule::kStates > 1) {
            const Vec d_c = S::load(own.cell[1] + unit), tanh_c = S::load(own.cell[2] + unit);
            Rule::to_gates(saved, before, d_after[0] * tanh_c, d_after[1] + d_c, d_sums, d_before);
        }
    }
};

}  // namespace unrolled::UNROLLED_ISA
