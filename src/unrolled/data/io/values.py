"""Convert arrays, lists and texts to `Sequences`; numbers that stand for no value."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.data.parse.numbers import find_sentinels
from unrolled.data.sequences import DeclaredOrder, Role, Sequences
from unrolled.errors import ArgumentError, DataError


def from_values(source: Any) -> Sequences:
    """Convert texts and arrays, whose order is position."""
    if isinstance(source, str):
        return _from_texts([source])
    if hasattr(source, "detach"):  # a tensor
        source = source.detach().cpu().numpy()
    if hasattr(source, "__array__") and not isinstance(source, np.ndarray):
        source = np.asarray(source)
    if not isinstance(source, list | tuple | np.ndarray) or (
        isinstance(source, np.ndarray) and not source.ndim
    ):
        kind, way = type(source).__name__, ""
        if hasattr(source, "toarray"):
            kind, way = "a sparse matrix", " Call its .toarray() first."
        raise ArgumentError(
            f"source: expected a path, frame, text, list or array of numbers, got {kind}.{way}"
        )
    if len(source) and all(isinstance(item, str) for item in source):
        return _from_texts(list(source))
    notes = _axes_notes(source)
    flat = isinstance(source, np.ndarray) and source.ndim == 1 and source.dtype != object
    if flat or (len(source) and all(np.ndim(item) == 0 for item in source)):
        source = [source]
    series = Sequences.from_arrays(source)
    if len(series.values) and np.isnan(series.target).all():
        raise no_target_error("arrays", "y")
    endless = np.flatnonzero(np.isinf(series.values).any(axis=1))
    if len(endless):
        i = int(np.searchsorted(series.offsets, endless[0], side="right") - 1)
        raise DataError(
            f"sequence {i}, position {endless[0] - series.offsets[i]}: expected a finite number, got an "
            "infinite one. Correct it, or put NaN there and fill it with fill=."
        )
    return replace(series, notes=notes)


def _axes_notes(source: Any) -> tuple[str, ...]:
    """Say how the axes of an array, or of lists of one length, were read; warn where it is unlikely."""
    lengths = (
        {len(one) if np.ndim(one) else -1 for one in source} if isinstance(source, list | tuple) else set()
    )
    shape = np.shape(source[0]) if len(lengths) == 1 and len(source) > 1 else ()
    shape = source.shape if isinstance(source, np.ndarray) else (len(source), *shape)
    if len(shape) < 2:
        return ()
    turned = "numpy.swapaxes(array, 0, 1)"
    columns = f" of {shape[2]} columns" if len(shape) > 2 else ""
    note = (
        f"axes {shape} were read as {shape[0]} series of {shape[1]} steps{columns}; {turned} turns them round"
    )
    if isinstance(source, np.ndarray) and shape[0] > shape[1]:
        warnings.warn(f"{note}, list(array) says that they are right.", stacklevel=4)
    return (note,)


def _from_texts(texts: list[str]) -> Sequences:
    """Encode characters as tokens; the vocabulary is in the order of the characters."""
    if not any(texts):
        raise DataError("text: expected at least one character, got none.")
    letters = [np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32) for text in texts]
    vocabulary, codes = np.unique(np.concatenate(letters), return_inverse=True)
    offsets = np.concatenate([[0], np.cumsum([len(part) for part in letters])]).astype(np.int64)
    return Sequences(
        codes.astype(np.int64),
        offsets,
        tuple(str(i) for i in range(len(texts))),
        columns=("character",),
        order=DeclaredOrder.POSITION,
        source="text",
        tokens=tuple(map(chr, vocabulary.tolist())),
    )


def without_sentinels(series: Sequences, missing: NDArray[np.float64]) -> Sequences:
    """Make numbers that stand for no value missing, and name those that look so."""
    if not series.is_table:
        return series
    if len(missing):
        values = np.where(np.isin(series.values, missing), np.nan, series.values)
        return _trimmed(replace(series, values=values))
    notes = []
    for name, column in zip(series.columns, series.values.T, strict=True):
        for value, count in find_sentinels(column):
            way = f"missing={value:g} reads it so"
            notes.append(f"{name!r} holds {value:g} in {count:,} rows, which may stand for no value; {way}")
    return replace(series, notes=(*series.notes, *notes)) if notes else series


def _trimmed(series: Sequences) -> Sequences:
    """Cut rows without a target from both ends of each series, but for those that hold its future."""
    starts = [int(np.argmax(~np.isnan(one.target))) for one in series]
    ends = series.lengths if series.columns_of(Role.FUTURE) else series.observed
    within = np.arange(len(series.values)) - np.repeat(series.offsets[:-1], series.lengths)
    keep = (within >= np.repeat(starts, series.lengths)) & (within < np.repeat(ends, series.lengths))
    counts = np.add.reduceat(keep, series.offsets[:-1])
    return replace(
        series,
        values=series.values[keep],
        offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        times=None if series.times is None else series.times[keep],
    )


def no_target_error(source: str, target: str) -> DataError:
    """Word the fault of a target without a value."""
    return DataError(f"{source}: expected numbers, got only missing values in {target!r}.")
