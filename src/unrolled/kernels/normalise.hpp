// Layer norm over the sums of a row, and its way back: x^ = (x - mean) / sqrt(variance + 1e-5).
//
// Source: Ba, Kiros and Hinton, Layer Normalization (2016), eq. 3 and 4; the variance is that of a
// population.
#pragma once

#include "layout.hpp"

namespace unrolled::UNROLLED_ISA {

// Gains and shifts of a call, a padded row for each sum and one for the norm inside the cell.
template <class T>
class Norm {
public:
    void carve(Carver &carver, std::size_t rows, std::size_t width) {
        width_ = width;
        gains_ = carver.take<T>(rows * width);
        shifts_ = carver.take<T>(rows * width);
    }
    T *gain(int row) const { return gains_ + row * width_; }
    T *shift(int row) const { return shifts_ + row * width_; }

private:
    T *gains_ = nullptr, *shifts_ = nullptr;
    std::size_t width_ = 0;
};

// The gains of a call's sums; after them gain and shift of the norm inside the cell.
template <class T>
void take_gains(const Call<T> &call, const Shape<T> &shape, const Norm<T> &norm) {
    const std::size_t H = shape.units, width = shape.unit_blocks * kColumns<T>;
    for (int sum = 0; sum < shape.sums.count; ++sum) {
        const auto [reads, gate] = shape.sums.list[sum];
        copy_padded((reads == kInput ? call.gain_ih : call.gain_hh) + gate * H, H, norm.gain(sum), width);
    }
    if (!call.gain_cell) return;
    copy_padded(call.gain_cell, H, norm.gain(shape.sums.count), width);
    copy_padded(call.bias_cell, call.bias_cell ? H : 0, norm.shift(shape.sums.count), width);
}

template <class T>
struct Moments {
    T mean, scale;  // scale = 1 / sqrt(variance + 1e-5)
};

template <class T>
T total(typename Simd<T>::Vec v) {
    T sum{};
    for (std::size_t lane = 0; lane < Simd<T>::kLanes; ++lane) sum += v[lane];
    return sum;
}

// f(place, sum, vector, lanes in use) for every vector of a row of `sums` times `blocks` blocks.
template <class T, class F>
void each_vector(std::size_t sums, std::size_t blocks, std::size_t stride, std::size_t units, F f) {
    constexpr std::size_t kLanes = Simd<T>::kLanes;
    for (std::size_t sum = 0; sum < sums; ++sum)
        for (std::size_t unit = 0; unit < units; unit += kLanes) {
            const std::size_t left = units - unit;
            f((sum * blocks + unit / kColumns<T>)*stride + unit % kColumns<T>, sum, unit / kLanes,
              left < kLanes ? left : kLanes);
        }
}

// What stands in the first `count` lanes, zero in the others.
template <class T>
typename Simd<T>::Vec first_lanes(typename Simd<T>::Vec v, std::size_t count) {
    if (count == Simd<T>::kLanes) return v;
    for (std::size_t lane = count; lane < Simd<T>::kLanes; ++lane) v[lane] = T{};
    return v;
}

// Mean and scale of a row of sums; lanes beyond the units hold zeros.
template <class T>
Moments<T> moments(const T *row, std::size_t stride, std::size_t blocks, std::size_t sums,
                   std::size_t units) {
    using S = Simd<T>;
    const T count = static_cast<T>(sums * units);
    typename S::Vec sum{}, square{};
    each_vector<T>(sums, blocks, stride, units, [&](std::size_t at, auto...) { sum += S::load(row + at); });
    const T mean = total<T>(sum) / count;
    each_vector<T>(sums, blocks, stride, units,
                   [&](std::size_t at, std::size_t, std::size_t, std::size_t lanes) {
                       const auto d = first_lanes<T>(S::load(row + at) - mean, lanes);
                       square += d * d;
                   });
    return {mean, T{1} / static_cast<T>(__builtin_sqrt(total<T>(square) / count + T(1e-5)))};
}

// A row of sums becomes x^; the answer is its scale.
template <class T>
T normalise(T *row, std::size_t stride, std::size_t blocks, std::size_t sums, std::size_t units) {
    using S = Simd<T>;
    const auto [mean, scale] = moments(row, stride, blocks, sums, units);
    each_vector<T>(sums, blocks, stride, units,
                   [&](std::size_t at, std::size_t, std::size_t, std::size_t lanes) {
                       S::store(row + at, first_lanes<T>((S::load(row + at) - mean) * scale, lanes));
                   });
    return scale;
}

// The gradient of x from that of x^: scale (d - mean(d) - x^ mean(d x^)), in place. normed(sum, vector) gives
// x^.
template <class T, class F>
void normalise_back(T *d, T scale, std::size_t stride, std::size_t blocks, std::size_t sums,
                    std::size_t units, F normed) {
    using S = Simd<T>;
    const T count = static_cast<T>(sums * units);
    typename S::Vec sum{}, product{};
    each_vector<T>(sums, blocks, stride, units,
                   [&](std::size_t at, std::size_t k, std::size_t vector, std::size_t) {
                       sum += S::load(d + at);
                       product += S::load(d + at) * normed(k, vector);
                   });
    const T mean = total<T>(sum) / count, slope = total<T>(product) / count;
    each_vector<T>(
        sums, blocks, stride, units,
        [&](std::size_t at, std::size_t k, std::size_t vector, std::size_t lanes) {
            S::store(d + at,
                     first_lanes<T>((S::load(d + at) - mean - normed(k, vector) * slope) * scale, lanes));
        });
}

}  // namespace unrolled::UNROLLED_ISA
