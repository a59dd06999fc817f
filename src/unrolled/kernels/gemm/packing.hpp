// Packing for the micro-kernel: weights into panels, rows into blocks, and shares of a count.
#pragma once

#include "gemm/microkernel.hpp"

namespace unrolled::UNROLLED_ISA {

struct Range {
    std::size_t begin, end;
};

// The share of `count` things that falls to one of `threads`.
inline Range share_of(std::size_t count, int thread, int threads) {
    return {count * thread / threads, count * (thread + 1) / threads};
}

template <class T>
void fill_zero(T *to, std::size_t count) {
    for (std::size_t k = 0; k < count; ++k) to[k] = T{};
}

// Copy `count` values into a place for `capacity`; the others become zero.
template <class T>
void copy_padded(const T *from, std::size_t count, T *to, std::size_t capacity) {
    for (std::size_t k = 0; k < count; ++k) to[k] = from[k];
    for (std::size_t k = count; k < capacity; ++k) to[k] = T{};
}

// Load a square of a weight whose rows lie `stride` apart, at most a vector each way, and transpose it: a vector
// for each column. Beyond `rows` and `columns` it is zero.
template <class T>
[[gnu::always_inline]] inline void load_transposed(const T *weight, std::size_t stride, std::size_t rows,
                                                   std::size_t columns,
                                                   typename Simd<T>::Vec (&square)[Simd<T>::kLanes]) {
    using S = Simd<T>;
    constexpr std::size_t kAhead = 1024 / sizeof(T);  // each row is a stream of its own, and they are many
    if (rows >= S::kLanes && columns >= S::kLanes) {
        for (std::size_t i = 0; i < S::kLanes; ++i) {
            square[i] = S::load(weight + i * stride);
            __builtin_prefetch(weight + i * stride + kAhead, 0, 2);
        }
    } else {
        const std::size_t count = columns < S::kLanes ? columns : S::kLanes;
        for (std::size_t i = 0; i < S::kLanes; ++i)
            square[i] = i < rows ? S::load(weight + i * stride, count) : typename S::Vec{};
    }
    S::transpose(square);
}

// Transpose kColumns rows of a weight, which lie `stride` apart, into a panel: kColumns values for each of
// `depth` columns. Rows from `present` on are zero.
template <class T>
void pack_panel(const T *weight, std::size_t stride, std::size_t depth, std::size_t present, T *panel) {
    using S = Simd<T>;
    constexpr std::size_t kWide = kColumns<T>, kLanes = S::kLanes;
    for (std::size_t first = 0; first < kWide; first += kLanes) {
        const std::size_t rows = present > first ? present - first : 0;
        for (std::size_t k = 0; k < depth; k += kLanes) {
            typename S::Vec square[kLanes];
            load_transposed(weight + first * stride + k, stride, rows, depth - k, square);
            T *const to = panel + k * kWide + first;
            if (depth - k >= kLanes) {
                for (std::size_t i = 0; i < kLanes; ++i) S::store(to + i * kWide, square[i]);
            } else {
                for (std::size_t i = 0; i < depth - k; ++i) S::store(to + i * kWide, square[i]);
            }
        }
    }
}

// Load `count` units of a row from `unit` on, at most a vector; zeros where there is no row.
template <class T>
typename Simd<T>::Vec load_units(const T *row, std::size_t unit, std::size_t count) {
    using S = Simd<T>;
    return !row ? typename S::Vec{} : count == S::kLanes ? S::load(row + unit) : S::load(row + unit, count);
}

// Copy columns of one row into blocks `first` .. `last` - 1, which lie `stride` apart; no row is a row of
// zeros.
template <class T>
void pack_blocks(const T *from, std::size_t count, T *blocks, std::size_t stride, std::size_t first,
                 std::size_t last) {
    using S = Simd<T>;
    for (std::size_t block = first; block < last; ++block)
        for (std::size_t v = 0; v < kColumns<T>; v += S::kLanes) {
            const std::size_t at = block * kColumns<T> + v;
            const std::size_t left = at < count ? count - at : 0;
            S::store(blocks + block * stride + v, !from || !left      ? typename S::Vec{}
                                                  : left >= S::kLanes ? S::load(from + at)
                                                                      : S::load(from + at, left));
        }
}

// The inverse of pack_blocks.
template <class T>
void unpack_blocks(const T *blocks, std::size_t stride, T *to, std::size_t count, std::size_t first,
                   std::size_t last) {
    using S = Simd<T>;
    for (std::size_t block = first; block < last; ++block)
        for (std::size_t v = 0; v < kColumns<T> && block * kColumns<T> + v < count; v += S::kLanes) {
            const std::size_t at = block * kColumns<T> + v, left = count - at;
            const auto value = S::load(blocks + block * stride + v);
            left >= S::kLanes ? S::store(to + at, value) : S::store(to + at, value, left);
        }
}

}  // namespace unrolled::UNROLLED_ISA
