// The windows of a batch, copied from series that lie one after the other, each thread some of them.
#include <algorithm>

#include "forecasting/problem.hpp"
#include "runtime/contention.hpp"
#include "runtime/phases.hpp"

namespace unrolled {

namespace {

// Values of readouts a thread: below, waking it costs more than it saves.
constexpr std::size_t kMinThreadValues = 20'000;

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
        const auto rows = static_cast<std::int64_t>(series_.rows),
                   W = static_cast<std::int64_t>(batch_.steps);
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

    int threads() const {
        const std::size_t values =
            batch_.windows * batch_.readouts * (batch_.recent + batch_.horizon * (1 + batch_.anchors));
        const std::size_t most =
            std::min(batch_.windows, static_cast<std::size_t>(std::max(batch_.threads, 1)));
        return static_cast<int>(
            std::clamp<std::size_t>(values / kMinThreadValues, 1, std::max<std::size_t>(most, 1)));
    }

    // Copy one of threads() shares of the windows.
    void run(int share) const {
        const std::size_t F = series_.inputs, size = batch_.steps * F, count = threads();
        const std::size_t begin = batch_.windows * share / count, end = batch_.windows * (share + 1) / count;
        for (std::size_t window = begin; window < end; ++window) {
            const auto first = static_cast<std::size_t>(batch_.ends[window]) + 1 - batch_.steps;
            std::copy_n(series_.input_rows + first * F, size, to_.inputs + window * size);
            for (std::size_t r = 0; r < batch_.readouts; ++r) read_out(window, window * batch_.readouts + r);
        }
    }

private:
    const SeriesRows &series_;
    const WindowBatch &batch_;
    const WindowArrays &to_;

    // A step at which a window is read out, its working scale and the reciprocal of its unit.
    struct Origin {
        std::int64_t row;
        double working, per_unit;
    };

    void read_out(std::size_t window, std::size_t m) const {
        const std::int64_t row = batch_.ends[window] - batch_.steps_back[m];
        const Origin origin{row, series_.working[row], 1 / series_.unit[row]};
        const std::size_t h = batch_.horizon, A = batch_.anchors, K = series_.ahead;
        to_.context[2 * m] = series_.log_share[row];
        to_.context[2 * m + 1] = series_.seen[row];
        to_.weights[m] = series_.share[row];
        write_moves(origin, batch_.recent_steps, batch_.recent, to_.recent_levels + m * batch_.recent);
        write_moves(origin, batch_.anchor_steps, h * A, to_.anchor_levels + m * h * A);
        if (A > 1) repeat_years(row, to_.anchor_levels + m * h * A);
        write_targets(origin, batch_.cuts ? batch_.cuts[window] - row - 1 : static_cast<std::int64_t>(h),
                      to_.targets + m * h, to_.mask + m * h);
        std::copy_n(series_.ahead_rows + static_cast<std::size_t>(row + 1) * K, h * K,
                    to_.ahead_inputs + m * h * K);
    }

    // How far the working scale at some steps is from that at the origin, in its units; 0 where it is not
    // observed.
    void write_moves(const Origin &origin, const std::int64_t *offsets, std::size_t count,
                     float *moves) const {
        const double *const working = series_.working + origin.row, from = origin.working,
                            per_unit = origin.per_unit;
        const float *const observed = series_.observed + origin.row, limit = batch_.limit;
        for (std::size_t k = 0; k < count; ++k) {
            const std::int64_t at = offsets[k];
            const double move = (working[at] - from) * per_unit * static_cast<double>(observed[at]);
            moves[k] = std::clamp(static_cast<float>(move), -limit, limit);
        }
    }

    // A year that is not observed, 0 so far, repeats the one after it.
    void repeat_years(std::int64_t row, float *anchors) const {
        const std::size_t A = batch_.anchors;
        for (std::size_t k = 0; k < batch_.horizon; ++k)
            for (std::size_t place = k * A + 1; place < (k + 1) * A; ++place)
                anchors[place] +=
                    (1 - series_.observed[row + batch_.anchor_steps[place]]) * anchors[place - 1];
    }

    // The targets less their references, in units of the origin; the first `usable` of them may be used.
    void write_targets(const Origin &origin, std::int64_t usable, float *targets, float *mask) const {
        const double *const working = series_.working + origin.row, center = series_.center[origin.row];
        for (std::size_t k = 0; k < batch_.horizon; ++k) {
            const double reference = batch_.references ? working[batch_.references[k]] : center;
            const auto target = static_cast<float>((working[k + 1] - reference) * origin.per_unit);
            mask[k] = static_cast<std::int64_t>(k) < usable ? series_.usable[origin.row + 1 + k] : 0.0f;
            targets[k] = target * mask[k];
        }
    }
};

}  // namespace

bool gather_windows(const SeriesRows &series, const WindowBatch &batch, const WindowArrays &to) {
    WindowGather gather(series, batch, to);
    if (!gather.is_inside()) return false;
    watch_contention();
    run_parts(gather, gather.threads());
    return true;
}

}  // namespace unrolled
