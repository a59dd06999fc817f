// Softmax cross-entropy of rows of logits and its gradient, row by row.
#pragma once

#include "gemm/packing.hpp"
#include "runtime/phases.hpp"
#include "sequence/problem.hpp"
#include "simd/math.hpp"

namespace unrolled::UNROLLED_ISA {

struct CrossEntropyPass {
    using S = Simd<float>;
    using Vec = S::Vec;
    static constexpr std::size_t kLanes = S::kLanes;

    const CrossEntropy &problem;
    int threads;
    double totals[kMaxThreads];

    void run(int thread) {
        const Range mine = share_of(problem.rows, thread, threads);
        double total = 0;
        for (std::size_t row = mine.begin; row < mine.end; ++row) total += row_loss(row);
        totals[thread] = total;
    }

private:
    double row_loss(std::size_t row) const {
        const std::size_t K = problem.classes;
        const float *const logits = problem.logits + row * K;
        float *const gradient = problem.gradient + row * K;
        const std::int64_t target = problem.targets[row];
        if (target < 0) {
            fill_zero(gradient, K);
            return 0;
        }
        float max = logits[0];
        for (std::size_t k = 1; k < K; ++k) max = logits[k] > max ? logits[k] : max;
        double sum = 0;
        for (std::size_t k = 0; k < K; k += kLanes) {
            const std::size_t count = K - k < kLanes ? K - k : kLanes;
            const Vec power = exp_below_zero<float>(S::load(logits + k, count) - S::splat(max));
            S::store(gradient + k, power, count);
            for (std::size_t lane = 0; lane < count; ++lane) sum += static_cast<double>(power[lane]);
        }
        double weight = static_cast<double>(problem.weights[target]) / problem.divisor;
        if (problem.row_weights)
            weight *= static_cast<double>(problem.row_weights[row / problem.rows_per_weight]);
        const Vec factor = S::splat(static_cast<float>(weight / sum));
        for (std::size_t k = 0; k < K; k += kLanes) {
            const std::size_t count = K - k < kLanes ? K - k : kLanes;
            S::store(gradient + k, S::load(gradient + k, count) * factor, count);
        }
        gradient[target] -= static_cast<float>(weight);
        return weight * (__builtin_log(sum) + static_cast<double>(max) - static_cast<double>(logits[target]));
    }
};

inline double cross_entropy(const CrossEntropy &problem, int threads) {
    CrossEntropyPass pass{problem, threads, {}};
    run_parts(pass, threads);
    double total = 0;
    for (int thread = 0; thread < threads; ++thread) total += pass.totals[thread];
    return total;
}

}  // namespace unrolled::UNROLLED_ISA
