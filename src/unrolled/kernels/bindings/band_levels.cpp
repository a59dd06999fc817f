// Levels of live sound, stepped, as a Python class that takes NumPy's arrays.
#include "streaming/band_levels.hpp"

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <algorithm>
#include <vector>

#include "bindings/bindings.hpp"

namespace unrolled {

namespace {

namespace nb = nanobind;

template <class Element, std::size_t kAxes>
using NumpyArray = nb::ndarray<Element, nb::numpy, nb::ndim<kAxes>, nb::c_contig, nb::device::cpu>;
using Vector = NumpyArray<double, 1>;
using Rows = NumpyArray<double, 2>;

// The states are NumPy's arrays that the caller keeps alive.
class LevelStepper {
public:
    LevelStepper(const NumpyArray<std::int64_t, 1> &steps, const Vector &peak, const Rows &sums, const Rows &squares,
                 const Vector &prior_sums, const Vector &prior_squares, double prior_frames, double floor,
                 double least_variance)
        : prior_sums_(prior_sums.data(), prior_sums.data() + prior_sums.size()),
          prior_squares_(prior_squares.data(), prior_squares.data() + prior_squares.size()),
          levels_{steps.size(), prior_sums_.size(), steps.data(), peak.data(), sums.data(), squares.data(),
                  prior_sums_.data(), prior_squares_.data(), prior_frames, floor, least_variance} {
        if (peak.size() != levels_.n_streams || !has_rows(sums, levels_.n_streams) ||
            !has_rows(squares, levels_.n_streams) || prior_squares_.size() != levels_.n_bands)
            throw nb::type_error("LevelStepper: the states have other shapes");
    }
    LevelStepper(const LevelStepper &) = delete;  // its settings point at its vectors

    // The next frame (1, F) of all streams to out (N, F).
    void step(const NumpyArray<const double, 2> &frame, const Rows &out) const {
        if (!has_rows(frame, 1) || !has_rows(out, levels_.n_streams))
            throw nb::type_error("step: expected a frame (1, F) and rows (N, F)");
        step_levels(levels_, frame.data(), out.data());
    }

private:
    const std::vector<double> prior_sums_, prior_squares_;
    const BandLevels levels_;

    template <class Array>
    bool has_rows(const Array &rows, std::size_t count) const {
        return rows.shape(0) == count && rows.shape(1) == levels_.n_bands;
    }
};

}  // namespace

void bind_band_levels(nb::module_ &m) {
    const auto as_it_is = [] { return nb::arg().noconvert(); };
    nb::class_<LevelStepper>(m, "LevelStepper")
        .def(nb::init<NumpyArray<std::int64_t, 1>, Vector, Rows, Rows, Vector, Vector, double, double, double>(),
             as_it_is(), as_it_is(), as_it_is(), as_it_is(), as_it_is(), as_it_is(), nb::arg(), nb::arg(), nb::arg())
        .def("step", &LevelStepper::step, as_it_is(), as_it_is());
}

}  // namespace unrolled
