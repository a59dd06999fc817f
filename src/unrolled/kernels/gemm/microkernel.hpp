// The matrix product that everything stands on: a register tile of rows by two vectors of columns.
//
// Both the left operand and the result are blocked: columns come in blocks of kColumns, and a block holds
// kColumns values of every row, one row after another. The right operand comes in panels: a panel holds,
// for each step of the sum, kColumns values. So every address in the inner loop is a constant away from
// one pointer, and a block of one product is a block or a panel of the next.
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

// One piece of a sum: `groups` times `blocks` blocks of the left operand, the last of each group `last` wide.
template <class T>
struct Piece {
    const T *left;            // blocked, or one row a step of the sum
    std::size_t left_stride;  // from block to block, or from step to step
    const T *panels;
    std::size_t panel_stride;  // from panel to panel
    std::size_t groups, blocks, last;

    // The sum over `depth` columns of a blocked operand.
    static Piece over(const T *left, std::size_t left_stride, const T *panels, std::size_t panel_stride,
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

// What a tile starts from: zero, the same row for all rows, or the result that is there.
template <class T>
struct Product {
    Piece<T> pieces[2];
    int n_pieces;
    const T *start;  // kColumns values a panel, or none
    bool adds;       // to the result that is there
    T *result;
    std::size_t result_stride;  // from block to block
};

// acc += left x right over `depth` steps of the sum; `across` says how far the left operand's steps lie
// apart where its rows lie side by side. Inlined by force: sums that went to memory would cost half the
// speed.
template <class T, int ROWS, int PANELS, bool ACROSS>
[[gnu::always_inline]] inline void add_steps(typename Simd<T>::Vec (&acc)[ROWS][2 * PANELS], const T *left,
                                             std::size_t across, const T *right, std::size_t panel_stride,
                                             std::size_t depth) {
    using S = Simd<T>;
    constexpr std::size_t kWide = kColumns<T>;
    // Steps: wide layers stream their panels from the last cache. Short tiles do nothing but load as it is.
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
            const auto a = S::splat(ACROSS ? left[k * across + i] : left[k + i * kWide]);
            for (int j = 0; j < 2 * PANELS; ++j) acc[i][j] += a * b[j];
        }
        right += kWide;
    }
}

// acc += one piece of the sum; ACROSS says that the left operand has its rows side by side.
template <class T, int ROWS, int PANELS, bool ACROSS>
[[gnu::always_inline]] inline void add_piece(typename Simd<T>::Vec (&acc)[ROWS][2 * PANELS],
                                             const Piece<T> &piece, std::size_t row, std::size_t panel) {
    constexpr std::size_t kWide = kColumns<T>;
    const std::size_t stride = piece.left_stride, panel_stride = piece.panel_stride;
    const T *right = piece.panels + panel * panel_stride;
    if constexpr (ACROSS) {
        add_steps<T, ROWS, PANELS, true>(acc, piece.left + row, stride, right, panel_stride, piece.last);
    } else {
        const T *const left = piece.left + row * kWide;
        for (std::size_t group = 0, block = 0; group < piece.groups; ++group) {
            for (std::size_t end = block + piece.blocks - 1; block < end; ++block, right += kWide * kWide)
                add_steps<T, ROWS, PANELS, false>(acc, left + block * stride, 0, right, panel_stride, kWide);
            add_steps<T, ROWS, PANELS, false>(acc, left + block * stride, 0, right, panel_stride, piece.last);
            ++block, right += piece.last * kWide;
        }
    }
}

template <class T, int ROWS, int PANELS, bool ACROSS>
void tile(const Product<T> &product, std::size_t row, std::size_t panel) {
    using S = Simd<T>;
    constexpr std::size_t kWide = kColumns<T>;
    typename S::Vec acc[ROWS][2 * PANELS];
    T *result = product.result + panel * product.result_stride + row * kWide;
    for (int p = 0; p < PANELS; ++p)
        for (int v = 0; v < 2; ++v)
            for (int i = 0; i < ROWS; ++i) {
                const std::size_t at = v * S::kLanes;
                acc[i][2 * p + v] = product.adds
                                        ? S::load(result + p * product.result_stride + i * kWide + at)
                                    : product.start ? S::load(product.start + (panel + p) * kWide + at)
                                                    : typename S::Vec{};
            }
    add_piece<T, ROWS, PANELS, ACROSS>(acc, product.pieces[0], row, panel);
    if (!ACROSS && product.n_pieces > 1)
        add_piece<T, ROWS, PANELS, ACROSS>(acc, product.pieces[1], row, panel);
    for (int p = 0; p < PANELS; ++p)
        for (int v = 0; v < 2; ++v)
            for (int i = 0; i < ROWS; ++i)
                S::store(result + p * product.result_stride + i * kWide + v * S::kLanes, acc[i][2 * p + v]);
}

// One row tile over the panels [first, last), as many panels at a time as leave the registers room: a short
// tile alone would wait for its own sums.
template <class T, int ROWS, int PANELS, bool ACROSS>
void across_panels(const Product<T> &product, std::size_t row, std::size_t first, std::size_t last) {
    for (; first + PANELS <= last; first += PANELS) tile<T, ROWS, PANELS, ACROSS>(product, row, first);
    if constexpr (PANELS > 1)
        if (first < last) across_panels<T, ROWS, PANELS / 2, ACROSS>(product, row, first, last);
}

template <int ROWS>
constexpr int panels_beside() {
    return ROWS * 8 <= kTileRows ? 8 : ROWS * 4 <= kTileRows ? 4 : ROWS * 2 <= kTileRows ? 2 : 1;
}

template <class T, int ROWS, bool ACROSS>
void tile_of(int rows, const Product<T> &product, std::size_t row, std::size_t first, std::size_t last) {
    if (rows == ROWS)
        across_panels<T, ROWS, ACROSS ? 1 : panels_beside<ROWS>(), ACROSS>(product, row, first, last);
    else if constexpr (ROWS > 1)
        tile_of<T, ROWS - 1, ACROSS>(rows, product, row, first, last);
}

// result = start + the pieces, for the rows [row, end) and the panels [first, last), in tiles of even height.
// A panel stays in the nearest cache while all rows pass it.
template <class T, bool ACROSS = false>
void multiply(const Product<T> &product, std::size_t row, std::size_t end, std::size_t first,
              std::size_t last) {
    if (row >= end) return;
    const std::size_t tiles = (end - row + kTileRows - 1) / kTileRows;
    const std::size_t even = (end - row) / tiles, taller = (end - row) % tiles;
    const std::size_t at_once = tiles == 1 ? last - first : 1;
    for (std::size_t panel = first; panel < last; panel += at_once)
        for (std::size_t k = 0, at = row; k < tiles; ++k) {
            const std::size_t height = even + (k < taller);
            tile_of<T, kTileRows, ACROSS>(static_cast<int>(height), product, at, panel, panel + at_once);
            at += height;
        }
}

}  // namespace unrolled::UNROLLED_ISA
