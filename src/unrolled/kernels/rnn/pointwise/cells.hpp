// Cell rules: pointwise forward and backward of each cell, on vectors of hidden units.
//
// `preacts` are the pre-activations W_ih x + b_ih + W_hh h + b_hh of each gate; the GRU's candidate has its
// two halves apart. `before` is the state that the step starts from, `after` the one it proposes, `saved`
// what backward needs.
#pragma once

#include "rnn/problem.hpp"
#include "simd/activations.hpp"

namespace unrolled::UNROLLED_ISA {

// The operands that a gate GEMM multiplies: the input, the state, or both.
enum GemmSource { kBoth, kInput, kState };

// h = phi(a), with phi known at compile time.
template <class T, class Activation>
struct RnnStep {
    using Vec = typename Simd<T>::Vec;
    static constexpr bool kLearnsSlope = kSavesInput<Activation>;

    Activation phi;

    void forward(const Vec *preacts, const Vec *, Vec *saved, Vec *after) const {
        after[0] = phi(preacts[0]);
        saved[0] = kSavesInput<Activation> ? preacts[0] : after[0];
    }
    void backward(const Vec *saved, const Vec *, const Vec *d_after, Vec *d_preacts, Vec *) const {
        d_preacts[0] = d_after[0] * phi.derivative(saved[0]);
    }
    Vec d_slope(const Vec *saved, const Vec *d_after) const {
        if constexpr (kLearnsSlope)
            return d_after[0] * phi.derivative_by_slope(saved[0]);
        else
            return Vec{};
    }
};

// h = phi(a), choosing phi for every vector, which only layer norm's loops can afford.
template <class T>
struct RnnRule {
    using Vec = typename Simd<T>::Vec;
    static constexpr int kCell = kRnn, kGates = 1, kPreacts = 1, kStates = 1, kSaved = 1;
    static constexpr bool kPassesState = false;  // no way from h_{t-1} to h_t past the product
    static constexpr bool kLearnsSlope = true;
    static constexpr GemmSource source(int) { return kBoth; }
    static constexpr int gate(int) { return 0; }

    int activation;
    T slope;

    // Call f with the step of one activation, so that no choice is left inside the loop.
    template <class F>
    void with_step(F f) const {
        with_activation<T>(activation, slope, [&](auto phi) { f(RnnStep<T, decltype(phi)>{phi}); });
    }
    void forward(const Vec *preacts, const Vec *before, Vec *saved, Vec *after) const {
        with_step([&](const auto &step) { step.forward(preacts, before, saved, after); });
    }
    void backward(const Vec *saved, const Vec *before, const Vec *d_after, Vec *d_preacts,
                  Vec *d_before) const {
        with_step([&](const auto &step) { step.backward(saved, before, d_after, d_preacts, d_before); });
    }
    Vec d_slope(const Vec *saved, const Vec *d_after) const {
        return activation == kPRelu ? d_after[0] * Prelu<T>::derivative_by_slope(saved[0]) : Vec{};
    }
};

// r, z = sigmoid(a); n = tanh(a_n + r u_n); h = n + z (h_{t-1} - n)
template <class T>
struct GruRule {
    using Vec = typename Simd<T>::Vec;
    static constexpr int kCell = kGru, kGates = 3, kPreacts = 4, kStates = 1, kSaved = 4;
    static constexpr bool kPassesState = true, kLearnsSlope = false;
    static constexpr GemmSource source(int preact) {
        return preact < 2 ? kBoth : preact == 2 ? kState : kInput;
    }
    static constexpr int gate(int preact) { return preact < 2 ? preact : 2; }

    template <class F>
    void with_step(F f) const {
        f(*this);
    }
    void forward(const Vec *preacts, const Vec *before, Vec *saved, Vec *after) const {
        const Vec r = Sigmoid<T>{}(preacts[0]), z = Sigmoid<T>{}(preacts[1]), u = preacts[2];
        const Vec n = Tanh<T>{}(preacts[3] + r * u);
        after[0] = n + z * (before[0] - n);
        saved[0] = r, saved[1] = z, saved[2] = n, saved[3] = u;
    }
    void backward(const Vec *saved, const Vec *before, const Vec *d_after, Vec *d_preacts,
                  Vec *d_before) const {
        const Vec r = saved[0], z = saved[1], n = saved[2], u = saved[3], d = d_after[0];
        const Vec d_candidate = d * (T{1} - z) * (T{1} - n * n);
        d_preacts[0] = d_candidate * u * r * (T{1} - r);
        d_preacts[1] = d * (before[0] - n) * z * (T{1} - z);
        d_preacts[2] = d_candidate * r;
        d_preacts[3] = d_candidate;
        d_before[0] = d * z;
    }
};

// i, f, o = sigmoid(a); g = tanh(a); c = f c_{t-1} + i g; h = o tanh(c)
template <class T>
struct LstmRule {
    using Vec = typename Simd<T>::Vec;
    static constexpr int kCell = kLstm, kGates = 4, kPreacts = 4, kStates = 2, kSaved = 5;  // the last is c
    static constexpr bool kPassesState = false, kLearnsSlope = false;
    static constexpr GemmSource source(int) { return kBoth; }
    static constexpr int gate(int preact) { return preact; }

    template <class F>
    void with_step(F f) const {
        f(*this);
    }
    void forward(const Vec *preacts, const Vec *before, Vec *saved, Vec *after) const {
        after[1] = cell(preacts, before[1], saved);
        after[0] = saved[3] * Tanh<T>{}(after[1]);
    }
    // Compute c and the gates; a norm of c may come between it and h.
    static Vec cell(const Vec *preacts, Vec c_before, Vec *saved) {
        const Vec i = Sigmoid<T>{}(preacts[0]), f = Sigmoid<T>{}(preacts[1]), g = Tanh<T>{}(preacts[2]),
                  o = Sigmoid<T>{}(preacts[3]);
        saved[0] = i, saved[1] = f, saved[2] = g, saved[3] = o;
        return f * c_before + i * g;
    }
    void backward(const Vec *saved, const Vec *before, const Vec *d_after, Vec *d_preacts,
                  Vec *d_before) const {
        const Vec t = Tanh<T>{}(saved[1] * before[1] + saved[0] * saved[2]);
        const Vec d_c = d_after[1] + d_after[0] * saved[3] * (T{1} - t * t);
        gates_backward(saved, before, d_after[0] * t, d_c, d_preacts, d_before);
    }
    // Backward from the gradients of o and c; the norm of c may come between these.
    static void gates_backward(const Vec *saved, const Vec *before, Vec d_o, Vec d_c, Vec *d_preacts,
                               Vec *d_before) {
        const Vec i = saved[0], f = saved[1], g = saved[2], o = saved[3];
        d_preacts[0] = d_c * g * i * (T{1} - i);
        d_preacts[1] = d_c * before[1] * f * (T{1} - f);
        d_preacts[2] = d_c * i * (T{1} - g * g);
        d_preacts[3] = d_o * o * (T{1} - o);
        d_before[1] = d_c * f;
    }
};

}  // namespace unrolled::UNROLLED_ISA
