// Networks of sequence estimators that are stepped, and the parts of their inference whose results depend on no
// batch: attention, readout, the mean of the networks.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <atomic>
#include <vector>

#include "bindings/bindings.hpp"
#include "bindings/stepped_layer.hpp"
#include "bindings/tensors.hpp"
#include "runtime/dispatch.hpp"
#include "streaming/sequence.hpp"

namespace unrolled {

namespace {

namespace nb = nanobind;

constexpr double kShortRows = 4;  // rows of a call for which the interpreter is not let go

template <class Element, class... Options>
using NumpyArray = nb::ndarray<Element, nb::numpy, nb::c_contig, nb::device::cpu, Options...>;
using Rows = NumpyArray<const double, nb::ndim<2>>;
using OutRows = NumpyArray<double, nb::ndim<2>>;
using Indices = NumpyArray<const std::int64_t, nb::ndim<1>>;

// A tensor that must be there, as `add_network` takes them; throws where it cannot be read.
template <class View>
View require(nb::handle tensor, std::initializer_list<std::size_t> shape) {
    View to{};
    if (!view(tensor, shape, to)) throw nb::type_error("add_network: a tensor has another shape or type");
    return to;
}

Attention attention_of(const nb::tuple &weights, std::size_t units) {
    Attention attention{};
    attention.units = units;
    attention.weight = require<Array<const float>>(weights[0], {units, units});
    attention.bias = require<Array<const float>>(weights[1], {units});
    attention.score = require<Array<const float>>(weights[2], {1, units});
    return attention;
}

// center, factor, weight and bias.
Readout readout_of(const nb::tuple &tensors, std::size_t outputs) {
    TensorDescription weight{};
    if (!describe_source(tensors[2], weight) || weight.ndim != 2)
        throw nb::type_error("readout: expected a matrix of weights");
    Readout readout{};
    readout.features = static_cast<std::size_t>(weight.shape[1]), readout.outputs = outputs;
    readout.center = require<Array<const float>>(tensors[0], {readout.features});
    readout.factor = require<Array<const float>>(tensors[1], {readout.features});
    readout.weight = require<Array<const float>>(tensors[2], {outputs, readout.features});
    readout.bias = require<Array<const float>>(tensors[3], {outputs});
    return readout;
}

// The states are NumPy's or torch's arrays that the caller keeps alive.
class SequenceStepper {
public:
    SequenceStepper(const NumpyArray<std::int64_t, nb::ndim<1>> &steps, const NumpyArray<const double, nb::ndim<1>> &mean,
                    const NumpyArray<const double, nb::ndim<1>> &scale, double limit, std::size_t n_outputs,
                    bool is_class)
        : networks_(steps.data(), steps.shape(0), {mean.data(), mean.data() + mean.shape(0)},
                    {scale.data(), scale.data() + scale.shape(0)}, limit, n_outputs, is_class) {}

    // stem: (change_scale, weight, bias, scales, stride, ring, block) or None. layers: (settings, weights, h, c) of
    // each. pool: (poolings, sum, max, attended, weights of the attention) or None. readout: (center, factor, weight,
    // bias). direct: (reads the inputs, sum or None).
    void add_network(nb::object stem, const nb::list &layers, nb::object pool, const nb::tuple &readout,
                     const nb::tuple &direct) {
        const std::size_t N = networks_.capacity(), F = networks_.n_inputs();
        SequenceNetworks::Parts parts{};
        SteppedStem own_stem{};
        SteppedPool own_pool{};
        if (!stem.is_none()) {
            read_stem(nb::cast<nb::tuple>(stem), own_stem);
            parts.stem = &own_stem;
        }
        for (nb::handle each : layers) {
            const auto layer = nb::cast<nb::tuple>(each);
            SteppedLayer<float> to{};
            if (!describe_layer(settings_of(nb::cast<nb::tuple>(layer[0])), nb::cast<nb::tuple>(layer[1]), to.problem))
                throw nb::type_error("add_network: the weights of a layer have another shape or type");
            to.h = require<Array<float>>(layer[2], {N, to.problem.units});
            to.c = require<Array<float>>(layer[3], {N, to.problem.units});
            parts.layers.push_back(to);
        }
        if (!pool.is_none()) {
            read_pool(nb::cast<nb::tuple>(pool), parts.layers.back().problem.units, own_pool);
            parts.pool = &own_pool;
        }
        parts.readout = readout_of(readout, networks_.n_outputs());
        parts.reads_inputs = nb::cast<bool>(direct[0]);
        parts.direct_sum = require<Array<double>>(direct[1], {N, F});
        networks_.add_network(parts);
    }

    // Rows x (R, F) of the streams to answers (R, K); without streams all rows are of the first. See `step` of
    // SequenceNetworks for the result.
    std::int64_t step(const Rows &x, const OutRows &out, nb::object streams, nb::object counts, int threads) {
        static constexpr std::int64_t kFirst[] = {0};
        const auto n_rows = static_cast<std::int64_t>(x.shape(0));
        const std::int64_t *rows_of = &n_rows, *which = kFirst;
        std::size_t n_streams = 1;
        Indices given_streams, given_counts;
        if (!streams.is_none()) {
            given_streams = nb::cast<Indices>(streams), given_counts = nb::cast<Indices>(counts);
            which = given_streams.data(), rows_of = given_counts.data(), n_streams = given_streams.shape(0);
        }
        const OneCall held(is_busy_);
        if (n_rows < kShortRows) return networks_.step(which, rows_of, n_streams, x.data(), n_rows, out.data(), 1);
        nb::gil_scoped_release released;
        return networks_.step(which, rows_of, n_streams, x.data(), n_rows, out.data(), threads);
    }

private:
    SequenceNetworks networks_;
    std::atomic_flag is_busy_{};

    void read_stem(const nb::tuple &parts, SteppedStem &to) const {
        TensorDescription weight{}, ring{};
        if (!describe_source(parts[1], weight) || weight.ndim != 3 || !describe_target(parts[5], ring) || ring.ndim != 3)
            throw nb::type_error("add_network: expected weights of the stem, and its ring");
        const std::size_t N = networks_.capacity(), F = networks_.n_inputs();
        const auto C = static_cast<std::size_t>(weight.shape[0]);
        ConvStem &stem = to.stem;
        stem.inputs = F, stem.channels = C;
        stem.scales = nb::cast<std::size_t>(parts[3]), stem.stride = nb::cast<std::size_t>(parts[4]);
        stem.change_scale = require<Array<const float>>(parts[0], {F});
        stem.weight = require<Array<const float>>(parts[1], {C, 2 * F, kTaps});
        stem.bias = require<Array<const float>>(parts[2], {C});
        to.ring_steps = static_cast<std::size_t>(ring.shape[1]);
        to.ring = require<Array<float>>(parts[5], {N, to.ring_steps, 2 * F});
        to.block = require<Array<float>>(parts[6], {N, stem.width()});
    }

    void read_pool(const nb::tuple &parts, std::size_t units, SteppedPool &to) const {
        const std::size_t N = networks_.capacity();
        to.units = units;
        for (nb::handle pooling : nb::cast<nb::tuple>(parts[0])) to.list[to.count++] = Pooling(nb::cast<int>(pooling));
        to.sum = require<Array<float>>(parts[1], {N, units});
        to.max = require<Array<float>>(parts[2], {N, units});
        to.attended = require<Array<float>>(parts[3], {N, units + 2});
        if (to.attended) to.attention = attention_of(nb::cast<nb::tuple>(parts[4]), units);
    }
};

// Attention pooling of states (T, B, H) to (B, H).
void pool_by_attention(nb::handle states, nb::handle lengths, const nb::tuple &weights, int threads, nb::handle out) {
    TensorDescription description{};
    if (!describe_source(states, description) || description.ndim != 3)
        throw nb::type_error("attention_pool: expected states (T, B, H)");
    Pool pool{};
    pool.rows = static_cast<std::size_t>(description.shape[1]);
    pool.steps = static_cast<std::size_t>(description.shape[0]);
    pool.units = static_cast<std::size_t>(description.shape[2]);
    pool.threads = threads;
    pool.states = require<StepView<const float>>(states, {pool.steps, pool.rows, pool.units});
    pool.lengths = require<Array<const std::int64_t>>(lengths, {pool.rows});
    float *const to = require<Array<float>>(out, {pool.rows, pool.units});
    const Attention attention = attention_of(weights, pool.units);
    nb::gil_scoped_release released;
    unrolled::attention_pool(pool, attention, to);
}

// Outputs (R, K) in double precision of features (R, D).
void readout(nb::handle features, const nb::tuple &tensors, int threads, nb::handle out) {
    TensorDescription description{};
    if (!describe_target(out, description) || description.ndim != 2)
        throw nb::type_error("readout: expected outputs (R, K)");
    const auto rows = static_cast<std::size_t>(description.shape[0]);
    const Readout readout = readout_of(tensors, static_cast<std::size_t>(description.shape[1]));
    const float *const from = require<Array<const float>>(features, {rows, readout.features});
    double *const to = require<Array<double>>(out, {rows, readout.outputs});
    const double work = 2.0 * static_cast<double>(rows * readout.features * readout.outputs) / kMinThreadWork;
    const double most = threads < 1 ? 1 : threads < kMaxThreads ? threads : kMaxThreads;
    nb::gil_scoped_release released;
    selected().readout_forward(readout, from, rows, to, static_cast<int>(work < 1 ? 1 : work < most ? work : most));
}

// Answers (R, K) of the outputs (M, R, K) of M networks.
void mean_answers(const NumpyArray<const double, nb::ndim<3>> &outputs, bool is_class, const OutRows &out) {
    const std::size_t M = outputs.shape(0), R = outputs.shape(1), K = outputs.shape(2);
    nb::gil_scoped_release released;
    std::vector<double> row(M * K);
    for (std::size_t r = 0; r < R; ++r) {
        for (std::size_t m = 0; m < M; ++m)
            for (std::size_t k = 0; k < K; ++k) row[m * K + k] = outputs.data()[(m * R + r) * K + k];
        mean_answer(row.data(), M, K, is_class, out.data() + r * K);
    }
}

}  // namespace

void bind_sequence_streaming(nb::module_ &m) {
    nb::class_<SequenceStepper>(m, "SequenceStepper")
        .def(nb::init<NumpyArray<std::int64_t, nb::ndim<1>>, NumpyArray<const double, nb::ndim<1>>,
                      NumpyArray<const double, nb::ndim<1>>, double, std::size_t, bool>())
        .def("add_network", &SequenceStepper::add_network, nb::arg().none(), nb::arg(), nb::arg().none(), nb::arg(),
             nb::arg())
        .def("step", &SequenceStepper::step, nb::arg().noconvert(), nb::arg().noconvert(), nb::arg().none(),
             nb::arg().none(), nb::arg());
    m.def("attention_pool", pool_by_attention, nb::arg(), nb::arg().none(), nb::arg(), nb::arg(), nb::arg());
    m.def("readout", readout);
    m.def("mean_answers", mean_answers);
}

}  // namespace unrolled
