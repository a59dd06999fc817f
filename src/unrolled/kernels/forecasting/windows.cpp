// The windows of a batch, copied from series that lie one after the other: plain loops, bound by memory.
#include <algorithm>

#include "forecasting/problem.hpp"

namespace unrolled {

namespace {

class WindowGather {
public:
    WindowGather(const SeriesRows &series, const WindowBatch &batch, const WindowArrays &to)
        : series_(series), batch_(batch), to_(to) {}

    // Whether every row that a window or a readout reads is one of the series'.
    bool is_inside() const {
        std::int64_t earliest = 0, latest = static_cast<std::int64_t>(batch_.horizon);
        const auto extend = [&](const std::int64_t *offsets, std::size_t count) {
            for (std::size_t k = 0; offsets && k < count; ++k) {
                earliest = std::min(earliest, offsets[k]);
                latest = std::max(latest, offsets[k]);
            }
        };
        extend(batch_.references, batch_.horizon);
        extend(batch_.recent_steps, batch_.recent);
        extend(batch_.anchor_steps, batch_.horizon * batch_.anchors);
        const auto rows = static_cast<std::int64_t>(series_.rows), W = static_cast<std::int64_t>(batch_.steps);
        for (std::size_t window = 0; window < batch_.windows; ++window) {
            const std::int64_t end = batch_.ends[window];
            if (end - W + 1 < 0 || end >= rows) return false;
            for (std::size_t r = 0; r < batch_.readouts; ++r) {
                const std::int64_t origin = end - batch_.steps_back[window * batch_.readouts + r];
                if (origin + earliest < 0 || origin + latest >= rows) return false;
            }
        }
        return true;
    }

    void run() const {
        const std::size_t F = series_.inputs, size = batch_.steps * F;
        for (std::size_t window = 0; window < batch_.windows; ++window) {
            const auto first = static_cast<std::size_t>(batch_.ends[window]) + 1 - batch_.steps;
            std::copy_n(series_.input_rows + first * F, size, to_.inputs + window * size);
            for (std::size_t r = 0; r < batch_.readouts; ++r) read_out(window, window * batch_.readouts + r);
        }
    }

private:
    const SeriesRows &series_;
    const WindowBatch &batch_;
    const WindowArrays &to_;

    void read_out(std::size_t window, std::size_t m) const {
        const std::int64_t origin = batch_.ends[window] - batch_.steps_back[m];
        to_.context[2 * m] = series_.log_share[origin];
        to_.context[2 * m + 1] = series_.seen[origin];
        to_.weights[m] = series_.share[origin];
        for (std::size_t v = 0; v < batch_.recent; ++v)
            to_.recent_levels[m * batch_.recent + v] = moved(origin, origin + batch_.recent_steps[v]);
        for (std::size_t k = 0; k < batch_.horizon; ++k) look_ahead(window, m, origin, k);
    }

    // How far the working scale at a step is from that at the origin, in its units; 0 where it is not observed.
    float moved(std::int64_t origin, std::int64_t step) const {
        const double move = (series_.working[step] - series_.working[origin]) / series_.unit[origin] *
                            static_cast<double>(series_.observed[step]);
        const auto rounded = static_cast<float>(move);
        return rounded < -batch_.limit ? -batch_.limit : rounded > batch_.limit ? batch_.limit : rounded;
    }

    // Step k of the horizon: target, anchors, inputs.
    void look_ahead(std::size_t window, std::size_t m, std::int64_t origin, std::size_t k) const {
        const std::size_t place = m * batch_.horizon + k, A = batch_.anchors, K = series_.ahead;
        const std::int64_t step = origin + 1 + static_cast<std::int64_t>(k);
        const bool is_cut = batch_.cuts && step >= batch_.cuts[window];
        const double reference =
            batch_.references ? series_.working[origin + batch_.references[k]] : series_.center[origin];
        const auto target = static_cast<float>((series_.working[step] - reference) / series_.unit[origin]);
        to_.mask[place] = is_cut ? 0.0f : series_.usable[step];
        to_.targets[place] = target * to_.mask[place];
        for (std::size_t a = 0; a < A; ++a) {
            const std::int64_t year = origin + batch_.anchor_steps[k * A + a];
            float anchor = moved(origin, year);
            // a year that is not observed, 0 so far, repeats the one after it
            if (a > 0) anchor += (1 - series_.observed[year]) * to_.anchor_levels[place * A + a - 1];
            to_.anchor_levels[place * A + a] = anchor;
        }
        for (std::size_t i = 0; i < K; ++i)
            to_.ahead_inputs[place * K + i] = series_.ahead_rows[static_cast<std::size_t>(step) * K + i];
    }
};

}  // namespace

bool gather_windows(const SeriesRows &series, const WindowBatch &batch, const WindowArrays &to) {
    const WindowGather gather(series, batch, to);
    if (!gather.is_inside()) return false;
    gather.run();
    return true;
}

}  // namespace unrolled
