// GEMM micro-kernel: a register tile of rows by two vectors of columns.
//
// The left operand and the result are blocked: columns come in blocks of kColumns, and a block holds kColumns
// values of every row, one row after another. The right operand comes in panels: a panel holds, for each step
// of the sum, kColumns values. So every address in the inner loop is a constant offset from one pointer, and
// a block of one GEMM is a block or a panel of the next.
//
// Every value of the result is one chain of fused multiply-adds, in the order of its sum, whatever the
// tile: a row gives the same bits alone and among others.
#pragma once

#include "simd/vec.hpp"

namespace unrolled::UNROLLED_ISA {

template <class T>
inline constexpr std::size_t kColumns = 2 * Simd<T>::kLanes;

// The rows of a full tile: accumulators for all of them, two vectors from the panel, one value of a row.
inline constexpr int kTileRows = kRegisters >= 32 ? 14 : 6;

template <class T>
std::size_t blocks_for(std::size_t columns) {
    return (columns + kColumns<T> - 1) / kColumns<T>;
}

// One term of a sum: `groups` times `blocks` blocks of the left operand, the last of each group `last` wide.
template <class T>
struct GemmTerm {
    const T *left;            // blocked, or one row a step of the sum
    std::size_t left_stride;  // from block to block, or from step to step
    const T *panels;
    std::size_t panel_stride;  // from panel to panel
    std::size_t groups, blocks, last;

    // The sum over `depth` columns of a blocked operand.
    static GemmTerm over(const T *left, std::size_t left_stride, const T *panels, std::size_t panel_stride,
                         std::size_t depth) {
        const std::size_t blocks = blocks_for<T>(depth);
        return {left,
                left_stride,
                panels,
                panel_stride,
                depth > 0,
                blocks,
                depth - (blocks - (depth > 0)) * kColumns<T>};
    }
};

// result = start + terms, where start is blocked as the result is (it may be the result), the bias of each
// row, or zero.
template <class T>
struct Gemm {
    GemmTerm<T> terms[2];
    int n_terms;
    const T *bias;   // kColumns values a panel, or null
    const T *start;  // or null
    std::size_t start_stride;  // from block to block
    T *result;
    std::size_t result_stride;

    void accumulate() { start = result, start_stride = result_stride; }
};

// acc += left x right over `depth` steps of the sum; `step_stride` is the distance of the left operand's
// steps where it is transposed. Always inlined: accumulators in memory would halve the speed.
template <class T, int ROWS, int PANELS, bool TRANSPOSED>
[[gnu::always_inline]] inline void accumulate(typename Simd<T>::Vec (&acc)[ROWS][2 * PANELS], const T *left,
                                              std::size_t step_stride, const T *right,
                                              std::size_t panel_stride, std::size_t depth) {
    using S = Simd<T>;
    constexpr std::size_t kWide = kColumns<T>;
    // In steps: wide layers stream their panels from the last cache. Short tiles are bound by loads already.
    constexpr std::size_t kAhead = 32;
    for (std::size_t k = 0; k < depth; ++k) {
        typename S::Vec b[2 * PANELS];
        for (int p = 0; p < PANELS; ++p)
            for (int v = 0; v < 2; ++v) {
                const T *const at = right + p * panel_stride + v * S::kLanes;
                b[2 * p + v] = S::load(at);
                if constexpr (ROWS >= 6) __builtin_prefetch(at + kAhead * kWide, 0, 3);
            }
        for (int i = 0; i < ROWS; ++i) {
            const auto a = S::splat(TRANSPOSED ? left[k * step_stride + i] : left[k + i * kWide]);
            for (int j = 0; j < 2 * PANELS; ++j) acc[i][j] += a * b[j];
        }
        right += kWide;
    }
}

// acc += one term of the sum; TRANSPOSED: the left operand has its rows side by side.
template <class T, int ROWS, int PANELS, bool TRANSPOSED>
[[gnu::always_inline]] inline void accumulate_term(typename Simd<T>::Vec (&acc)[ROWS][2 * PANELS],
                                                   const GemmTerm<T> &term, std::size_t row,
                                                   std::size_t panel) {
    constexpr std::size_t kWide = kColumns<T>;
    const std::size_t stride = term.left_stride, panel_stride = term.panel_stride;
    const T *right = term.panels + panel * panel_stride;
    if constexpr (TRANSPOSED) {
        accumulate<T, ROWS, PANELS, true>(acc, term.left + row, stride, right, panel_stride, term.last);
    } else {
        const T *const left = term.left + row * kWide;
        for (std::size_t group = 0, block = 0; group < term.groups; ++group) {
            for (std::size_t end = block + term.blocks - 1; block < end; ++block, right += kWide * kWide)
                accumulate<T, ROWS, PANELS, false>(acc, left + block * stride, 0, right, panel_stride, kWide);
            accumulate<T, ROWS, PANELS, false>(acc, left + block * stride, 0, right, panel_stride, term.last);
            ++block, right += term.last * kWide;
        }
    }
}

template <class T, int ROWS, int PANELS, bool TRANSPOSED>
void tile(const Gemm<T> &gemm, std::size_t row, std::size_t panel) {
    using S = Simd<T>;
    constexpr std::size_t kWide = kColumns<T>;
    typename S::Vec acc[ROWS][2 * PANELS];
    T *result = gemm.result + panel * gemm.result_stride + row * kWide;
    const T *const start = gemm.start ? gemm.start + panel * gemm.start_stride + row * kWide : nullptr;
    for (int p = 0; p < PANELS; ++p)
        for (int v = 0; v < 2; ++v)
            for (int i = 0; i < ROWS; ++i) {
                const std::size_t at = v * S::kLanes;
                acc[i][2 * p + v] = start ? S::load(start + p * gemm.start_stride + i * kWide + at)
                                    : gemm.bias ? S::load(gemm.bias + (panel + p) * kWide + at)
                                                : typename S::Vec{};
            }
    accumulate_term<T, ROWS, PANELS, TRANSPOSED>(acc, gemm.terms[0], row, panel);
    if (!TRANSPOSED && gemm.n_terms > 1)
        accumulate_term<T, ROWS, PANELS, TRANSPOSED>(acc, gemm.terms[1], row, panel);
    for (int p = 0; p < PANELS; ++p)
        for (int v = 0; v < 2; ++v)
            for (int i = 0; i < ROWS; ++i)
                S::store(result + p * gemm.result_stride + i * kWide + v * S::kLanes, acc[i][2 * p + v]);
}

// One tile of rows over the panels [first, last), as many panels at a time as fit the registers: a short tile
// alone would wait for its own accumulators.
template <class T, int ROWS, int PANELS, bool TRANSPOSED>
void tile_panels(const Gemm<T> &gemm, std::size_t row, std::size_t first, std::size_t last) {
    for (; first + PANELS <= last; first += PANELS) tile<T, ROWS, PANELS, TRANSPOSED>(gemm, row, first);
    if constexpr (PANELS > 1)
        if (first < last) tile_panels<T, ROWS, PANELS / 2, TRANSPOSED>(gemm, row, first, last);
}

template <int ROWS>
constexpr int panels_per_tile() {
    return ROWS * 8 <= kTileRows ? 8 : ROWS * 4 <= kTileRows ? 4 : ROWS * 2 <= kTileRows ? 2 : 1;
}

template <class T, int ROWS, bool TRANSPOSED>
void tile_of_height(int rows, const Gemm<T> &gemm, std::size_t row, std::size_t first, std::size_t last) {
    if (rows == ROWS)
        tile_panels<T, ROWS, TRANSPOSED ? 1 : panels_per_tile<ROWS>(), TRANSPOSED>(gemm, row, first, last);
    else if constexpr (ROWS > 1)
        tile_of_height<T, ROWS - 1, TRANSPOSED>(rows, gemm, row, first, last);
}

// Compute the rows [row, end) and the panels [first, last) of a GEMM, in tiles of even height. A panel stays
// in the first cache while all rows pass it.
template <class T, bool TRANSPOSED = false>
void run_gemm(const Gemm<T> &gemm, std::size_t row, std::size_t end, std::size_t first, std::size_t last) {
    if (row >= end) return;
    const std::size_t tiles = (end - row + kTileRows - 1) / kTileRows;
    const std::size_t even = (end - row) / tiles, taller = (end - row) % tiles;
    const std::size_t at_once = tiles == 1 ? last - first : 1;
    for (std::size_t panel = first; panel < last; panel += at_once)
        for (std::size_t k = 0, at = row; k < tiles; ++k) {
            const std::size_t height = even + (k < taller);
            tile_of_height<T, kTileRows, TRANSPOSED>(static_cast<int>(height), gemm, at, panel,
                                                     panel + at_once);
            at += height;
        }
}

}  // namespace unrolled::UNROLLED_ISA
