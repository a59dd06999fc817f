// Product of large matrices with the micro-kernel: the peak rate that benchmarks compare the recurrences
// with.
#pragma once

#include "gemm/packing.hpp"
#include "runtime/buffer_cache.hpp"
#include "runtime/thread_pool.hpp"

namespace unrolled::UNROLLED_ISA {

// C (m, n) = A (m, k) B (k, n), row after row.
struct Matmul {
    // Rows and depth of a piece of A that stays in the second cache beside a panel of B. An odd number of
    // tiles: blocks that lie a multiple of 4,096 bytes apart would share few sets of the first cache.
    static constexpr std::size_t kRows = 15 * kTileRows, kDepth = 512;
    static constexpr std::size_t kWide = kColumns<float>, kBlock = kRows * kWide;

    const float *a, *b;
    float *c;
    std::size_t m, n, k;
    int threads;
    Barrier &packed;
    float *panels, *scratch;  // all of B; a piece of A and its result, for each thread

    void run(int thread) const {
        const std::size_t wide_panels = blocks_for<float>(n), depth_blocks = blocks_for<float>(kDepth);
        const Range share = share_of(wide_panels, thread, threads);
        for (std::size_t p = share.begin; p < share.end; ++p) {
            const std::size_t first = p * kWide, present = n - first < kWide ? n - first : kWide;
            for (std::size_t s = 0; s < k; ++s)
                copy_padded(b + s * n + first, present, panels + (p * k + s) * kWide, kWide);
        }
        packed.wait();
        float *const left = scratch + thread * (depth_blocks + wide_panels) * kBlock;
        float *const result = left + depth_blocks * kBlock;
        const Range rows = share_of(m, thread, threads);
        for (std::size_t row = rows.begin; row < rows.end; row += kRows)
            multiply_rows(row, rows.end - row < kRows ? rows.end - row : kRows, left, result);
    }

    void multiply_rows(std::size_t row, std::size_t count, float *left, float *result) const {
        const std::size_t wide_panels = blocks_for<float>(n);
        for (std::size_t from = 0; from < k; from += kDepth) {
            const std::size_t depth = k - from < kDepth ? k - from : kDepth;
            for (std::size_t i = 0; i < count; ++i)
                pack_blocks(a + (row + i) * k + from, depth, left + i * kWide, kBlock, 0,
                            blocks_for<float>(depth));
            Gemm<float> gemm{};
            gemm.n_terms = 1;
            gemm.terms[0] = GemmTerm<float>::over(left, kBlock, panels + from * kWide, k * kWide, depth);
            gemm.result = result;
            gemm.result_stride = kBlock;
            if (from > 0) gemm.accumulate();
            run_gemm(gemm, 0, count, 0, wide_panels);
        }
        for (std::size_t i = 0; i < count; ++i)
            unpack_blocks(result + i * kWide, kBlock, c + (row + i) * n, n, 0, wide_panels);
    }
};

inline void matmul(const float *a, const float *b, float *c, std::size_t m, std::size_t n, std::size_t k,
                   int threads) {
    const std::size_t panels = blocks_for<float>(n) * k * Matmul::kWide;
    const std::size_t scratch = (blocks_for<float>(Matmul::kDepth) + blocks_for<float>(n)) * Matmul::kBlock;
    Buffer block((panels + threads * scratch) * sizeof(float));
    float *const memory = static_cast<float *>(block.data());
    Barrier packed(threads);
    Matmul whole{a, b, c, m, n, k, threads, packed, memory, memory + panels};
    run_threads(threads, [](void *self, int thread) { static_cast<Matmul *>(self)->run(thread); }, &whole);
}

}  // namespace unrolled::UNROLLED_ISA
