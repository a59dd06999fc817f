#include <algorithm>
#include <stdexcept>
#include <string>

#include "forecasting/problem.hpp"
#include "runtime/contention.hpp"
#include "runtime/dispatch.hpp"

namespace unrolled {

namespace {

// Threads for the products of `passes` passes over all weights.
int threads_for(const QuantileReadout &problem, double passes) {
    watch_contention();
    const auto weights = static_cast<double>(problem.hidden * (problem.width() + problem.outputs()));
    const double work = 2.0 * passes * static_cast<double>(problem.rows()) * weights / kMinThreadWork;
    const double most = std::clamp(problem.threads, 1, kMaxThreads);
    return static_cast<int>(std::clamp(work, 1.0, most));
}

}  // namespace

std::size_t saved_elements(const QuantileReadout &problem) { return selected().readout_saved(problem); }

double quantile_readout_forward(const QuantileReadout &problem, float *d_states, float *saved) {
    for (std::size_t row = 0; row < problem.rows(); ++row)
        if (problem.steps_of[row] < 0 || problem.steps_of[row] >= static_cast<std::int64_t>(problem.steps))
            throw std::invalid_argument("readouts: each must be from 0 to below T=" +
                                        std::to_string(problem.steps) + "; got " +
                                        std::to_string(problem.steps_of[row]) + ".");
    const int threads =
        std::min(threads_for(problem, 2), static_cast<int>(std::max<std::size_t>(problem.windows, 1)));
    return selected().quantile_readout_forward(problem, d_states, saved, threads);
}

void quantile_readout_backward(const QuantileReadout &problem, float *saved,
                               const QuantileReadoutGradients &gradients) {
    selected().quantile_readout_backward(problem, saved, gradients, threads_for(problem, 1));
}

}  // namespace unrolled
