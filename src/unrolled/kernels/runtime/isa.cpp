// The kernel table of one instruction set. CMakeLists.txt compiles this file for each, with UNROLLED_ISA.
#include "forecasting/quantile_readout.hpp"
#include "gemm/matmul.hpp"
#include "optimizer/adamw.hpp"
#include "rnn/rnn.hpp"
#include "runtime/dispatch.hpp"
#include "sequence/conv_stem.hpp"
#include "sequence/cross_entropy.hpp"
#include "sequence/linear_head.hpp"
#include "sequence/pooling.hpp"
#include "simd/math.hpp"
#include "streaming/sequence_step.hpp"

#define UNROLLED_TEXT_OF(name) #name
#define UNROLLED_TEXT(name) UNROLLED_TEXT_OF(name)

namespace unrolled::UNROLLED_ISA {

template <class T, class F>
static void apply(const T *in, T *out, std::size_t n) {
    map(in, out, n, F{});
}

extern const KernelTable kernels;
const KernelTable kernels{
    UNROLLED_TEXT(UNROLLED_ISA),
    {forward<float>, backward<float>, saved<float>},
    {forward<double>, backward<double>, saved<double>},
    {count_step_bytes<float>, pack_step_weights<float>, step_stack<float>},
    {count_step_bytes<double>, pack_step_weights<double>, step_stack<double>},
    matmul,
    apply<float, Tanh<float>>,
    apply<double, Tanh<double>>,
    apply<float, Sigmoid<float>>,
    apply<double, Sigmoid<double>>,
    apply<float, Softplus>,
    apply<float, Asinh>,
    apply<float, Gelu>,
    conv_stem_forward,
    conv_stem_backward,
    pool_forward,
    pool_backward,
    attention_forward,
    readout_forward,
    pack_network,
    count_sequence_bytes,
    step_sequences,
    linear_head_forward,
    linear_head_backward,
    cross_entropy,
    readout_saved,
    quantile_readout_forward,
    quantile_readout_backward,
    squared_norm,
    adamw_step,
};

}  // namespace unrolled::UNROLLED_ISA
