"""Jobs of the rivals: arrays in and out, with torch's names, torch's order of gates.

x (T, B, F), cotangent (T, B, H), weight_ih (G * H, F), weight_hh (G * H, H), bias_ih and bias_hh (G * H,).
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Arrays = dict[str, Array]


class Job(NamedTuple):
    """Computation that is timed."""

    run: Callable[[int], Any]  # so many times, to the end
    answers: Callable[[], Arrays]  # what it computes: the output, and gradients by the weights' names


def reordered(weight: Array, order: Sequence[int]) -> Array:
    """Reorder the blocks of gates (first axis)."""
    gates = np.split(np.asarray(weight), len(order))
    return np.concatenate([gates[k] for k in order])


def inverse(order: Sequence[int]) -> list[int]:
    """Return the inverse permutation."""
    return [list(order).index(k) for k in range(len(order))]
