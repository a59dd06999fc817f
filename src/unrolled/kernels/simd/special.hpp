// Softplus, the inverse hyperbolic sine and GELU on vectors of floats, the first and the last with their
// derivatives.
//
// The logarithm takes m from [sqrt 1/2, sqrt 2) with x = 2^n m, and f - f^2 / 2 + f^3 p(f) for log m, f = m - 1
// (Moshier, Cephes Mathematical Library, logf). The normal distribution's lower tail is e^(-a^2 / 2) t p(t),
// t = 1 / (1 + c a), where t p(t) is 1/2 erfcx(a / sqrt 2) with a relative error of 1.2e-7 at most for a from 0
// to 15 (fitted by Lawson's iteration).
//
// Worst errors measured, in units of the last place: softplus 1.7, asinh 1.8; of GELU 1.2e-7 of max(1, |x|).
#pragma once

#include "simd/math.hpp"

namespace unrolled::UNROLLED_ISA {

struct Special {
    using S = Simd<float>;
    using Vec = S::Vec;
    typedef std::int32_t Ints __attribute__((vector_size(kVectorBytes)));

    // p[0] x^(n - 1) + ... + p[n - 1]
    template <std::size_t n>
    static Vec polynomial(const float (&p)[n], Vec x) {
        Vec sum = S::splat(p[0]);
        for (std::size_t k = 1; k < n; ++k) sum = sum * x + p[k];
        return sum;
    }

    // log(1 + y) for y >= 0
    static Vec log1p(Vec y) {
        constexpr float kP[] = {7.0376836292e-2f,  -1.1514610310e-1f, 1.1676998740e-1f,
                                -1.2420140846e-1f, 1.4249322787e-1f,  -1.6668057665e-1f,
                                2.0000714765e-1f,  -2.4999993993e-1f, 3.3333331174e-1f};
        constexpr std::int32_t kSqrtHalf = 0x3f3504f3, kBias = 127, kMantissa = 23;
        const Vec u = y + 1.0f, lost = y - (u - 1.0f);  // what the sum rounds away; exact
        const Ints n = ((Ints)u - kSqrtHalf) >> kMantissa;
        const Vec m = (Vec)((Ints)u - (n << kMantissa));
        const Vec f = (m - 1.0f) + lost * (Vec)((kBias - n) << kMantissa);  // for n = 127 lost is 0
        const Vec power = __builtin_convertvector(n, Vec), f2 = f * f;
        const Vec tail = f2 * (polynomial(kP, f) * f - 0.5f) + power * Exp<float>::kLn2Low;
        return f + tail + power * Exp<float>::kLn2High;
    }
};

// log(1 + e^x), and its derivative, the logistic sigmoid
struct Softplus {
    using S = Simd<float>;
    using Vec = S::Vec;
    static void both(Vec x, Vec &value, Vec &derivative) {
        const Vec z = exp_below_zero<float>(S::from_bits(S::bits(x) | S::kSign));
        value = S::at_least(x, Vec{}) + Special::log1p(z);
        derivative = quotient<float>(S::select((S::Bits)(x < Vec{}), z, S::splat(1.0f)), z + 1.0f);
    }
    Vec operator()(Vec x) const {
        Vec value, derivative;
        both(x, value, derivative);
        return value;
    }
};

// asinh x = sign(x) log1p(|x| + x^2 / (1 + sqrt(x^2 + 1))), |x| up to 1e38
struct Asinh {
    using S = Simd<float>;
    using Vec = S::Vec;
    Vec operator()(Vec x) const {
        const Vec size = S::abs(x), a = S::at_most(size, S::splat(1e18f));  // beyond, the quotient is 1
        const Vec more = size * (a / (S::sqrt(a * a + 1.0f) + 1.0f));
        return S::give_sign(Special::log1p(size + more), x);
    }
};

// x P(x), and its derivative P(x) + x p(x), with the normal distribution P and its density p
struct Gelu {
    using S = Simd<float>;
    using Vec = S::Vec;
    static void both(Vec x, Vec &value, Vec &derivative) {
        constexpr float kP[] = {0x1.2a74f2p-5f,  -0x1.3720e8p-3f, 0x1.78b66ep-3f, -0x1.2a3bc4p-5f,
                                0x1.ec6f0cp-4f, 0x1.a89018p-4f,  0x1.f57a64p-4f, 0x1.f23ed6p-4f};
        constexpr float kC = 0x1.3851ecp-2f, kDensityAt0 = 0.3989422804f;
        const Vec t = 1.0f / (S::abs(x) * kC + 1.0f);
        const Vec power = exp_below_zero<float>(x * x * -0.5f);
        const Vec tail = power * t * Special::polynomial(kP, t);
        const Vec probability = S::select((S::Bits)(x < Vec{}), tail, 1.0f - tail);
        value = x * probability;
        derivative = x * power * kDensityAt0 + probability;
    }
    Vec operator()(Vec x) const {
        Vec value, derivative;
        both(x, value, derivative);
        return value;
    }
};

}  // namespace unrolled::UNROLLED_ISA
