// Backward, the part that knows the cell: from the gradients of a step's states to those of its sums.
#pragma once

#include "layout.hpp"
#include "normalise.hpp"
#include "zoneout.hpp"

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
    T *cell[2];  // a row: tanh of the normalised c; the gradient that reaches c through it
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

public:
    BackwardRowsOf(const BackwardJob<T> &job, const Rule &rule) : job_(job), shape_(job.shape), rule_(rule) {}

    // What goes past the sums stays in d_h and d_c.
    void turn(const Own &own, const Rows &rows, Part blocks, const Step &now, Part some) const override {
        if (!shape_.has_norm && !shape_.mixes)
            rule_.with_step([&](const auto &step) { turn_rows(step, own, rows, blocks, now, some); });
        else
            for (std::size_t i = some.begin; i < some.end; ++i)
                turn_rare(own, row_of(own, rows, now, i), blocks);
    }

private:
    // A row at a step.
    struct Row {
        T *d_h, *d_c, *d_sums;
        const T *out, *grad_out, *saved, *h, *c;  // h and c are those before the step
        bool c_is_saved;                          // and so lies between the vectors that the rule saved
        std::size_t stride;                       // of d_h and d_c, from block to block
        typename Zoneout<T>::Keys keys;
        bool is_followed;                        // by another step of the sweep
        std::ptrdiff_t saved_ahead, grad_ahead;  // from this step's to the next one's
    };

    const BackwardJob<T> &job_;
    const Shape<T> &shape_;
    const Rule rule_;

    // A function for each activation: one for all of them would run out of registers.
    template <class RuleStep>
    [[gnu::noinline]] void turn_rows(const RuleStep step, const Own &own, const Rows &rows, Part blocks,
                                     const Step &now, Part some) const {
        for (std::size_t i = some.begin; i < some.end; ++i)
            turn_units<true>(step, own, row_of(own, rows, now, i), blocks);
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
            if (row.c_is_saved) row.c = job_.saved(job_.step_before(now.t), index);
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
    template <bool kPlain, class RuleStep>
    [[gnu::always_inline]] void turn_units(const RuleStep step, const Own &own, const Row row,
                                           Part blocks) const {
        const std::size_t H = shape_.units, block_rows = own.room * kWide,
                          sum_stride = shape_.unit_blocks * block_rows;
        const std::size_t end = blocks.end * 2 < shape_.vectors ? blocks.end * 2 : shape_.vectors;
        const int kept = shape_.kept, kept_by_rule = shape_.kept_by_rule;
        const bool has_norm = !kPlain && shape_.has_norm, passes = job_.passes;
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
                for (int s = 0; s < kept; ++s) __builtin_prefetch(from + row.saved_ahead + s * kLanes, 0, 2);
                if (row.grad_out) __builtin_prefetch(row.grad_out + row.grad_ahead + unit, 0, 2);
            }
            for (int s = 0; s < Rule::kSaved - (Rule::kStates > 1); ++s)
                saved[s] = kept_by_rule ? S::load(from + s * kLanes) : units_at(row.out, unit, left);
            if constexpr (Rule::kPassesState) before[0] = units_at(row.h, unit, left);
            if constexpr (Rule::kStates > 1) before[1] = c_before(row, kept, unit, left);
            if (Rule::kStates > 1 && !kPlain && own.cell[0])
                through_cell(own, unit, saved, before, d_after, d_sums, d_before);
            else
                step.backward(saved, before, d_after, d_sums, d_before);
            if constexpr (RuleStep::kLearnsSlope)
                S::store(d_slope, S::load(d_slope) + step.d_slope(saved, d_after));
            if (passes) S::store(row.d_h + place, d_before[0] + past[0]);
            if constexpr (Rule::kStates > 1) S::store(row.d_c + place, d_before[1] + past[1]);
            T *const to = row.d_sums + vector / 2 * block_rows + vector % 2 * kLanes;
            if (has_norm)
                through_gains(own, from + kept_by_rule * kLanes, unit, d_sums, to, sum_stride);
            else
                for (int sum = 0; sum < Rule::kSums; ++sum) S::store(to + sum * sum_stride, d_sums[sum]);
        }
    }

    static Vec c_before(const Row &row, int kept, std::size_t unit, std::size_t left) {
        if (row.c_is_saved) return S::load(row.c + unit * kept + (Rule::kSaved - 1) * kLanes);
        return units_at(row.c, unit, left);
    }

    // A row with layer norm or zoneout. With layer norm it comes with all its units.
    void turn_rare(const Own &own, const Row &row, Part blocks) const {
        if (own.cell[0]) turn_cell(own, row);
        turn_units<false>(rule_, own, row, blocks);
        if (!shape_.has_norm) return;
        const std::size_t block_rows = own.room * kWide;
        for (int first = 0, group = 0; first < shape_.sums.count; ++group) {
            const int count = shape_.normed_together(first);
            const T scale = row.saved[shape_.vectors * shape_.kept * kLanes + group];
            const T *const normed = row.saved + (shape_.kept_by_rule + first) * kLanes;
            normalise_back(row.d_sums + first * shape_.unit_blocks * block_rows, scale, block_rows,
                           shape_.unit_blocks, count, shape_.units, [&](std::size_t sum, std::size_t vector) {
                               return S::load(normed + (vector * shape_.kept + sum) * kLanes);
                           });
            first += count;
        }
    }

    // The gradients of what the cell proposed, and what zoneout lets past it.
    void split(const Row &row, std::size_t unit, Vec *d_after, Vec *past) const {
        if (!shape_.mixes) return;
        for (int part = 0; part < Rule::kStates; ++part)
            past[part] = job_.zoneout.split(part, row.keys, unit, d_after[part]);
    }

    // The rule with turn_cell's answer in place of its own way through tanh(c).
    static void through_cell(const Own &own, std::size_t unit, const Vec *saved, const Vec *before,
                             const Vec *d_after, Vec *d_sums, Vec *d_before) {
        if constexpr (Rule::kStates > 1) {
            const Vec tanh_c = S::load(own.cell[0] + unit), d_c = S::load(own.cell[1] + unit);
            Rule::to_gates(saved, before, d_after[0] * tanh_c, d_after[1] + d_c, d_sums, d_before);
        }
    }

    // From the gradients of the rule's sums to those of the normalised ones, and of gains and shifts.
    void through_gains(const Own &own, const T *normed, std::size_t unit, const Vec *d_sums, T *to,
                       std::size_t sum_stride) const {
        for (int sum = 0; sum < shape_.sums.count; ++sum) {
            const Vec d = d_sums[sum_of_rule(sum)];
            T *const gain = own.d_norm.gain(sum) + unit, *const shift = own.d_norm.shift(sum) + unit;
            S::store(gain, S::load(gain) + d * S::load(normed + sum * kLanes));
            S::store(shift, S::load(shift) + d);
            S::store(to + sum * sum_stride, d * S::load(job_.norm.gain(sum) + unit));
        }
    }
    // Which of the rule's sums a normalised half is part of.
    int sum_of_rule(int sum) const {
        const auto [reads, gate] = shape_.sums.list[sum];
        return Rule::kSums > Rule::kGates && gate == Rule::kGates - 1 && reads == kInput ? gate + 1 : gate;
    }

    // Through the norm of c: tanh of it, and the gradient that reaches c, into own.cell.
    void turn_cell(const Own &own, const Row &row) const {
        if constexpr (Rule::kStates > 1) {
            T *const normed = own.cell[0], *const d = own.cell[1];
            const int norm = shape_.sums.count;
            const T *const gains = job_.norm.gain(norm), *const shifts = job_.norm.shift(norm);
            T *const d_gains = own.d_norm.gain(norm), *const d_shifts = own.d_norm.shift(norm);
            const auto each = [&](auto f) {
                each_vector<T>(
                    1, shape_.unit_blocks, kWide, shape_.units,
                    [&](std::size_t unit, std::size_t, std::size_t, std::size_t count) { f(unit, count); });
            };
            each([&](std::size_t unit, std::size_t count) {
                const T *const saved = row.saved + unit * shape_.kept;
                const Vec i = S::load(saved), f = S::load(saved + kLanes), g = S::load(saved + 2 * kLanes);
                S::store(d + unit, f * c_before(row, shape_.kept, unit, count) + i * g);
            });
            const auto [mean, scale] = moments(d, kWide, shape_.unit_blocks, 1, shape_.units);
            each([&](std::size_t unit, std::size_t count) {
                const Vec c = (S::load(d + unit) - mean) * scale, gain = S::load(gains + unit);
                const Vec tanh_c = Tanh<T>{}(gain * c + S::load(shifts + unit));
                const std::size_t place = unit / kWide * row.stride + unit % kWide;
                Vec d_after[2]{S::load(row.d_h + place) + units_at(row.grad_out, unit, count)}, past[2];
                split(row, unit, d_after, past);
                const Vec o = S::load(row.saved + unit * shape_.kept + 3 * kLanes);
                const Vec d_normed = d_after[0] * o * (T{1} - tanh_c * tanh_c);
                S::store(d_gains + unit, S::load(d_gains + unit) + d_normed * c);
                S::store(d_shifts + unit, S::load(d_shifts + unit) + d_normed);
                S::store(d + unit, first_lanes<T>(d_normed * gain, count));
                S::store(normed + unit, c);
            });
            normalise_back(
                d, scale, kWide, shape_.unit_blocks, 1, shape_.units,
                [&](std::size_t, std::size_t vector) { return S::load(normed + vector * kLanes); });
            each([&](std::size_t unit, std::size_t) {
                S::store(normed + unit,
                         Tanh<T>{}(S::load(gains + unit) * S::load(normed + unit) + S::load(shifts + unit)));
            });
        }
    }
};

}  // namespace unrolled::UNROLLED_ISA
