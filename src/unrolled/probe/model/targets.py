"""Encode targets as tensors: labels as positions among classes, or numbers.

Shapes: N sequences, T steps of the longest, K outputs: classes or numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from unrolled.data.alignment import align_steps, align_targets
from unrolled.data.io.arrays import to_sequences
from unrolled.data.io.frames import is_frame
from unrolled.data.io.targets import IGNORED, are_labelled, as_labels
from unrolled.data.sequences import Sequences
from unrolled.errors import DataError

NO_TARGET = IGNORED


def are_class_numbers(y: Any, K: int, *, per_step: bool, caller: str) -> bool:
    """Tell whether y holds class numbers of a module with K outputs: whole numbers, one a sequence or step.

    For a single output only 0 and 1 are classes.

    Raises:
        DataError: y holds names, which a module's classes do not have.

    >>> are_class_numbers([0, 2, 1], 3, per_step=False, caller="order y")
    True
    """
    parts = [_labelled_part(part) for part in y] if per_step else [np.asarray(y)]
    for part in parts:
        if part.dtype.kind in "US":
            raise DataError(
                f"{caller}: expected class numbers from 0 on, because a module's classes have no names; "
                f"got {part.ravel()[0].item()!r}. Give np.unique(y, return_inverse=True)[1]."
            )
        if part.dtype.kind not in "biuf" or part.ndim > 1 or (part != np.floor(part)).any():
            return False
    return K > 1 or all(np.isin(part, (0, 1)).all() for part in parts)


def align_to_frame(y: Any, X: Any, *, per_step: bool, caller: str) -> Any:
    """Bring y into the order of the sequences of a frame, where it has an index of ids; see `align_targets`.

    Raises:
        DataError: its order may be meant by id or by position.
    """
    if not (is_frame(X) or isinstance(X, Sequences)):
        return y
    series = to_sequences(X, caller)
    return align_steps(y, series, X, caller) if per_step else align_targets(y, series, caller)


def class_numbers(y: Any, K: int, *, per_step: bool) -> Any:
    """Turn one-hot rows, a column an output of a module, into class numbers; whatever else stays.

    For a single output two columns are its classes 0 and 1, and one column is their numbers.

    >>> class_numbers([[0, 1, 0], [0, 0, 1]], 3, per_step=False).tolist()
    [1, 2]
    """
    if (
        y is None
        or not hasattr(y, "__len__")
        or (per_step and getattr(y, "ndim", 3) < 3 and y.dtype != object)
    ):
        return y
    if per_step:
        parts = [class_numbers(part, K, per_step=False) for part in y]
        return parts if any(part is not given for part, given in zip(parts, y, strict=True)) else y
    given = y.detach().cpu().numpy() if isinstance(y, Tensor) else y
    try:
        rows = np.asarray(given)
    except ValueError:  # lists of several lengths
        return y
    if rows.ndim != 2 or rows.dtype.kind not in "biuf" or not np.isin(rows, (0, 1)).all():
        return y
    if K == 1 and rows.shape[1] == 1:
        return rows[:, 0].astype(np.int64)
    is_one_hot = rows.shape[1] == max(K, 2) and bool((rows.sum(axis=1) == 1).all())
    return rows.argmax(axis=1) if is_one_hot else y


def encode_targets(
    y: Any, lengths: Tensor, classes: NDArray[Any] | None, *, per_step: bool, caller: str
) -> Tensor:
    """Encode y as positions (N,) among the classes, or numbers (N, K) float32; (N, T, ...) with one a step.

    Steps beyond a length, and those whose label is None, NaN or -100, are -100, or NaN.

    Raises:
        DataError: the number of targets differs from that of sequences or steps, or one cannot be used.

    >>> classes = np.array(["no", "yes"])
    >>> encode_targets(["no", "yes"], torch.tensor([5, 3]), classes, per_step=False, caller="order y")
    tensor([0, 1])
    """
    y = y.detach().cpu().numpy() if isinstance(y, Tensor) else y
    if not hasattr(y, "__len__") or len(y) != len(lengths):
        got = len(y) if hasattr(y, "__len__") else repr(y)
        raise DataError(f"{caller}: expected one a sequence, {len(lengths)} in all; got {got}.")
    if not per_step:
        return _encode(y, classes, caller)
    if any(np.ndim(part) == 0 for part in y):
        raise DataError(
            f"{caller}: expected a list for each sequence, one label or number a step as the model outputs, "
            "got one for a whole sequence. Give a model with one output a sequence, such as the last step's."
        )
    encode = _encode if classes is None else _encode_steps
    parts = [encode(part, classes, f"{caller}[{i}]") for i, part in enumerate(y)]
    for i, (part, length) in enumerate(zip(parts, lengths.tolist(), strict=True)):
        if len(part) != length:
            raise DataError(f"{caller}[{i}]: expected one a step, {length} in all; got {len(part)}.")
    fill = float("nan") if classes is None else NO_TARGET
    return nn.utils.rnn.pad_sequence(parts, batch_first=True, padding_value=fill)


def _encode_steps(y: Any, classes: NDArray[Any] | None, caller: str) -> Tensor:
    """Encode the labels of steps: (T,) positions among the classes, -100 where a step has none."""
    labels = _step_labels(y)
    is_labelled = are_labelled(labels)
    if len(labels) and not is_labelled.any():
        raise DataError(f"{caller}: expected a label at some step, got none. Leave that sequence out.")
    positions = torch.full((len(labels),), NO_TARGET)
    positions[torch.from_numpy(is_labelled)] = _encode(labels[is_labelled].tolist(), classes, caller)
    return positions


def _step_labels(y: Any) -> NDArray[Any]:
    return np.asarray(y, dtype=object if isinstance(y, list | tuple) else None)


def _labelled_part(y: Any) -> NDArray[Any]:
    """Return what a module's steps are to put out, without the steps that have no label."""
    steps = np.asarray(y)
    return np.array(steps[are_labelled(steps)].tolist()) if steps.ndim == 1 else steps


def _encode(y: Any, classes: NDArray[Any] | None, caller: str) -> Tensor:
    """Encode one axis: (n,) positions among the classes, or (n, K) numbers."""
    if classes is None:
        try:
            numbers = np.asarray(y, dtype=np.float64)
        except (TypeError, ValueError) as fault:
            first = np.asarray(y).ravel()[0]
            raise DataError(f"{caller}: expected numbers, got {str(first)!r}.") from fault
        return torch.from_numpy(numbers.reshape(len(numbers), -1)).float()
    labels = as_labels(y, len(y), who=caller).tolist()
    position_of = {label: position for position, label in enumerate(classes.tolist())}
    unknown = next((label for label in labels if label not in position_of), None)
    if unknown is not None:
        known_classes = ", ".join(str(label) for label in classes.tolist()[:8])
        raise DataError(
            f"{caller}: expected the classes that the model knows ({known_classes}), got {unknown!r}."
        )
    return torch.tensor([position_of[label] for label in labels])
