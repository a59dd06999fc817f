// Layer norm over the sums of a row, and its way back: x^ = (x - mean) / sqrt(variance + 1e-5).
//
// A row that is normalised lies together: a vector of each sum, then the next vector of each. Where the sums
// lie during a call, rows apart, they would often share the sets of a cache.
//
// Source: Ba, Kiros and Hinton, Layer Normalization (2016), eq. 3 and 4; the variance is that of a
// population.
#pragma once

#include "rnn/scratch.hpp"

namespace unrolled::UNROLLED_ISA {

// The sums that a cell's layer norm takes, and those of the norm inside the cell: c alone.
template <class Rule>
inline constexpr Sums kNormed = sums_of<Rule>(true);
inline constexpr Sums kCellNormed{{{kBoth, 0, 0, 0}}, 1, 1};

// Padded rows: a gain for each sum, a shift for each of the rule's sums, both for the norm inside the cell.
template <class T>
class Norm {
public:
    void carve(Carver &carver, const Shape<T> &shape) {
        width_ = shape.unit_blocks * kColumns<T>;
        n_gains_ = shape.sums.count, n_shifts_ = shape.rule_sums;
        gains_ = carver.take<T>((n_gains_ + 1) * width_);
        shifts_ = carver.take<T>((n_shifts_ + 1) * width_);
    }
    T *gain(int sum) const { return gains_ + sum * width_; }
    T *shift(int of_rule) const { return shifts_ + of_rule * width_; }
    T *cell_gain() const { return gain(n_gains_); }
    T *cell_shift() const { return shift(n_shifts_); }

    void reset() const {
        clear(gains_, (n_gains_ + 1) * width_);
        clear(shifts_, (n_shifts_ + 1) * width_);
    }
    // The gains of a call, and its biases as shifts.
    void take(const Call<T> &call, const Shape<T> &shape) const {
        const std::size_t H = shape.units;
        reset();
        for (int sum = 0; sum < n_gains_; ++sum) {
            const auto [reads, gate, of_rule, group] = shape.sums.list[sum];
            copy_padded((reads == kInput ? call.gain_ih : call.gain_hh) + gate * H, H, gain(sum), H);
            for (std::size_t u = 0; u < H && call.b_ih; ++u) {
                if (reads != kState) shift(of_rule)[u] += call.b_ih[gate * H + u];
                if (reads != kInput) shift(of_rule)[u] += call.b_hh[gate * H + u];
            }
        }
        if (call.gain_cell) copy_padded(call.gain_cell, H, cell_gain(), H);
        if (call.bias_cell) copy_padded(call.bias_cell, H, cell_shift(), H);
    }

private:
    T *gains_ = nullptr, *shifts_ = nullptr;
    std::size_t width_ = 0;
    int n_gains_ = 0, n_shifts_ = 0;
};

// The sum of all lanes: one half of a vector plus the other, again and again.
template <class T, class Vec>
T total(Vec v) {
    typedef T Half __attribute__((vector_size(sizeof(Vec) / 2)));
    Half low, high;
    __builtin_memcpy(&low, &v, sizeof low);
    __builtin_memcpy(&high, reinterpret_cast<const char *>(&v) + sizeof low, sizeof high);
    if constexpr (sizeof(Half) > sizeof(T))
        return total<T>(low + high);
    else
        return low[0] + high[0];
}

// What stands in the first `count` lanes, zero in the others.
template <class T>
typename Simd<T>::Vec first_lanes(typename Simd<T>::Vec v, std::size_t count) {
    if (count >= Simd<T>::kLanes) return v;
    T lanes[Simd<T>::kLanes];
    Simd<T>::store(lanes, v);
    return Simd<T>::load(lanes, count);
}

// A vector of each sum of the rule, from the normalised ones.
template <class T, class Rule>
[[gnu::always_inline]] inline void sums_from(const typename Simd<T>::Vec *normed, const Norm<T> &norm,
                                             std::size_t unit, typename Simd<T>::Vec *sums) {
    using S = Simd<T>;
    constexpr Sums kSums = kNormed<Rule>;
    for (int sum = 0; sum < Rule::kSums; ++sum) sums[sum] = S::load(norm.shift(sum) + unit);
    for (int sum = 0; sum < kSums.count; ++sum)
        sums[kSums.list[sum].of_rule] += S::load(norm.gain(sum) + unit) * normed[sum];
}

// The mean of each group, from what was added up for it.
template <class T, const Sums &kSums>
[[gnu::always_inline]] inline void means_of(const typename Simd<T>::Vec *added, std::size_t units, T *means) {
    int sums[kSums.groups]{};
    for (int sum = 0; sum < kSums.count; ++sum) ++sums[kSums.list[sum].group];
    for (int group = 0; group < kSums.groups; ++group)
        means[group] = total<T>(added[group]) / static_cast<T>(sums[group] * units);
}

// What was added up for each sum, added up for each group.
template <class T, const Sums &kSums>
[[gnu::always_inline]] inline void to_groups(const typename Simd<T>::Vec *of_sums,
                                             typename Simd<T>::Vec *of_groups) {
    for (int group = 0; group < kSums.groups; ++group) of_groups[group] = typename Simd<T>::Vec{};
    for (int sum = 0; sum < kSums.count; ++sum) of_groups[kSums.list[sum].group] += of_sums[sum];
}

// Mean and scale = 1 / sqrt(variance + 1e-5) of the groups of a row.
template <class T, const Sums &kSums>
class Moments {
    using S = Simd<T>;
    using Vec = typename S::Vec;

public:
    T mean[kSums.groups], scale[kSums.groups];

    // `added` holds, for each sum, the sum of the row's vectors; lanes beyond the units hold zeros.
    [[gnu::always_inline]] Moments(const T *row, const Vec *added, std::size_t units) {
        Vec of_groups[kSums.groups], squares[kSums.count]{};
        to_groups<T, kSums>(added, of_groups);
        means_of<T, kSums>(of_groups, units, mean);
        for (std::size_t unit = 0; unit < units; unit += S::kLanes, row += kSums.count * S::kLanes)
            for (int sum = 0; sum < kSums.count; ++sum) {
                const Vec d = S::load(row + sum * S::kLanes) - mean[kSums.list[sum].group];
                const Vec there = first_lanes<T>(d, units - unit);
                squares[sum] += there * there;
            }
        to_groups<T, kSums>(squares, of_groups);
        means_of<T, kSums>(of_groups, units, scale);
        for (T &one : scale) one = T{1} / static_cast<T>(__builtin_sqrt(one + T(1e-5)));
    }
    // x^ of a vector of a sum.
    Vec operator()(int sum, Vec x) const {
        const int group = kSums.list[sum].group;
        return (x - mean[group]) * scale[group];
    }
};

// The gradient of x from that of x^: scale (d - mean(d) - x^ mean(d x^)).
template <class T, const Sums &kSums>
class NormBack {
    using Vec = typename Simd<T>::Vec;

public:
    // First every vector of the row, with zeros for the gradient beyond the units.
    void add(int sum, Vec d, Vec normed) {
        added_[kSums.list[sum].group] += d;
        product_[kSums.list[sum].group] += d * normed;
    }
    void close(const T *scales, std::size_t units) {
        means_of<T, kSums>(added_, units, mean_);
        means_of<T, kSums>(product_, units, slope_);
        for (int group = 0; group < kSums.groups; ++group) scale_[group] = scales[group];
    }
    Vec operator()(int sum, Vec d, Vec normed) const {
        const int group = kSums.list[sum].group;
        return (d - mean_[group] - normed * slope_[group]) * scale_[group];
    }

private:
    Vec added_[kSums.groups]{}, product_[kSums.groups]{};
    T mean_[kSums.groups], slope_[kSums.groups], scale_[kSums.groups];
};

}  // namespace unrolled::UNROLLED_ISA
