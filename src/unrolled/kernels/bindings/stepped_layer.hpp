// What the bindings of recurrences that are stepped share: the description of a layer, and one call at a time.
#pragma once

#include <nanobind/nanobind.h>

#include <atomic>
#include <initializer_list>
#include <stdexcept>

#include "bindings/tensors.hpp"

namespace unrolled {

namespace nb = nanobind;

// Holds an object for one call at a time.
class OneCall {
public:
    explicit OneCall(std::atomic_flag &is_busy) : is_busy_(is_busy) {
        if (is_busy_.test_and_set(std::memory_order_acquire))
            throw std::runtime_error(
                "stream: expected one call at a time, and another thread is stepping it. Give each thread its"
                " own stream.");
    }
    ~OneCall() { is_busy_.clear(std::memory_order_release); }
    OneCall(const OneCall &) = delete;

private:
    std::atomic_flag &is_busy_;
};

struct LayerSettings {
    int cell, activation;
    double zoneout_h, zoneout_c;
};

// The weights of a layer, in the order of operands.def from weight_ih to bias_cell, None for absent ones.
template <class Real>
bool describe_layer(const LayerSettings &settings, const nb::tuple &weights, Problem<Real> &problem) {
    TensorDescription weight_ih{}, weight_hh{};
    if (!describe_source(weights[0], weight_ih) || weight_ih.ndim != 2 ||
        !describe_source(weights[1], weight_hh) || weight_hh.ndim != 2)
        return false;
    const auto F = static_cast<std::size_t>(weight_ih.shape[1]), H = static_cast<std::size_t>(weight_hh.shape[1]);
    const std::size_t R = H * (settings.cell == kRnn ? 1 : settings.cell == kGru ? 3 : 4);
    problem = {};
    problem.cell = settings.cell, problem.activation = settings.activation;
    problem.zoneout_h = settings.zoneout_h, problem.zoneout_c = settings.zoneout_c;
    problem.seed = -1, problem.threads = 1, problem.steps = 1, problem.rows = 1;
    problem.inputs = F, problem.units = H;
    const auto read = [&](std::size_t k, std::initializer_list<std::size_t> shape, const Real *&to) {
        return view<Array<const Real>>(weights[k], shape, to);
    };
    return read(0, {R, F}, problem.weight_ih) && read(1, {R, H}, problem.weight_hh) &&
           read(2, {R}, problem.bias_ih) && read(3, {R}, problem.bias_hh) && read(4, {1}, problem.slope) &&
           read(5, {R}, problem.gain_ih) && read(6, {R}, problem.gain_hh) &&
           read(7, {H}, problem.gain_cell) && read(8, {H}, problem.bias_cell);
}

inline LayerSettings settings_of(const nb::tuple &numbers) {
    return {nb::cast<int>(numbers[0]), nb::cast<int>(numbers[1]), nb::cast<double>(numbers[2]),
            nb::cast<double>(numbers[3])};
}

}  // namespace unrolled
