// tanh and the logistic sigmoid on vectors, for float and double.
//
// Both stand on e^y = 2^n e^r with n = round(y / ln 2) and |r| <= ln(2)/2 (Cody and Waite, Software
// Manual for the Elementary Functions, 1980, ch. 6), and on e^r - 1 = r + r^2 q(r), where q is the
// polynomial with the smallest largest relative error of e^r - 1 over that range: 2^-26 for float,
// 2^-61 for double (fitted by Lawson's iteration, coefficients rounded one after another).
//
// Worst errors measured over every float, in units of the last place: tanh 2.61, sigmoid
// 2.41; over 4 million doubles tanh 2.55, sigmoid 2.27.
#pragma once

#include "simd/vec.hpp"

namespace unrolled::UNROLLED_ISA {

template <class T>
struct Exp;

template <>
struct Exp<float> {
    static constexpr float kLog2e = 1.44269504f;
    static constexpr float kLn2 = 0x1.62e43p-1f;
    static constexpr float kLn2High = 0x1.63p-1f;       // 9 bits, so that n * kLn2High is exact
    static constexpr float kLn2Low = -0x1.bd0106p-13f;  // ln 2 - kLn2High
    static constexpr float kRound = 0x1.8p23f;          // adding it rounds to a whole number
    static constexpr int kMantissa = 23;
    static constexpr int kBias = 127;
    static constexpr int kLift = 64;  // keeps 2^(n + kLift) normal where e^y is not
    static constexpr float kUnlift = 0x1p-64f;
    static constexpr float kTanhIsOne = 10.0f;        // tanh rounds to 1 from 9.02 on
    static constexpr float kSigmoidIsZero = 104.0f;   // e^-104 rounds to 0
    static constexpr float kExpm1IsMinusOne = 18.0f;  // e^-18 is less than half a unit of 1
    static constexpr float kQ[] = {0x1.fffffep-2f, 0x1.5554b2p-3f, 0x1.555706p-5f, 0x1.122676p-7f,
                                   0x1.6b85acp-10f};
};

template <>
struct Exp<double> {
    static constexpr double kLog2e = 1.4426950408889634;
    static constexpr double kLn2 = 0x1.62e42fefa39efp-1;
    static constexpr double kLn2High = 0x1.62e42feep-1;       // 32 bits
    static constexpr double kLn2Low = 0x1.a39ef35793c76p-33;  // ln 2 - kLn2High
    static constexpr double kRound = 0x1.8p52;
    static constexpr int kMantissa = 52;
    static constexpr int kBias = 1023;
    static constexpr int kLift = 512;
    static constexpr double kUnlift = 0x1p-512;
    static constexpr double kTanhIsOne = 20.0;  // from 19.07 on
    static constexpr double kSigmoidIsZero = 746.0;
    static constexpr double kExpm1IsMinusOne = 38.0;
    static constexpr double kQ[] = {0x1p-1,
                                    0x1.5555555555555p-3,
                                    0x1.5555555555552p-5,
                                    0x1.111111110f686p-7,
                                    0x1.6c16c16c18d89p-10,
                                    0x1.a01a01afe9a7p-13,
                                    0x1.a01a0195ef62dp-16,
                                    0x1.71ddf85565d7ep-19,
                                    0x1.27e504a550106p-22,
                                    0x1.af5eb178d9061p-26,
                                    0x1.1f2e00cb1ba51p-29};
};

// e^(k y) = 2^n e^(k r): 2^(n + lift), and (e^(k r) - 1) / k. The exponent must stay in the normal range.
template <class T>
struct Reduced {
    typename Simd<T>::Vec power;
    typename Simd<T>::Vec expm1_r;
};

// sum_i q_i k^(i + 1) r^i from term `i` on, every second one, by Horner's rule in r^2: the even and the odd
// half run side by side, and k, a power of two, changes no digit of a coefficient.
template <class T, int k, std::size_t i>
typename Simd<T>::Vec every_second(typename Simd<T>::Vec r2) {
    using E = Exp<T>;
    constexpr T kScale = T(std::uint64_t{k} << (k == 2 ? i : 0));
    constexpr T kTerm = E::kQ[i] * kScale;
    if constexpr (i + 2 < sizeof(E::kQ) / sizeof(T))
        return every_second<T, k, i + 2>(r2) * r2 + kTerm;
    else
        return Simd<T>::splat(kTerm);
}

// `precise` where e^(k y) itself is the result; beside 1, the error of one ln 2 vanishes.
template <class T, int k, int lift, bool precise>
Reduced<T> reduce(typename Simd<T>::Vec y) {
    using E = Exp<T>;
    using S = Simd<T>;
    constexpr T kRound = E::kRound + T(E::kBias + lift);  // its last bits are the exponent of 2^lift
    const auto rounded = y * (k * E::kLog2e) + kRound;
    const auto n = rounded - kRound;
    auto r = y;
    if constexpr (precise)
        r = (y - n * (E::kLn2High / k)) - n * (E::kLn2Low / k);
    else
        r = y - n * (E::kLn2 / k);
    const auto r2 = r * r;
    const auto q = every_second<T, k, 1>(r2) * r + every_second<T, k, 0>(r2);
    return {S::from_bits(S::bits(rounded) << E::kMantissa), r2 * q + r};
}

// e^y for y <= 0
template <class T>
typename Simd<T>::Vec exp_below_zero(typename Simd<T>::Vec y) {
    using E = Exp<T>;
    const auto [power, expm1_r] =
        reduce<T, 1, E::kLift, true>(Simd<T>::at_least(y, Simd<T>::splat(-E::kSigmoidIsZero)));
    return (power + power * expm1_r) * E::kUnlift;  // far out it is subnormal
}

// a / b for 0 <= a <= b, 1 <= b < 2^100. For floats of AVX-512, where a division holds its port for 10 to 16
// cycles, a reciprocal of 14 bits and one step of Newton's, whose error is 2^-28. With AVX2 the division
// hides behind the other instructions, and is exact.
template <class T>
typename Simd<T>::Vec quotient(typename Simd<T>::Vec a, typename Simd<T>::Vec b) {
#if defined(__AVX512F__)
    if constexpr (Simd<T>::kIsFloat) {
        const __m512 near = _mm512_maskz_rcp14_ps(0xffff, (__m512)b);
        const __m512 q = _mm512_mul_ps((__m512)a, near);
        const __m512 rest = _mm512_fnmadd_ps(q, (__m512)b, (__m512)a);
        return (typename Simd<T>::Vec)_mm512_fmadd_ps(rest, near, q);
    }
#endif
    return a / b;
}

// tanh x = sign(x) t / (t + 1), t = (e^(2|x|) - 1) / 2
template <class T>
struct Tanh {
    using S = Simd<T>;
    using Vec = typename S::Vec;
    Vec operator()(Vec x) const {
        const Vec a = S::at_most(S::abs(x), S::splat(Exp<T>::kTanhIsOne));
        const auto [power, expm1_r] = reduce<T, 2, 0, false>(a);
        const Vec t = power * expm1_r + (power * T{0.5} - T{0.5});
        return S::give_sign(quotient<T>(t, t + T{1}), x);
    }
    static Vec derivative(Vec output) { return T{1} - output * output; }
};

// sigmoid x = 1 / (1 + z) for x >= 0 and z / (1 + z) for x < 0, z = e^-|x|: never a difference
template <class T>
struct Sigmoid {
    using S = Simd<T>;
    using Vec = typename S::Vec;
    Vec operator()(Vec x) const {
        using E = Exp<T>;
        const Vec y = S::at_least(S::from_bits(S::bits(x) | S::kSign), S::splat(-E::kSigmoidIsZero));
        const auto [power, expm1_r] = reduce<T, 1, E::kLift, true>(y);  // far out z is subnormal
        const Vec z = (expm1_r * E::kUnlift + E::kUnlift) * power;
        return quotient<T>(z_below_zero(x, z), z + T{1});
    }
    static Vec derivative(Vec output) { return output * (T{1} - output); }

private:
    // z for x < 0 and 1 for x > 0; at 0 both are 1. Where a mask is costly, from -1 < z <= 1.
    static Vec z_below_zero(Vec x, Vec z) {
        if constexpr (kVectorBytes == 64)
            return x < T{0} ? z : S::splat(T{1});
        else
            return S::at_least(z, S::give_sign(S::splat(T{1}), x));
    }
};

}  // namespace unrolled::UNROLLED_ISA
