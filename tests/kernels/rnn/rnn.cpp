// The recurrences against a slow loop, without Python: see test_rnn.py.
//
// Cells, activations, options and sizes are drawn from a fixed seed. Every buffer is as large as it must be and
// no larger, and full of NaN at first; so is the kernels' own memory, for which buffer_cache.cpp is not needed. The
// work is shared out in every way: alone, by rows, by units. One table of kernels, watched, stands in for
// dispatch.cpp, so that the plans that rnn.cpp makes can be seen. Gradients are compared
// along one direction through all inputs, where the slow loop in complex numbers gives the derivative to
// rounding: Im f(v + i e d) / e, for a tiny e.
#include <cstring>
#include <limits>
#include <new>
#include <numeric>
#include <random>
#include <stdexcept>
#include <string>

#include "runtime/dispatch.hpp"
#include "runtime/buffer_cache.hpp"
#include "slow_rnn.hpp"

namespace unrolled::UNROLLED_ISA { extern const Kernels kernels; }
static const Kernels &table = unrolled::UNROLLED_ISA::kernels;

Block::Block(std::size_t bytes) : bytes_(bytes), data_(operator new(bytes, std::align_val_t{64})) {
    std::memset(data_, 0xff, bytes);  // NaN
}
Block::~Block() { operator delete(data_, std::align_val_t{64}); }
void *Block::data() const noexcept { return data_; }

static int planned_members;
static bool planned_units;

static const RecurrenceKernels<float> &kernels_of(float) { return table.recurrence_float; }
static const RecurrenceKernels<double> &kernels_of(double) { return table.recurrence_double; }

template <class R> static void watched(const Call<R> &call, const Outcome<R> &outcome, const Plan &plan) {
    planned_members = plan.members, planned_units = plan.splits_units;
    kernels_of(R{}).forward(call, outcome, plan);
}

const Kernels &unrolled::selected() {
    static const Kernels spying = [] {
        Kernels all = table;
        all.recurrence_float.forward = watched<float>, all.recurrence_double.forward = watched<double>;
        return all;
    }();
    return spying;
}

// ---- the kernels

template <class R> struct Run {
    std::vector<R> out, h_n, c_n, saved, gradients[kParts];
};

template <class R> static std::vector<R> copied(const std::vector<double> &from) { return {from.begin(), from.end()}; }
template <class R> static const R *address(const std::vector<R> &of) { return of.empty() ? nullptr : of.data(); }
template <class R> static std::vector<R> weights_of(std::size_t count) {
    std::vector<R> all(count);
    for (std::size_t k = 0; k < count; ++k) all[k] = R(weight_of(k));
    return all;
}

// With a plan of the driver's own, or with rnn.cpp's for so many threads; and back again if `saves`.
template <class R> static Run<R> run(const Problem &p, const Plan *plan, int threads, bool saves) {
    std::vector<R> given[kParts];
    for (int part = 0; part < kParts; ++part) given[part] = copied<R>(p.values[part]);
    const auto mask = copied<R>(p.mask);
    const auto at = [&](int part) { return address(given[part]); };
    const auto x_step = std::ptrdiff_t(p.per_step()), x_row = std::ptrdiff_t(p.per_row());
    const Call<R> call{
        p.cell, p.activation, p.reverse, threads, p.T, p.B, p.F, p.H, {at(kX), x_step, x_row}, at(kH0), at(kC0), at(kWih), at(kWhh),
        at(kBih), at(kBhh), at(kSlope), at(kGainIh), at(kGainHh), at(kGainCell), at(kBiasCell), address(p.lengths),
        reinterpret_cast<const bool *>(address(p.resets)), address(mask), p.zoneout[0], p.zoneout[1], p.seed};
    const std::ptrdiff_t out_step = p.B * p.H, out_row = p.H;
    const std::size_t states = p.B * p.H;
    constexpr R kUnset = std::numeric_limits<R>::quiet_NaN();
    const std::vector<R> unset(states, kUnset);
    Run<R> ran{std::vector<R>(p.T * states, kUnset), unset, p.cell == kLstm ? unset : std::vector<R>{}, {}, {}};
    ran.saved.assign(saves ? kernels_of(R{}).saved(call) : 0, kUnset);
    const Outcome<R> outcome{{ran.out.data(), out_step, out_row}, ran.h_n.data(), p.cell == kLstm ? ran.c_n.data() : nullptr,
                             ran.saved.empty() ? nullptr : ran.saved.data()};
    plan ? kernels_of(R{}).forward(call, outcome, *plan) : forward(call, outcome);
    if (!saves) return ran;
    for (int part = 0; part < kParts; ++part) ran.gradients[part].assign(given[part].size(), kUnset);
    const auto to = [&](int part) { return ran.gradients[part].empty() ? nullptr : ran.gradients[part].data(); };
    const auto of_out = weights_of<R>(ran.out.size()), of_h = weights_of<R>(states), of_c = weights_of<R>(states);
    const Gradients<R> gradients{
        {ran.out.data(), out_step, out_row}, outcome.saved, {of_out.data(), out_step, out_row}, of_h.data(),
        p.cell == kLstm ? of_c.data() : nullptr, {to(kX), x_step, x_row}, to(kH0), to(kC0), to(kWih), to(kWhh), to(kBih),
        to(kBhh), to(kSlope), to(kGainIh), to(kGainHh), to(kGainCell), to(kBiasCell)};
    plan ? kernels_of(R{}).backward(call, gradients, *plan) : backward(call, gradients);
    return ran;
}

// Rows by length, dealt round among the members; or all rows to all.
struct OwnPlan {
    std::vector<std::int64_t> order, lengths;
    std::vector<std::size_t> begins{0};
    Plan plan;
    OwnPlan(const Problem &p, int members, bool units) {
        std::vector<std::int64_t> sorted(p.B);
        std::iota(sorted.begin(), sorted.end(), 0);
        const auto length = [&](std::int64_t row) { return p.lengths.empty() ? std::int64_t(p.T) : p.lengths[row]; };
        std::stable_sort(sorted.begin(), sorted.end(), [&](auto a, auto b) { return length(a) > length(b); });
        const int groups = units ? 1 : members;
        for (int group = 0; group < groups; ++group) {
            for (std::size_t k = group; k < p.B; k += groups) order.push_back(sorted[k]), lengths.push_back(length(sorted[k]));
            begins.push_back(order.size());
        }
        plan = {members, units, order.data(), lengths.data(), begins.data()};
    }
};

// ---- claims

template <class R> static void require_same(const Problem &p, const char *what, const std::vector<R> &a, const std::vector<R> &b) {
    for (std::size_t k = 0; k < a.size(); ++k)
        if (!(a[k] == b[k])) fail(p, what, double(a[k]), double(b[k]));
}

template <class R> static void require_same_answers(const Problem &p, const char *what, const Run<R> &a, const Run<R> &b) {
    require_same(p, what, a.out, b.out), require_same(p, what, a.h_n, b.h_n), require_same(p, what, a.c_n, b.c_n);
}

template <class R> static void require_close(const Problem &p, const char *what, const std::vector<R> &found, const Row &wanted) {
    const double allowed = std::is_same_v<R, float> ? 1e-3 : 1e-11;
    double largest = 1;
    for (const Complex value : wanted) largest = std::max(largest, std::abs(value.real()));
    for (std::size_t k = 0; k < found.size(); ++k)
        if (!(std::abs(found[k] - wanted[k].real()) <= allowed * largest)) fail(p, what, found[k], wanted[k].real());
}

constexpr double kTiny = 1e-40;

static std::vector<double> direction_of(const Problem &p, int part) {
    std::mt19937 random(p.number * kParts + part);
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

template <class R> static void require_derivative(const Problem &p, const char *what, const Run<R> &ran, double wanted) {
    double sum = 0, size = 1;
    for (int part = 0; part < kParts; ++part) {
        const auto direction = direction_of(p, part);
        for (std::size_t k = 0; k < direction.size(); ++k) {
            sum += direction[k] * double(ran.gradients[part][k]);
            size += std::abs(direction[k] * double(ran.gradients[part][k]));
        }
    }
    const double allowed = std::is_same_v<R, float> ? 1e-3 : 1e-10;
    if (!(std::abs(sum - wanted) <= allowed * size)) fail(p, what, sum, wanted);
}

template <class R> static void check(const Problem &p, const Slow &slow) {
    const double wanted = derivative(slow);
    const OwnPlan alone(p, 1, false);
    const Run<R> first = run<R>(p, &alone.plan, 1, true);
    require_close(p, "out", first.out, slow.out), require_close(p, "h_n", first.h_n, slow.h_n);
    if (p.cell == kLstm) require_close(p, "c_n", first.c_n, slow.c_n);
    require_derivative(p, "gradients", first, wanted);
    require_same_answers(p, "without saving", run<R>(p, &alone.plan, 1, false), first);
    for (const bool units : {false, true})
        for (int members = 2; members <= 3; ++members) {
            const bool has_too_few = units ? p.H * sizeof(R) / 128 < std::size_t(members) : p.B < std::size_t(members);
            if (has_too_few || (units && !p.values[kGainHh].empty())) continue;  // as rnn.cpp has it
            const OwnPlan shared(p, members, units);
            const Run<R> ran = run<R>(p, &shared.plan, members, true);
            require_same_answers(p, units ? "units shared" : "rows shared", ran, first);
            require_derivative(p, units ? "gradients, units shared" : "gradients, rows shared", ran, wanted);
        }
}

static Problem drawn(int number) {
    std::mt19937 random(number);
    const auto one_of = [&](std::initializer_list<std::size_t> all) { return all.begin()[random() % all.size()]; };
    const auto happens = [&] { return random() % 2 == 0; };
    Problem p{};
    p.number = number;
    p.cell = number % 11 == 9 ? kGru : number % 11 == 10 ? kLstm : kRnn;
    p.activation = p.cell == kRnn ? number % 11 : 0;
    p.reverse = happens(), p.batch_first = happens();
    p.T = one_of({0, 1, 2, 3, 5, 8}), p.B = one_of({0, 1, 2, 3, 4, 5, 7, 9, 17}), p.F = one_of({1, 2, 3, 5, 9, 16, 33});
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

static Problem sized(int cell, std::size_t T, std::size_t B, std::size_t F, std::size_t H) {
    Problem p{};
    p.cell = cell, p.T = T, p.B = B, p.F = F, p.H = H, p.seed = -1;
    const auto fill = [&](int part, std::size_t count, double wide) {
        for (std::size_t k = 0; k < count; ++k) p.values[part].push_back(wide * std::sin(double(k + part)));
    };
    const std::size_t R = p.gates() * H;
    fill(kX, T * B * F, 1), fill(kWih, R * F, 0.2), fill(kWhh, R * H, 0.2), fill(kBih, R, 0.2), fill(kBhh, R, 0.2);
    return p;
}

// rnn.cpp shares a large call out, as it says, and the answers keep their bits.
template <class R> static void check_plans(const Problem &p, int members, bool units) {
    const Run<R> alone = run<R>(p, nullptr, 1, true);
    if (planned_members != 1 || planned_units) fail(p, "one thread", planned_members, 1);
    for (int threads = 2; threads <= 3; ++threads) {
        const Run<R> ran = run<R>(p, nullptr, threads, true), again = run<R>(p, nullptr, threads, true);
        if (planned_members != std::min(threads, members)) fail(p, "members", planned_members, std::min(threads, members));
        if (planned_units != units) fail(p, "shares units", planned_units, units);
        require_same_answers(p, "threads", ran, alone);
        for (int part = 0; part < kParts; ++part) {
            require_same(p, "gradients again", again.gradients[part], ran.gradients[part]);
            require_close(p, "gradients of threads", ran.gradients[part], {alone.gradients[part].begin(), alone.gradients[part].end()});
        }
    }
}

static void check_lengths(std::int64_t length, const char *sentence) {
    Problem p = sized(kRnn, 3, 2, 1, 1);
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
        const Problem p = drawn(number);
        Slow slow{p, {}, {}, {}, {}};
        for (int part = 0; part < kParts; ++part) {
            const auto direction = direction_of(p, part);
            for (std::size_t k = 0; k < direction.size(); ++k) slow.v[part].emplace_back(p.values[part][k], kTiny * direction[k]);
        }
        slow.run();
        check<double>(p, slow), check<float>(p, slow);
    }
    check_plans<float>(sized(kLstm, 3, 5, 3, 17), 1, false);
    check_plans<float>(sized(kLstm, 31, 17, 5, 33), 3, false);
    check_plans<double>(sized(kGru, 41, 17, 5, 33), 3, false);
    check_plans<float>(sized(kGru, 7, 3, 5, 256), 3, true);      // few rows
    check_plans<float>(sized(kLstm, 2, 9, 5, 385), 3, true);     // weights beyond a cache
    check_plans<double>(sized(kRnn, 3, 7, 5, 520), 3, true);
    check_lengths(-1, "lengths: each must be from 0 to T=3; got -1 in row 1.");
    check_lengths(4, "lengths: each must be from 0 to T=3; got 4 in row 1.");
    std::puts(table.name);
}
