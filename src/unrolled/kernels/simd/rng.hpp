// Random masks of zoneout: a pure function of a 32-bit seed and of the unit's position, so that no mask is
// stored, and backward, the reference and any order of work have the same one.
#pragma once

#include "simd/vec.hpp"

namespace unrolled::UNROLLED_ISA {

// Hash 32 bits, of scalars or lanes, so that each bit of the result depends on all of x.
template <class Word>
Word hash_bits(Word x) {
    x ^= x >> 16;
    x *= 0x21f0aaadu;
    x ^= x >> 15;
    x *= 0x735a2d97u;
    x ^= x >> 15;
    return x;
}

// Key of one row of the batch at one step: `part` 0 for h and 1 for c.
inline std::uint32_t zoneout_key(std::uint32_t seed, std::uint32_t part, std::uint32_t t, std::uint32_t b) {
    return hash_bits<std::uint32_t>(hash_bits<std::uint32_t>(hash_bits<std::uint32_t>(seed + part) + t) + b);
}

// All ones in the lane of each unit u = first_unit + lane that keeps its old state: (hash_bits(key + u *
// 0x9E3779B9) >> 8) < threshold, threshold = floor(rate * 2^24). A double's lane holds two equal words of 32
// bits, whose results together fill it.
template <class T>
typename Simd<T>::Bits zoneout_mask(std::uint32_t key, std::uint32_t first_unit, std::uint32_t threshold) {
    using Words = typename Simd<float>::Bits;
    typedef std::int32_t Signed __attribute__((vector_size(kVectorBytes)));  // compared in one instruction
    constexpr std::size_t kWords = sizeof(T) / sizeof(std::uint32_t);
    Words unit;
    for (std::size_t word = 0; word < Simd<float>::kLanes; ++word) unit[word] = std::uint32_t(word / kWords);
    const Words hash = hash_bits<Words>((unit + first_unit) * 0x9E3779B9u + key) >> 8;
    return (typename Simd<T>::Bits)((Signed)hash < std::int32_t(threshold));
}

}  // namespace unrolled::UNROLLED_ISA
