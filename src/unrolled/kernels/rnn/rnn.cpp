#include <algorithm>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

#include "rnn/problem.hpp"
#include "runtime/dispatch.hpp"

namespace unrolled {

namespace {

// Below this many floating-point operations for each member, waking it costs more than it saves.
constexpr double kWorthATeam = 1.5e6;
// A step of a member must last this long for a meeting at its end to be cheap.
constexpr double kWorthAMeeting = 2e5;
// Weights beyond this do not stay in a member's cache, and every row alone would read them all again.
constexpr double kCacheBytes = 2 << 20;

template <class T>
double step_work(const Call<T> &call) {
    const double gates = call.cell == kRnn ? 1 : call.cell == kGru ? 3 : 4;
    return 2.0 * gates * static_cast<double>(call.units) * static_cast<double>(call.units + call.inputs);
}

// A plan and the arrays it points into.
class Shares {
public:
    template <class T>
    explicit Shares(const Call<T> &call) : order_(call.rows), lengths_(call.rows) {
        std::iota(order_.begin(), order_.end(), std::int64_t{0});
        const auto length = [&](std::int64_t row) {
            return call.lengths ? call.lengths[row] : static_cast<std::int64_t>(call.steps);
        };
        double steps = 0;
        for (std::size_t row = 0; row < call.rows; ++row) {
            if (length(row) < 0 || length(row) > static_cast<std::int64_t>(call.steps))
                throw std::invalid_argument(
                    "lengths: each must be from 0 to T=" + std::to_string(call.steps) + "; got " +
                    std::to_string(length(row)) + " in row " + std::to_string(row) + ".");
            steps += static_cast<double>(length(row));
        }
        if (call.lengths)
            std::stable_sort(order_.begin(), order_.end(),
                             [&](auto a, auto b) { return length(a) > length(b); });
        choose(call, steps);
        deal(length);
        plan_.order = order_.data(), plan_.lengths = lengths_.data(), plan_.begins = begins_.data();
    }
    Shares(const Shares &) = delete;
    const Plan &plan() const { return plan_; }

private:
    std::vector<std::int64_t> order_, lengths_;
    std::vector<std::size_t> begins_;
    Plan plan_{};

    template <class T>
    void choose(const Call<T> &call, double steps) {
        const double a_row = step_work(call), work = a_row * steps;
        const int threads = std::clamp(call.threads, 1, kMostMembers);
        plan_.members = static_cast<int>(std::clamp(work / kWorthATeam, 1.0, static_cast<double>(threads)));
        if (plan_.members == 1) return;
        const auto blocks = static_cast<int>(call.units * sizeof(T) / 128);
        const bool too_few = call.rows < static_cast<std::size_t>(2 * plan_.members);
        const bool too_large = a_row / 2 * sizeof(T) > kCacheBytes;
        const double together = a_row * steps / static_cast<double>(call.steps) / plan_.members;
        plan_.splits_units = (too_few || too_large) && !call.gain_hh && together > kWorthAMeeting &&
                             blocks >= 2 * plan_.members;
        if (!plan_.splits_units) plan_.members = std::min(plan_.members, static_cast<int>(call.rows));
    }
    // The longest rows go round, so that all members have about as many steps.
    template <class F>
    void deal(F length) {
        const int groups = plan_.splits_units ? 1 : plan_.members;
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

static const auto &kernels_for(const Call<float> &) { return selected().recurrence_float; }
static const auto &kernels_for(const Call<double> &) { return selected().recurrence_double; }

template <class T>
void forward(const Call<T> &call, const Outcome<T> &outcome) {
    const Shares shares(call);
    kernels_for(call).forward(call, outcome, shares.plan());
}
template <class T>
void backward(const Call<T> &call, const Gradients<T> &gradients) {
    const Shares shares(call);
    kernels_for(call).backward(call, gradients, shares.plan());
}
template <class T>
std::size_t saved_elements(const Call<T> &call) {
    return kernels_for(call).saved(call);
}

template void forward(const Call<float> &, const Outcome<float> &);
template void forward(const Call<double> &, const Outcome<double> &);
template void backward(const Call<float> &, const Gradients<float> &);
template void backward(const Call<double> &, const Gradients<double> &);
template std::size_t saved_elements(const Call<float> &);
template std::size_t saved_elements(const Call<double> &);

}  // namespace unrolled
