// The recurrences as functions of addresses and sizes; kernels/__init__.py says what they are called with.
#pragma once

#include <nanobind/nanobind.h>

namespace unrolled {

void bind_recurrence(nanobind::module_ &m);

// The same as functions of tensors.
void bind_door(nanobind::module_ &m);

}  // namespace unrolled
