"""Read X as the sequence estimators take it: arrays in either layout, padded or not, lists and frames."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unrolled.data.alignment import names_steps
from unrolled.data.clips import channels_of, frame_words, require_clips
from unrolled.data.io.arrays import as_sequences, to_sequences
from unrolled.data.padding import cut_to_lengths
from unrolled.data.sequences import Sequences
from unrolled.errors import DataError


class SequenceInputs(NamedTuple):
    """Sequences, and how long each was as it was given.

    Args:
        X: as it was given.
        data: N sequences without padding.
        given_lengths: (N,) steps of each, padding included.
    """

    X: Any
    data: Sequences
    given_lengths: NDArray[np.int64]


def read_inputs(
    X: Any, who: str, *, layout: str | None, lengths: Any, missing: str | None = None, per_step: bool = False
) -> SequenceInputs:
    """Convert X to sequences and cut their padding; values within may be missing where `missing` fills them.

    Raises:
        DataError: X or lengths cannot be used as they are.

    >>> read_inputs(np.ones((2, 3, 5)), "X", layout="nct", lengths=[5, 4]).data.lengths.tolist()
    [5, 4]
    """
    series = to_sequences(X, who, layout=layout)
    if series.has_frames:
        require_clips(series, who)
        _refuse_for_frames(who, layout=layout, missing=missing)
        data = series if lengths is None else cut_to_lengths(series, lengths, who)
        return SequenceInputs(X, data, series.lengths)
    if missing is not None and per_step and lengths is None:
        lengths = series.lengths  # every step has a target, one at the end without a value too
    data = as_sequences(series, who=who, lengths=lengths, allow_missing=missing is not None)
    return SequenceInputs(X, data, series.lengths)


def _refuse_for_frames(who: str, **settings: str | None) -> None:
    """Pass if these settings, which frames have no use for, were left out."""
    for name, value in settings.items():
        if value is not None:
            raise DataError(
                f"{who}: expected features, as {name}={value!r} says, got frames, whose axes are (T, H, W) "
                f"or (T, C, H, W) and whose numbers are all there. Leave {name} out."
            )


def require_features(
    data: Sequences, expected: int, who: str, shape: tuple[int, ...], layout: str | None
) -> None:
    """Pass if sequences have as many features a step as those that were fitted on.

    Args:
        data: N sequences.
        expected: features that were fitted on.
        who: what messages call them.
        shape: of the array that they were given as; () of others.
        layout: of the estimator.

    Raises:
        DataError: they have more or fewer.
    """
    n_features = data.values.shape[1]
    if n_features == expected:
        return
    way = "Select the columns that were fitted on, or fit a model on these."
    steps = len(data) if layout == "nct" else data.lengths
    if n_features == 1 and np.all(steps == expected):
        way = "A single sequence is given as [x]."
    elif expected in shape[1:]:
        way = f"Turn its axes round: layout={layout or 'ntc'!r} is that of X in fit and here."
    raise DataError(f"{who}: expected {expected} features a step, as in fit, got {n_features}. {way}")


def require_frame_shape(data: Sequences, expected: tuple[int, ...], who: str) -> None:
    """Pass if sequences are of frames (C, H, W), or of none where `expected` is (), as those fitted on.

    Raises:
        DataError: they are of others.
    """
    got = channels_of(data) if data.has_frames else ()
    if got != expected:
        names = [f"frames of {frame_words(shape)}" if shape else "features" for shape in (expected, got)]
        way = "Bring them to that form." if got else "A single clip is given as [x], one frame as [x[None]]."
        raise DataError(f"{who}: expected {names[0]}, as in fit, got {names[1]}. {way}")


def count_table_steps(X: Any, data: Sequences, *, lists: bool) -> int:
    """Return T where X is a table, a row a sequence and a column a step: scikit-learn's features; else 0.

    >>> count_table_steps(np.ones((4, 3)), as_sequences(np.ones((4, 3))), lists=False)
    3
    """
    if data.has_frames:
        return 0
    steps = int(data.lengths[0])
    shape = tuple(getattr(X, "shape", ()))
    if lists and isinstance(X, list | tuple):
        shape = (len(X), *np.shape(X[0]))
    is_table = shape == (len(data), steps) and data.values.shape[1] == 1 and (data.lengths == steps).all()
    return steps if is_table else 0


def require_table_steps(steps: int, expected: int, estimator: str) -> None:
    """Pass if a table, a row a sequence, has as many steps as the one that was fitted on.

    Args:
        steps: of the table; 0 for other input.
        expected: of the table that was fitted on; 0 likewise.
        estimator: its name.

    Raises:
        DataError: it has more or fewer; in scikit-learn's words.
    """
    if expected and steps and steps != expected:
        raise DataError(
            f"X has {steps} features, but {estimator} is expecting {expected} features as input: a column a "
            "step, as in fit. A single sequence is given as [x]; those of other lengths are taken as a list, "
            "or as (N, T, 1)."
        )


def count_columns(data: Sequences) -> int:
    """Count the columns of the source: features, or steps of a table with a row a sequence.

    >>> count_columns(as_sequences(np.ones((4, 3, 2))))
    2
    """
    n_features = int(np.prod(data.feature_shape))
    return len(data.header) if names_steps(data.header, n_features) else n_features


def feature_names(X: Any, data: Sequences) -> dict[str, NDArray[Any]]:
    """Return the columns that were read as `feature_names_in_`, if all are named by texts."""
    if not data.header or not all(isinstance(name, str) for name in getattr(X, "columns", ())):
        return {}
    return {"feature_names_in_": np.array(data.header, dtype=object)}
