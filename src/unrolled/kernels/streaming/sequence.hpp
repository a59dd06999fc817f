// Networks of a sequence estimator whose weights are packed once, stepped for any of N streams.
//
// Only declarations and data, so that files that are compiled for each instruction set may include this header.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "streaming/packed_stack.hpp"

namespace unrolled {

// Mean over the networks of their softmax, where outputs are logits, or of their outputs: (M, K) to (K,).
void mean_answer(const double *outputs, std::size_t n_networks, std::size_t n_outputs, bool is_class, double *to);

class SequenceNetworks {
public:
    // `steps`: (N,) the steps of each stream so far; `mean` and `scale`: (F,) of the inputs, copied.
    SequenceNetworks(std::int64_t *steps, std::size_t capacity, std::vector<double> mean,
                     std::vector<double> scale, double limit, std::size_t n_outputs, bool is_class);

    // Parts of a network that may be missing are null; everything is copied but the states.
    struct Parts {
        const SteppedStem *stem;
        std::vector<SteppedLayer<float>> layers;  // problem, h and c
        const SteppedPool *pool;
        Readout readout;
        double *direct_sum;
        bool reads_inputs;
    };
    void add_network(const Parts &parts);

    // Step streams, `counts[k]` rows of x for `streams[k]`; return -1, or the first row with a number that is not
    // finite, and then nothing has moved.
    std::int64_t step(const std::int64_t *streams, const std::int64_t *counts, std::size_t n_streams, const double *x,
                      std::size_t n_rows, double *out, int threads);

    std::size_t capacity() const { return capacity_; }
    std::size_t n_inputs() const { return mean_.size(); }
    std::size_t n_outputs() const { return n_outputs_; }

private:
    const KernelTable *const table_;
    std::int64_t *const steps_;
    const std::size_t capacity_;
    const std::vector<double> mean_, scale_;
    const double limit_;
    const std::size_t n_outputs_;
    const bool is_class_;
    double work_ = 0;  // of a step of one stream
    std::deque<PackedStack<float>> stacks_;
    std::deque<SteppedStem> stems_;
    std::deque<SteppedPool> pools_;
    std::vector<AlignedBuffer> packed_, inputs_, scratch_;
    std::vector<SteppedNetwork> networks_;
    std::vector<std::int64_t> begins_;
};

}  // namespace unrolled
