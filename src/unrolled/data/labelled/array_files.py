"""Read sequences and labels from `.npz` and `.npy` files, by the names under which arrays are saved."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unrolled.data.io.arrays import to_sequences
from unrolled.data.io.targets import as_labels, as_numbers
from unrolled.data.sequences import Sequences
from unrolled.errors import ArgumentError, DataError
from unrolled.validation import check_choice

Array = NDArray[Any]

PARTS = ("train", "test")
NPY = b"\x93NUMPY"  # how such a file begins
_ZIP, _MEMBER = b"PK", ".npy"
_VALUES = ("X", "x", "data", "arr_0")  # numpy's own names of arrays saved without one come last
_LABELS = ("y", "Y", "labels", "label", "target", "targets", "arr_1")
_UNNAMED = "arr_0"


class ArrayNames(NamedTuple):
    """Names of the values and of the labels in an `.npz`; "" where there are none."""

    values: str
    labels: str


def is_npz(content: bytes) -> bool:
    """Return whether a file is a zip of arrays.

    >>> is_npz(b"a,b")
    False
    """
    if not content.startswith(_ZIP):
        return False
    try:
        names = zipfile.ZipFile(io.BytesIO(content)).namelist()
    except zipfile.BadZipFile:
        return True  # cut: what it was, its reader says
    return not names or any(name.endswith(_MEMBER) for name in names)  # np.savez of nothing has none


def npz_parts(content: bytes, source: str) -> tuple[str, ...]:
    """List the parts of an `.npz`: of ("train", "test") those whose values it holds."""
    return _parts(_load(content, source).files)


def read_npz(content: bytes, source: str, part: str | None) -> tuple[Sequences, Array | None]:
    """Read the sequences, and the labels beside them, of an `.npz` or of one part of it.

    Args:
        content: of the file.
        source: what messages call it.
        part: "train" or "test", where the file has both.

    Returns:
        Sequences; (N,) labels, or None where the file has none.

    Raises:
        ArgumentError: the file has parts and none is chosen, or `part` is no name of one.
        DataError: it is cut, holds Python objects, or has no array of values.
    """
    arrays = _load(content, source)
    parts = _parts(arrays.files)
    if part is not None:
        check_choice("part", part, PARTS)
    names = _names(arrays.files, part)
    if part is None and parts and not names.values:
        raise ArgumentError(
            f"part: {source} has a part {' and '.join(parts)}; choose one with part='{parts[0]}'."
        )
    if not names.values:
        end = "" if part is None else f"_{part}"
        raise DataError(
            f"{source}: expected arrays X{end} and y{end}, got {', '.join(arrays.files) or 'none'}. Save "
            f"them as np.savez(path, X{end}=X, y{end}=y)."
        )
    series = _sequences(_member(arrays, names.values, source), f"{source}, {names.values}", source)
    if not names.labels:
        return series, None
    labels, who = _member(arrays, names.labels, source), f"{source}, {names.labels}"
    if names.values == _UNNAMED:
        note = f"arrays without names: {names.values} was read as X and {names.labels} as y"
        series = replace(series, notes=(*series.notes, note))
    is_number = labels.dtype.kind == "f" and bool((labels != np.floor(labels)).any())
    return series, (as_numbers if is_number else as_labels)(labels, len(series), who=who)


def read_npy(content: bytes, source: str) -> Sequences:
    """Read the sequences of an `.npy`: one array (N, T), (N, T, F) or (N, T, H, W), without labels.

    Raises:
        DataError: it is cut, holds Python objects, or has other axes.
    """
    return _sequences(load_npy(content, source), source, source)


def load_npy(content: bytes, source: str) -> Array:
    """Load the array of an `.npy`.

    Raises:
        DataError: it is cut, or holds Python objects.
    """
    try:
        return np.asarray(np.load(io.BytesIO(content), allow_pickle=False))
    except (OSError, EOFError, ValueError) as fault:
        if "allow_pickle" in str(fault):
            raise _objects_error(source) from fault
        raise _damaged_error(source, ".npy file") from fault


def _sequences(values: Array, who: str, source: str) -> Sequences:
    return replace(to_sequences(values, who), source=source)


def _names(files: Iterable[str], part: str | None) -> ArrayNames:
    """Find the arrays that are meant, in the spellings of NumPy's, Keras' and the archives' files."""
    present = list(files)
    end = "" if part is None else f"_{part}"
    values = next((f"{name}{end}" for name in _VALUES if f"{name}{end}" in present), "")
    labels = next((f"{name}{end}" for name in _LABELS if f"{name}{end}" in present), "")
    return ArrayNames(values, labels)


def _parts(files: Iterable[str]) -> tuple[str, ...]:
    present = list(files)
    return tuple(part for part in PARTS if _names(present, part).values)


def _load(content: bytes, source: str) -> Any:
    try:
        return np.load(io.BytesIO(content), allow_pickle=False)
    except (zipfile.BadZipFile, OSError, ValueError) as fault:
        raise _damaged_error(source, ".npz file") from fault


def _member(arrays: Any, name: str, source: str) -> Array:
    try:
        return np.asarray(arrays[name])
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError) as fault:
        raise _damaged_error(source, ".npz file") from fault
    except ValueError as fault:  # objects are pickles, and a pickle can run code
        raise _objects_error(f"{source}, {name}") from fault


def _damaged_error(source: str, kind: str) -> DataError:
    return DataError(f"{source}: expected a whole {kind}, got a cut or damaged one. Fetch it again.")


def _objects_error(who: str) -> DataError:
    way = "Save labels as np.array(y, dtype=str), and sequences of many lengths as a long table."
    return DataError(f"{who}: expected numbers or texts, got Python objects. {way}")
