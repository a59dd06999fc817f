#include <algorithm>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

#include "rnn/problem.hpp"
#include "runtime/contention.hpp"
#include "runtime/dispatch.hpp"

namespace unrolled {

double total_steps(const std::int64_t *lengths, std::size_t rows, std::size_t steps) {
    if (!lengths) return static_cast<double>(rows * steps);
    double total = 0;
    for (std::size_t row = 0; row < rows; ++row) {
        if (lengths[row] < 0 || lengths[row] > static_cast<std::int64_t>(steps))
            throw std::invalid_argument("lengths: each must be from 0 to T=" + std::to_string(steps) +
                                        "; got " + std::to_string(lengths[row]) + " in row " +
                                        std::to_string(row) + ".");
        total += static_cast<double>(lengths[row]);
    }
    return total;
}

namespace {

// Sum of the steps from the starts of all rows on.
double steps_from(const std::int64_t *starts, std::size_t rows, std::size_t steps) {
    double total = 0;
    for (std::size_t row = 0; row < rows; ++row) {
        if (starts[row] < 0 || starts[row] >= static_cast<std::int64_t>(steps))
            throw std::invalid_argument("starts: each must be from 0 to below T=" + std::to_string(steps) +
                                        "; got " + std::to_string(starts[row]) + " in row " +
                                        std::to_string(row) + ".");
        total += static_cast<double>(static_cast<std::int64_t>(steps) - starts[row]);
    }
    return total;
}

// Operations a thread and step, from which on a barrier at the end of each step is cheap.
constexpr double kMinStepWork = 2e5;
// Weights beyond this do not stay in a thread's cache, and every row alone would read them all again.
constexpr double kCacheBytes = 2 << 20;

template <class T>
double step_work(const Problem<T> &problem) {
    const double gates = problem.cell == kRnn ? 1 : problem.cell == kGru ? 3 : 4;
    return 2.0 * gates * static_cast<double>(problem.units) *
           static_cast<double>(problem.units + problem.inputs);
}

// A partition and the arrays that it points into.
class PartitionPlan {
public:
    template <class T>
    explicit PartitionPlan(const Problem<T> &problem) : order_(problem.rows), lengths_(problem.rows) {
        std::iota(order_.begin(), order_.end(), std::int64_t{0});
        const auto length = [&](std::int64_t row) {
            const auto all = static_cast<std::int64_t>(problem.steps);
            return problem.lengths ? problem.lengths[row] : problem.starts ? all - problem.starts[row] : all;
        };
        const double steps = problem.starts ? steps_from(problem.starts, problem.rows, problem.steps)
                                            : total_steps(problem.lengths, problem.rows, problem.steps);
        if (problem.lengths || problem.starts)
            std::stable_sort(order_.begin(), order_.end(),
                             [&](auto a, auto b) { return length(a) > length(b); });
        choose_split(problem, steps);
        assign_rows(length);
        if (problem.starts) put_last_starts_first(static_cast<std::int64_t>(problem.steps));
        partition_.order = order_.data(), partition_.lengths = lengths_.data(),
        partition_.begins = begins_.data();
    }
    PartitionPlan(const PartitionPlan &) = delete;
    const Partition &partition() const { return partition_; }

private:
    std::vector<std::int64_t> order_, lengths_;
    std::vector<std::size_t> begins_;
    Partition partition_{};

    template <class T>
    void choose_split(const Problem<T> &problem, double steps) {
        const double a_row = step_work(problem), work = a_row * steps;
        const int threads = std::clamp(problem.threads, 1, kMaxThreads);
        partition_.threads =
            static_cast<int>(std::clamp(work / kMinThreadWork, 1.0, static_cast<double>(threads)));
        if (partition_.threads == 1) return;
        const auto blocks = static_cast<int>(problem.units * sizeof(T) / 128);
        const bool too_few = problem.rows < static_cast<std::size_t>(2 * partition_.threads);
        const bool too_large = a_row / 2 * sizeof(T) > kCacheBytes;
        const double work_per_step = a_row * steps / static_cast<double>(problem.steps) / partition_.threads;
        partition_.splits_units = (too_few || too_large) && !problem.gain_hh && !problem.starts &&
                                  work_per_step > kMinStepWork && blocks >= 2 * partition_.threads;
        // A barrier a step is a wait for the scheduler a step where others want the processors too. One
        // thread alone gives the same bits, but for the slope's gradient, which is summed by thread.
        if (partition_.splits_units && !problem.slope && is_contended())
            partition_.threads = 1, partition_.splits_units = false;
        if (!partition_.splits_units)
            partition_.threads = std::min(partition_.threads, static_cast<int>(problem.rows));
    }
    // Of each thread's rows the one that starts last runs from the first step on, for all of them.
    void put_last_starts_first(std::int64_t steps) {
        for (std::size_t group = 0; group + 1 < begins_.size(); ++group) {
            const std::size_t begin = begins_[group], end = begins_[group + 1];
            if (begin == end) continue;
            std::rotate(order_.begin() + begin, order_.begin() + end - 1, order_.begin() + end);
            std::rotate(lengths_.begin() + begin, lengths_.begin() + end - 1, lengths_.begin() + end);
            lengths_[begin] = steps;
        }
    }
    // Deal rows round by length, so that all threads have about as many steps.
    template <class F>
    void assign_rows(F length) {
        const int groups = partition_.splits_units ? 1 : partition_.threads;
        if (groups == 1) {
            for (std::size_t place = 0; place < order_.size(); ++place)
                lengths_[place] = length(order_[place]);
            begins_ = {0, order_.size()};
            return;
        }
        const std::vector<std::int64_t> sorted = order_;
        std::size_t place = 0;
        for (int group = 0; group < groups; ++group) {
            begins_.push_back(place);
            for (std::size_t k = group; k < sorted.size(); k += groups) {
                order_[place] = sorted[k];
                lengths_[place++] = length(sorted[k]);
            }
        }
        begins_.push_back(place);
    }
};

}  // namespace

static const auto &kernels_for(const Problem<float> &) { return selected().rnn_float; }
static const auto &kernels_for(const Problem<double> &) { return selected().rnn_double; }

template <class T>
void forward(const Problem<T> &problem, const Outputs<T> &outputs) {
    watch_contention();
    const PartitionPlan plan(problem);
    kernels_for(problem).forward(problem, outputs, plan.partition());
}
template <class T>
void backward(const Problem<T> &problem, const Gradients<T> &gradients) {
    watch_contention();
    const PartitionPlan plan(problem);
    kernels_for(problem).backward(problem, gradients, plan.partition());
}
template <class T>
std::size_t saved_elements(const Problem<T> &problem) {
    return kernels_for(problem).saved(problem);
}

template void forward(const Problem<float> &, const Outputs<float> &);
template void forward(const Problem<double> &, const Outputs<double> &);
template void backward(const Problem<float> &, const Gradients<float> &);
template void backward(const Problem<double> &, const Gradients<double> &);
template std::size_t saved_elements(const Problem<float> &);
template std::size_t saved_elements(const Problem<double> &);

}  // namespace unrolled
