#include "bindings/bindings.hpp"

#include <cstdint>

#include "rnn/problem.hpp"
#include "runtime/dispatch.hpp"
#include "runtime/buffer_cache.hpp"

namespace unrolled {

namespace {

namespace nb = nanobind;

using Address = std::uintptr_t;
using Size = std::size_t;
using Stride = std::ptrdiff_t;

template <class T>
T *to(Address address) {
    return reinterpret_cast<T *>(address);
}

// The arguments that forward and backward share; the order of all is written in _compiled.pyi.
#define UNROLLED_CALL                                                                                        \
    int cell, int activation, bool is_double, bool reverse, int threads, Size T, Size B, Size F, Size H,     \
        Address x, Stride x_t, Stride x_b, Address h0, Address c0, Address w_ih, Address w_hh, Address b_ih, \
        Address b_hh, Address slope, Address gain_ih, Address gain_hh, Address gain_cell, Address bias_cell, \
        Address lengths, Address resets, Address mask, double zoneout_h, double zoneout_c, std::int64_t seed
#define UNROLLED_CALL_OF(R)                                                                              \
    Call<R> {                                                                                            \
        cell, activation, reverse, threads, T, B, F, H, {to<const R>(x), x_t, x_b}, to<const R>(h0),     \
            to<const R>(c0), to<const R>(w_ih), to<const R>(w_hh), to<const R>(b_ih), to<const R>(b_hh), \
            to<const R>(slope), to<const R>(gain_ih), to<const R>(gain_hh), to<const R>(gain_cell),      \
            to<const R>(bias_cell), to<const std::int64_t>(lengths), to<const bool>(resets),             \
            to<const R>(mask), zoneout_h, zoneout_c, seed                                                \
    }

void recurrence_forward(UNROLLED_CALL, Address out, Stride out_t, Stride out_b, Address h_n, Address c_n,
                        Address saved) {
    const auto run = [&]<class R>(const Call<R> &call) {
        nb::gil_scoped_release released;
        forward(call, Outcome<R>{{to<R>(out), out_t, out_b}, to<R>(h_n), to<R>(c_n), to<R>(saved)});
    };
    is_double ? run(UNROLLED_CALL_OF(double)) : run(UNROLLED_CALL_OF(float));
}

void recurrence_backward(UNROLLED_CALL, Address out, Stride out_t, Stride out_b, Address saved,
                         Address grad_out, Stride grad_out_t, Stride grad_out_b, Address grad_h_n,
                         Address grad_c_n, Address grad_x, Stride grad_x_t, Stride grad_x_b, Address grad_h0,
                         Address grad_c0, Address grad_w_ih, Address grad_w_hh, Address grad_b_ih,
                         Address grad_b_hh, Address grad_slope, Address grad_gain_ih, Address grad_gain_hh,
                         Address grad_gain_cell, Address grad_bias_cell) {
    const auto run = [&]<class R>(const Call<R> &call) {
        nb::gil_scoped_release released;
        backward(call, Gradients<R>{{to<const R>(out), out_t, out_b},
                                    to<const R>(saved),
                                    {to<const R>(grad_out), grad_out_t, grad_out_b},
                                    to<const R>(grad_h_n),
                                    to<const R>(grad_c_n),
                                    {to<R>(grad_x), grad_x_t, grad_x_b},
                                    to<R>(grad_h0),
                                    to<R>(grad_c0),
                                    to<R>(grad_w_ih),
                                    to<R>(grad_w_hh),
                                    to<R>(grad_b_ih),
                                    to<R>(grad_b_hh),
                                    to<R>(grad_slope),
                                    to<R>(grad_gain_ih),
                                    to<R>(grad_gain_hh),
                                    to<R>(grad_gain_cell),
                                    to<R>(grad_bias_cell)});
    };
    is_double ? run(UNROLLED_CALL_OF(double)) : run(UNROLLED_CALL_OF(float));
}

// Only what the size depends on is known when it is asked for.
Size count_saved(int cell, int activation, Size T, Size B, Size F, Size H, bool has_zoneout, bool has_norm,
                 bool is_double) {
    const auto count = [&]<class R>(Call<R> call) {
        static constexpr R kThere{};
        call.cell = cell, call.activation = activation;
        call.steps = T, call.rows = B, call.inputs = F, call.units = H;
        call.zoneout_h = has_zoneout ? 0.5 : 0.0;
        call.gain_hh = has_norm ? &kThere : nullptr;
        return saved_elements(call);
    };
    return is_double ? count(Call<double>{}) : count(Call<float>{});
}

void multiply(Size m, Size n, Size k, Address a, Address b, Address c, int threads) {
    nb::gil_scoped_release released;
    selected().matmul(to<const float>(a), to<const float>(b), to<float>(c), m, n, k, threads);
}

}  // namespace

void bind_recurrence(nb::module_ &m) {
    m.def("recurrence_forward", recurrence_forward);
    m.def("recurrence_backward", recurrence_backward);
    m.def("saved_elements", count_saved);
    m.def("matmul", multiply);
    m.def("release", release);
}

}  // namespace unrolled
