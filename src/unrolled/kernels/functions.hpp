// tanh and the logistic sigmoid on vectors, for float and double.
//
// Both stand on e^y = 2^n e^r with n = round(y / ln 2) and |r| <= ln(2)/2 (Cody and Waite, Software
// Manual for the Elementary Functions, 1980, ch. 6), and on e^r - 1 = r + r^2/2 + r^3 g(r), where g is
// the polynomial with the smallest largest relative error of e^r - 1 over that range: 2^-31 for float,
// 2^-61 for double (fitted by Lawson's iteration, coefficients rounded one after another).
//
// Worst errors measured, in units of the last place: tanh 2.43 over every float and 2.54 over 15 million
// doubles; sigmoid 2.41 and 2.39.
#pragma once

#include "simd.hpp"

namespace unrolled::UNROLLED_ISA {

template <class T> struct Exp;

template <> struct Exp<float> {
    static constexpr float kLog2e = 1.44269504f;
    static constexpr float kLn2High = 0x1.63p-1f;        // 9 bits, so that n * kLn2High is exact
    static constexpr float kLn2Low = -0x1.bd0106p-13f;   // ln 2 - kLn2High
    static constexpr float kRound = 0x1.8p23f;           // adding it rounds to a whole number
    static constexpr int kMantissa = 23;
    static constexpr std::uint32_t kBias = 127;
    static constexpr float kTanhIsOne = 10.0f;           // tanh rounds to 1 from 9.02 on
    static constexpr float kSigmoidIsZero = 104.0f;      // e^-104 rounds to 0
    static constexpr float kG[] = {0x1.555554p-3f, 0x1.5554f6p-5f, 0x1.1112d8p-7f, 0x1.6d3cf8p-10f,
                                   0x1.9e74cep-13f};
};

template <> struct Exp<double> {
    static constexpr double kLog2e = 1.4426950408889634;
    static constexpr double kLn2High = 0x1.62e42feep-1;       // 32 bits
    static constexpr double kLn2Low = 0x1.a39ef35793c76p-33;  // ln 2 - kLn2High
    static constexpr double kRound = 0x1.8p52;
    static constexpr int kMantissa = 52;
    static constexpr std::uint64_t kBias = 1023;
    static constexpr double kTanhIsOne = 20.0;                // from 19.07 on
    static constexpr double kSigmoidIsZero = 746.0;
    static constexpr double kG[] = {0x1.5555555555559p-3,  0x1.555555555554fp-5,  0x1.111111110f63dp-7,
                                    0x1.6c16c16c19e55p-10, 0x1.a01a01b01686dp-13, 0x1.a01a0191b198cp-16,
                                    0x1.71ddf7c8f6b66p-19, 0x1.27e50bf9d6a92p-22, 0x1.af5fcb3046044p-26,
                                    0x1.1f24dc9a0fcd9p-29};
};

// n and e^r - 1 of y = n ln 2 + r.
template <class T> struct Reduced {
    typename Simd<T>::Bits n;
    typename Simd<T>::Vec expm1_r;
};

template <class T> Reduced<T> reduce(typename Simd<T>::Vec y) {
    using E = Exp<T>;
    using S = Simd<T>;
    const auto rounded = y * E::kLog2e + E::kRound;
    const auto n = rounded - E::kRound;
    const auto r = (y - n * E::kLn2High) - n * E::kLn2Low;
    constexpr std::size_t kTerms = sizeof(E::kG) / sizeof(T);
    auto g = S::splat(E::kG[kTerms - 1]);
    for (std::size_t k = kTerms - 1; k-- > 0;) g = g * r + E::kG[k];
    return {S::bits(rounded) - S::bits(S::splat(E::kRound)), r + r * r * (g * r + T{0.5})};
}

// 2^n for whole n in the normal range.
template <class T> typename Simd<T>::Vec power_of_two(typename Simd<T>::Bits n) {
    return Simd<T>::from_bits((n + Exp<T>::kBias) << Exp<T>::kMantissa);
}

// tanh x = sign(x) t / (t + 2), t = e^(2|x|) - 1
template <class T> struct Tanh {
    using Vec = typename Simd<T>::Vec;
    Vec operator()(Vec x) const {
        const Vec a = Simd<T>::at_most(Simd<T>::abs(x), Exp<T>::kTanhIsOne);
        const auto [n, expm1_r] = reduce<T>(a + a);
        const Vec scale = power_of_two<T>(n);
        const Vec t = scale * expm1_r + (scale - T{1});
        return Simd<T>::copysign(t / (t + T{2}), x);
    }
};

// sigmoid x = 1 / (1 + z) for x >= 0 and z / (1 + z) for x < 0, z = e^-|x|: never a difference
template <class T> struct Sigmoid {
    using Vec = typename Simd<T>::Vec;
    Vec operator()(Vec x) const {
        const Vec a = Simd<T>::at_most(Simd<T>::abs(x), Exp<T>::kSigmoidIsZero);
        const auto [n, expm1_r] = reduce<T>(-a);
        const auto half = (0 - n) >> 1;  // 2^n in two factors: far out it is subnormal
        const Vec z = (expm1_r + T{1}) * power_of_two<T>(0 - half) * power_of_two<T>(n + half);
        return (x < T{0} ? z : Simd<T>::splat(T{1})) / (z + T{1});
    }
};

}  // namespace unrolled::UNROLLED_ISA
