// Zoneout: hidden units keep their old value in place of the proposed one; forward and backward.
#pragma once

#include "rnn/problem.hpp"
#include "simd/rng.hpp"

namespace unrolled::UNROLLED_ISA {

template <class T>
class Zoneout {
    using S = Simd<T>;
    using Vec = typename S::Vec;

public:
    // Keys of the random numbers of one row at one step, for each part of the state.
    struct Keys {
        std::uint32_t of[2];
    };

    explicit Zoneout(const Problem<T> &problem)
        : rate_{static_cast<T>(problem.zoneout_h), static_cast<T>(problem.zoneout_c)},
          threshold_{static_cast<std::uint32_t>(problem.zoneout_h * 0x1p24),
                     static_cast<std::uint32_t>(problem.zoneout_c * 0x1p24)},
          seed_(static_cast<std::uint32_t>(problem.seed)),
          is_random_(problem.seed >= 0) {}

    Keys keys(std::size_t t, std::size_t row) const {
        if (!is_random_) return {};
        const auto time = static_cast<std::uint32_t>(t), place = static_cast<std::uint32_t>(row);
        return {{zoneout_key(seed_, 0, time, place), zoneout_key(seed_, 1, time, place)}};
    }

    // New values of units whose state was `before` and is proposed to be `after`.
    Vec blend(int part, const Keys &keys, std::size_t unit, Vec before, Vec after) const {
        const T rate = rate_[part];
        if (rate == T{}) return after;
        if (is_random_) return S::select(keep_mask(part, keys, unit), before, after);
        return rate * before + (T{1} - rate) * after;
    }

    // Turn `d` into the gradient of the proposed state; return that of the state before.
    Vec split_gradient(int part, const Keys &keys, std::size_t unit, Vec &d) const {
        const T rate = rate_[part];
        if (rate == T{}) return Vec{};
        const Vec whole = d;
        if (!is_random_) {
            d = (T{1} - rate) * whole;
            return rate * whole;
        }
        const auto mask = keep_mask(part, keys, unit);
        d = S::select(mask, Vec{}, whole);
        return S::select(mask, whole, Vec{});
    }

private:
    const T rate_[2];
    const std::uint32_t threshold_[2];
    const std::uint32_t seed_;
    const bool is_random_;

    typename S::Bits keep_mask(int part, const Keys &keys, std::size_t unit) const {
        return zoneout_mask<T>(keys.of[part], static_cast<std::uint32_t>(unit), threshold_[part]);
    }
};

}  // namespace unrolled::UNROLLED_ISA
