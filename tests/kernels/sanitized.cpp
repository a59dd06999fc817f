// Runs one table of kernels on buffers of exact size, under the sanitizers: see test_sanitizers.py.
#include <cstdint>
#include <cstdio>
#include <memory>
#include <vector>

#include "runtime/dispatch.hpp"

namespace unrolled::UNROLLED_ISA { extern const KernelTable kernels; }

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
static void run_stem_and_pool(const unrolled::KernelTable &table, std::size_t steps, std::size_t inputs,
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
}

static void run_loss_and_step(const unrolled::KernelTable &table, std::size_t rows, std::size_t classes) {
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
}

int main() {
    const auto &table = unrolled::UNROLLED_ISA::kernels;
    for (const std::size_t steps : {1, 2, 9, 40})
        for (const std::size_t inputs : {1, 3})
            for (const std::size_t channels : {1, 7, 33})
                for (const std::size_t scales : {1, 3})
                    for (const std::size_t stride : {1, 4})
                        for (const int threads : {1, 2})
                            run_stem_and_pool(table, steps, inputs, channels, scales, stride, threads == 2,
                                              threads);
    for (const std::size_t rows : {1, 2, 5, 33})
        for (const std::size_t classes : {1, 2, 16, 37}) run_loss_and_step(table, rows, classes);
    run(table.tanh_float);
    run(table.tanh_double);
    run(table.sigmoid_float);
    run(table.sigmoid_double);
    std::puts(table.name);
}
