// Forward, the part that knows the cell: from the sums of a step to gates, states and outputs.
#pragma once

#include "rnn/pointwise/layer_norm.hpp"
#include "rnn/pointwise/zoneout.hpp"
#include "rnn/scratch.hpp"

namespace unrolled::UNROLLED_ISA {

// One call of forward, as all its members see it.
template <class T>
struct ForwardContext {
    static constexpr std::size_t kCacheBytes = 1 << 20;

    const Problem<T> &problem;
    const Outputs<T> &outputs;
    const Partition &partition;
    const Sizes<T> sizes;
    const Zoneout<T> zoneout;
    // Whether what is saved would only push other things out of the caches, and lies on whole vectors.
    const bool streams;
    NormParameters<T> norm{};

    template <class CellRule>
    ForwardContext(const Problem<T> &problem, const Outputs<T> &outputs, const Partition &partition,
                   const CellRule &rule)
        : problem(problem),
          outputs(outputs),
          partition(partition),
          sizes(problem, rule),
          zoneout(problem),
          streams(sizes.saved_total(problem) * sizeof(T) > kCacheBytes &&
                  reinterpret_cast<std::uintptr_t>(outputs.saved) % kVectorBytes == 0) {}
};

// What a member works in, in blocks of units or inputs; the states are shared where units are split.
template <class T>
struct ForwardScratch {
    T *recurrent[2];  // what enters W_hh now, and at the next step
    T *h, *c;         // the state, where `recurrent` is not it
    T *x, *preacts;
    T *norm_row;  // of layer norm: a row's sums
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
class ForwardPointwise {
public:
    virtual void run(const ForwardScratch<T> &scratch, const RowSet &rows, Range some,
                     const ForwardStep<T> &now) const = 0;

protected:
    ~ForwardPointwise() = default;
};

template <class T, class CellRule>
class CellForwardPointwise final : public ForwardPointwise<T> {
    using S = Simd<T>;
    using Vec = typename S::Vec;
    using Scratch = ForwardScratch<T>;
    using Step = ForwardStep<T>;
    static constexpr std::size_t kWide = kColumns<T>, kLanes = S::kLanes;
    static constexpr int kHalves = kNormGemms<CellRule>.count;

public:
    CellForwardPointwise(const ForwardContext<T> &context, const CellRule &rule)
        : context_(context),
          rule_(rule),
          is_plain_(!context.sizes.has_norm && !context.sizes.has_zoneout && !context.problem.mask) {}

    void run(const Scratch &scratch, const RowSet &rows, Range some, const Step &now) const override {
        if (context_.sizes.has_norm)
            for (std::size_t i = 0; i < now.active; ++i)
                run_normed(scratch, row_of(scratch, rows, some, now, i));
        else if (is_plain_)
            rule_.with_step([&](const auto &step) { run_rows<true>(step, scratch, rows, some, now); });
        else
            rule_.with_step([&](const auto &step) { run_rows<false>(step, scratch, rows, some, now); });
    }

private:
    // A row at a step. Every pointer stands at the row's first unit of those to finish.
    struct Row {
        T *preacts;
        const T *h;
        T *c, *state, *next;
        T *out, *h_n, *c_n;  // the last two null before the row's last step
        T *saved;            // null where nothing is saved for each unit; with layer norm only c
        const T *mask;
        std::size_t t, index, first, units;  // step, row of the batch, first unit, how many from there on
        std::size_t stride, gemm_stride;     // from block to block, from sum to sum
        std::size_t vectors;
        bool is_reset;  // the next step starts from zeros
    };

    const ForwardContext<T> &context_;
    const CellRule rule_;
    const bool is_plain_;

    // A function for each activation: one for all of them would run out of registers.
    template <bool kPlain, class RuleStep>
    [[gnu::noinline]] void run_rows(const RuleStep step, const Scratch &scratch, const RowSet &rows,
                                    Range some, const Step &now) const {
        for (std::size_t i = 0; i < now.active; ++i) {
            const Row row = row_of(scratch, rows, some, now, i);
            run_units<kPlain, false>(row, [&](auto... args) { apply_cell(step, row, args...); });
        }
    }
    template <class RuleStep>
    [[gnu::always_inline]] static void apply_cell(const RuleStep &step, const Row &row, std::size_t,
                                                  std::size_t offset, const Vec *before, Vec *saved,
                                                  Vec *after) {
        Vec preacts[CellRule::kPreacts];
        for (int s = 0; s < CellRule::kPreacts; ++s)
            preacts[s] = S::load(row.preacts + s * row.gemm_stride + offset);
        step.forward(preacts, before, saved, after);
    }
    static std::size_t offset_of(const Row &row, std::size_t vector) {
        return vector / 2 * row.stride + vector % 2 * kLanes;
    }

    [[gnu::always_inline]] Row row_of(const Scratch &scratch, const RowSet &rows, Range some, const Step &now,
                                      std::size_t i) const {
        const Problem<T> &problem = context_.problem;
        const Outputs<T> &outputs = context_.outputs;
        const Sizes<T> &sizes = context_.sizes;
        const std::size_t index = rows.order[i], H = sizes.units, stride = rows.count * kWide;
        const std::size_t first = some.begin * kWide, offset = some.begin * stride + i * kWide;
        const std::int64_t length = rows.lengths[i];
        const bool ends = problem.reverse ? now.t == 0 : static_cast<std::int64_t>(now.t) + 1 == length;
        Row row{};
        row.preacts = scratch.preacts + i * kWide;
        row.h = (scratch.h ? scratch.h : now.recurrent) + offset;
        if constexpr (CellRule::kStates > 1) row.c = scratch.c + offset;
        row.state = (scratch.h ? scratch.h : now.next) + offset;
        row.next = now.next + offset;
        row.out = row_at(outputs.out, now.t, index) + first;
        if (ends) row.h_n = outputs.h_n + index * H + first;
        if (CellRule::kStates > 1 && ends) row.c_n = outputs.c_n + index * H + first;
        if (outputs.saved && sizes.saved_vectors && !sizes.has_norm)
            row.saved = saved_row(now.t, index) + some.begin * 2 * sizes.saved_vectors * kLanes;
        if (problem.mask) row.mask = problem.mask + index * H + first;
        row.t = now.t, row.index = index, row.first = first, row.units = H - first;
        row.stride = stride, row.gemm_stride = (some.end - some.begin) * stride;
        row.vectors = (some.end * 2 < sizes.vectors ? some.end * 2 : sizes.vectors) - some.begin * 2;
        row.is_reset =
            !ends && is_reset_before(problem, index, length, problem.reverse ? now.t - 1 : now.t + 1);
        return row;
    }
    T *saved_row(std::size_t t, std::size_t index) const {
        return context_.outputs.saved + (t * context_.problem.rows + index) * context_.sizes.saved_per_row;
    }

    // `propose` gives the state of a vector of units, and what is saved. All that the loop reads is held in
    // locals: a store of a vector might change any member, as far as the compiler knows.
    template <bool kPlain, bool kHasNorm, class Propose>
    [[gnu::always_inline]] void run_units(const Row row, const Propose propose) const {
        const int saved_vectors = context_.sizes.saved_vectors;
        const bool streams = context_.streams, has_zoneout = !kPlain && context_.sizes.has_zoneout;
        typename Zoneout<T>::Keys keys{};
        if (has_zoneout) keys = context_.zoneout.keys(row.t, row.index);
        for (std::size_t vector = 0; vector < row.vectors; ++vector) {
            const std::size_t unit = vector * kLanes,
                              left = row.units - unit < kLanes ? row.units - unit : kLanes;
            const std::size_t offset = offset_of(row, vector);
            Vec before[2], after[2], saved[CellRule::kSaved];
            before[0] = S::load(row.h + offset);
            if constexpr (CellRule::kStates > 1) before[1] = S::load(row.c + offset);
            propose(vector, offset, before, saved, after);
            if (has_zoneout)
                for (int part = 0; part < CellRule::kStates; ++part)
                    after[part] =
                        context_.zoneout.blend(part, keys, row.first + unit, before[part], after[part]);
            if constexpr (!kHasNorm) {
                T *const to = row.saved + vector * saved_vectors * kLanes;
                if (row.saved) streams ? save<true>(to, saved, after) : save<false>(to, saved, after);
            } else if constexpr (CellRule::kStates > 1) {
                if (row.saved) save_vector(row.saved + unit, after[1]);
            }
            store_lanes(row.out + unit, after[0], left);
            if (row.h_n) store_lanes(row.h_n + unit, after[0], left);
            if constexpr (CellRule::kStates > 1) {
                if (row.c_n) store_lanes(row.c_n + unit, after[1], left);
                S::store(row.c + offset, row.is_reset ? Vec{} : after[1]);
            }
            const Vec entering = row.is_reset ? Vec{} : after[0];
            S::store(row.state + offset, entering);
            if (!kPlain && row.mask) S::store(row.next + offset, entering * load_units(row.mask, unit, left));
        }
    }

    static void store_lanes(T *to, Vec value, std::size_t count) {
        count == kLanes ? S::store(to, value) : S::store(to, value, count);
    }
    template <bool kStreams>
    static void save(T *to, const Vec *saved, const Vec *after) {
        constexpr int kGates = CellRule::kSaved - (CellRule::kStates > 1);
        for (int s = 0; s < CellRule::kSaved; ++s) {
            const Vec value = s < kGates ? saved[s] : after[1];
            kStreams ? S::stream(to + s * kLanes, value) : S::store(to + s * kLanes, value);
        }
    }

    // With layer norm a row comes with all its units.
    void run_normed(const Scratch &scratch, Row row) const {
        T *const saved = context_.outputs.saved ? saved_row(row.t, row.index) : nullptr;
        T scales[Sizes<T>::kScales]{};
        if (saved && CellRule::kStates > 1) row.saved = saved + context_.sizes.c_offset;
        const Vec total_c = normalise(scratch, row, saved, scales);
        if constexpr (CellRule::kStates > 1) {
            const NormMoments<T, kCellNormGemms> norm(scratch.cell, &total_c, row.units);
            scales[kNormGemms<CellRule>.groups] = norm.mean[0],
            scales[kNormGemms<CellRule>.groups + 1] = norm.scale[0];
            const T *const gain = context_.norm.cell_gain(), *const shift = context_.norm.cell_shift();
            run_units<false, true>(row, [&](std::size_t vector, std::size_t, const Vec *, Vec *, Vec *after) {
                const std::size_t unit = vector * kLanes;
                const Vec o = S::load(scratch.norm_row + vector * kHalves * kLanes);
                after[1] = S::load(scratch.cell + unit);
                after[0] = o * Tanh<T>{}(S::load(gain + unit) * norm(0, after[1]) + S::load(shift + unit));
            });
        } else {
            run_units<false, true>(row, [&](std::size_t vector, std::size_t, auto... args) {
                Vec preacts[CellRule::kPreacts];
                for (int s = 0; s < CellRule::kPreacts; ++s)
                    preacts[s] = S::load(scratch.norm_row + (vector * kHalves + s) * kLanes);
                rule_.forward(preacts, args...);
            });
        }
        for (std::size_t k = 0; saved && k < Sizes<T>::kScales; k += kLanes)
            save_vector(saved + context_.sizes.scales_offset() + k, S::load(scales + k));
    }

    // x^ of a row's sums, saved for the way back, and from it what stands in own.together: for each vector of
    // units the rule's sums, or an LSTM's o, whose c goes into own.cell. The answer is what its vectors add
    // up to.
    Vec normalise(const Scratch &scratch, const Row &row, T *saved, T *scales) const {
        constexpr GateGemms kGemms = kNormGemms<CellRule>;
        Vec totals[kHalves]{}, total_c{};
        for (std::size_t vector = 0; vector < row.vectors; ++vector)
            for (int s = 0; s < kHalves; ++s) {
                const Vec preacts = S::load(row.preacts + s * row.gemm_stride + offset_of(row, vector));
                S::store(scratch.norm_row + (vector * kHalves + s) * kLanes, preacts);
                totals[s] += preacts;
            }
        const NormMoments<T, kNormGemms<CellRule>> norm(scratch.norm_row, totals, row.units);
        for (int group = 0; group < kGemms.groups; ++group) scales[group] = norm.scale[group];
        for (std::size_t vector = 0; vector < row.vectors; ++vector) {
            const std::size_t unit = vector * kLanes;
            T *const norm_row = scratch.norm_row + vector * kHalves * kLanes;
            Vec normed[kHalves], preacts[CellRule::kPreacts], gates[CellRule::kSaved];
            for (int s = 0; s < kHalves; ++s)
                normed[s] = first_lanes<T>(norm(s, S::load(norm_row + s * kLanes)), row.units - unit);
            if (saved)
                for (int s = 0; s < kHalves; ++s)
                    save_vector(saved + (vector * kHalves + s) * kLanes, normed[s]);
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
    void save_vector(T *to, Vec value) const {
        context_.streams ? S::stream(to, value) : S::store(to, value);
    }
};

}  // namespace unrolled::UNROLLED_ISA
