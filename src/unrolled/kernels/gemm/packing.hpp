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

// Transpose kColumns rows of a weight (rows, depth) into a panel: kColumns values for each of `depth`
// columns. Rows from `present` on are zero.
template <class T>
void pack_panel(const T *weight, std::size_t depth, std::size_t present, T *panel) {
    constexpr std::size_t kWide = kColumns<T>, kCacheLine = 64 / sizeof(T);
    for (std::size_t k0 = 0; k0 < depth; k0 += kCacheLine) {
        const std::size_t k1 = k0 + kCacheLine < depth ? k0 + kCacheLine : depth;
        for (std::size_t c = 0; c < kWide; ++c)
            for (std::size_t k = k0; k < k1; ++k)
                panel[k * kWide + c] = c < present ? weight[c * depth + k] : T{};
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
