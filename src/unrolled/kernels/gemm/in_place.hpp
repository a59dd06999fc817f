// GEMM with a weight that is read where it lies, once: packing all of it would write and read it once more.
//
// The sums are those of the micro-kernel, in the same order.
#pragma once

#include "gemm/packing.hpp"

namespace unrolled::UNROLLED_ISA {

// One panel of a GEMM: kColumns rows of a weight (rows, depth), of which `present` exist.
template <class T>
struct PanelInPlace {
    const T *weight;
    std::size_t depth, present;
    const T *left;  // blocked
    std::size_t left_stride;
};

// Rows of a tile that multiplies each transposed square of the weight at once, in registers.
inline constexpr int kInPlaceRows = kRegisters >= 32 ? 8 : 4;
// Columns of a weight that are packed at once for more rows: the first cache holds them.
inline constexpr std::size_t kPieceDepth = 128;

template <class T, int ROWS>
void tile_in_place(const PanelInPlace<T> &panel, const Gemm<T> &gemm, std::size_t row) {
    using S = Simd<T>;
    constexpr std::size_t kWide = kColumns<T>, kLanes = S::kLanes;
    for (std::size_t first = 0; first < kWide; first += kLanes) {
        typename S::Vec acc[ROWS];
        for (int i = 0; i < ROWS; ++i)
            acc[i] = gemm.start  ? S::load(gemm.start + (row + i) * kWide + first)
                     : gemm.bias ? S::load(gemm.bias + first)
                                 : typename S::Vec{};
        const std::size_t rows = panel.present > first ? panel.present - first : 0;
        for (std::size_t k = 0; rows > 0 && k < panel.depth; k += kLanes) {
            typename S::Vec square[kLanes];
            load_transposed(panel.weight + first * panel.depth + k, panel.depth, rows, panel.depth - k, square);
            const T *const left = panel.left + k / kWide * panel.left_stride + row * kWide + k % kWide;
            if (panel.depth - k >= kLanes) {
                for (std::size_t j = 0; j < kLanes; ++j)
                    for (int i = 0; i < ROWS; ++i) acc[i] += S::splat(left[i * kWide + j]) * square[j];
            } else {
                for (std::size_t j = 0; j < panel.depth - k; ++j)
                    for (int i = 0; i < ROWS; ++i) acc[i] += S::splat(left[i * kWide + j]) * square[j];
            }
        }
        for (int i = 0; i < ROWS; ++i) S::store(gemm.result + (row + i) * kWide + first, acc[i]);
    }
}

template <class T, int ROWS>
void tile_in_place_of_height(int rows, const PanelInPlace<T> &panel, const Gemm<T> &gemm, std::size_t row) {
    if (rows == ROWS)
        tile_in_place<T, ROWS>(panel, gemm, row);
    else if constexpr (ROWS > 1)
        tile_in_place_of_height<T, ROWS - 1>(rows, panel, gemm, row);
}

// Compute `rows` rows of one panel; `gemm` has no terms yet. `piece` is scratch for kPieceDepth columns.
template <class T>
void run_panel_in_place(const PanelInPlace<T> &panel, Gemm<T> gemm, std::size_t rows, T *piece) {
    constexpr std::size_t kWide = kColumns<T>;
    if (rows <= kInPlaceRows)
        return tile_in_place_of_height<T, kInPlaceRows>(static_cast<int>(rows), panel, gemm, 0);
    gemm.n_terms = 1;
    for (std::size_t k = 0; k < panel.depth; k += kPieceDepth) {
        const std::size_t depth = panel.depth - k < kPieceDepth ? panel.depth - k : kPieceDepth;
        pack_panel(panel.weight + k, panel.depth, depth, panel.present, piece);
        gemm.terms[0] =
            GemmTerm<T>::over(panel.left + k / kWide * panel.left_stride, panel.left_stride, piece, 0, depth);
        run_gemm(gemm, 0, rows, 0, 1);
        gemm.accumulate();
    }
}

}  // namespace unrolled::UNROLLED_ISA
