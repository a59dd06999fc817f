#include "sequence/problem.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

#include "runtime/contention.hpp"
#include "runtime/dispatch.hpp"

namespace unrolled {

namespace {

// Contiguous rows for each thread, with about as many steps each.
class RowPlan {
public:
    RowPlan(std::size_t rows, std::size_t steps, const std::int64_t *lengths, int threads,
            double work_per_step) {
        const double total = total_steps(lengths, rows, steps);
        const double most = std::clamp(threads, 1, kMaxThreads);
        partition_.threads = static_cast<int>(std::min<double>(
            std::clamp(total * work_per_step / kMinThreadWork, 1.0, most), std::max<double>(rows, 1)));
        double done = 0;
        begins_.push_back(0);
        for (std::size_t row = 0; row < rows; ++row) {
            if (done >= total * static_cast<double>(begins_.size()) / partition_.threads &&
                begins_.size() < static_cast<std::size_t>(partition_.threads))
                begins_.push_back(row);
            done += static_cast<double>(lengths ? lengths[row] : static_cast<std::int64_t>(steps));
        }
        begins_.resize(partition_.threads + 1, rows);
        partition_.begins = begins_.data();
    }
    RowPlan(const RowPlan &) = delete;
    const RowPartition &partition() const { return partition_; }

private:
    std::vector<std::size_t> begins_;
    RowPartition partition_{};
};

double work_of(const ConvStem &stem) {
    return 2.0 * static_cast<double>(stem.channels * 2 * stem.inputs * kTaps);
}

double work_of(const Pool &pool) { return 8.0 * static_cast<double>(pool.units); }

template <class Problem>
RowPlan plan_of(const Problem &problem) {
    watch_contention();
    return {problem.rows, problem.steps, problem.lengths, problem.threads, work_of(problem)};
}
RowPlan plan_of(const Pool &pool, const Attention &attention) {
    const auto units = static_cast<double>(attention.units);
    watch_contention();
    return {pool.rows, pool.steps, pool.lengths, pool.threads, 2.0 * units * units};
}

// Threads for `passes` products of all features with the weights.
int threads_for(const LinearHead &head, double passes) {
    watch_contention();
    const auto features = static_cast<double>(head.rows * head.steps * head.width);
    const double work = 2.0 * passes * features * static_cast<double>(head.outputs + 2) / kMinThreadWork;
    const double most = std::clamp(head.threads, 1, kMaxThreads);
    return static_cast<int>(std::clamp(work, 1.0, most));
}

}  // namespace

void conv_stem_forward(const ConvStem &stem, const ConvStemOutputs &outputs) {
    selected().conv_stem_forward(stem, outputs, plan_of(stem).partition());
}
void conv_stem_backward(const ConvStem &stem, const ConvStemGradients &gradients) {
    selected().conv_stem_backward(stem, gradients, plan_of(stem).partition());
}
void pool_forward(const Pool &pool, const PoolOutputs &outputs) {
    selected().pool_forward(pool, outputs, plan_of(pool).partition());
}
void pool_backward(const Pool &pool, const PoolGradients &gradients) {
    selected().pool_backward(pool, gradients, plan_of(pool).partition());
}

void attention_pool(const Pool &pool, const Attention &attention, float *out) {
    selected().attention_forward(pool, attention, out, pool.units, plan_of(pool, attention).partition());
}

void linear_head_forward(const LinearHead &head, float *inputs, float *outputs) {
    selected().linear_head_forward(head, inputs, outputs, threads_for(head, 1));
}
void linear_head_backward(const LinearHead &head, const LinearHeadGradients &gradients) {
    selected().linear_head_backward(head, gradients, threads_for(head, 2));
}

double cross_entropy(const CrossEntropy &problem) {
    for (std::size_t row = 0; row < problem.rows; ++row)
        if (problem.targets[row] >= static_cast<std::int64_t>(problem.classes))
            throw std::invalid_argument("targets: each must be below K=" + std::to_string(problem.classes) +
                                        "; got " + std::to_string(problem.targets[row]) + ".");
    watch_contention();
    const double work = 20.0 * static_cast<double>(problem.rows * problem.classes) / kMinThreadWork;
    const double most = std::clamp(problem.threads, 1, kMaxThreads);
    return selected().cross_entropy(problem, static_cast<int>(std::clamp(work, 1.0, most)));
}

double squared_error(const SquaredError &problem) {
    const auto rows = static_cast<float>(problem.rows);
    double total = 0;
    for (std::size_t row = 0; row < problem.rows; ++row) {
        const float error = problem.outputs[row] - problem.targets[row];
        const float share = (problem.row_weights ? error * problem.row_weights[row] : error) / rows;
        problem.gradient[row] = 2 * share;
        total += static_cast<double>(share) * static_cast<double>(error);
    }
    return total;
}

}  // namespace unrolled
