// The nonlinearities and the zoneout's masks as plain functions: see test_activations.py.
#include "simd/activations.hpp"
#include "simd/rng.hpp"

using namespace unrolled::UNROLLED_ISA;

template <class T> static void value(int index, T slope, const T *in, T *out, std::size_t n) {
    with_activation<T>(index, slope, [=](auto f) { map(in, out, n, f); });
}

// in: what forward saves
template <class T> static void derivative(int index, T slope, const T *in, T *out, std::size_t n) {
    with_activation<T>(index, slope, [=](auto f) {
        map(in, out, n, [f](auto saved) { return f.derivative(saved); });
    });
}

template <class T>
static void mask(const std::uint32_t *place, std::uint32_t threshold, T *out, std::size_t n) {
    using S = Simd<T>;
    const std::uint32_t row = zoneout_key(place[0], place[1], place[2], place[3]);
    for (std::size_t u = 0; u < n; u += S::kLanes) {
        const auto mask = zoneout_mask<T>(row, std::uint32_t(u), threshold);
        const auto answer = S::select(mask, S::splat(T{1}), S::splat(T{2}));
        S::store(out + u, answer, n - u < S::kLanes ? n - u : S::kLanes);
    }
}

#define UNROLLED_EXPORT(T)                                                                                \
    void value_##T(int index, T slope, const T *in, T *out, std::size_t n) {                               \
        value(index, slope, in, out, n);                                                                   \
    }                                                                                                      \
    void derivative_##T(int index, T slope, const T *in, T *out, std::size_t n) {                          \
        derivative(index, slope, in, out, n);                                                              \
    }                                                                                                      \
    void kept_##T(const std::uint32_t *place, std::uint32_t threshold, T *out, std::size_t n) {             \
        mask(place, threshold, out, n);                                                                    \
    }

extern "C" {
UNROLLED_EXPORT(float)
UNROLLED_EXPORT(double)
int saves_input(int index) {
    return with_activation<float>(index, 0.0f, [](auto f) { return int(kSavesInput<decltype(f)>); });
}
}
