"""Values of the steps of a stream as rows of numbers.

Shapes: n steps, F values a step.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import DataError

Floats = NDArray[np.float64]


def read_numbers(values: Any, name: str) -> Floats:
    """Convert values to float64.

    Raises:
        DataError: they are no numbers, or ragged.
    """
    try:
        array = np.asarray(values)
        if array.dtype.kind not in "fiub":
            raise TypeError(f"values of type {array.dtype}")
        return array.astype(np.float64, copy=False)
    except (TypeError, ValueError) as fault:
        raise DataError(
            f"{name}: expected numbers, got {_describe(values)} ({fault}). Convert them."
        ) from fault


def read_rows(values: Any, width: int, name: str) -> Floats:
    """Convert the values of several steps to (n, F), contiguous.

    Raises:
        DataError: they are no numbers, or not F a step.

    >>> read_rows([1, 2], 1, "xs").tolist()
    [[1.0], [2.0]]
    """
    array = read_numbers(values, name)
    if array.ndim == 1 and (width == 1 or not len(array)):
        array = array.reshape(-1, width)
    if array.ndim != 2 or array.shape[1] != width:
        axes = "(n,) or (n, 1)" if width == 1 else f"(n, {width})"
        raise DataError(
            f"{name}: expected steps of {width} values, {axes}, got shape {array.shape}. A single step is"
            " given as [x]."
        )
    return np.ascontiguousarray(array)


def _describe(values: Any) -> str:
    return repr(values) if isinstance(values, str) and len(values) < 40 else type(values).__name__
