// Layer norm over the pre-activations of a row, forward and backward: x^ = (x - mean) / sqrt(variance +
// 1e-5).
//
// A row that is normalised is contiguous: a vector of each GEMM, then the next vector of each. In the results
// of the GEMMs, rows apart, its vectors would often share cache sets.
//
// Source: Ba, Kiros and Hinton, Layer Normalization (2016), eq. 3 and 4; the variance is that of a
// population.
#pragma once

#include "rnn/scratch.hpp"

namespace unrolled::UNROLLED_ISA {

// The GEMMs that a cell's layer norm is over; and, of the norm inside the cell, c alone.
template <class CellRule>
inline constexpr GateGemms kNormGemms = gate_gemms_of<CellRule>(true);
inline constexpr GateGemms kCellNormGemms{{{kBoth, 0, 0, 0}}, 1, 1};

// Padded rows: a gain for each GEMM, a shift for each pre-activation, and both for the norm inside the cell.
template <class T>
class NormParameters {
public:
    void layout_scratch(ScratchArena &arena, const Sizes<T> &sizes) {
        width_ = sizes.unit_blocks * kColumns<T>;
        n_gains_ = sizes.gemms.count, n_shifts_ = sizes.preacts;
        gains_ = arena.allocate<T>((n_gains_ + 1) * width_);
        shifts_ = arena.allocate<T>((n_shifts_ + 1) * width_);
    }
    T *gain(int i_gemm) const { return gains_ + i_gemm * width_; }
    T *shift(int preact) const { return shifts_ + preact * width_; }
    T *cell_gain() const { return gain(n_gains_); }
    T *cell_shift() const { return shift(n_shifts_); }

    void reset() const {
        fill_zero(gains_, (n_gains_ + 1) * width_);
        fill_zero(shifts_, (n_shifts_ + 1) * width_);
    }
    // Load a problem's gains, and its biases as shifts.
    void load(const Problem<T> &problem, const Sizes<T> &sizes) const {
        const std::size_t H = sizes.units;
        reset();
        for (int i_gemm = 0; i_gemm < n_gains_; ++i_gemm) {
            const auto [source, gate, preact, group] = sizes.gemms.list[i_gemm];
            copy_padded((source == kInput ? problem.gain_ih : problem.gain_hh) + gate * H, H, gain(i_gemm),
                        H);
            for (std::size_t u = 0; u < H && problem.bias_ih; ++u) {
                if (source != kState) shift(preact)[u] += problem.bias_ih[gate * H + u];
                if (source != kInput) shift(preact)[u] += problem.bias_hh[gate * H + u];
            }
        }
        if (problem.gain_cell) copy_padded(problem.gain_cell, H, cell_gain(), H);
        if (problem.bias_cell) copy_padded(problem.bias_cell, H, cell_shift(), H);
    }

private:
    T *gains_ = nullptr, *shifts_ = nullptr;
    std::size_t width_ = 0;
    int n_gains_ = 0, n_shifts_ = 0;
};

// Sum of all lanes: one half of a vector plus the other, again and again.
template <class T, class Vec>
T horizontal_sum(Vec v) {
    typedef T Half __attribute__((vector_size(sizeof(Vec) / 2)));
    Half low, high;
    __builtin_memcpy(&low, &v, sizeof low);
    __builtin_memcpy(&high, reinterpret_cast<const char *>(&v) + sizeof low, sizeof high);
    if constexpr (sizeof(Half) > sizeof(T))
        return horizontal_sum<T>(low + high);
    else
        return low[0] + high[0];
}

// The first `count` lanes of a vector, and zeros in the others.
template <class T>
typename Simd<T>::Vec first_lanes(typename Simd<T>::Vec v, std::size_t count) {
    if (count >= Simd<T>::kLanes) return v;
    T lanes[Simd<T>::kLanes];
    Simd<T>::store(lanes, v);
    return Simd<T>::load(lanes, count);
}

// A vector of each pre-activation, from the normalised ones.
template <class T, class CellRule>
[[gnu::always_inline]] inline void preacts_from_normed(const typename Simd<T>::Vec *normed,
                                                       const NormParameters<T> &norm, std::size_t unit,
                                                       typename Simd<T>::Vec *sums) {
    using S = Simd<T>;
    constexpr GateGemms kGemms = kNormGemms<CellRule>;
    for (int i_gemm = 0; i_gemm < CellRule::kPreacts; ++i_gemm)
        sums[i_gemm] = S::load(norm.shift(i_gemm) + unit);
    for (int i_gemm = 0; i_gemm < kGemms.count; ++i_gemm)
        sums[kGemms.list[i_gemm].preact] += S::load(norm.gain(i_gemm) + unit) * normed[i_gemm];
}

// The mean of each group, from the group's total.
template <class T, const GateGemms &kGemms>
[[gnu::always_inline]] inline void group_means(const typename Simd<T>::Vec *totals, std::size_t units,
                                               T *means) {
    int sums[kGemms.groups]{};
    for (int i_gemm = 0; i_gemm < kGemms.count; ++i_gemm) ++sums[kGemms.list[i_gemm].group];
    for (int group = 0; group < kGemms.groups; ++group)
        means[group] = horizontal_sum<T>(totals[group]) / static_cast<T>(sums[group] * units);
}

// Totals by group, from totals by GEMM.
template <class T, const GateGemms &kGemms>
[[gnu::always_inline]] inline void sum_by_group(const typename Simd<T>::Vec *by_gemm,
                                                typename Simd<T>::Vec *by_group) {
    for (int group = 0; group < kGemms.groups; ++group) by_group[group] = typename Simd<T>::Vec{};
    for (int i_gemm = 0; i_gemm < kGemms.count; ++i_gemm)
        by_group[kGemms.list[i_gemm].group] += by_gemm[i_gemm];
}

// Mean and scale = 1 / sqrt(variance + 1e-5) of the groups of a row.
template <class T, const GateGemms &kGemms>
class NormMoments {
    using S = Simd<T>;
    using Vec = typename S::Vec;

public:
    T mean[kGemms.groups], scale[kGemms.groups];

    // `totals` holds, for each GEMM, the sum of the row's vectors; lanes beyond the units hold zeros.
    [[gnu::always_inline]] NormMoments(const T *row, const Vec *totals, std::size_t units) {
        Vec by_group[kGemms.groups], squares[kGemms.count]{};
        sum_by_group<T, kGemms>(totals, by_group);
        group_means<T, kGemms>(by_group, units, mean);
        for (std::size_t unit = 0; unit < units; unit += S::kLanes, row += kGemms.count * S::kLanes)
            for (int i_gemm = 0; i_gemm < kGemms.count; ++i_gemm) {
                const Vec d = S::load(row + i_gemm * S::kLanes) - mean[kGemms.list[i_gemm].group];
                const Vec deviation = first_lanes<T>(d, units - unit);
                squares[i_gemm] += deviation * deviation;
            }
        sum_by_group<T, kGemms>(squares, by_group);
        group_means<T, kGemms>(by_group, units, scale);
        for (T &value : scale) value = T{1} / static_cast<T>(__builtin_sqrt(value + T(1e-5)));
    }
    // x^ of a vector of a GEMM.
    Vec operator()(int i_gemm, Vec x) const {
        const int group = kGemms.list[i_gemm].group;
        return (x - mean[group]) * scale[group];
    }
};

// The gradient of x from that of x^: scale (d - mean(d) - x^ mean(d x^)).
template <class T, const GateGemms &kGemms>
class NormBackward {
    using Vec = typename Simd<T>::Vec;

public:
    // Add every vector of the row first, with zeros for the gradient beyond the units.
    void add(int i_gemm, Vec d, Vec normed) {
        sums_[kGemms.list[i_gemm].group] += d;
        products_[kGemms.list[i_gemm].group] += d * normed;
    }
    void reduce(const T *scales, std::size_t units) {
        group_means<T, kGemms>(sums_, units, mean_);
        group_means<T, kGemms>(products_, units, product_mean_);
        for (int group = 0; group < kGemms.groups; ++group) scale_[group] = scales[group];
    }
    Vec operator()(int i_gemm, Vec d, Vec normed) const {
        const int group = kGemms.list[i_gemm].group;
        return (d - mean_[group] - normed * product_mean_[group]) * scale_[group];
    }

private:
    Vec sums_[kGemms.groups]{}, products_[kGemms.groups]{};
    T mean_[kGemms.groups], product_mean_[kGemms.groups], scale_[kGemms.groups];
};

}  // namespace unrolled::UNROLLED_ISA
