// Readout of a sequence network: standardised features times weights, in double precision and a fixed order.
//
// A row has the same outputs alone and among others, which a library's product does not promise.
#pragma once

#include "gemm/packing.hpp"
#include "runtime/scratch_arena.hpp"
#include "streaming/problem.hpp"

namespace unrolled::UNROLLED_ISA {

inline std::size_t readout_width(std::size_t features) {
    return (features + kReadoutSums - 1) / kReadoutSums * kReadoutSums;
}

inline std::size_t readout_elements(const Readout &readout) {
    return readout.outputs * (readout_width(readout.features) + 1);
}

inline void pack_readout(const Readout &readout) {
    const std::size_t D = readout.features, width = readout_width(D);
    double *to = readout.packed;
    for (std::size_t k = 0; k < readout.outputs; ++k, to += width)
        for (std::size_t d = 0; d < width; ++d)
            to[d] = d < D ? static_cast<double>(readout.weight[k * D + d]) : 0.0;
    for (std::size_t k = 0; k < readout.outputs; ++k) to[k] = static_cast<double>(readout.bias[k]);
}

// Outputs (K,) of features (D,); `scaled` is scratch for readout_width(D) numbers. Each sum is kReadoutSums chains,
// of every eighth term, and these are added one after the other.
[[gnu::noinline]] inline void read_out(const Readout &readout, const float *features, double *scaled,
                                       double *outputs) {
    const std::size_t D = readout.features, width = readout_width(D);
    for (std::size_t d = 0; d < D; ++d)
        scaled[d] = static_cast<double>((features[d] - readout.center[d]) * readout.factor[d]);
    for (std::size_t d = D; d < width; ++d) scaled[d] = 0.0;
    const double *weight = readout.packed, *const bias = readout.packed + readout.outputs * width;
    for (std::size_t k = 0; k < readout.outputs; ++k, weight += width) {
        double sums[kReadoutSums] = {};
        for (std::size_t d = 0; d < width; d += kReadoutSums)
            for (std::size_t i = 0; i < kReadoutSums; ++i) sums[i] += weight[d + i] * scaled[d + i];
        double total = bias[k];
        for (const double sum : sums) total += sum;
        outputs[k] = total;
    }
}

// Outputs (rows, K) of features (rows, D).
struct ReadoutPass {
    Readout readout;
    const float *features;
    std::size_t rows;
    double *outputs;
    int threads;
    double *scaled = nullptr;  // of each thread

    std::size_t layout_scratch(void *block) {
        ScratchArena arena(block);
        readout.packed = arena.allocate<double>(readout_elements(readout));
        scaled = arena.allocate<double>(threads * readout_width(readout.features));
        if (block) pack_readout(readout);
        return arena.bytes();
    }
    void run(int thread) const {
        const Range mine = share_of(rows, thread, threads);
        for (std::size_t row = mine.begin; row < mine.end; ++row)
            read_out(readout, features + row * readout.features, scaled + thread * readout_width(readout.features),
                     outputs + row * readout.outputs);
    }
};

inline void readout_forward(const Readout &readout, const float *features, std::size_t rows, double *outputs,
                            int threads) {
    ReadoutPass pass{readout, features, rows, outputs, threads};
    run_pass(pass, threads);
}

}  // namespace unrolled::UNROLLED_ISA
