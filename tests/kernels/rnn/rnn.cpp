// The recurrences against a slow loop, without Python: see test_rnn.py.
//
// Cells, activations, options and sizes are drawn from a fixed seed. Every buffer is as large as it must be and
// no larger, and full of NaN at first; so is the kernels' own memory, for which buffer_cache.cpp is not needed. The
// work is shared out in every way: alone, by rows, by units. One table of kernels, watched, stands in for
// dispatch.cpp, so that the plans that rnn.cpp makes can be seen. Gradients are compared
// along one direction through all inputs, where the slow loop in complex numbers gives the derivative to
// rounding: Im f(v + i e d) / e, for a tiny e. Whether others want the processors is a variable here: where they do,
// whoever runs takes a thread's share, and all answers and gradients keep their bits.
#include <cstring>
#include <limits>
#include <new>
#include <numeric>
#include <random>
#include <stdexcept>
#include <string>

#include "runtime/contention.hpp"
#include "runtime/dispatch.hpp"
#include "runtime/buffer_cache.hpp"
#include "slow_rnn.hpp"

namespace unrolled::UNROLLED_ISA { extern const KernelTable kernels; }
static const KernelTable &table = unrolled::UNROLLED_ISA::kernels;

Buffer::Buffer(std::size_t bytes) : bytes_(bytes), data_(operator new(bytes, std::align_val_t{64})) {
    std::memset(data_, 0xff, bytes);  // NaN
}
Buffer::~Buffer() { operator delete(data_, std::align_val_t{64}); }
void *Buffer::data() const noexcept { return data_; }

static bool contended;
void unrolled::watch_contention() {}
bool unrolled::is_contended() { return contended; }

static int planned_threads;
static bool planned_units;

static const RnnKernels<float> &kernels_of(float) { return table.rnn_float; }
static const RnnKernels<double> &kernels_of(double) { return table.rnn_double; }

template <class R> static void watched(const Problem<R> &problem, const Outputs<R> &outputs, const Partition &partition) {
    planned_threads = partition.threads, planned_units = partition.splits_units;
    kernels_of(R{}).forward(problem, outputs, partition);
}

const KernelTable &unrolled::selected() {
    static const KernelTable spying = [] {
        KernelTable all = table;
        all.rnn_float.forward = watched<float>, all.rnn_double.forward = watched<double>;
        return all;
    }();
    return spying;
}

// ---- the kernels

template <class R> struct Run {
    std::vector<R> out, h_n, c_n, saved, gradients[kOperands];
};

template <class R> static std::vector<R> copied(const std::vector<double> &from) { return {from.begin(), from.end()}; }
template <class R> static const R *address(const std::vector<R> &of) { return of.empty() ? nullptr : of.data(); }
template <class R> static std::vector<R> weights_of(std::size_t count) {
    std::vector<R> all(count);
    for (std::size_t k = 0; k < count; ++k) all[k] = R(weight_of(k));
    return all;
}

// With a plan of the driver's own, or with rnn.cpp's for so many threads; and back again if `saves`.
template <class R> static Run<R> run(const Case &p, const Partition *partition, int threads, bool saves) {
    std::vector<R> values[kOperands];
    for (int part = 0; part < kOperands; ++part) values[part] = copied<R>(p.values[part]);
    const auto mask = copied<R>(p.mask);
    const auto at = [&](int part) { return address(values[part]); };
    const auto x_step = std::ptrdiff_t(p.step_stride()), x_row = std::ptrdiff_t(p.row_stride());
    const Problem<R> problem{
        .cell = p.cell, .activation = p.activation, .reverse = p.reverse, .zoneout_h = p.zoneout[0], .zoneout_c = p.zoneout[1],
        .seed = p.seed, .threads = threads, .steps = p.T, .rows = p.B, .inputs = p.F, .units = p.H, .x = {at(kX), x_step, x_row},
        .h0 = at(kH0), .c0 = at(kC0), .weight_ih = at(kWih), .weight_hh = at(kWhh), .bias_ih = at(kBih), .bias_hh = at(kBhh),
        .slope = at(kSlope), .gain_ih = at(kGainIh), .gain_hh = at(kGainHh), .gain_cell = at(kGainCell), .bias_cell = at(kBiasCell),
        .lengths = address(p.lengths), .resets = reinterpret_cast<const bool *>(address(p.resets)), .mask = address(mask)};
    const std::ptrdiff_t out_step = p.B * p.H, out_row = p.H;
    const std::size_t states = p.B * p.H;
    constexpr R kUnset = std::numeric_limits<R>::quiet_NaN();
    const std::vector<R> unset(states, kUnset);
    Run<R> ran{std::vector<R>(p.T * states, kUnset), unset, p.cell == kLstm ? unset : std::vector<R>{}, {}, {}};
    ran.saved.assign(saves ? kernels_of(R{}).saved(problem) : 0, kUnset);
    const Outputs<R> outputs{.out = {ran.out.data(), out_step, out_row}, .h_n = ran.h_n.data(),
                             .c_n = p.cell == kLstm ? ran.c_n.data() : nullptr, .saved = ran.saved.empty() ? nullptr : ran.saved.data()};
    partition ? kernels_of(R{}).forward(problem, outputs, *partition) : forward(problem, outputs);
    if (!saves) return ran;
    for (int part = 0; part < kOperands; ++part) ran.gradients[part].assign(values[part].size(), kUnset);
    const auto to = [&](int part) { return ran.gradients[part].empty() ? nullptr : ran.gradients[part].data(); };
    const auto grad_out = weights_of<R>(ran.out.size()), grad_h_n = weights_of<R>(states), grad_c_n = weights_of<R>(states);
    const Gradients<R> gradients{
        .out = {ran.out.data(), out_step, out_row}, .saved = outputs.saved, .grad_out = {grad_out.data(), out_step, out_row},
        .grad_h_n = grad_h_n.data(), .grad_c_n = p.cell == kLstm ? grad_c_n.data() : nullptr, .d_x = {to(kX), x_step, x_row},
        .d_h0 = to(kH0), .d_c0 = to(kC0), .d_weight_ih = to(kWih), .d_weight_hh = to(kWhh), .d_bias_ih = to(kBih),
        .d_bias_hh = to(kBhh), .d_slope = to(kSlope), .d_gain_ih = to(kGainIh), .d_gain_hh = to(kGainHh),
        .d_gain_cell = to(kGainCell), .d_bias_cell = to(kBiasCell)};
    partition ? kernels_of(R{}).backward(problem, gradients, *partition) : backward(problem, gradients);
    return ran;
}

// Rows by length, dealt round among the members; or all rows to all.
struct DriverPartition {
    std::vector<std::int64_t> order, lengths;
    std::vector<std::size_t> begins{0};
    Partition partition;
    DriverPartition(const Case &p, int threads, bool units) {
        std::vector<std::int64_t> sorted(p.B);
        std::iota(sorted.begin(), sorted.end(), 0);
        const auto length = [&](std::int64_t row) { return p.lengths.empty() ? std::int64_t(p.T) : p.lengths[row]; };
        std::stable_sort(sorted.begin(), sorted.end(), [&](auto a, auto b) { return length(a) > length(b); });
        const int groups = units ? 1 : threads;
        for (int group = 0; group < groups; ++group) {
            for (std::size_t k = group; k < p.B; k += groups) order.push_back(sorted[k]), lengths.push_back(length(sorted[k]));
            begins.push_back(order.size());
        }
        partition = {threads, units, order.data(), lengths.data(), begins.data()};
    }
};

// ---- claims

template <class R> static void require_same(const Case &p, const char *what, const std::vector<R> &a, const std::vector<R> &b) {
    for (std::size_t k = 0; k < a.size(); ++k)
        if (!(a[k] == b[k])) fail(p, what, double(a[k]), double(b[k]));
}

template <class R> static void require_same_answers(const Case &p, const char *what, const Run<R> &a, const Run<R> &b) {
    require_same(p, what, a.out, b.out), require_same(p, what, a.h_n, b.h_n), require_same(p, what, a.c_n, b.c_n);
}

template <class R> static void require_close(const Case &p, const char *what, const std::vector<R> &actual, const Row &expected) {
    const double allowed = std::is_same_v<R, float> ? 1e-3 : 1e-11;
    double largest = 1;
    for (const Complex value : expected) largest = std::max(largest, std::abs(value.real()));
    for (std::size_t k = 0; k < actual.size(); ++k)
        if (!(std::abs(actual[k] - expected[k].real()) <= allowed * largest)) fail(p, what, actual[k], expected[k].real());
}

constexpr double kTiny = 1e-40;

static std::vector<double> direction_of(const Case &p, int part) {
    std::mt19937 random(p.number * kOperands + part);
    std::vector<double> direction(p.values[part].size());
    for (double &d : direction) d = double(random() % 2001) / 1000 - 1;
    return direction;
}

static double derivative(const Slow &slow) {
    double sum = 0;
    for (const Row *part : {&slow.out, &slow.h_n, &slow.c_n})
        for (std::size_t k = 0; k < part->size() && !(part == &slow.c_n && slow.p.cell != kLstm); ++k)
            sum += (*part)[k].imag() / kTiny * weight_of(k);
    return sum;
}

template <class R> static void require_derivative(const Case &p, const char *what, const Run<R> &ran, double expected) {
    double sum = 0, size = 1;
    for (int part = 0; part < kOperands; ++part) {
        const auto direction = direction_of(p, part);
        for (std::size_t k = 0; k < direction.size(); ++k) {
            sum += direction[k] * double(ran.gradients[part][k]);
            size += std::abs(direction[k] * double(ran.gradients[part][k]));
        }
    }
    const double allowed = std::is_same_v<R, float> ? 1e-3 : 1e-10;
    if (!(std::abs(sum - expected) <= allowed * size)) fail(p, what, sum, expected);
}

template <class R> static void check(const Case &p, const Slow &slow) {
    const double expected = derivative(slow);
    const DriverPartition alone(p, 1, false);
    const Run<R> first = run<R>(p, &alone.partition, 1, true);
    require_close(p, "out", first.out, slow.out), require_close(p, "h_n", first.h_n, slow.h_n);
    if (p.cell == kLstm) require_close(p, "c_n", first.c_n, slow.c_n);
    require_derivative(p, "gradients", first, expected);
    require_same_answers(p, "without saving", run<R>(p, &alone.partition, 1, false), first);
    for (const bool units : {false, true})
        for (int threads = 2; threads <= 3; ++threads) {
            const bool has_too_few = units ? p.H * sizeof(R) / 128 < std::size_t(threads) : p.B < std::size_t(threads);
            if (has_too_few || (units && !p.values[kGainHh].empty())) continue;  // as rnn.cpp has it
            const DriverPartition shared(p, threads, units);
            const Run<R> ran = run<R>(p, &shared.partition, threads, true);
            contended = true;
            const Run<R> beside_others = run<R>(p, &shared.partition, threads, true);
            contended = false;
            require_same_answers(p, "beside others", beside_others, ran);
            for (int part = 0; part < kOperands; ++part)
                require_same(p, "gradients beside others", beside_others.gradients[part], ran.gradients[part]);
            require_same_answers(p, units ? "units shared" : "rows shared", ran, first);
            require_derivative(p, units ? "gradients, units shared" : "gradients, rows shared", ran, expected);
        }
}

static Case random_case(int number) {
    std::mt19937 random(number);
    const auto one_of = [&](std::initializer_list<std::size_t> all) { return all.begin()[random() % all.size()]; };
    const auto happens = [&] { return random() % 2 == 0; };
    Case p{};
    p.number = number;
    p.cell = number % 11 == 9 ? kGru : number % 11 == 10 ? kLstm : kRnn;
    p.activation = p.cell == kRnn ? number % 11 : 0;
    p.reverse = happens(), p.batch_first = happens();
    p.T = one_of({0, 1, 2, 3, 5, 8}), p.B = one_of({0, 1, 2, 3, 4, 5, 7, 9, 17, 37}), p.F = one_of({1, 2, 3, 5, 9, 16, 33, 70});
    p.H = one_of({1, 2, 3, 5, 7, 8, 15, 16, 17, 31, 33, 35, 65, 97});
    const bool has_norm = random() % 3 == 0, has_bias = happens(), has_state = happens();
    const std::size_t R = p.gates() * p.H;
    const auto fill = [&](bool is_there, std::vector<double> &values, std::size_t count, double middle, double width) {
        for (std::size_t k = 0; k < count && is_there; ++k)
            values.push_back(float(middle + width * (double(random() % 20001) / 10000 - 1)));  // exact in both dtypes
    };
    const double wide = 1.5 / std::sqrt(double(p.H)), gain = p.cell != kRnn;
    fill(true, p.values[kX], p.T * p.B * p.F, 0, 1), fill(has_state, p.values[kH0], p.B * p.H, 0, 1);
    fill(has_state && p.cell == kLstm, p.values[kC0], p.B * p.H, 0, 1);
    fill(true, p.values[kWih], R * p.F, 0, wide), fill(true, p.values[kWhh], R * p.H, 0, wide);
    fill(has_bias, p.values[kBih], R, 0, 0.5), fill(has_bias, p.values[kBhh], R, 0, 0.5);
    fill(p.cell == kRnn && p.activation == kPRelu, p.values[kSlope], 1, 0.25, 0.1);
    fill(has_norm && gain, p.values[kGainIh], R, 1, 0.3), fill(has_norm, p.values[kGainHh], R, 1, 0.3);
    fill(has_norm && p.cell == kLstm, p.values[kGainCell], p.H, 1, 0.3);
    fill(has_norm && has_bias && p.cell == kLstm, p.values[kBiasCell], p.H, 0, 0.3);
    if (happens())
        for (std::size_t b = 0; b < p.B; ++b) p.lengths.push_back(random() % (p.T + 1));
    if (happens())
        for (std::size_t k = 0; k < p.B * p.T; ++k) p.resets.push_back(random() % 3 == 0);
    if (happens())
        for (std::size_t k = 0; k < p.B * p.H; ++k) p.mask.push_back(random() % 3 == 0 ? 0 : 1.5);
    p.seed = -1;
    if (happens()) {
        p.zoneout[0] = random() % 4 ? 0.3 : 0, p.zoneout[1] = p.cell == kLstm && random() % 4 ? 0.6 : 0;
        if (random() % 3) p.seed = random();
    }
    return p;
}

static Case case_of_size(int cell, std::size_t T, std::size_t B, std::size_t F, std::size_t H) {
    Case p{};
    p.cell = cell, p.T = T, p.B = B, p.F = F, p.H = H, p.seed = -1;
    const auto fill = [&](int part, std::size_t count, double wide) {
        for (std::size_t k = 0; k < count; ++k) p.values[part].push_back(wide * std::sin(double(k + part)));
    };
    const std::size_t R = p.gates() * H;
    fill(kX, T * B * F, 1), fill(kWih, R * F, 0.2), fill(kWhh, R * H, 0.2), fill(kBih, R, 0.2), fill(kBhh, R, 0.2);
    return p;
}

// rnn.cpp shares a large call out, as it says, and the answers keep their bits.
template <class R> static void check_partitions(const Case &p, int most_threads, bool units) {
    const Run<R> alone = run<R>(p, nullptr, 1, true);
    if (planned_threads != 1 || planned_units) fail(p, "one thread", planned_threads, 1);
    for (int threads = 2; threads <= 3; ++threads) {
        const Run<R> ran = run<R>(p, nullptr, threads, true), again = run<R>(p, nullptr, threads, true);
        if (planned_threads != std::min(threads, most_threads)) fail(p, "threads of the partition", planned_threads, std::min(threads, most_threads));
        if (planned_units != units) fail(p, "shares units", planned_units, units);
        require_same_answers(p, "threads", ran, alone);
        for (int part = 0; part < kOperands; ++part) {
            require_same(p, "gradients again", again.gradients[part], ran.gradients[part]);
            require_close(p, "gradients of threads", ran.gradients[part], {alone.gradients[part].begin(), alone.gradients[part].end()});
        }
    }
}

static void check_lengths(std::int64_t length, const char *sentence) {
    Case p = case_of_size(kRnn, 3, 2, 1, 1);
    p.lengths = {3, length};
    try {
        run<float>(p, nullptr, 1, false);
    } catch (const std::invalid_argument &error) {
        if (std::string(error.what()) == sentence) return;
    }
    fail(p, "lengths", double(length), 3);
}

int main(int, char **arguments) {
    for (int number = 0; number < std::atoi(arguments[1]); ++number) {
        const Case p = random_case(number);
        Slow slow{p, {}, {}, {}, {}};
        for (int part = 0; part < kOperands; ++part) {
            const auto direction = direction_of(p, part);
            for (std::size_t k = 0; k < direction.size(); ++k) slow.v[part].emplace_back(p.values[part][k], kTiny * direction[k]);
        }
        slow.run();
        check<double>(p, slow), check<float>(p, slow);
    }
    check_partitions<float>(case_of_size(kLstm, 3, 5, 3, 17), 1, false);
    check_partitions<float>(case_of_size(kLstm, 31, 17, 5, 33), 3, false);
    check_partitions<double>(case_of_size(kGru, 41, 17, 5, 33), 3, false);
    check_partitions<float>(case_of_size(kGru, 7, 3, 5, 256), 3, true);      // few rows
    check_partitions<float>(case_of_size(kLstm, 2, 9, 5, 385), 3, true);     // weights beyond a cache
    check_partitions<double>(case_of_size(kRnn, 3, 7, 5, 520), 3, true);
    check_lengths(-1, "lengths: each must be from 0 to T=3; got -1 in row 1.");
    check_lengths(4, "lengths: each must be from 0 to T=3; got 4 in row 1.");
    std::puts(table.name);
}
