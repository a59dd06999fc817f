// Forward, the part that knows the cell: from the sums of a step to gates, states and outputs.
#pragma once

#include "layout.hpp"
#include "normalise.hpp"
#include "zoneout.hpp"

namespace unrolled::UNROLLED_ISA {

// One call of forward, as all its members see it.
template <class T>
struct ForwardJob {
    static constexpr std::size_t kCacheBytes = 1 << 20;

    const Call<T> &call;
    const Outcome<T> &outcome;
    const Plan &plan;
    const Shape<T> shape;
    const Zoneout<T> zoneout;
    // Whether what is saved would only push other things out of the caches, and lies on whole vectors.
    const bool streams;
    Norm<T> norm{};

    template <class Rule>
    ForwardJob(const Call<T> &call, const Outcome<T> &outcome, const Plan &plan, const Rule &rule)
        : call(call),
          outcome(outcome),
          plan(plan),
          shape(call, rule),
          zoneout(call),
          streams(shape.kept_in_all(call) * sizeof(T) > kCacheBytes &&
                  reinterpret_cast<std::uintptr_t>(outcome.saved) % kVectorBytes == 0) {}
};

// What a member works in, in blocks of units or inputs; the states are shared where units are split.
template <class T>
struct ForwardOwn {
    T *recurrent[2];  // what enters W_hh now, and at the next step
    T *h, *c;         // the state, where `recurrent` is not it
    T *x, *sums;
    T *cell;  // one row of c before it is mixed
};

template <class T>
struct ForwardStep {
    std::size_t t, active;
    const T *recurrent;
    T *next;
};

// The sweep calls this once for the sums of `some` blocks of units at a step.
template <class T>
class ForwardRows {
public:
    virtual void finish(const ForwardOwn<T> &own, const Rows &rows, Part some,
                        const ForwardStep<T> &now) const = 0;

protected:
    ~ForwardRows() = default;
};

template <class T, class Rule>
class ForwardRowsOf final : public ForwardRows<T> {
    using S = Simd<T>;
    using Vec = typename S::Vec;
    using Own = ForwardOwn<T>;
    using Step = ForwardStep<T>;
    static constexpr std::size_t kWide = kColumns<T>, kLanes = S::kLanes;

public:
    ForwardRowsOf(const ForwardJob<T> &job, const Rule &rule)
        : job_(job), rule_(rule), is_plain_(!job.shape.has_norm && !job.shape.mixes && !job.call.mask) {}

    void finish(const Own &own, const Rows &rows, Part some, const Step &now) const override {
        if (is_plain_)
            rule_.with_step([&](const auto &step) { finish_rows(step, own, rows, some, now); });
        else
            for (std::size_t i = 0; i < now.active; ++i) finish_rare(own, row_of(own, rows, some, now, i));
    }

private:
    // A row at a step. Every pointer stands at the row's first unit of those to finish.
    struct Row {
        T *sums;
        const T *h;
        T *c, *state, *next;
        T *out, *h_n, *c_n;  // the last two null before the row's last step
        T *saving;           // null where nothing is saved for each unit
        const T *mask;
        std::size_t t, index, first, units;  // step, row of the batch, first unit, how many from there on
        std::size_t stride, sum_stride;      // from block to block, from sum to sum
        std::size_t vectors;
        bool anew;  // the next step starts from zeros
    };

    const ForwardJob<T> &job_;
    const Rule rule_;
    const bool is_plain_;

    // A function for each activation: one for all of them would run out of registers.
    template <class RuleStep>
    [[gnu::noinline]] void finish_rows(const RuleStep step, const Own &own, const Rows &rows, Part some,
                                       const Step &now) const {
        for (std::size_t i = 0; i < now.active; ++i)
            finish_units<true>(step, row_of(own, rows, some, now, i), CellNorm<T>{});
    }

    [[gnu::always_inline]] Row row_of(const Own &own, const Rows &rows, Part some, const Step &now,
                                      std::size_t i) const {
        const Call<T> &call = job_.call;
        const Outcome<T> &outcome = job_.outcome;
        const Shape<T> &shape = job_.shape;
        const std::size_t index = rows.order[i], H = shape.units, stride = rows.count * kWide;
        const std::size_t first = some.begin * kWide, place = some.begin * stride + i * kWide;
        const std::int64_t length = rows.lengths[i];
        const bool ends = call.reverse ? now.t == 0 : static_cast<std::int64_t>(now.t) + 1 == length;
        Row row{};
        row.sums = own.sums + i * kWide;
        row.h = (own.h ? own.h : now.recurrent) + place;
        if constexpr (Rule::kStates > 1) row.c = own.c + place;
        row.state = (own.h ? own.h : now.next) + place;
        row.next = now.next + place;
        row.out = at(outcome.out, now.t, index) + first;
        if (ends) row.h_n = outcome.h_n + index * H + first;
        if (Rule::kStates > 1 && ends) row.c_n = outcome.c_n + index * H + first;
        if (outcome.saved && shape.kept_by_rule)
            row.saving = saved_row(now.t, index) + some.begin * 2 * shape.kept * kLanes;
        if (call.mask) row.mask = call.mask + index * H + first;
        row.t = now.t, row.index = index, row.first = first, row.units = H - first;
        row.stride = stride, row.sum_stride = (some.end - some.begin) * stride;
        row.vectors = (some.end * 2 < shape.vectors ? some.end * 2 : shape.vectors) - some.begin * 2;
        row.anew = !ends && starts_anew(call, index, length, call.reverse ? now.t - 1 : now.t + 1);
        return row;
    }
    T *saved_row(std::size_t t, std::size_t index) const {
        return job_.outcome.saved + (t * job_.call.rows + index) * job_.shape.kept_a_row;
    }

    // All that the loop reads is held in locals: a store of a vector might change any member, as far as the
    // compiler knows.
    template <bool kPlain, class RuleStep>
    [[gnu::always_inline]] void finish_units(const RuleStep step, const Row row,
                                             CellNorm<T> cell_norm) const {
        const int kept = job_.shape.kept;
        const bool streams = job_.streams, mixes = !kPlain && job_.shape.mixes;
        const bool has_norm = !kPlain && job_.shape.has_norm, norms_cell = has_norm && job_.call.gain_cell;
        typename Zoneout<T>::Keys keys{};
        if (mixes) keys = job_.zoneout.keys(row.t, row.index);
        for (std::size_t vector = 0; vector < row.vectors; ++vector) {
            const std::size_t unit = vector * kLanes,
                              left = row.units - unit < kLanes ? row.units - unit : kLanes;
            const std::size_t place = vector / 2 * row.stride + vector % 2 * kLanes;
            Vec sum[Rule::kSums], before[2], after[2], saved[Rule::kSaved];
            for (int s = 0; s < Rule::kSums; ++s)
                sum[s] = has_norm ? normed(row, s, vector) : S::load(row.sums + s * row.sum_stride + place);
            before[0] = S::load(row.h + place);
            if constexpr (Rule::kStates > 1) before[1] = S::load(row.c + place);
            if (norms_cell) {
                cell_norm.gain = S::load(job_.norm.gain(job_.shape.sums.count) + unit);
                cell_norm.shift = S::load(job_.norm.shift(job_.shape.sums.count) + unit);
            }
            step.forward(sum, before, saved, after, norms_cell ? &cell_norm : nullptr);
            if (mixes)
                for (int part = 0; part < Rule::kStates; ++part)
                    after[part] = job_.zoneout.mix(part, keys, row.first + unit, before[part], after[part]);
            if (row.saving) {
                T *const to = row.saving + vector * kept * kLanes;
                streams ? save<true>(to, saved, after) : save<false>(to, saved, after);
            }
            put(row.out + unit, after[0], left);
            if (row.h_n) put(row.h_n + unit, after[0], left);
            if constexpr (Rule::kStates > 1) {
                if (row.c_n) put(row.c_n + unit, after[1], left);
                S::store(row.c + place, row.anew ? Vec{} : after[1]);
            }
            const Vec arrived = row.anew ? Vec{} : after[0];
            S::store(row.state + place, arrived);
            if (!kPlain && row.mask) S::store(row.next + place, arrived * units_at(row.mask, unit, left));
        }
    }

    static void put(T *to, Vec value, std::size_t count) {
        count == kLanes ? S::store(to, value) : S::store(to, value, count);
    }
    template <bool kStreams>
    static void save(T *to, const Vec *saved, const Vec *after) {
        constexpr int kGates = Rule::kSaved - (Rule::kStates > 1);
        for (int s = 0; s < Rule::kSaved; ++s) {
            const Vec value = s < kGates ? saved[s] : after[1];
            kStreams ? S::stream(to + s * kLanes, value) : S::store(to + s * kLanes, value);
        }
    }

    // A row with layer norm, zoneout or a mask. With layer norm it comes with all its units.
    void finish_rare(const Own &own, const Row &row) const {
        CellNorm<T> cell_norm{};
        if (job_.shape.has_norm) normalise_sums(row);
        if (job_.call.gain_cell) norm_cell(own.cell, row, cell_norm);
        finish_units<false>(rule_, row, cell_norm);
    }

    // Each group of sums less its mean over its standard deviation, in place; saved for the way back.
    void normalise_sums(const Row &row) const {
        const Shape<T> &shape = job_.shape;
        T *const saved = job_.outcome.saved ? saved_row(row.t, row.index) : nullptr;
        for (int first = 0, group = 0; first < shape.sums.count; ++group) {
            const int count = shape.normed_together(first);
            const T scale = normalise(row.sums + first * row.sum_stride, row.stride, shape.unit_blocks, count,
                                      shape.units);
            if (saved) saved[shape.vectors * shape.kept * kLanes + group] = scale;
            first += count;
        }
        if (!saved) return;
        for (std::size_t vector = 0; vector < shape.vectors; ++vector)
            for (int sum = 0; sum < shape.sums.count; ++sum)
                S::store(saved + (vector * shape.kept + shape.kept_by_rule + sum) * kLanes,
                         sum_at(row, sum, vector));
    }

    // A sum of the rule from its normalised halves.
    Vec normed(const Row &row, int sum, std::size_t vector) const {
        const auto half = [&](int k) {
            return S::load(job_.norm.gain(k) + vector * kLanes) * sum_at(row, k, vector) +
                   S::load(job_.norm.shift(k) + vector * kLanes);
        };
        const int gate = Rule::gate(sum);
        if (Rule::kCell == kRnn || Rule::reads(sum) == kState) return half(gate);
        const Vec input = half(Rule::kGates + gate);
        return Rule::reads(sum) == kInput ? input : half(gate) + input;
    }
    static Vec sum_at(const Row &row, int sum, std::size_t vector) {
        return S::load(row.sums + sum * row.sum_stride + vector / 2 * row.stride + vector % 2 * kLanes);
    }

    // Mean and scale of a row's c before it is mixed.
    void norm_cell(T *cell, const Row &row, CellNorm<T> &norm) const {
        if constexpr (Rule::kStates > 1) {
            const Shape<T> &shape = job_.shape;
            for (std::size_t vector = 0; vector < shape.vectors; ++vector) {
                Vec sum[Rule::kSums];
                for (int s = 0; s < Rule::kSums; ++s) sum[s] = normed(row, s, vector);
                S::store(cell + vector * kLanes,
                         Rule::cell(sum, S::load(row.c + vector / 2 * row.stride + vector % 2 * kLanes)));
            }
            const auto [mean, scale] = moments(cell, kWide, shape.unit_blocks, 1, shape.units);
            norm.mean = S::splat(mean), norm.scale = S::splat(scale);
        }
    }
};

}  // namespace unrolled::UNROLLED_ISA
