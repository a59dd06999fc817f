// Forward, the part that knows the cell: from the sums of a step to gates, states and outputs.
#pragma once

#include "rnn/scratch.hpp"
#include "rnn/pointwise/layer_norm.hpp"
#include "rnn/pointwise/zoneout.hpp"

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
    T *together;  // of layer norm: a row's sums
    T *cell;      // and its c before it is mixed
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
    static constexpr int kHalves = kNormed<Rule>.count;

public:
    ForwardRowsOf(const ForwardJob<T> &job, const Rule &rule)
        : job_(job), rule_(rule), is_plain_(!job.shape.has_norm && !job.shape.mixes && !job.call.mask) {}

    void finish(const Own &own, const Rows &rows, Part some, const Step &now) const override {
        if (job_.shape.has_norm)
            for (std::size_t i = 0; i < now.active; ++i) finish_normed(own, row_of(own, rows, some, now, i));
        else if (is_plain_)
            rule_.with_step([&](const auto &step) { finish_rows<true>(step, own, rows, some, now); });
        else
            rule_.with_step([&](const auto &step) { finish_rows<false>(step, own, rows, some, now); });
    }

private:
    // A row at a step. Every pointer stands at the row's first unit of those to finish.
    struct Row {
        T *sums;
        const T *h;
        T *c, *state, *next;
        T *out, *h_n, *c_n;  // the last two null before the row's last step
        T *saving;           // null where nothing is saved for each unit; with layer norm only c
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
    template <bool kPlain, class RuleStep>
    [[gnu::noinline]] void finish_rows(const RuleStep step, const Own &own, const Rows &rows, Part some,
                                       const Step &now) const {
        for (std::size_t i = 0; i < now.active; ++i) {
            const Row row = row_of(own, rows, some, now, i);
            finish_units<kPlain, false>(row, [&](auto... given) { from_sums(step, row, given...); });
        }
    }
    template <class RuleStep>
    [[gnu::always_inline]] static void from_sums(const RuleStep &step, const Row &row, std::size_t,
                                                 std::size_t place, const Vec *before, Vec *saved,
                                                 Vec *after) {
        Vec sum[Rule::kSums];
        for (int s = 0; s < Rule::kSums; ++s) sum[s] = S::load(row.sums + s * row.sum_stride + place);
        step.forward(sum, before, saved, after);
    }
    static std::size_t place_of(const Row &row, std::size_t vector) {
        return vector / 2 * row.stride + vector % 2 * kLanes;
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
        if (outcome.saved && shape.kept && !shape.has_norm)
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

    // `propose` gives the state of a vector of units, and what is saved. All that the loop reads is held in
    // locals: a store of a vector might change any member, as far as the compiler knows.
    template <bool kPlain, bool kHasNorm, class Propose>
    [[gnu::always_inline]] void finish_units(const Row row, const Propose propose) const {
        const int kept = job_.shape.kept;
        const bool streams = job_.streams, mixes = !kPlain && job_.shape.mixes;
        typename Zoneout<T>::Keys keys{};
        if (mixes) keys = job_.zoneout.keys(row.t, row.index);
        for (std::size_t vector = 0; vector < row.vectors; ++vector) {
            const std::size_t unit = vector * kLanes,
                              left = row.units - unit < kLanes ? row.units - unit : kLanes;
            const std::size_t place = place_of(row, vector);
            Vec before[2], after[2], saved[Rule::kSaved];
            before[0] = S::load(row.h + place);
            if constexpr (Rule::kStates > 1) before[1] = S::load(row.c + place);
            propose(vector, place, before, saved, after);
            if (mixes)
                for (int part = 0; part < Rule::kStates; ++part)
                    after[part] = job_.zoneout.mix(part, keys, row.first + unit, before[part], after[part]);
            if constexpr (!kHasNorm) {
                T *const to = row.saving + vector * kept * kLanes;
                if (row.saving) streams ? save<true>(to, saved, after) : save<false>(to, saved, after);
            } else if constexpr (Rule::kStates > 1) {
                if (row.saving) keep(row.saving + unit, after[1]);
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

    // With layer norm a row comes with all its units.
    void finish_normed(const Own &own, Row row) const {
        T *const saved = job_.outcome.saved ? saved_row(row.t, row.index) : nullptr;
        T scales[Shape<T>::kScales]{};
        if (saved && Rule::kStates > 1) row.saving = saved + job_.shape.c_at;
        const Vec added_c = normalise(own, row, saved, scales);
        if constexpr (Rule::kStates > 1) {
            const Moments<T, kCellNormed> norm(own.cell, &added_c, row.units);
            scales[kNormed<Rule>.groups] = norm.mean[0], scales[kNormed<Rule>.groups + 1] = norm.scale[0];
            const T *const gain = job_.norm.cell_gain(), *const shift = job_.norm.cell_shift();
            finish_units<false, true>(row, [&](std::size_t vector, std::size_t, const Vec *, Vec *,
                                               Vec *after) {
                const std::size_t unit = vector * kLanes;
                const Vec o = S::load(own.together + vector * kHalves * kLanes);
                after[1] = S::load(own.cell + unit);
                after[0] = o * Tanh<T>{}(S::load(gain + unit) * norm(0, after[1]) + S::load(shift + unit));
            });
        } else {
            finish_units<false, true>(row, [&](std::size_t vector, std::size_t, auto... given) {
                Vec sum[Rule::kSums];
                for (int s = 0; s < Rule::kSums; ++s)
                    sum[s] = S::load(own.together + (vector * kHalves + s) * kLanes);
                rule_.forward(sum, given...);
            });
        }
        for (std::size_t k = 0; saved && k < Shape<T>::kScales; k += kLanes)
            keep(saved + job_.shape.scales_at() + k, S::load(scales + k));
    }

    // x^ of a row's sums, saved for the way back, and from it what stands in own.together: for each vector of
    // units the rule's sums, or an LSTM's o, whose c goes into own.cell. The answer is what its vectors add
    // up to.
    Vec normalise(const Own &own, const Row &row, T *saved, T *scales) const {
        constexpr Sums kSums = kNormed<Rule>;
        Vec added[kHalves]{}, added_c{};
        for (std::size_t vector = 0; vector < row.vectors; ++vector)
            for (int s = 0; s < kHalves; ++s) {
                const Vec sum = S::load(row.sums + s * row.sum_stride + place_of(row, vector));
                S::store(own.together + (vector * kHalves + s) * kLanes, sum);
                added[s] += sum;
            }
        const Moments<T, kNormed<Rule>> norm(own.together, added, row.units);
        for (int group = 0; group < kSums.groups; ++group) scales[group] = norm.scale[group];
        for (std::size_t vector = 0; vector < row.vectors; ++vector) {
            const std::size_t unit = vector * kLanes;
            T *const together = own.together + vector * kHalves * kLanes;
            Vec normed[kHalves], sum[Rule::kSums], gates[Rule::kSaved];
            for (int s = 0; s < kHalves; ++s)
                normed[s] = first_lanes<T>(norm(s, S::load(together + s * kLanes)), row.units - unit);
            if (saved)
                for (int s = 0; s < kHalves; ++s) keep(saved + (vector * kHalves + s) * kLanes, normed[s]);
            sums_from<T, Rule>(normed, job_.norm, unit, sum);
            if constexpr (Rule::kStates > 1) {
                const Vec c = Rule::cell(sum, S::load(row.c + place_of(row, vector)), gates);
                S::store(own.cell + unit, c);
                S::store(together, gates[3]);
                added_c += c;
            } else {
                for (int s = 0; s < Rule::kSums; ++s) S::store(together + s * kLanes, sum[s]);
            }
        }
        return added_c;
    }
    void keep(T *to, Vec value) const { job_.streams ? S::stream(to, value) : S::store(to, value); }
};

}  // namespace unrolled::UNROLLED_ISA
