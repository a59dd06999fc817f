#include "streaming/sequence.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "runtime/dispatch.hpp"
#include "runtime/thread_pool.hpp"

namespace unrolled {

void mean_answer(const double *outputs, std::size_t n_networks, std::size_t n_outputs, bool is_class, double *to) {
    std::fill(to, to + n_outputs, 0.0);
    for (std::size_t m = 0; m < n_networks; ++m, outputs += n_outputs) {
        double top = outputs[0], total = 0;
        for (std::size_t k = 1; is_class && k < n_outputs; ++k) top = std::max(top, outputs[k]);
        for (std::size_t k = 0; is_class && k < n_outputs; ++k) total += std::exp(outputs[k] - top);
        for (std::size_t k = 0; k < n_outputs; ++k)
            to[k] += is_class ? std::exp(outputs[k] - top) / total : outputs[k];
    }
    for (std::size_t k = 0; k < n_outputs; ++k) to[k] /= static_cast<double>(n_networks);
}

SequenceNetworks::SequenceNetworks(std::int64_t *steps, std::size_t capacity, std::vector<double> mean,
                                   std::vector<double> scale, double limit, std::size_t n_outputs, bool is_class)
    : table_(&selected()),
      steps_(steps),
      capacity_(capacity),
      mean_(std::move(mean)),
      scale_(std::move(scale)),
      limit_(limit),
      n_outputs_(n_outputs),
      is_class_(is_class) {}

void SequenceNetworks::add_network(const Parts &parts) {
    SteppedNetwork network{};
    PackedStack<float> &stack = stacks_.emplace_back(capacity_);
    for (const auto &layer : parts.layers) stack.add_layer(layer.problem, layer.h, layer.c);
    network.layers = stack.layers(), network.n_layers = stack.n_layers();
    network.core_bytes = stack.scratch_bytes();
    work_ += stack.work();
    if (parts.stem) {
        network.stem = &stems_.emplace_back(*parts.stem);
        work_ += 2.0 * static_cast<double>(network.stem->stem.channels * 2 * n_inputs() * kTaps);
    }
    if (parts.pool) network.pool = &pools_.emplace_back(*parts.pool);
    if (parts.pool && parts.pool->attended)
        work_ += 2.0 * static_cast<double>(parts.pool->units * parts.pool->units);
    network.readout = parts.readout;
    work_ += 2.0 * static_cast<double>(parts.readout.features * parts.readout.outputs);
    network.direct_sum = parts.direct_sum, network.reads_inputs = parts.reads_inputs;
    inputs_.emplace_back(capacity_ * network.layers[0].problem.inputs * sizeof(float));
    network.inputs = static_cast<float *>(inputs_.back().data());
    packed_.emplace_back(table_->pack_network(network, nullptr));
    table_->pack_network(network, packed_.back().data());
    networks_.push_back(network);
}

std::int64_t SequenceNetworks::step(const std::int64_t *streams, const std::int64_t *counts, std::size_t n_streams,
                                    const double *x, std::size_t n_rows, double *out, int threads) {
    for (std::size_t k = 0; k < n_rows * n_inputs(); ++k)
        if (!std::isfinite(x[k])) return static_cast<std::int64_t>(k / n_inputs());
    begins_.resize(n_streams);
    std::int64_t begin = 0;
    for (std::size_t k = 0; k < n_streams; ++k) begins_[k] = std::exchange(begin, begin + counts[k]);
    const SequenceSteps call{networks_.data(), networks_.size(), n_inputs(), n_outputs_, is_class_, mean_.data(),
                             scale_.data(), limit_, steps_, streams, counts, begins_.data(), n_streams, x, out,
                             mean_answer};
    const double most = std::min<double>(std::clamp(threads, 1, kMaxThreads), std::max<double>(n_streams, 1));
    const int n_threads =
        static_cast<int>(std::clamp(work_ * static_cast<double>(n_rows) / kMinThreadWork, 1.0, most));
    while (scratch_.size() < static_cast<std::size_t>(n_threads))
        scratch_.emplace_back(table_->count_sequence_bytes(call, capacity_));
    struct Work {
        const SequenceSteps &call;
        SequenceNetworks &self;
        int n_threads;
    } work{call, *this, n_threads};
    run_threads(
        n_threads,
        [](void *argument, int thread) {
            const Work &work = *static_cast<Work *>(argument);
            const std::size_t n = work.call.n_streams;
            work.self.table_->step_sequences(work.call, n * thread / work.n_threads, n * (thread + 1) / work.n_threads,
                                             work.self.scratch_[thread].data());
        },
        &work);
    return -1;
}

}  // namespace unrolled
