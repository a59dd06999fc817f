// Stacked recurrent layers whose weights are packed once, for the instruction set that was selected then.
//
// Only declarations and data, so that files that are compiled for each instruction set may include this header.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "streaming/problem.hpp"

namespace unrolled {

struct KernelTable;

// Memory from a cache line on, zero at first.
class AlignedBuffer {
public:
    AlignedBuffer() = default;
    explicit AlignedBuffer(std::size_t bytes);
    AlignedBuffer(AlignedBuffer &&other) noexcept;
    AlignedBuffer &operator=(AlignedBuffer &&other) noexcept;
    ~AlignedBuffer();
    void *data() const { return data_; }

private:
    void *data_ = nullptr;
};

template <class Real>
class PackedStack {
public:
    explicit PackedStack(std::size_t rows);
    // Copy a layer's weights, and keep pointers to the states (rows, H) of its rows.
    void add_layer(const Problem<Real> &problem, Real *h, Real *c);
    // Pack the weights of a layer anew; they are where `problem` says now.
    void pack_layer(std::size_t layer, const Problem<Real> &problem);
    // Step the rows of `stack`, whose layers are these, on as many threads as the work is worth.
    void step(SteppedStack<Real> stack, int threads);
    // Multiplications and additions of a step of one row.
    double work() const { return work_; }
    std::size_t n_layers() const { return layers_.size(); }
    const SteppedLayer<Real> *layers() const { return layers_.data(); }
    std::size_t scratch_bytes() const { return scratch_bytes_; }
    const KernelTable &table() const { return *table_; }

private:
    const KernelTable *const table_;
    const std::size_t rows_;
    std::vector<SteppedLayer<Real>> layers_;
    std::vector<AlignedBuffer> packed_, scratch_;  // of the layers; of the threads
    std::deque<Real> slopes_;                      // which pointers stay valid to
    std::size_t scratch_bytes_ = 0;
    double work_ = 0;
};

}  // namespace unrolled
