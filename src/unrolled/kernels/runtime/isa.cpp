// The kernel table of one instruction set. CMakeLists.txt compiles this file for each, with UNROLLED_ISA.
#include "gemm/matmul.hpp"
#include "rnn/rnn.hpp"
#include "runtime/dispatch.hpp"
#include "simd/math.hpp"

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
    matmul,
    apply<float, Tanh<float>>,
    apply<double, Tanh<double>>,
    apply<float, Sigmoid<float>>,
    apply<double, Sigmoid<double>>,
};

}  // namespace unrolled::UNROLLED_ISA
