// Levels of log-mel frames that are divided out as sound goes on, for streams that hear the same frame.
//
// Shapes: N streams, F bands.
#pragma once

#include <cstddef>
#include <cstdint>

namespace unrolled {

// Settings and states of BandLevels of models/audio/levels.py, which has the formula.
struct BandLevels {
    std::size_t n_streams, n_bands;
    std::int64_t *steps;                       // (N,) frames so far
    double *peak;                              // (N,) the largest value so far
    double *sums, *squares;                    // (N, F) of z and of its square, with those of the prior frames
    const double *prior_sums, *prior_squares;  // (F,)
    double prior_frames, floor, least_variance;
};

// Normalise the next frame (F,) of all streams to out (N, F), and move the states on.
void step_levels(const BandLevels &levels, const double *frame, double *out);

}  // namespace unrolled
