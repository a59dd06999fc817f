// Bindings that module.cpp adds to the module.
#pragma once

#include <nanobind/nanobind.h>

namespace unrolled {

// Class Recurrence and the operand list (recurrence.cpp).
void bind_recurrence(nanobind::module_ &m);

}  // namespace unrolled
