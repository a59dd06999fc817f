// One vector type for every instruction set, from the vector extensions of GCC and Clang.
//
// A file that includes this is compiled once for each instruction set, with UNROLLED_ISA naming it.
// Everything lives in a namespace of that name, and nothing here may call an inline function of the
// standard library: the linker keeps one copy of such a function, and if it kept the AVX-512 one, a
// machine without AVX-512 would die in it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#ifndef UNROLLED_ISA
#error "compile this once for each instruction set, with -DUNROLLED_ISA=name"
#endif

namespace unrolled::UNROLLED_ISA {

#if defined(__AVX512F__)
inline constexpr std::size_t kVectorBytes = 64;
#elif defined(__AVX2__)
inline constexpr std::size_t kVectorBytes = 32;
#else
inline constexpr std::size_t kVectorBytes = 16;
#endif

template <class T> struct BitsOf;
template <> struct BitsOf<float> { using type = std::uint32_t; };
template <> struct BitsOf<double> { using type = std::uint64_t; };

template <class T> struct Simd {
    using Word = typename BitsOf<T>::type;
    typedef T Vec __attribute__((vector_size(kVectorBytes)));
    typedef Word Bits __attribute__((vector_size(kVectorBytes)));
    static constexpr std::size_t kLanes = kVectorBytes / sizeof(T);
    static constexpr Word kSign = Word{1} << (8 * sizeof(T) - 1);

    static Vec splat(T value) { return value - Vec{}; }  // value - 0, which keeps the sign of a zero

    static Bits bits(Vec v) { return (Bits)v; }
    static Vec from_bits(Bits b) { return (Vec)b; }

    // The first `count` lanes from memory; the others are zero.
    static Vec load(const T *from, std::size_t count) {
        Vec v{};
        std::memcpy(&v, from, count * sizeof(T));
        return v;
    }
    static void store(T *to, Vec v, std::size_t count) { std::memcpy(to, &v, count * sizeof(T)); }

    static Vec abs(Vec v) { return from_bits(bits(v) & ~kSign); }
    static Vec copysign(Vec size, Vec sign) {
        return from_bits((bits(size) & ~kSign) | (bits(sign) & kSign));
    }
    static Vec at_most(Vec v, T limit) { return v > limit ? splat(limit) : v; }  // NaN stays NaN
};

// out[i] = f(in[i]); `out` may be `in`. The last, shorter piece goes through the same instructions as
// all others, so that a value does not depend on where it stands or how many stand beside it.
template <class T, class F> void map(const T *in, T *out, std::size_t n, F f) {
    using S = Simd<T>;
    for (std::size_t i = 0; i < n; i += S::kLanes) {
        const std::size_t left = n - i;
        if (left >= S::kLanes) [[likely]]
            S::store(out + i, f(S::load(in + i, S::kLanes)), S::kLanes);
        else
            S::store(out + i, f(S::load(in + i, left)), left);
    }
}

}  // namespace unrolled::UNROLLED_ISA
