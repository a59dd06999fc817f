// Runs one table of kernels on buffers of exact size, under the sanitizers: see test_sanitizers.py.
//
// Whether others want the processors is a variable here: results must be the same to the bit where they do.
#include <cstdint>
#include <cstdio>
#include <memory>
#include <vector>

#include "runtime/contention.hpp"
#include "runtime/dispatch.hpp"

namespace unrolled::UNROLLED_ISA { extern const KernelTable kernels; }

static bool contended = false;
bool unrolled::is_contended() { return contended; }

using Results = std::vector<float>;

static void append(Results &all, const std::unique_ptr<float[]> &numbers, std::size_t count) {
    all.insert(all.end(), numbers.get(), numbers.get() + count);
}

// Require the same results of `run` beside others as alone.
template <class Run> static void require_same(const char *what, Run run) {
    const Results alone = run();
    contended = true;
    const Results beside_others = run();
    contended = false;
    if (alone.empty() || alone != beside_others) std::printf("%s differs beside others\n", what);
}

template <class T> static void run(void (*kernel)(const T *, T *, std::size_t)) {
    for (std::size_t n = 0; n <= 70; ++n) {
        const std::unique_ptr<T[]> in(new T[n]), out(new T[n]);
        for (std::size_t i = 0; i < n; ++i) in[i] = T(1e3) * (T(i) - T(35)) * T(i % 7);
        kernel(in.get(), out.get(), n);
        kernel(in.get(), in.get(), n);
    }
}

// `n` numbers that differ, in a buffer without a byte to spare.
static std::unique_ptr<float[]> numbers(std::size_t n) {
    std::unique_ptr<float[]> made(new float[n]);
    for (std::size_t i = 0; i < n; ++i) made[i] = float(i % 17) - 8.0f + float(i % 5) / 8;
    return made;
}

// Forward and backward of the stem, whose result, or its gradient, is then pooled.
static Results run_stem_and_pool(const unrolled::KernelTable &table, std::size_t steps, std::size_t inputs,
                              std::size_t channels, std::size_t scales, std::size_t stride, bool is_ragged,
                              int threads) {
    const std::size_t rows = 3, terms = 2 * inputs * unrolled::kTaps;
    const std::size_t blocks = (steps + stride - 1) / stride, width = 2 * inputs + channels;
    const auto values = numbers(rows * steps * inputs), scale = numbers(inputs),
               weight = numbers(channels * terms), bias = numbers(channels);
    const std::int64_t last = static_cast<std::int64_t>(steps);
    const std::int64_t lengths[] = {last, 1, (last + 1) / 2};
    const std::size_t begins[] = {0, threads == 1 ? rows : 1, rows};
    const unrolled::RowPartition partition{threads, begins};
    const auto out = numbers(blocks * rows * width), activations = numbers(rows * steps * channels),
               d_weight = numbers(channels * terms), d_bias = numbers(channels);
    float *const averaged = stride > 1 ? activations.get() : nullptr;
    const unrolled::ConvStem stem{rows, steps, inputs, channels, scales, stride, threads, values.get(),
                                  scale.get(), weight.get(), bias.get(), is_ragged ? lengths : nullptr};
    table.conv_stem_forward(stem, {out.get(), averaged}, partition);
    const auto row = static_cast<std::ptrdiff_t>(width);
    const auto d_out = numbers(blocks * rows * width);
    table.conv_stem_backward(
        stem, {out.get(), averaged, {d_out.get(), row * 3, row}, d_weight.get(), d_bias.get()}, partition);

    const std::int64_t shorter[] = {static_cast<std::int64_t>(blocks), 0, 1};
    const auto pooled = numbers(rows * 3 * width);
    const std::unique_ptr<std::int32_t[]> maxima(new std::int32_t[rows * width]);
    const unrolled::Pool pool{rows, blocks, width, threads, {row, 0, 2 * row, 3 * width},
                              {out.get(), row * 3, row}, is_ragged ? shorter : nullptr};
    table.pool_forward(pool, {pooled.get(), maxima.get()}, partition);
    table.pool_backward(pool, {pooled.get(), maxima.get(), d_out.get()}, partition);
    Results all;
    append(all, out, blocks * rows * width), append(all, d_weight, channels * terms);
    append(all, d_bias, channels), append(all, pooled, rows * 3 * width);
    append(all, d_out, blocks * rows * width);
    return all;
}

// The head of sequences of several steps, time first or sequence first, forward and backward.
static Results run_head(const unrolled::KernelTable &table, std::size_t rows, std::size_t steps,
                        std::size_t width, std::size_t outputs, bool drops) {
    const std::size_t M = rows * steps;
    const auto features = numbers(M * width), keep = numbers(M * width), center = numbers(width),
               factor = numbers(width), weight = numbers(outputs * width), bias = numbers(outputs),
               inputs = numbers(M * width), results = numbers(M * outputs), d_features = numbers(M * width),
               d_weight = numbers(outputs * width), d_bias = numbers(outputs);
    const auto row = static_cast<std::ptrdiff_t>(width);
    const auto step = static_cast<std::ptrdiff_t>(rows * width);
    const unrolled::LinearHead head{rows, steps, width, outputs, 2, {features.get(), row, step},
                                    {drops ? keep.get() : nullptr, row, step}, 1.5f, center.get(),
                                    factor.get(), weight.get(), bias.get()};
    for (const int threads : {1, 2}) {
        table.linear_head_forward(head, inputs.get(), results.get(), threads);
        table.linear_head_backward(head, {inputs.get(), results.get(), {d_features.get(), row, step},
                                          d_weight.get(), d_bias.get()}, threads);
    }
    Results all;
    append(all, results, M * outputs), append(all, d_features, M * width);
    append(all, d_weight, outputs * width), append(all, d_bias, outputs);
    return all;
}

static Results run_loss_and_step(const unrolled::KernelTable &table, std::size_t rows, std::size_t classes) {
    const auto logits = numbers(rows * classes), weights = numbers(classes), gradient = numbers(rows * classes);
    const std::unique_ptr<std::int64_t[]> targets(new std::int64_t[rows]);
    for (std::size_t row = 0; row < rows; ++row)
        targets[row] = static_cast<std::int64_t>(row % (classes + 1)) - 1;
    for (const int threads : {1, 2})
        table.cross_entropy({rows, classes, threads, 2.0, logits.get(), weights.get(), targets.get(), nullptr, 1,
                             gradient.get()},
                            threads);
    const std::size_t count = rows * classes;
    const auto means = numbers(count), squares = numbers(count);
    for (std::size_t i = 0; i < count; ++i) squares[i] *= squares[i];
    const double norm = table.squared_norm(gradient.get(), count);
    for (const int threads : {1, 2})
        table.adamw_step({count, logits.get(), means.get(), squares.get(), gradient.get(), 1e-3, 1e-2, .9, .999,
                          1e-8, norm + 1, 1, threads},
                         threads, .1, .03);
    Results all;
    append(all, gradient, count), append(all, logits, count);
    return all;
}

// The readout of a Forecaster, forward and backward, with and without anchors and dropout.
static Results run_readout(const unrolled::KernelTable &table, std::size_t windows, std::size_t readouts,
                        std::size_t horizon, std::size_t anchors, std::size_t hidden) {
    const std::size_t T = 3, H = 5, V = 4, K = 2, Q = 7, M = windows * readouts;
    unrolled::QuantileReadout p{};
    p.windows = windows, p.readouts = readouts, p.steps = T, p.units = H, p.hidden = hidden, p.recent = V;
    p.horizon = horizon, p.anchors = anchors, p.ahead = K, p.quantiles = Q;
    const std::unique_ptr<std::int64_t[]> steps(new std::int64_t[M]);
    for (std::size_t m = 0; m < M; ++m) steps[m] = static_cast<std::int64_t>(m % T);
    const std::size_t D = p.width(), h = horizon;
    const auto states = numbers(T * windows * H), context = numbers(M * 2), recent = numbers(M * V),
               levels = numbers(M * h * anchors), ahead = numbers(M * h * K), targets = numbers(M * h),
               mask = numbers(M * h), weights = numbers(M), quantiles = numbers(Q), keep = numbers(M * D),
               hidden_weight = numbers(hidden * D), hidden_bias = numbers(hidden),
               quantile_weight = numbers(h * Q * hidden), quantile_bias = numbers(h * Q),
               anchor_weight = numbers(h * anchors * hidden), anchor_bias = numbers(h * anchors);
    p.states = {states.get(), static_cast<std::ptrdiff_t>(windows * H), static_cast<std::ptrdiff_t>(H)};
    p.steps_of = steps.get(), p.context = context.get(), p.recent_levels = recent.get();
    p.anchor_levels = levels.get(), p.ahead_inputs = ahead.get(), p.targets = targets.get();
    p.mask = mask.get(), p.weights = weights.get(), p.levels = quantiles.get();
    p.keep = anchors ? keep.get() : nullptr;
    p.hidden_weight = hidden_weight.get(), p.hidden_bias = hidden_bias.get();
    p.quantile_weight = quantile_weight.get(), p.quantile_bias = quantile_bias.get();
    p.anchor_weight = anchor_weight.get(), p.anchor_bias = anchor_bias.get();
    const auto d_states = numbers(T * windows * H), saved = numbers(table.readout_saved(p));
    const auto d_hidden = numbers(hidden * D), d_hidden_bias = numbers(hidden),
               d_quantile = numbers(h * Q * hidden), d_quantile_bias = numbers(h * Q),
               d_anchor = numbers(h * anchors * hidden), d_anchor_bias = numbers(h * anchors);
    for (const int threads : {1, windows > 1 ? 2 : 1}) {
        table.quantile_readout_forward(p, d_states.get(), saved.get(), threads);
        table.quantile_readout_backward(p, saved.get(),
                                        {d_hidden.get(), d_hidden_bias.get(), d_quantile.get(),
                                         d_quantile_bias.get(), d_anchor.get(), d_anchor_bias.get()},
                                        threads);
    }
    Results all;
    append(all, d_states, T * windows * H), append(all, d_hidden, hidden * D);
    append(all, d_quantile, h * Q * hidden), append(all, d_quantile_bias, h * Q);
    return all;
}

int main() {
    const auto &table = unrolled::UNROLLED_ISA::kernels;
    for (const std::size_t steps : {1, 2, 9, 40})
        for (const std::size_t inputs : {1, 3})
            for (const std::size_t channels : {1, 7, 33})
                for (const std::size_t scales : {1, 3})
                    for (const std::size_t stride : {1, 4})
                        for (const int threads : {1, 2})
                            require_same("stem or pooling", [&] {
                                return run_stem_and_pool(table, steps, inputs, channels, scales, stride,
                                                         threads == 2, threads);
                            });
    for (const std::size_t rows : {1, 2, 5, 33})
        for (const std::size_t classes : {1, 2, 16, 37})
            require_same("loss or step", [&] { return run_loss_and_step(table, rows, classes); });
    for (const std::size_t rows : {1, 5, 9})
        for (const std::size_t steps : {1, 3})
            for (const std::size_t width : {1, 16, 37})
                for (const std::size_t outputs : {1, 8, 33})
                    for (const bool drops : {false, true})
                        require_same("head", [&] { return run_head(table, rows, steps, width, outputs, drops); });
    run(table.tanh_float);
    run(table.tanh_double);
    run(table.sigmoid_float);
    run(table.sigmoid_double);
    run(table.softplus);
    run(table.asinh);
    run(table.gelu);
    for (const std::size_t windows : {1, 5})
        for (const std::size_t readouts : {1, 16, 60})
            for (const std::size_t horizon : {1, 6, 18})
                for (const std::size_t anchors : {0, 2})
                    for (const std::size_t hidden : {1, 33})
                        require_same("readout", [&] {
                            return run_readout(table, windows, readouts, horizon, anchors, hidden);
                        });
    std::puts(table.name);
}
