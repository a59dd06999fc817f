#include "streaming/packed_stack.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

#include "runtime/dispatch.hpp"
#include "runtime/thread_pool.hpp"

namespace unrolled {

AlignedBuffer::AlignedBuffer(std::size_t bytes) {
    const std::size_t lines = (bytes + 63) / 64 * 64 + 64;
    data_ = std::aligned_alloc(64, lines);
    if (!data_) throw std::bad_alloc();
    std::memset(data_, 0, lines);
}
AlignedBuffer::AlignedBuffer(AlignedBuffer &&other) noexcept : data_(std::exchange(other.data_, nullptr)) {}
AlignedBuffer &AlignedBuffer::operator=(AlignedBuffer &&other) noexcept {
    std::swap(data_, other.data_);
    return *this;
}
AlignedBuffer::~AlignedBuffer() { std::free(data_); }

static const auto &kernels_of(const KernelTable &table, const Problem<float> &) { return table.step_float; }
static const auto &kernels_of(const KernelTable &table, const Problem<double> &) { return table.step_double; }

template <class Real>
PackedStack<Real>::PackedStack(std::size_t rows) : table_(&selected()), rows_(rows) {}

template <class Real>
void PackedStack<Real>::add_layer(const Problem<Real> &problem, Real *h, Real *c) {
    std::size_t packed = 0, scratch = 0;
    slopes_.push_back(problem.slope ? *problem.slope : Real{});
    Problem<Real> own = problem;
    if (own.slope) own.slope = &slopes_.back();
    kernels_of(*table_, own).count_bytes(own, rows_, &packed, &scratch);
    packed_.emplace_back(packed);
    scratch_bytes_ = std::max(scratch_bytes_, scratch);
    layers_.push_back({own, packed_.back().data(), h, c});
    const double gates = problem.cell == kRnn ? 1 : problem.cell == kGru ? 3 : 4;
    work_ += 2.0 * gates * static_cast<double>(problem.units * (problem.units + problem.inputs));
    kernels_of(*table_, own).pack(layers_.back());
}

template <class Real>
void PackedStack<Real>::pack_layer(std::size_t layer, const Problem<Real> &problem) {
    SteppedLayer<Real> &old = layers_.at(layer);
    if (problem.slope) slopes_[layer] = *problem.slope;
    old.problem = problem;
    if (problem.slope) old.problem.slope = &slopes_[layer];
    kernels_of(*table_, problem).pack(old);
}

template <class Real>
void PackedStack<Real>::step(SteppedStack<Real> stack, int threads) {
    stack.layers = layers_.data(), stack.n_layers = layers_.size();
    const double work = work_ * static_cast<double>(stack.n_rows * stack.steps) / kMinThreadWork;
    int n_threads = static_cast<int>(std::clamp(work, 1.0, static_cast<double>(std::clamp(threads, 1, kMaxThreads))));
    n_threads = static_cast<int>(std::min<std::size_t>(n_threads, std::max<std::size_t>(stack.n_rows, 1)));
    while (scratch_.size() < static_cast<std::size_t>(n_threads)) scratch_.emplace_back(scratch_bytes_);
    struct Call {
        const SteppedStack<Real> &stack;
        PackedStack &self;
        int n_threads;
    } call{stack, *this, n_threads};
    run_threads(
        n_threads,
        [](void *argument, int thread) {
            const Call &call = *static_cast<Call *>(argument);
            SteppedStack<Real> mine = call.stack;
            const std::size_t n = mine.n_rows, first = n * thread / call.n_threads;
            mine.rows += first;
            mine.n_rows = n * (thread + 1) / call.n_threads - first;
            kernels_of(*call.self.table_, mine.layers->problem).step(mine, call.self.scratch_[thread].data());
        },
        &call);
}

template class PackedStack<float>;
template class PackedStack<double>;

}  // namespace unrolled
