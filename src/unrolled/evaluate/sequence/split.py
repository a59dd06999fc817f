"""What is fitted on and what is judged: X and y as everyone takes them, split once for all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unrolled.data.io.arrays import as_sequences
from unrolled.data.io.frames import BACKENDS
from unrolled.data.io.targets import as_groups, as_labels, as_numbers
from unrolled.data.splits import stratified_folds
from unrolled.errors import ArgumentError, DataError

Array = NDArray[Any]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Task = Literal["labels", "numbers"]


@dataclass(frozen=True, eq=False)
class EvaluationData:
    """Some sequences with what is known of them.

    Args:
        X: as a list or an array, what estimators are given.
        sequences: the same as (T_i, F) arrays.
        y: (N,) labels or numbers.
        groups: (N,) the group of each, or None.
    """

    X: Any
    sequences: Sequence[Floats]
    y: Array
    groups: Ints | None = None

    def __len__(self) -> int:
        return len(self.y)

    def some(self, rows: Ints) -> EvaluationData:
        """Those at these positions."""
        X = self.X[rows] if isinstance(self.X, np.ndarray) else [self.X[i] for i in rows]
        groups = None if self.groups is None else self.groups[rows]
        return EvaluationData(X, [self.sequences[i] for i in rows], self.y[rows], groups)


class TrainTestSplit(NamedTuple):
    """One split: everyone is fitted on `train` and answers `test`."""

    train: EvaluationData
    test: EvaluationData


def evaluation_data(
    X: Any, y: Any, task: Task, groups: Any = None, *, who: str = "compare"
) -> tuple[EvaluationData, str]:
    """X and y as all take them, and the kind of frame that X was.

    An array stays an array and a list a list; a frame of one feature, a row a sequence, becomes an array
    (N, T), so that estimators which know nothing of sequences can read it.

    Raises:
        DataError: X, y or groups cannot be used as they are.

    >>> own, backend = evaluation_data([[1.0, 2.0], [3.0]], ["a", "b"], "labels")
    >>> len(own), own.sequences[0].shape, backend
    (2, (2, 1), 'pandas')
    """
    data = as_sequences(X, who=f"{who} X")
    sequences = np.split(data.values, data.offsets[1:-1])
    as_known = as_labels if task == "labels" else as_numbers
    known = as_known(y, len(data), who=f"{who} y")
    numbered = None if groups is None else as_groups(groups, len(data))
    form: Any = sequences
    if isinstance(X, list | tuple):
        form = list(X)
    elif isinstance(X, np.ndarray) and X.dtype.kind != "O":
        form = X
    elif tuple(getattr(X, "shape", ())) == (len(data), len(data.values) // len(data)):
        form = np.stack(sequences)[..., 0]  # a frame or tensor of one feature, a row a sequence
    library = type(X).__module__.partition(".")[0]
    return EvaluationData(form, sequences, known, numbered), library if library in BACKENDS else data.backend


def fold_splits(everything: EvaluationData, folds: int, task: Task) -> tuple[list[TrainTestSplit], Ints]:
    """A part a fold, and (N,) the fold that judges each.

    Raises:
        DataError: there are too few for as many folds, or a class is in one fold only.
    """
    strata = np.zeros(len(everything), dtype=np.int64)
    if task == "labels":
        strata = np.unique(everything.y, return_inverse=True)[1].astype(np.int64)
    fold = stratified_folds(strata, folds, everything.groups)
    if task == "labels":
        require_learnable(everything.y, strata, fold, grouped=everything.groups is not None)
    sides = [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(folds)]
    return [TrainTestSplit(everything.some(train), everything.some(test)) for train, test in sides], fold


def require_learnable(labels: NDArray[np.generic], strata: Ints, fold: Ints, *, grouped: bool) -> None:
    """Pass if every class is in at least two folds, so that none is judged that could not be learned.

    Args:
        labels: (N,) as people know them.
        strata: (N,) their numbers, from 0 on.
        fold: (N,) the fold that judges each.
        grouped: whether groups were kept together.

    Raises:
        DataError: one is in a single fold.
    """
    for stratum in range(int(strata.max()) + 1):
        of_class = strata == stratum
        if len(np.unique(fold[of_class])) == 1:
            name = labels[int(np.argmax(of_class))].item()
            held = "one group" if grouped else "one sequence"
            raise DataError(
                f"y: expected every class in at least two folds, got class {name!r} in {held} only: the fold "
                "that judges it leaves none to learn from. Leave it out, or judge on test=(X_test, y_test)."
            )


def holdout_split(train: EvaluationData, test: Any, task: Task) -> TrainTestSplit:
    """One part, judged on a pair (X_test, y_test), which must be like what is fitted on.

    Raises:
        ArgumentError: it is no pair.
        DataError: it cannot be used as it is, has other features, or labels of another type.
    """
    if not isinstance(test, tuple | list) or len(test) != 2:
        raise ArgumentError(f"test: expected a pair (X_test, y_test), got {type(test).__name__}.")
    X, y = test
    own, _ = evaluation_data(X, y, task, who="compare test")
    features, fitted = own.sequences[0].shape[1], train.sequences[0].shape[1]
    if features != fitted:
        raise DataError(
            f"compare test X: expected {fitted} features a step, as in X, got {features}. "
            "Select the same columns."
        )
    if (own.y.dtype.kind == "U") != (train.y.dtype.kind == "U"):
        raise DataError(
            f"compare test y: expected labels like {train.y[0].item()!r} of y, got {own.y[0].item()!r}. "
            "Write both as texts, or both as numbers."
        )
    return TrainTestSplit(train, own)


def unseen_class_remarks(part: TrainTestSplit, task: Task) -> list[str]:
    """What to know where a judged class is not in training: a sentence, or none."""
    count = int((~np.isin(part.test.y, part.train.y)).sum()) if task == "labels" else 0
    if not count:
        return []
    return [
        f"{count} of {len(part.test)} judged sequences have a class that nobody could learn: none is in X."
    ]
