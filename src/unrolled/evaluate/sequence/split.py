"""Training and test data of a comparison: X and y validated once, split once for all candidates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unrolled.data.alignment import align_targets, match_columns
from unrolled.data.axes import warn_of_few_steps
from unrolled.data.io.arrays import as_sequences, to_sequences
from unrolled.data.io.frames import BACKENDS
from unrolled.data.io.targets import as_groups, as_labels, as_numbers
from unrolled.data.padding import warn_of_equal_ends
from unrolled.data.sequences import Sequences
from unrolled.data.splits import stratified_folds
from unrolled.errors import ArgumentError, DataError
from unrolled.evaluate.arguments import DEFAULT_FOLDS, check_test_set
from unrolled.models.sequence.missing import feature_means, fill_missing

Array = NDArray[Any]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Task = Literal["labels", "numbers"]

_CALLER = 5  # frames between a warning and the call of compare


@dataclass(frozen=True, eq=False)
class EvaluationData:
    """Sequences with their targets.

    Args:
        X: list or array, for estimators that take X.
        sequences: the sequences of X as arrays (T_i, F).
        y: (N,) labels or numbers.
        groups: (N,) the group of each, or None.
        header: names of the features, or of the steps of a table; none where X has none.
    """

    X: Any
    sequences: Sequence[Floats]
    y: Array
    groups: Ints | None = None
    header: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.y)

    def subset(self, rows: Ints) -> EvaluationData:
        """Return the sequences at these positions."""
        X = self.X[rows] if isinstance(self.X, np.ndarray) else [self.X[i] for i in rows]
        groups = None if self.groups is None else self.groups[rows]
        return EvaluationData(X, [self.sequences[i] for i in rows], self.y[rows], groups, self.header)

    def flat(self) -> EvaluationData:
        """Make every target of several a sequence a case of its own; a sequence, or its group, is a group."""
        groups = np.arange(len(self)) if self.groups is None else self.groups
        y = np.concatenate(list(self.y))
        groups = np.repeat(groups, [len(targets) for targets in self.y])
        return EvaluationData([None] * len(y), [np.empty((0, 1))] * len(y), y, groups)


class TrainTestSplit(NamedTuple):
    """Data that every candidate is fitted on, and data that it predicts."""

    train: EvaluationData
    test: EvaluationData


class Partition(NamedTuple):
    """Training and test data of a comparison.

    Args:
        splits: one a fold, or one with the test set.
        tested: all that is tested.
        order: (N,) from split after split to the order of what was given.
        folds: how many; None with a test set.
    """

    splits: list[TrainTestSplit]
    tested: EvaluationData
    order: Ints
    folds: int | None

    @property
    def training_y(self) -> Array:
        """Targets that are learned from: with folds all, each of them in other folds."""
        return self.splits[0].train.y if self.folds is None else self.tested.y


def evaluation_data(
    X: Any,
    y: Any,
    task: Task,
    groups: Any = None,
    *,
    layout: str | None = None,
    lengths: Any = None,
    like: EvaluationData | None = None,
    missing: str | None = None,
    who: str = "compare",
) -> tuple[EvaluationData, str]:
    """Validate X, y and groups; return them with the library of frames that X came from.

    Padding is cut where `lengths` (N,) says how many steps each sequence has. Columns of a frame are
    matched by name with those of `like`, targets and groups by id. With `missing`, values may be missing in
    X, and are on a line between known ones in `sequences`, which baselines read.

    An array stays an array and a list a list; a frame of one feature, a row a sequence, becomes an array
    (N, T), so that estimators which know nothing of sequences can read it.

    Raises:
        DataError: X, y or groups cannot be used as they are.

    >>> data, backend = evaluation_data([[1.0, 2.0], [3.0]], ["a", "b"], "labels")
    >>> len(data), data.sequences[0].shape, backend
    (2, (2, 1), 'pandas')
    """
    given = to_sequences(X, f"{who} X", layout=layout)
    data = as_sequences(given, who=f"{who} X", lengths=lengths, allow_missing=missing is not None)
    if like is not None:
        data = match_columns(data, like.header, like.sequences[0].shape[1], f"{who} X")
    filled = data if missing is None else fill_missing(data, "linear", feature_means(data.values))
    sequences = np.split(filled.values, data.offsets[1:-1])
    y = align_targets(y, data, f"{who} y")
    targets = (as_labels if task == "labels" else as_numbers)(y, len(data), who=f"{who} y")
    group_ids = None if groups is None else as_groups(align_targets(groups, data, "groups"), len(data))
    inputs: Any = np.split(data.values, data.offsets[1:-1])
    if layout == "nct" or len(given.values) > len(data.values):  # turned round, or its padding cut
        pass
    elif isinstance(X, list | tuple) and not data.header:
        inputs = list(X)
    elif isinstance(X, np.ndarray) and X.dtype.kind != "O":
        inputs = X
    elif tuple(getattr(X, "shape", ())) == (len(data), len(data.values) // len(data)):
        inputs = np.stack(inputs)[..., 0]  # a frame or tensor of one feature, a row a sequence
    library = type(X).__module__.partition(".")[0]
    backend = library if library in BACKENDS else data.backend
    return EvaluationData(inputs, sequences, targets, group_ids, data.header), backend


def resolve_folds(folds: int | None, data: EvaluationData) -> tuple[int, list[str]]:
    """Return how many folds there are, and a sentence where they are fewer than usual.

    Args:
        folds: as given; None for 5, or as many as there are groups, or sequences.
        data: to split.

    >>> data, _ = evaluation_data(np.zeros((6, 2)), [0, 1] * 3, "labels", groups=list("aabbcc"))
    >>> resolve_folds(None, data)
    (3, ['3 folds, one a group.'])
    """
    if folds is not None:
        return folds, []
    n_units, unit = len(data), "sequence"
    if data.groups is not None:
        n_units, unit = len(np.unique(data.groups)), "group"
    if not 2 <= n_units < DEFAULT_FOLDS:
        return DEFAULT_FOLDS, []
    return n_units, [f"{n_units} folds, one a {unit}."]


def partition_by_folds(data: EvaluationData, folds: int, *, stratified: bool) -> Partition:
    """Split data into folds, each of which is tested once.

    Args:
        data: with groups, which are kept together.
        folds: how many.
        stratified: y holds a label each, whose classes are in every fold alike.

    Raises:
        DataError: there are too few for as many folds, or a class is in one fold only.
    """
    strata = np.zeros(len(data), dtype=np.int64)
    if stratified:
        strata = np.unique(data.y, return_inverse=True)[1].astype(np.int64)
    fold = stratified_folds(strata, folds, data.groups)
    if stratified:
        _require_learnable(data.y, strata, fold, grouped=data.groups is not None)
    sides = [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(folds)]
    splits = [TrainTestSplit(data.subset(train), data.subset(test)) for train, test in sides]
    order = np.argsort(np.argsort(fold, kind="stable"), kind="stable")  # from fold after fold to X
    return Partition(splits, data, order, folds)


def partition_by_test_set(train: EvaluationData, test: EvaluationData) -> Partition:
    """Train on all of one part of the data, and test all of the other."""
    return Partition([TrainTestSplit(train, test)], test, np.arange(len(test)), None)


def _require_learnable(labels: NDArray[np.generic], strata: Ints, fold: Ints, *, grouped: bool) -> None:
    """Pass if every class is in at least two folds: no fold then tests a class that it could not learn.

    Args:
        labels: (N,) class names.
        strata: (N,) class numbers, from 0 on.
        fold: (N,) the fold that tests each.
        grouped: groups were kept together.

    Raises:
        DataError: one is in a single fold.
    """
    for stratum in range(int(strata.max()) + 1):
        of_class = strata == stratum
        if len(np.unique(fold[of_class])) == 1:
            name = labels[int(np.argmax(of_class))].item()
            units = "one group" if grouped else "one sequence"
            raise DataError(
                f"labels: expected every class in at least two folds, got class {name!r} in {units} only: "
                "the fold that tests it leaves none to learn from. Leave it out, or pass "
                "test=(X_test, y_test)."
            )


def holdout_data(
    train: EvaluationData,
    test: Any,
    task: Task,
    *,
    layout: str | None = None,
    missing: str | None = None,
    is_padded: bool = False,
) -> EvaluationData:
    """Read the test data (X_test, y_test), which must be like the training data.

    Args:
        train: the training data.
        test: the pair, or (X_test, y_test, lengths_test).
        task: of the model.
        layout: of the axes.
        missing: how gaps are read.
        is_padded: whether the training data came padded: then an array of test data has lengths too.

    Raises:
        ArgumentError: it is no pair, or lacks lengths.
        DataError: it cannot be used as it is, has other features, or labels of another type.
    """
    X, y, lengths = check_test_set(test)
    if is_padded and lengths is None and not isinstance(X, list | tuple | Sequences):
        raise ArgumentError(
            "test: expected (X_test, y_test, lengths_test), for X has lengths, got no lengths_test. Give the "
            "steps of each sequence of X_test, or X_test as a list of sequences without padding."
        )
    test_data, _ = evaluation_data(
        X, y, task, layout=layout, lengths=lengths, like=train, missing=missing, who="compare test"
    )
    features, n_fitted = test_data.sequences[0].shape[1], train.sequences[0].shape[1]
    if features != n_fitted:
        raise DataError(
            f"compare test X: expected {n_fitted} features a step, as in X, got {features}. "
            "Select the same columns."
        )
    require_like_labels(test_data.y, train.y)
    return test_data


def require_like_labels(tested: Array, trained: Array) -> None:
    """Pass if labels are texts as those trained on are, or numbers as those are.

    Raises:
        DataError: they are of the other type.
    """
    if (tested.dtype.kind == "U") != (trained.dtype.kind == "U"):
        raise DataError(
            f"compare test y: expected labels like {trained[0].item()!r} of y, got {tested[0].item()!r}. "
            "Write both as texts, or both as numbers."
        )


def unseen_class_remarks(split: TrainTestSplit) -> list[str]:
    """Return a sentence where classes of the test data are not in training; else none."""
    unseen = int((~np.isin(split.test.y, split.train.y)).sum())
    if not unseen:
        return []
    return [f"{unseen} of {len(split.test)} test sequences have a class that is not in X: none can be right."]


def warn_of_inputs(X: Any, data: EvaluationData, layout: str | None, lengths: Any = None) -> None:
    """Warn once, before the candidates are fitted, where X may be meant otherwise than it was read."""
    series = replace(Sequences.from_arrays(data.sequences), header=data.header)
    if layout is None:
        warn_of_few_steps(X, series, "compare X", stacklevel=_CALLER)
    if lengths is None:
        warn_of_equal_ends(series, "compare X", stacklevel=_CALLER)
