"""Convert lists and arrays, one a sequence, to the parts that `Sequences` joins."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.data.parse.numbers import quoted
from unrolled.errors import DataError, DataTypeError

_RANGE = (1e-150, 1e150)  # inside it, squares are still numbers


def out_of_range(numbers: NDArray[np.float64]) -> tuple[int, str]:
    """Find the row of a number whose square is lost, and the demand to print; "" where there is none.

    >>> out_of_range(np.array([1.0, 1e200]))[1]
    'expected numbers up to 1e+150, got 1e+200. Divide the column by a power of ten.'
    """
    sizes = np.where(np.isfinite(numbers), np.abs(numbers), 0.0)
    row = int(np.argmax(sizes)) if len(sizes) else 0
    most = sizes[row] if len(sizes) else 0.0
    if most > _RANGE[1]:
        got = f"got {numbers[row]:g}. Divide the column by a power of ten."
        return row, f"expected numbers up to {_RANGE[1]:g}, {got}"
    if 0 < most < _RANGE[0]:
        return row, (
            f"expected a number beyond {_RANGE[0]:g} in its column, got {numbers[row]:g} as the largest. "
            "Multiply the column by a power of ten."
        )
    return row, ""


def table_parts(arrays: list[Any]) -> list[NDArray[np.float64]]:
    """Convert arrays to (T_i, F) of float64, all with the same F.

    Raises:
        DataError: one is no table of numbers, or another has other columns.

    >>> [part.shape for part in table_parts([[1.0, 2.0], []])]
    [(2, 1), (0, 1)]
    """
    parts = [_numbers(i, part) for i, part in enumerate(arrays)]
    features = max(part.shape[1] for part in parts)
    parts = [part if part.size else part.reshape(0, features) for part in parts]
    for i, part in enumerate(parts):
        if part.shape[1] != parts[0].shape[1]:
            expected, got = parts[0].shape[1], part.shape[1]
            raise DataError(f"sequence {i}: expected {expected} columns as in sequence 0, got {got}.")
    return parts


def typed_parts(arrays: list[Any], dtype: np.dtype[Any]) -> list[NDArray[Any]]:
    """Convert arrays to (T_i, *feature_shape) of one type, which holds each of their values.

    Raises:
        DataError: a value does not fit the type, or the shapes of steps differ.

    >>> [part.shape for part in typed_parts([np.zeros((3, 8, 6)), []], np.dtype(np.uint8))]
    [(3, 8, 6), (0, 8, 6)]
    """
    parts = []
    for i, part in enumerate(arrays):
        try:
            raw = np.asarray(part)
            with np.errstate(invalid="ignore"):  # NaN as an integer is refused below
                converted = raw.astype(dtype, copy=False)
        except (TypeError, ValueError, OverflowError) as fault:
            raise DataError(f"sequence {i}: expected values of type {dtype}; {fault}.") from fault
        if dtype.kind in "biu" and raw.size and (converted != raw).any():
            changed = raw[converted != raw][0]
            raise DataError(f"sequence {i}: expected values of type {dtype}, got {changed}.")
        if not converted.ndim:
            raise DataError(f"sequence {i}: expected shape (T, *feature_shape), got ().")
        if len(converted) and not converted.size:
            raise DataError(f"sequence {i}: expected steps that hold values, got {converted.shape}.")
        parts.append(converted)
    shape = next((part.shape[1:] for part in parts if part.size), parts[0].shape[1:])
    for i, part in enumerate(parts):
        if part.size and part.shape[1:] != shape:
            raise DataError(f"sequence {i}: expected steps of shape {shape}, got {part.shape[1:]}.")
    return [part if part.size else part.reshape(0, *shape) for part in parts]


def _numbers(position: int, part: Any) -> NDArray[np.float64]:
    """Convert one array of `from_arrays` to (T, F), or say in a sentence why it is none."""
    try:
        raw = part if isinstance(part, np.ndarray) else np.asarray(part)
        kind = raw.dtype.kind
        array = np.empty(0) if kind in "cmM" else np.asarray(np.ma.filled(raw.astype(np.float64), np.nan))
    except (TypeError, ValueError, OverflowError) as fault:
        raise DataError(f"sequence {position}: expected numbers of shape (T,) or (T, F); {fault}.") from fault
    if kind in "cmM":
        way = (
            " Complex data not supported."
            if kind == "c"
            else " Give times beside their values: {'ds': times, 'y': values}."
        )
        raise DataError(f"sequence {position}: expected real numbers, got {raw.dtype}.{way}")
    if array.ndim not in {1, 2}:
        raise DataError(f"sequence {position}: expected shape (T,) or (T, F), got {array.shape}.")
    if len(array) and not array.size:
        raise DataError(f"sequence {position}: expected at least one feature a step, got {array.shape}.")
    array = array[:, None] if array.ndim == 1 else array
    for column in array.T:
        row, demand = out_of_range(column)
        if demand:
            raise DataError(f"sequence {position}, position {row}: {demand}")
    return array


def as_array(x: Any, who: str) -> NDArray[Any]:
    """Convert anything that numpy reads; tensors are detached first."""
    if isinstance(x, np.ndarray):
        return x
    if hasattr(x, "detach"):
        x = x.detach().cpu()
    try:
        return np.asarray(x)
    except (TypeError, ValueError) as fault:
        got = "got rows of different lengths" if "inhomogeneous" in str(fault) else f"got {type(x).__name__}"
        raise DataError(f"{who}: expected numbers of shape (T,) or (T, F), {got}.") from fault


def as_floats(x: NDArray[Any], who: str) -> NDArray[np.float64]:
    """Convert an array to float64, or say in a sentence why it is no array of numbers."""
    if x.dtype.kind in "fiub":
        x = x.astype(np.float64, copy=False)
        return np.asarray(x.filled(np.nan) if isinstance(x, np.ma.MaskedArray) else x)
    if x.dtype.kind == "c":
        raise DataError(f"{who}: expected real numbers, got {x.dtype}. Complex data not supported.")
    if x.dtype.kind in "mM":
        raise DataTypeError(f"{who}: expected numbers, got {x.dtype}. Give them as numbers, such as seconds.")
    odd = next((value for value in x.flat if isinstance(value, str | bytes)), None)
    if odd is not None:
        raise DataTypeError(
            f"{who}: expected numbers, got strings such as {quoted(odd)}. Convert them with .astype(float)."
        )
    try:
        return x.astype(np.float64)
    except (OverflowError, TypeError, ValueError) as fault:
        reason = str(fault).rstrip(".")
        raise DataTypeError(f"{who}: expected numbers in an object array; {reason}.") from fault
