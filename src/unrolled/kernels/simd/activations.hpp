// Activations of the RNN on vectors, and their derivatives from what forward saved: the output, or for prelu
// the input. At a kink the derivative is torch's.
#pragma once

#include "simd/math.hpp"

namespace unrolled::UNROLLED_ISA {

template <class T>
struct Relu {
    using S = Simd<T>;
    using Vec = typename S::Vec;
    Vec operator()(Vec x) const { return S::at_least(x, Vec{}); }
    static Vec derivative(Vec output) { return output > T{0} ? S::splat(T{1}) : Vec{}; }
};

template <class T>
struct LeakyRelu {
    using S = Simd<T>;
    using Vec = typename S::Vec;
    static constexpr T kSlope = T(0.01);
    Vec operator()(Vec x) const { return x > T{0} ? x : x * kSlope; }
    static Vec derivative(Vec output) { return output > T{0} ? S::splat(T{1}) : S::splat(kSlope); }
};

// The slope is learned and may be negative, so that the output does not tell the input's sign.
template <class T>
struct Prelu {
    using S = Simd<T>;
    using Vec = typename S::Vec;
    T slope;
    Vec operator()(Vec x) const { return x > T{0} ? x : x * slope; }
    Vec derivative(Vec input) const { return input > T{0} ? S::splat(T{1}) : S::splat(slope); }
    static Vec derivative_by_slope(Vec input) { return input > T{0} ? Vec{} : input; }
};

template <class T>
struct Identity {
    using S = Simd<T>;
    using Vec = typename S::Vec;
    Vec operator()(Vec x) const { return x; }
    static Vec derivative(Vec) { return S::splat(T{1}); }
};

// x / (1 + |x|)
template <class T>
struct Softsign {
    using S = Simd<T>;
    using Vec = typename S::Vec;
    Vec operator()(Vec x) const { return x / (S::abs(x) + T{1}); }
    static Vec derivative(Vec output) {
        const Vec root = T{1} - S::abs(output);
        return root * root;
    }
};

// x for x > 0 and e^x - 1 for x <= 0
template <class T>
struct Elu {
    using S = Simd<T>;
    using Vec = typename S::Vec;
    Vec operator()(Vec x) const {
        const Vec y = S::at_most(S::at_least(x, S::splat(-Exp<T>::kExpm1IsMinusOne)), Vec{});
        const auto [power, expm1_r] = reduce<T, 1, 0, true>(y);
        const Vec expm1 = power * expm1_r + (power - T{1});
        return x > T{0} ? x : expm1;
    }
    static Vec derivative(Vec output) { return output > T{0} ? S::splat(T{1}) : output + T{1}; }
};

template <class T>
struct Hardtanh {
    using S = Simd<T>;
    using Vec = typename S::Vec;
    Vec operator()(Vec x) const { return S::at_most(S::at_least(x, S::splat(T{-1})), S::splat(T{1})); }
    static Vec derivative(Vec output) { return S::abs(output) < T{1} ? S::splat(T{1}) : Vec{}; }
};

// Whether the derivative needs the input; else it needs the output.
template <class Activation>
inline constexpr bool kSavesInput = false;
template <class T>
inline constexpr bool kSavesInput<Prelu<T>> = true;

// Call f with the activation of this index, 0 to 8: the order of nn.RNN's names.
template <class T, class F>
decltype(auto) with_activation(int index, T slope, F &&f) {
    switch (index) {
        case 0:
            return f(Tanh<T>{});
        case 1:
            return f(Relu<T>{});
        case 2:
            return f(LeakyRelu<T>{});
        case 3:
            return f(Prelu<T>{slope});
        case 4:
            return f(Sigmoid<T>{});
        case 5:
            return f(Identity<T>{});
        case 6:
            return f(Softsign<T>{});
        case 7:
            return f(Elu<T>{});
        default:
            return f(Hardtanh<T>{});
    }
}

}  // namespace unrolled::UNROLLED_ISA
