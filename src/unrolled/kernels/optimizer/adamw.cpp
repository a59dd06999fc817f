#include <algorithm>
#include <cmath>

#include "optimizer/problem.hpp"
#include "runtime/contention.hpp"
#include "runtime/dispatch.hpp"

namespace unrolled {

// Parameters a thread, below which waking it costs more than it saves.
static constexpr double kMinThreadParameters = 1 << 18;

double squared_norm(const float *x, std::size_t count) { return selected().squared_norm(x, count); }

void adamw_step(const AdamW &update) {
    watch_contention();
    const double shares = static_cast<double>(update.count) / kMinThreadParameters;
    const int threads = static_cast<int>(
        std::clamp(shares, 1.0, static_cast<double>(std::clamp(update.threads, 1, kMaxThreads))));
    const auto t = static_cast<double>(update.step);
    selected().adamw_step(update, threads, 1 - std::pow(update.beta1, t),
                          std::sqrt(1 - std::pow(update.beta2, t)));
}

}  // namespace unrolled
