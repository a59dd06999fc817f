// Levels of log-mel frames, stepped.
//
// Every operation is that of BandLevels.advance in models/audio/levels.py, in its order. CMakeLists.txt forbids
// contraction here: a fused multiply-add has other bits.
#include "streaming/band_levels.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace unrolled {

void step_levels(const BandLevels &levels, const double *frame, double *out) {
    const std::size_t F = levels.n_bands;
    const double top = *std::max_element(frame, frame + F);
    for (std::size_t stream = 0; stream < levels.n_streams; ++stream, out += F) {
        double *const sums = levels.sums + stream * F, *const squares = levels.squares + stream * F;
        double &peak = levels.peak[stream];
        if (levels.steps[stream] == 0) {
            peak = -std::numeric_limits<double>::infinity();
            std::copy_n(levels.prior_sums, F, sums);
            std::copy_n(levels.prior_squares, F, squares);
        }
        peak = std::max(peak, top);
        const double count = static_cast<double>(++levels.steps[stream]) + levels.prior_frames;
        for (std::size_t band = 0; band < F; ++band) {
            const double z = std::max(frame[band] - peak, -levels.floor);
            sums[band] += z;
            squares[band] += z * z;
            const double mean = sums[band] / count;
            const double variance = std::max(squares[band] / count - mean * mean, levels.least_variance);
            out[band] = (z - mean) / std::sqrt(variance);
        }
    }
}

}  // namespace unrolled
