// Dispatch: the kernels of one instruction set as a table, and the selection of a table at run time.
#pragma once

#include <cstddef>
#include <vector>

#include "forecasting/problem.hpp"
#include "optimizer/problem.hpp"
#include "rnn/problem.hpp"
#include "sequence/problem.hpp"
#include "streaming/problem.hpp"

namespace unrolled {

// A recurrence for one element type.
template <class T>
struct RnnKernels {
    void (*forward)(const Problem<T> &problem, const Outputs<T> &outputs, const Partition &partition);
    void (*backward)(const Problem<T> &problem, const Gradients<T> &gradients, const Partition &partition);
    std::size_t (*saved)(const Problem<T> &problem);
};

// Recurrences that are stepped, for one element type.
template <class T>
struct StepKernels {
    void (*count_bytes)(const Problem<T> &problem, std::size_t rows, std::size_t *packed, std::size_t *scratch);
    void (*pack)(const SteppedLayer<T> &layer);
    void (*step)(const SteppedStack<T> &stack, void *scratch);
};

struct KernelTable {
    const char *name;
    RnnKernels<float> rnn_float;
    RnnKernels<double> rnn_double;
    StepKernels<float> step_float;
    StepKernels<double> step_double;
    void (*matmul)(const float *a, const float *b, float *c, std::size_t m, std::size_t n, std::size_t k,
                   int threads);
    void (*tanh_float)(const float *in, float *out, std::size_t n);
    void (*tanh_double)(const double *in, double *out, std::size_t n);
    void (*sigmoid_float)(const float *in, float *out, std::size_t n);
    void (*sigmoid_double)(const double *in, double *out, std::size_t n);
    void (*softplus)(const float *in, float *out, std::size_t n);
    void (*asinh)(const float *in, float *out, std::size_t n);
    void (*gelu)(const float *in, float *out, std::size_t n);
    void (*conv_stem_forward)(const ConvStem &stem, const ConvStemOutputs &outputs,
                              const RowPartition &partition);
    void (*conv_stem_backward)(const ConvStem &stem, const ConvStemGradients &gradients,
                               const RowPartition &partition);
    void (*pool_forward)(const Pool &pool, const PoolOutputs &outputs, const RowPartition &partition);
    void (*pool_backward)(const Pool &pool, const PoolGradients &gradients, const RowPartition &partition);
    void (*attention_forward)(const Pool &pool, const Attention &attention, float *out, std::size_t out_stride,
                              const RowPartition &partition);
    void (*readout_forward)(const Readout &readout, const float *features, std::size_t rows, double *outputs,
                            int threads);
    std::size_t (*pack_network)(SteppedNetwork &network, void *block);
    std::size_t (*count_sequence_bytes)(const SequenceSteps &call, std::size_t rows);
    void (*step_sequences)(const SequenceSteps &call, std::size_t first, std::size_t last, void *scratch);
    void (*linear_head_forward)(const LinearHead &head, float *inputs, float *outputs, int threads);
    void (*linear_head_backward)(const LinearHead &head, const LinearHeadGradients &gradients, int threads);
    double (*cross_entropy)(const CrossEntropy &problem, int threads);
    std::size_t (*readout_saved)(const QuantileReadout &problem);
    double (*quantile_readout_forward)(const QuantileReadout &problem, float *d_states, float *saved,
                                       int threads);
    void (*quantile_readout_backward)(const QuantileReadout &problem, float *saved,
                                      const QuantileReadoutGradients &gradients, int threads);
    double (*squared_norm)(const float *x, std::size_t count);
    void (*adamw_step)(const AdamW &update, int threads, double bias1, double root_of_bias2);
};

// Tables that this processor can run, the plainest first.
std::vector<const KernelTable *> runnable();

// The selected table: at first the last of runnable().
const KernelTable &selected();

// Select the table of that name; false if this processor cannot run it.
bool select(const char *name);

}  // namespace unrolled
