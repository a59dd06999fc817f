// Bindings that module.cpp adds to the module.
#pragma once

#include <nanobind/nanobind.h>

namespace unrolled {

// Class Recurrence and the operand list (recurrence.cpp).
void bind_recurrence(nanobind::module_ &m);

// AdamW (optimizer.cpp).
void bind_optimizer(nanobind::module_ &m);

// Stem, pooling and loss of a sequence network (sequence.cpp).
void bind_sequence(nanobind::module_ &m);

// Recurrences that are stepped (streaming.cpp).
void bind_streaming(nanobind::module_ &m);

// Sequence networks that are stepped, and inference that depends on no batch (sequence_streaming.cpp).
void bind_sequence_streaming(nanobind::module_ &m);

// Levels of live sound that are stepped (band_levels.cpp).
void bind_band_levels(nanobind::module_ &m);

// Windows and readout of a Forecaster (forecasting.cpp).
void bind_forecasting(nanobind::module_ &m);

}  // namespace unrolled
