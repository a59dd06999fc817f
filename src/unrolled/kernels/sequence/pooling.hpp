// Pooling of the states of a sequence in one pass over them, and its gradient in another.
#pragma once

#include "rnn/scratch.hpp"
#include "runtime/phases.hpp"
#include "sequence/problem.hpp"

namespace unrolled::UNROLLED_ISA {

struct PoolPass {
    using S = Simd<float>;
    using Vec = S::Vec;
    using Bits = S::Bits;
    static constexpr std::size_t kLanes = S::kLanes;

    const Pool &pool;
    const PoolOutputs *outputs;      // of forward, or null
    const PoolGradients *gradients;  // of backward, or null
    const RowPartition &partition;

    void run(int thread) const {
        for (std::size_t row = partition.begins[thread]; row < partition.begins[thread + 1]; ++row)
            for (std::size_t unit = 0; unit < pool.units; unit += kLanes) {
                const std::size_t left = pool.units - unit, count = left < kLanes ? left : kLanes;
                outputs ? forward(row, unit, count) : backward(row, unit, count);
            }
    }

private:
    std::size_t length(std::size_t row) const {
        return pool.lengths ? static_cast<std::size_t>(pool.lengths[row]) : pool.steps;
    }
    static Vec inverse_of(std::size_t length) {
        return S::splat(1.0f / static_cast<float>(length ? length : 1));
    }

    void forward(std::size_t row, std::size_t unit, std::size_t count) const {
        const std::size_t n = length(row);
        Vec last{}, sum{}, max{};
        Bits step_of_max{};
        for (std::size_t t = 0; t < n; ++t) {
            last = S::load(row_at(pool.states, t, row) + unit, count);
            sum += last;
            // not "last > max": a NaN is passed on
            const Bits is_new = t ? ~(Bits)(last <= max) : ~Bits{};
            max = S::select(is_new, last, max);
            step_of_max = (step_of_max & ~is_new) | (is_new & (static_cast<std::uint32_t>(t) - Bits{}));
        }
        float *const to = outputs->pooled + row * pool.poolings.width + unit;
        if (pool.poolings.last >= 0) S::store(to + pool.poolings.last, last, count);
        if (pool.poolings.mean >= 0) S::store(to + pool.poolings.mean, sum * inverse_of(n), count);
        if (pool.poolings.max < 0) return;
        S::store(to + pool.poolings.max, max, count);
        std::int32_t *const steps = outputs->maxima + row * pool.units + unit;
        for (std::size_t lane = 0; lane < count; ++lane)
            steps[lane] = static_cast<std::int32_t>(step_of_max[lane]);
    }

    void backward(std::size_t row, std::size_t unit, std::size_t count) const {
        const std::size_t n = length(row), B = pool.rows, H = pool.units;
        const float *const from = gradients->d_pooled + row * pool.poolings.width + unit;
        Vec d_last{}, d_mean{}, d_max{};
        Bits step_of_max{};
        if (pool.poolings.last >= 0) d_last = S::load(from + pool.poolings.last, count);
        if (pool.poolings.mean >= 0) d_mean = S::load(from + pool.poolings.mean, count) * inverse_of(n);
        if (pool.poolings.max >= 0) {
            d_max = S::load(from + pool.poolings.max, count);
            const std::int32_t *const steps = gradients->maxima + row * H + unit;
            for (std::size_t lane = 0; lane < count; ++lane)
                step_of_max[lane] = static_cast<std::uint32_t>(steps[lane]);
        }
        for (std::size_t t = 0; t < pool.steps; ++t) {
            Vec d{};
            if (t < n) {
                const Bits is_max = (Bits)(step_of_max == (static_cast<std::uint32_t>(t) - Bits{}));
                d = d_mean + S::select(is_max, d_max, Vec{});
                if (t + 1 == n) d += d_last;
            }
            S::store(gradients->d_states + (t * B + row) * H + unit, d, count);
        }
    }
};

inline void run_pool(PoolPass pass) {
    run_parts(pass, pass.partition.threads);
}

inline void pool_forward(const Pool &pool, const PoolOutputs &outputs, const RowPartition &partition) {
    run_pool({pool, &outputs, nullptr, partition});
}

inline void pool_backward(const Pool &pool, const PoolGradients &gradients, const RowPartition &partition) {
    run_pool({pool, nullptr, &gradients, partition});
}

}  // namespace unrolled::UNROLLED_ISA
