// AdamW on torch's flat tensors; false for tensors that the kernels cannot read as they are.
#include <nanobind/nanobind.h>

#include <optional>

#include "bindings/bindings.hpp"
#include "bindings/tensors.hpp"
#include "optimizer/problem.hpp"

namespace unrolled {

namespace {

namespace nb = nanobind;

// The numbers of a flat float tensor; null if it is none of `count` numbers.
float *flat(nb::handle tensor, std::size_t &count) {
    TensorDescription description{};
    if (!describe_source(tensor, description) || description.ndim != 1) return nullptr;
    const auto size = static_cast<std::size_t>(description.shape[0]);
    if (count == 0) count = size;
    return matches<Array<float>>(description, {count}) ? Viewed<Array<float>>::of(description) : nullptr;
}

double norm_of(nb::handle tensor) {
    std::size_t count = 0;
    const float *const x = flat(tensor, count);
    if (!x && count) throw nb::type_error("squared_norm: expected a flat tensor of float32");
    return squared_norm(x, count);
}

bool step(nb::handle values, nb::handle gradients, nb::handle means, nb::handle squares, double rate,
          double decay, double beta1, double beta2, double eps, double gradient_scale, std::int64_t at_step,
          int threads) {
    std::size_t count = 0;
    AdamW update{.count = 0, .values = flat(values, count), .means = flat(means, count),
                 .squares = flat(squares, count), .gradients = flat(gradients, count), .rate = rate,
                 .decay = decay, .beta1 = beta1, .beta2 = beta2, .eps = eps,
                 .gradient_scale = gradient_scale, .step = at_step, .threads = threads};
    update.count = count;
    if (!update.values || !update.means || !update.squares || !update.gradients) return count == 0;
    nb::gil_scoped_release released;
    adamw_step(update);
    return true;
}

}  // namespace

void bind_optimizer(nb::module_ &m) {
    m.def("squared_norm", norm_of);
    m.def("adamw_step", step);
}

}  // namespace unrolled
