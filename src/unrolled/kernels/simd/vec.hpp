// One vector type for every instruction set, from the vector extensions of GCC and Clang.
//
// A file that includes this is compiled once for each instruction set, with UNROLLED_ISA naming it.
// Everything lives in a namespace of that name, and nothing here may call an inline function of the
// standard library: the linker keeps one copy of such a function, and if it kept the AVX-512 one, a
// machine without AVX-512 would die in it. Intrinsics stand where the extensions have no word.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

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

#if defined(__AVX512F__) || defined(__aarch64__)
inline constexpr std::size_t kRegisters = 32;  // vectors that a loop can hold without memory
#else
inline constexpr std::size_t kRegisters = 16;
#endif

template <class T>
struct BitsOf;
template <>
struct BitsOf<float> {
    using type = std::uint32_t;
};
template <>
struct BitsOf<double> {
    using type = std::uint64_t;
};

template <class T>
struct Simd {
    using Word = typename BitsOf<T>::type;
    typedef T Vec __attribute__((vector_size(kVectorBytes)));
    typedef Word Bits __attribute__((vector_size(kVectorBytes)));
    static constexpr std::size_t kLanes = kVectorBytes / sizeof(T);
    static constexpr Word kSign = Word{1} << (8 * sizeof(T) - 1);
    static constexpr bool kIsFloat = std::is_same_v<T, float>;

    static Vec splat(T value) { return value - Vec{}; }  // compilers drop the "- 0": a broadcast

    static Bits bits(Vec v) { return (Bits)v; }
    static Vec from_bits(Bits b) { return (Vec)b; }

    static Vec load(const T *from) {
        Vec v;
        __builtin_memcpy(&v, from, sizeof v);
        return v;
    }
    static void store(T *to, Vec v) { __builtin_memcpy(to, &v, sizeof v); }

    // Store past the caches, to an aligned address: for data that is read long after, and whose line would be
    // fetched only to be overwritten. end_streams() must come before another thread reads it.
    static void stream(T *to, Vec v) {
#if defined(__AVX512F__)
        if constexpr (kIsFloat)
            _mm512_stream_ps(to, (__m512)v);
        else
            _mm512_stream_pd(to, (__m512d)v);
#elif defined(__AVX2__)
        if constexpr (kIsFloat)
            _mm256_stream_ps(to, (__m256)v);
        else
            _mm256_stream_pd(to, (__m256d)v);
#else
        store(to, v);
#endif
    }
    static void end_streams() {
#if defined(__AVX2__)
        _mm_sfence();
#endif
    }

    // Load the first `count` lanes, 0 <= count <= kLanes, and no memory beyond them; the other lanes are
    // zero.
    static Vec load(const T *from, std::size_t count) {
#if defined(__AVX512F__)
        if constexpr (kIsFloat)
            return (Vec)_mm512_maskz_loadu_ps(first(count), from);
        else
            return (Vec)_mm512_maskz_loadu_pd(first(count), from);
#elif defined(__AVX2__)
        if constexpr (kIsFloat)
            return (Vec)_mm256_maskload_ps(from, first(count));
        else
            return (Vec)_mm256_maskload_pd(from, first(count));
#else
        Vec v{};
        for (std::size_t lane = 0; lane < kLanes; ++lane)
            if (lane < count) v[lane] = from[lane];
        return v;
#endif
    }
    static void store(T *to, Vec v, std::size_t count) {
#if defined(__AVX512F__)
        if constexpr (kIsFloat)
            _mm512_mask_storeu_ps(to, first(count), (__m512)v);
        else
            _mm512_mask_storeu_pd(to, first(count), (__m512d)v);
#elif defined(__AVX2__)
        if constexpr (kIsFloat)
            _mm256_maskstore_ps(to, first(count), (__m256)v);
        else
            _mm256_maskstore_pd(to, first(count), (__m256d)v);
#else
        for (std::size_t lane = 0; lane < kLanes; ++lane)
            if (lane < count) to[lane] = v[lane];
#endif
    }

    static Vec abs(Vec v) { return from_bits(bits(v) & ~kSign); }
    static Vec sqrt(Vec v) {
#if defined(__AVX512F__)
        if constexpr (kIsFloat)
            return (Vec)_mm512_maskz_sqrt_ps(Mask(-1), (__m512)v);  // the plain one makes gcc 12 warn
        else
            return (Vec)_mm512_maskz_sqrt_pd(Mask(-1), (__m512d)v);
#elif defined(__AVX2__)
        if constexpr (kIsFloat)
            return (Vec)_mm256_sqrt_ps((__m256)v);
        else
            return (Vec)_mm256_sqrt_pd((__m256d)v);
#else
        for (std::size_t lane = 0; lane < kLanes; ++lane)
            if constexpr (kIsFloat)
                v[lane] = __builtin_sqrtf(v[lane]);
            else
                v[lane] = __builtin_sqrt(v[lane]);
        return v;
#endif
    }
    // size must not be negative
    static Vec give_sign(Vec size, Vec sign) { return from_bits(bits(size) | (bits(sign) & kSign)); }

    // a where the mask's lane is all ones, b where it is zero
    static Vec select(Bits mask, Vec a, Vec b) { return from_bits((bits(a) & mask) | (bits(b) & ~mask)); }

    // Lanes of a and b in turn: those of their first halves, and of their second halves.
    static Vec interleave_first(Vec a, Vec b) { return interleave<0>(a, b, Lanes{}); }
    static Vec interleave_second(Vec a, Vec b) { return interleave<kLanes / 2>(a, b, Lanes{}); }

    // Transpose a square of kLanes vectors: each pass halves the distance of lanes that belong together.
    [[gnu::always_inline]] static void transpose(Vec (&rows)[kLanes]) {
        for (std::size_t pass = 1; pass < kLanes; pass *= 2) {
            Vec turned[kLanes];
            for (std::size_t i = 0; i < kLanes / 2; ++i) {
                turned[2 * i] = interleave_first(rows[i], rows[i + kLanes / 2]);
                turned[2 * i + 1] = interleave_second(rows[i], rows[i + kLanes / 2]);
            }
            for (std::size_t i = 0; i < kLanes; ++i) rows[i] = turned[i];
        }
    }

    // The smaller and the larger, one instruction each; v where either is NaN.
    static Vec at_most(Vec v, Vec limit) { return limit < v ? limit : v; }
    static Vec at_least(Vec v, Vec limit) { return limit > v ? limit : v; }

private:
    using Lanes = std::make_index_sequence<kLanes>;
    template <std::size_t kFirst, std::size_t... kLane>
    static Vec interleave(Vec a, Vec b, std::index_sequence<kLane...>) {
#if defined(__clang__)
        return __builtin_shufflevector(a, b, (kFirst + kLane / 2 + kLane % 2 * kLanes)...);
#else
        return __builtin_shuffle(a, b, Bits{Word(kFirst + kLane / 2 + kLane % 2 * kLanes)...});
#endif
    }
#if defined(__AVX512F__)
    using Mask = std::conditional_t<kIsFloat, __mmask16, __mmask8>;
    static Mask first(std::size_t count) { return Mask((1u << count) - 1u); }
#elif defined(__AVX2__)
    static __m256i first(std::size_t count) {
        if constexpr (kIsFloat)
            return _mm256_cmpgt_epi32(_mm256_set1_epi32(int(count)),
                                      _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
        else
            return _mm256_cmpgt_epi64(_mm256_set1_epi64x((long long)count), _mm256_setr_epi64x(0, 1, 2, 3));
    }
#endif
};

// out[i] = f(in[i]); `out` may be `in`. The last, shorter piece goes through the same instructions as all
// others, so that a value depends neither on its position nor on the number of values.
template <class T, class F>
void map(const T *in, T *out, std::size_t n, F f) {
    using S = Simd<T>;
    std::size_t i = 0;
    for (; n - i >= S::kLanes; i += S::kLanes) S::store(out + i, f(S::load(in + i)));
    if (i < n) S::store(out + i, f(S::load(in + i, n - i)), n - i);
}

}  // namespace unrolled::UNROLLED_ISA
