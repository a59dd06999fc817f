// Forward pointwise: from the pre-activations of a step to gates, states and outputs.
#pragma once

#include "rnn/pointwise/layer_norm.hpp"
#include "rnn/pointwise/zoneout.hpp"
#include "rnn/scratch.hpp"

namespace unrolled::UNROLLED_ISA {

// One call of forward, shared by all threads.
template <class T>
struct ForwardContext {
    static constexpr std::size_t kCacheBytes = 1 << 20;

    const Problem<T> &problem;
    const Outputs<T> &outputs;
    const Partition &partition;
    const Sizes<T> sizes;
    const Zoneout<T> zoneout;
    // Whether `saved` is written past the caches: it would only evict other data, and its vectors are
    // aligned.
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

// Scratch of a thread, in blocks of units or inputs; the states are shared where units are split.
template <class T>
struct ForwardScratch {
    T *recurrent[2];  // the input of W_hh, at this step and at the next
    T *h, *c;         // the state, where `recurrent` is not it
    T *x, *preacts;   // preacts: the results of the gate GEMMs
    T *ahead;         // what the input gives to those of several steps; null where it is one step
    T *piece;         // panels of a part of a weight that is read where it lies; null where none is
    T *norm_row;      // layer norm: the pre-activations of a row
    T *cell;          // and its c before zoneout
};

template <class T>
struct ForwardStep {
    std::size_t t, active;
    const T *recurrent;
    T *next;
};

// ForwardPass calls this once for the pre-activations of a range of blocks of units at a step.
template <class T>
class ForwardPointwise {
public:
    virtual void run(const ForwardScratch<T> &scratch, const RowSet &rows, Range blocks,
                     const ForwardStep<T> &now) const = 0;

protected:
    ~ForwardPointwise() = default;
};

// The rows of a step, for either kind of pointwise below.
template <class T, class CellRule>
class ForwardRows : public ForwardPointwise<T> {
protected:
    using S = Simd<T>;
    using Vec = typename S::Vec;
    using Scratch = ForwardScratch<T>;
    using Step = ForwardStep<T>;
    static constexpr std::size_t kWide = kColumns<T>, kLanes = S::kLanes;

    // Every pointer is at the row's first unit of the range.
    struct Row {
        T *preacts;
        const T *h;
        T *c, *state, *next;
        T *out, *h_n, *c_n;  // the last two null before the row's last step
        T *saved;            // null where nothing is saved for each unit; with layer norm only c
        const T *mask;
        std::size_t t, index, first, units;  // step, row of the batch, first unit, how many from there on
        std::size_t stride, gemm_stride;     // from block to block, from GEMM to GEMM
        std::size_t vectors;
        bool is_reset;  // the next step starts from zeros
    };

    ForwardRows(const ForwardContext<T> &context, const CellRule &rule) : context_(context), rule_(rule) {}
    ~ForwardRows() = default;

    const ForwardContext<T> &context_;
    const CellRule rule_;

    static std::size_t offset_of(const Row &row, std::size_t vector) {
        return vector / 2 * row.stride + vector % 2 * kLanes;
    }

    [[gnu::always_inline]] Row row_of(const Scratch &scratch, const RowSet &rows, Range blocks,
                                      const Step &now, std::size_t i) const {
        const Problem<T> &problem = context_.problem;
        const Outputs<T> &outputs = context_.outputs;
        const Sizes<T> &sizes = context_.sizes;
        const std::size_t index = rows.order[i], H = sizes.units, stride = rows.count * kWide;
        const std::size_t first = blocks.begin * kWide, offset = blocks.begin * stride + i * kWide;
        const std::int64_t length = rows.lengths[i];
        const bool ends = problem.reverse  ? now.t == 0
                          : problem.starts ? now.t + 1 == problem.steps
                                           : static_cast<std::int64_t>(now.t) + 1 == length;
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
            row.saved = saved_row(now.t, index) + blocks.begin * 2 * sizes.saved_vectors * kLanes;
        if (problem.mask) row.mask = problem.mask + index * H + first;
        row.t = now.t, row.index = index, row.first = first, row.units = H - first;
        row.stride = stride, row.gemm_stride = (blocks.end - blocks.begin) * stride;
        row.vectors = (blocks.end * 2 < sizes.vectors ? blocks.end * 2 : sizes.vectors) - blocks.begin * 2;
        row.is_reset =
            !ends && is_reset_before(problem, index, length, problem.reverse ? now.t - 1 : now.t + 1);
        return row;
    }
    T *saved_row(std::size_t t, std::size_t index) const {
        return context_.outputs.saved + (t * context_.problem.rows + index) * context_.sizes.saved_per_row;
    }

    // `propose` computes the state of a vector of units, and what is saved. The loop holds what it reads in
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

    void save_vector(T *to, Vec value) const {
        context_.streams ? S::stream(to, value) : S::store(to, value);
    }
};

template <class T, class CellRule>
class PlainForwardPointwise final : public ForwardRows<T, CellRule> {
    using Base = ForwardRows<T, CellRule>;
    using Base::rule_;
    using typename Base::Row, typename Base::S, typename Base::Scratch, typename Base::Step,
        typename Base::Vec;

public:
    PlainForwardPointwise(const ForwardContext<T> &context, const CellRule &rule)
        : Base(context, rule), has_extras_(context.sizes.has_zoneout || context.problem.mask) {}

    void run(const Scratch &scratch, const RowSet &rows, Range blocks, const Step &now) const override {
        if (has_extras_)
            rule_.with_step([&](const auto &step) { run_rows<false>(step, scratch, rows, blocks, now); });
        else
            rule_.with_step([&](const auto &step) { run_rows<true>(step, scratch, rows, blocks, now); });
    }

private:
    const bool has_extras_;  // zoneout or a mask

    // One function for each activation: a single one for all of them would run out of registers.
    template <bool kPlain, class RuleStep>
    [[gnu::noinline]] void run_rows(const RuleStep step, const Scratch &scratch, const RowSet &rows,
                                    Range blocks, const Step &now) const {
        for (std::size_t i = 0; i < now.active; ++i) {
            const Row row = Base::row_of(scratch, rows, blocks, now, i);
            Base::template run_units<kPlain, false>(row,
                                                    [&](auto... args) { apply_cell(step, row, args...); });
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
};

}  // namespace unrolled::UNROLLED_ISA
