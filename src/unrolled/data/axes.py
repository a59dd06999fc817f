"""Axes of arrays: steps before features, or features before steps; one sequence, or many of one step."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from unrolled.data.clips import frame_words
from unrolled.data.parts import as_array
from unrolled.data.sequences import Sequences
from unrolled.errors import DataError
from unrolled.formatting import quantity


class InputWarning(UserWarning):
    """X may be meant otherwise than it was read: its axes, its padding, columns that were left out."""


def channels_last(X: Any) -> Any:
    """Turn arrays (N, F, T), or a list of arrays (F, T_i), round; what has no features stays."""
    if isinstance(X, np.ndarray) and X.ndim == 3:
        return X.swapaxes(1, 2)
    is_list = not isinstance(X, np.ndarray) or X.dtype.kind == "O"
    if not is_list or any(hasattr(x, "columns") for x in X):
        return X
    parts = [as_array(x, f"sequence {i}") for i, x in enumerate(X)]
    return [part.T if part.ndim == 2 else part for part in parts]


def one_column_error(shape: tuple[int, ...], who: str) -> DataError:
    """Word the fault of a table of one column, which is one sequence rather than many of one step."""
    return DataError(
        f"{who}: expected sequences of several steps, got a table of 1 feature(s), shape {shape}, which is "
        f"one sequence of {shape[0]} steps or {shape[0]} of one step. Give one sequence as [x], or x[None] "
        "for an array; and single steps as an array (N, 1, 1)."
    )


def axes_words(series: Sequences) -> str:
    """Describe how the axes of X were read.

    >>> axes_words(Sequences.from_arrays(np.zeros((4, 7, 2))))
    '4 sequences of 7 steps, 2 features a step'
    >>> axes_words(Sequences.from_arrays([[1.0], [2.0, 3.0]]))
    '2 sequences of 1 to 2 steps, 1 feature a step'
    >>> axes_words(Sequences.from_arrays([np.zeros((5, 8, 6), np.uint8)], dtype=np.uint8))
    '1 sequence of 5 steps, frames of 8 x 6, uint8'
    """
    least, most = int(series.lengths.min()), int(series.lengths.max())
    steps = quantity(most, "step") if least == most else f"{least} to {most} steps"
    content = f"{quantity(series.values.shape[1], 'feature')} a step"
    if series.has_frames:
        content = f"frames of {frame_words(series.feature_shape)}, {series.values.dtype}"
    return f"{quantity(len(series), 'sequence')} of {steps}, {content}"


def warn_of_few_steps(X: Any, series: Sequences, who: str, *, stacklevel: int) -> None:
    """Warn where every sequence of an array or a list has fewer steps than features.

    Such is an array (N, F, T) that is read as (N, T, F).
    """
    if series.header or series.has_frames or not (isinstance(X, list | tuple) or hasattr(X, "__array__")):
        return
    if (series.lengths < series.values.shape[1]).all():
        message = (
            f"{who}: every sequence has fewer steps than features: {axes_words(series)}. Give layout='nct' "
            "if the features come first, as in aeon and in torch's convolutions, or layout='ntc' if the "
            "steps do."
        )
        warnings.warn(message, InputWarning, stacklevel=stacklevel + 1)
