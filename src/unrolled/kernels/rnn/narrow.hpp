// Forward pass of many rows with few hidden units: a vector holds rows, where it otherwise holds units.
//
// With one unit the other pass would fill one lane of each vector. Every sum has the same order as there.
#pragma once

#include "gemm/packing.hpp"
#include "rnn/pointwise/forward.hpp"

namespace unrolled::UNROLLED_ISA {

template <class T, class CellRule>
class NarrowForwardPass {
    using S = Simd<T>;
    using Vec = typename S::Vec;
    static constexpr std::size_t kLanes = S::kLanes, kMostUnits = kLanes / 4 > 0 ? kLanes / 4 : 1;
    static constexpr int kStates = CellRule::kStates, kPreacts = CellRule::kPreacts;
    using Sums = Vec[kPreacts][kMostUnits];

public:
    NarrowForwardPass(const ForwardContext<T> &context, const CellRule &rule)
        : problem_(context.problem),
          outputs_(context.outputs),
          threads_(context.partition.threads),
          rule_(rule) {}

    // Whether this pass can run a problem, and is faster.
    static bool fits(const ForwardContext<T> &context) {
        const Problem<T> &problem = context.problem;
        return problem.units <= kMostUnits && problem.rows >= 2 * kLanes && !problem.lengths &&
               !problem.starts && !problem.resets && !problem.mask && !context.sizes.has_zoneout &&
               !context.sizes.has_norm && !context.outputs.saved;
    }

    std::size_t layout_scratch(void *block) {
        ScratchArena arena(block);
        const std::size_t groups = problem_.rows / kLanes + 1 + threads_;
        states_ = arena.allocate<T>(groups * kStates * problem_.units * kLanes);
        return arena.bytes();
    }

    void run(int thread) {
        const Range rows = share_of(problem_.rows, thread, threads_);
        const std::size_t size = kStates * problem_.units * kLanes;
        T *const states = states_ + (rows.begin / kLanes + thread) * size;
        const T *const initial[] = {problem_.h0, problem_.c0};
        for_each_group(rows, states, [&](const Group &group) {
            for (std::size_t k = 0; k < kStates * problem_.units; ++k) {
                const T *const from = initial[k / problem_.units];
                for (std::size_t i = 0; i < kLanes; ++i)
                    group.state[k * kLanes + i] =
                        from && i < group.count
                            ? from[(group.first + i) * problem_.units + k % problem_.units]
                            : T{};
            }
        });
        for (std::size_t step = 0; step < problem_.steps; ++step) {
            const std::size_t t = problem_.reverse ? problem_.steps - 1 - step : step;
            rule_.with_step([&](const auto &cell) { run_step(cell, rows, states, t); });
        }
        T *const final[] = {outputs_.h_n, outputs_.c_n};
        for_each_group(rows, states, [&](const Group &group) {
            for (std::size_t k = 0; k < kStates * problem_.units; ++k)
                for (std::size_t i = 0; i < group.count; ++i)
                    final[k / problem_.units][(group.first + i) * problem_.units + k % problem_.units] =
                        group.state[k * kLanes + i];
        });
    }

private:
    // Rows that share vectors, and their state: a vector for each part and unit.
    struct Group {
        std::size_t first, count;
        T *state;
    };

    const Problem<T> &problem_;
    const Outputs<T> &outputs_;
    const int threads_;
    const CellRule rule_;
    T *states_ = nullptr;

    template <class F>
    void for_each_group(Range rows, T *states, F f) const {
        for (std::size_t first = rows.begin; first < rows.end; first += kLanes) {
            f(Group{first, rows.end - first < kLanes ? rows.end - first : kLanes, states});
            states += kStates * problem_.units * kLanes;
        }
    }

    template <class RuleStep>
    [[gnu::noinline]] void run_step(const RuleStep &cell, Range rows, T *states, std::size_t t) const {
        const std::size_t H = problem_.units;
        for_each_group(rows, states, [&](const Group &group) {
            Sums sums{};
            start_sums(sums);
            if (H == 1)
                add_terms<1>(sums, group, t);
            else
                add_terms<kMostUnits>(sums, group, t);
            for (std::size_t u = 0; u < H; ++u) {
                Vec preacts[kPreacts], before[2], after[2], saved[CellRule::kSaved];
                for (int p = 0; p < kPreacts; ++p) preacts[p] = sums[p][u];
                for (int part = 0; part < kStates; ++part)
                    before[part] = S::load(group.state + (part * H + u) * kLanes);
                cell.forward(preacts, before, saved, after);
                for (int part = 0; part < kStates; ++part)
                    S::store(group.state + (part * H + u) * kLanes, after[part]);
            }
            write_output(group, t);
        });
    }

    void start_sums(Sums &sums) const {
        const std::size_t H = problem_.units;
        for (int p = 0; p < kPreacts; ++p)
            for (std::size_t u = 0; u < H; ++u) {
                const std::size_t row = CellRule::gate(p) * H + u;
                const bool has_input = problem_.bias_ih && CellRule::source(p) != kState;
                const bool has_state = problem_.bias_ih && CellRule::source(p) != kInput;
                sums[p][u] = S::splat((has_input ? problem_.bias_ih[row] : T{}) +
                                      (has_state ? problem_.bias_hh[row] : T{}));
            }
    }

    template <std::size_t MOST_UNITS>
    [[gnu::always_inline]] void add_terms(Sums &sums, const Group &group, std::size_t t) const {
        const std::size_t F = problem_.inputs, H = MOST_UNITS == 1 ? 1 : problem_.units;
        const auto stride = static_cast<std::size_t>(problem_.x.row_stride);
        const T *const x = row_at(problem_.x, t, group.first);
        for (std::size_t k = 0; k < F; k += kLanes) {
            Vec square[kLanes];
            load_transposed(x + k, stride, group.count, F - k, square);
            const std::size_t columns = F - k < kLanes ? F - k : kLanes;
            for (int p = 0; p < kPreacts; ++p) {
                if (CellRule::source(p) == kState) continue;
                for (std::size_t u = 0; u < H; ++u) {
                    const T *const weight = problem_.weight_ih + (CellRule::gate(p) * H + u) * F + k;
                    Vec sum = sums[p][u];
                    for (std::size_t j = 0; j < columns; ++j) sum += square[j] * S::splat(weight[j]);
                    sums[p][u] = sum;
                }
            }
        }
        for (int p = 0; p < kPreacts; ++p) {
            if (CellRule::source(p) == kInput) continue;
            for (std::size_t u = 0; u < H; ++u) {
                const T *const weight = problem_.weight_hh + (CellRule::gate(p) * H + u) * H;
                for (std::size_t k = 0; k < H; ++k)
                    sums[p][u] += S::load(group.state + k * kLanes) * S::splat(weight[k]);
            }
        }
    }

    void write_output(const Group &group, std::size_t t) const {
        T *const out = row_at(outputs_.out, t, group.first);
        const std::size_t H = problem_.units;
        if (outputs_.out.row_stride == 1 && H == 1) {
            const Vec h = S::load(group.state);
            return group.count == kLanes ? S::store(out, h) : S::store(out, h, group.count);
        }
        for (std::size_t u = 0; u < H; ++u)
            for (std::size_t i = 0; i < group.count; ++i)
                row_at(outputs_.out, t, group.first + i)[u] = group.state[u * kLanes + i];
    }
};

}  // namespace unrolled::UNROLLED_ISA
