// What module.cpp binds beside the functions on arrays.
#pragma once

#include <nanobind/nanobind.h>

namespace unrolled {

// The recurrences as functions of addresses and sizes, in the order that _compiled.pyi gives (pointers.cpp).
void bind_recurrence(nanobind::module_ &m);

// The same as functions of tensors (tensors.cpp).
void bind_door(nanobind::module_ &m);

}  // namespace unrolled
