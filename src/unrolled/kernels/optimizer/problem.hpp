// Problem descriptor of a step of AdamW on flat arrays. Plain data only, as in rnn/problem.hpp.
#pragma once

#include "rnn/problem.hpp"

namespace unrolled {

// With g divided by `gradient_scale`, and t = `step`, counted from 1:
//   p -= rate decay p;  m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2
//   p -= rate (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)
struct AdamW {
    std::size_t count;
    Array<float> values, means, squares;
    Array<const float> gradients;
    double rate, decay, beta1, beta2, eps, gradient_scale;
    std::int64_t step;
    int threads;
};

// Sum of squares of `count` numbers, in one order whatever the number of threads.
double squared_norm(const float *x, std::size_t count);

void adamw_step(const AdamW &update);

}  // namespace unrolled
