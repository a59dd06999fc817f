// A recurrence as numbers, and a slow loop over it in complex ones, one row after the other: see rnn.cpp.
#pragma once

#include <algorithm>
#include <cmath>
#include <complex>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "rnn/problem.hpp"

using namespace unrolled;

using Complex = std::complex<double>;
enum { kX, kH0, kC0, kWih, kWhh, kBih, kBhh, kSlope, kGainIh, kGainHh, kGainCell, kBiasCell, kOperands };

struct Case {
    int number, cell, activation;
    bool reverse, batch_first;
    std::size_t T, B, F, H;
    double zoneout[2];
    std::int64_t seed;
    std::vector<double> values[kOperands];  // empty: absent
    std::vector<std::int64_t> lengths;
    std::vector<unsigned char> resets;
    std::vector<double> mask;

    std::size_t gates() const { return cell == kRnn ? 1 : cell == kGru ? 3 : 4; }
    std::size_t step_stride() const { return batch_first ? F : B * F; }
    std::size_t row_stride() const { return batch_first ? T * F : F; }
};

[[noreturn]] static void fail(const Case &p, const char *what, double actual, double expected) {
    std::printf("%s: problem %d: cell %d activation %d reverse %d T %zu B %zu F %zu H %zu norm %d mask %d zoneout %g %g "
                "seed %lld lengths %d resets %d: found %.9g, wanted %.9g\n", what, p.number, p.cell, p.activation, p.reverse,
                p.T, p.B, p.F, p.H, !p.values[kGainHh].empty(), !p.mask.empty(), p.zoneout[0], p.zoneout[1],
                static_cast<long long>(p.seed), !p.lengths.empty(), !p.resets.empty(), actual, expected);
    std::exit(1);
}

using Row = std::vector<Complex>;

static std::uint32_t hash_bits(std::uint32_t x) {
    x ^= x >> 16, x *= 0x21f0aaad, x ^= x >> 15, x *= 0x735a2d97;
    return x ^ (x >> 15);
}

static Complex sigma(Complex a) { return 1.0 / (1.0 + std::exp(-a)); }
static Complex tangent(Complex a) { return 2.0 * sigma(2.0 * a) - 1.0; }

static Complex phi(int activation, Complex a, Complex slope) {
    const bool is_above = a.real() > 0;
    switch (activation) {
        case 0: return tangent(a);
        case 1: return is_above ? a : 0;
        case 2: return is_above ? a : 0.01 * a;
        case 3: return is_above ? a : slope * a;
        case 4: return sigma(a);
        case 5: return a;
        case 6: return a / (1.0 + (is_above ? a : -a));
        case 7: return is_above ? a : std::exp(a) - 1.0;
        default: return a.real() > 1 ? 1 : a.real() < -1 ? -1 : a;
    }
}

static void normalize(Row &a, std::size_t first, std::size_t count, const Complex *gain) {
    Complex mean = 0, square = 0;
    for (std::size_t k = first; k < first + count; ++k) mean += a[k] / double(count);
    for (std::size_t k = first; k < first + count; ++k) square += (a[k] - mean) * (a[k] - mean) / double(count);
    for (std::size_t k = first; k < first + count; ++k) a[k] = gain[k] * (a[k] - mean) / std::sqrt(square + 1e-5);
}

static Row times(const Row &weight, const Complex *x, std::size_t depth, std::size_t rows) {
    Row sums(rows);
    for (std::size_t r = 0; r < rows; ++r)
        for (std::size_t k = 0; k < depth; ++k) sums[r] += weight[r * depth + k] * x[k];
    return sums;
}

struct Slow {
    const Case &p;
    Row v[kOperands];
    Row out, h_n, c_n;

    void step(const Complex *x, Row &h, Row &c, const Row &seen) const {
        const std::size_t H = p.H, G = p.gates();
        Row a = times(v[kWih], x, p.F, G * H), u = times(v[kWhh], seen.data(), H, G * H);
        if (!v[kGainHh].empty()) {
            if (p.cell == kRnn) {
                for (std::size_t k = 0; k < H; ++k) a[k] += u[k], u[k] = 0;
                normalize(a, 0, H, v[kGainHh].data());
            } else {
                const std::size_t norm_row = p.cell == kGru ? 2 * H : 4 * H;
                normalize(a, 0, norm_row, v[kGainIh].data()), normalize(u, 0, norm_row, v[kGainHh].data());
                if (p.cell == kGru) normalize(a, 2 * H, H, v[kGainIh].data()), normalize(u, 2 * H, H, v[kGainHh].data());
            }
        }
        for (std::size_t k = 0; k < G * H && !v[kBih].empty(); ++k) a[k] += v[kBih][k], u[k] += v[kBhh][k];
        if (p.cell == kLstm) {
            for (std::size_t k = 0; k < H; ++k)
                c[k] = sigma(a[H + k] + u[H + k]) * c[k] + sigma(a[k] + u[k]) * tangent(a[2 * H + k] + u[2 * H + k]);
            Row shown = c;
            if (!v[kGainCell].empty()) normalize(shown, 0, H, v[kGainCell].data());
            for (std::size_t k = 0; k < H; ++k)
                h[k] = sigma(a[3 * H + k] + u[3 * H + k]) * tangent(shown[k] + (v[kBiasCell].empty() ? 0 : v[kBiasCell][k]));
            return;
        }
        for (std::size_t k = 0; k < H; ++k) {
            const Complex r = sigma(a[k] + u[k]);
            if (p.cell == kRnn) {
                h[k] = phi(p.activation, a[k] + u[k], v[kSlope].empty() ? 0 : v[kSlope][0]);
            } else {
                const Complex z = sigma(a[H + k] + u[H + k]);
                h[k] = (1.0 - z) * tangent(a[2 * H + k] + r * u[2 * H + k]) + z * h[k];
            }
        }
    }
    void apply_zoneout(int part, std::size_t t, std::size_t b, const Row &before, Row &after) const {
        const double rate = p.zoneout[part];
        const std::uint32_t key = hash_bits(hash_bits(hash_bits(std::uint32_t(p.seed) + part) + std::uint32_t(t)) + std::uint32_t(b));
        for (std::size_t u = 0; u < after.size() && rate > 0; ++u) {
            const bool is_kept = hash_bits(key + std::uint32_t(u) * 0x9E3779B9u) >> 8 < std::uint32_t(rate * 0x1p24);
            const double share = p.seed < 0 ? rate : is_kept;
            after[u] = share * before[u] + (1 - share) * after[u];
        }
    }
    void run() {
        const std::size_t H = p.H;
        out.assign(p.T * p.B * H, 0), h_n.assign(p.B * H, 0), c_n.assign(p.B * H, 0);
        for (std::size_t b = 0; b < p.B; ++b) {
            Row h(H), c(H);
            if (!v[kH0].empty()) std::copy_n(&v[kH0][b * H], H, h.begin());
            if (!v[kC0].empty()) std::copy_n(&v[kC0][b * H], H, c.begin());
            const std::size_t length = p.lengths.empty() ? p.T : p.lengths[b];
            for (std::size_t k = 0; k < length; ++k) {
                const std::size_t t = p.reverse ? length - 1 - k : k, mark = p.reverse ? t + 1 : t;
                if (!p.resets.empty() && mark < length && p.resets[b * p.T + mark]) h.assign(H, 0), c.assign(H, 0);
                Row seen = h;
                for (std::size_t u = 0; u < H && !p.mask.empty(); ++u) seen[u] *= p.mask[b * H + u];
                const Row h_before = h, c_before = c;
                step(&v[kX][t * p.step_stride() + b * p.row_stride()], h, c, seen);
                apply_zoneout(0, t, b, h_before, h), apply_zoneout(1, t, b, c_before, c);
                std::copy(h.begin(), h.end(), &out[(t * p.B + b) * H]);
            }
            std::copy(h.begin(), h.end(), &h_n[b * H]), std::copy(c.begin(), c.end(), &c_n[b * H]);
        }
    }
};

// What each number of the answer counts for in the goal.
static double weight_of(std::size_t k) { return std::cos(1.0 + double(k)); }
