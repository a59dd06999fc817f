// A step of AdamW in one pass over the parameters.
#pragma once

#include "gemm/packing.hpp"
#include "optimizer/problem.hpp"
#include "runtime/phases.hpp"

namespace unrolled::UNROLLED_ISA {

inline double squared_norm(const float *x, std::size_t count) {
    using S = Simd<double>;
    constexpr std::size_t kSums = 4 * S::kLanes;
    double sums[kSums]{};  // partial sums: a compiler may put each vector of them in a register
    std::size_t i = 0;
    for (; i + kSums <= count; i += kSums)
        for (std::size_t k = 0; k < kSums; ++k) sums[k] += static_cast<double>(x[i + k]) * x[i + k];
    for (; i < count; ++i) sums[0] += static_cast<double>(x[i]) * x[i];
    double total = 0;
    for (const double sum : sums) total += sum;
    return total;
}

struct AdamWPass {
    using S = Simd<float>;
    using Vec = S::Vec;
    static constexpr std::size_t kLanes = S::kLanes;

    const AdamW &update;
    int threads;
    Vec shrink, inverse_scale, beta1, beta2, rest1, rest2, eps, rate, root_correction;

    // `bias1`, `bias2`: 1 - beta^t.
    AdamWPass(const AdamW &of, int n_threads, double bias1, double root_of_bias2)
        : update(of),
          threads(n_threads),
          shrink(splat(1 - of.rate * of.decay)),
          inverse_scale(splat(1 / of.gradient_scale)),
          beta1(splat(of.beta1)),
          beta2(splat(of.beta2)),
          rest1(splat(1 - of.beta1)),
          rest2(splat(1 - of.beta2)),
          eps(splat(of.eps)),
          rate(splat(of.rate / bias1)),
          root_correction(splat(1 / root_of_bias2)) {}

    void run(int thread) const {
        const std::size_t vectors = (update.count + kLanes - 1) / kLanes;
        const Range mine = share_of(vectors, thread, threads);
        for (std::size_t v = mine.begin; v < mine.end; ++v) {
            const std::size_t at = v * kLanes, left = update.count - at;
            move(at, left < kLanes ? left : kLanes);
        }
    }

private:
    static Vec splat(double value) { return S::splat(static_cast<float>(value)); }

    void move(std::size_t at, std::size_t count) const {
        const Vec gradient = S::load(update.gradients + at, count) * inverse_scale;
        Vec mean = S::load(update.means + at, count), square = S::load(update.squares + at, count);
        mean += (gradient - mean) * rest1;
        square = square * beta2 + gradient * gradient * rest2;
        const Vec denominator = S::sqrt(square) * root_correction + eps;
        const Vec value = S::load(update.values + at, count) * shrink - rate * mean / denominator;
        S::store(update.values + at, value, count);
        S::store(update.means + at, mean, count);
        S::store(update.squares + at, square, count);
    }
};

inline void adamw_step(const AdamW &update, int threads, double bias1, double root_of_bias2) {
    AdamWPass pass(update, threads, bias1, root_of_bias2);
    run_parts(pass, threads);
}

}  // namespace unrolled::UNROLLED_ISA
