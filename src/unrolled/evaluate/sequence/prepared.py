"""Prepare a comparison: data read and split, copies kept together, baselines that can take part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from unrolled.evaluate.sequence.candidates import (
    Candidate,
    baseline_candidates,
    check_comparison_baselines,
    excluded_baselines,
    model_candidate,
    warm_up,
)
from unrolled.evaluate.sequence.copies import copies_across, group_copies
from unrolled.evaluate.sequence.scores import UnevenClasses, uneven_classes
from unrolled.evaluate.sequence.split import (
    EvaluationData,
    Task,
    TrainTestSplit,
    evaluation_data,
    fold_splits,
    holdout_split,
    unseen_class_remarks,
    warn_of_inputs,
)
from unrolled.formatting import join_words
from unrolled.validation import ErrorCollector, check_float, check_int

Ints = NDArray[np.int64]


def check_comparison_arguments(
    allowed: tuple[str, ...], folds: int, level: float, baselines: Any
) -> tuple[str, ...]:
    """Return the names of the baselines, all for None; folds and level must be in their ranges.

    Raises:
        ArgumentError: an argument is out of range, each on a line of its own.
    """
    errors = ErrorCollector()
    errors.collect(check_int, "folds", folds, least=2)
    errors.collect(check_float, "level", level, above=0, below=100)
    names: tuple[str, ...] = errors.collect(check_comparison_baselines, baselines, allowed)
    errors.raise_if_any()
    return names


def excluded_remarks(excluded: dict[str, str]) -> list[str]:
    """Return a sentence a reason.

    >>> excluded_remarks({"MiniRocket": "aeon is not installed", "1-NN DTW": "aeon is not installed"})
    ['MiniRocket and 1-NN DTW left out: aeon is not installed.']
    """
    names_by_reason: dict[str, list[str]] = {}
    for name, reason in excluded.items():
        names_by_reason.setdefault(reason, []).append(name)
    return [f"{join_words(names)} left out: {reason}." for reason, names in names_by_reason.items()]


@dataclass(frozen=True, eq=False)
class ComparisonSettings:
    """Arguments of `compare` beside the model and its data.

    Args:
        task: what the model learns.
        names: of the baselines.
        is_explicit: the caller named them: then none is left out for taking long.
        test: the test set as it was given; None for folds.
        folds: of the cross-validation.
        groups: as they were given.
        lengths: of padded arrays.
    """

    task: Task
    names: Sequence[str]
    is_explicit: bool
    test: Any
    folds: int
    groups: Any = None
    lengths: Any = None


@dataclass(frozen=True, eq=False)
class PreparedComparison:
    """Candidates and the data that all of them are fitted on and predict.

    Args:
        candidates: the model first, then its baselines.
        splits: training and test data.
        tested: all that is tested.
        order: (N,) from split after split to the order of X.
        remarks: on the data, a sentence each.
        excluded: baselines that are left out, with a reason each.
        backend: library of the frame that X was.
        unit: what is counted: "sequences", "texts", "words" or "recordings".
        uneven: classes of very different size.
    """

    candidates: list[Candidate]
    splits: list[TrainTestSplit]
    tested: EvaluationData
    order: Ints
    remarks: tuple[str, ...]
    excluded: dict[str, str]
    backend: str
    unit: str = "sequences"
    uneven: UnevenClasses | None = None


def prepare_sequences(model: Any, X: Any, y: Any, settings: ComparisonSettings) -> PreparedComparison:
    """Read and split sequences, and make the candidates.

    Raises:
        ArgumentError: the test set is none.
        DataError: X or y cannot be used as they are, or a fold would have nothing to learn a class from.
        MissingDependencyError: a baseline that was named needs aeon, and it is not installed.
    """
    task, test, lengths = settings.task, settings.test, settings.lengths
    layout, missing = getattr(model, "layout", None), getattr(model, "missing", None)
    data, backend = evaluation_data(
        X, y, task, settings.groups, layout=layout, lengths=lengths, missing=missing
    )
    warn_of_inputs(X, data, layout, lengths)
    if layout is not None:  # what is fitted below has the steps first
        model = clone(model).set_params(layout="ntc")
    if test is None:
        data, remarks = group_copies(data, min_groups=2 * settings.folds)
        splits, fold = fold_splits(data, settings.folds, task)
        order = np.argsort(np.argsort(fold, kind="stable"), kind="stable")  # from fold after fold to X
        tested = data
    else:
        splits = [
            holdout_split(data, test, task, layout=layout, missing=missing, is_padded=lengths is not None)
        ]
        tested, remarks = group_copies(splits[0].test, min_groups=2)
        remarks += copies_across(data, tested) + unseen_class_remarks(splits[0], task)
        order = np.arange(len(tested))
    excluded = excluded_baselines(splits, settings.names, is_explicit=settings.is_explicit)
    names = [name for name in settings.names if name not in excluded]
    candidates = [model_candidate(model), *baseline_candidates(model, task, names)]
    warm_up(candidates, splits[0])
    uneven = uneven_classes(data.y, tested.y) if task == "labels" else None
    return PreparedComparison(
        candidates, splits, tested, order, tuple(remarks), excluded, backend, uneven=uneven
    )
