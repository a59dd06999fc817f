"""Prepare a comparison: data read and split, copies kept together, baselines that can take part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sklearn.base import clone

from unrolled.evaluate.arguments import ComparisonArguments
from unrolled.evaluate.sequence.candidates import (
    SEQUENCE_BASELINES,
    Candidate,
    baseline_candidates,
    excluded_baselines,
    model_candidate,
    warm_up,
)
from unrolled.evaluate.sequence.copies import partition_data
from unrolled.evaluate.sequence.scores import UnevenClasses, uneven_classes
from unrolled.evaluate.sequence.split import (
    Partition,
    Task,
    evaluation_data,
    holdout_data,
    warn_of_inputs,
)
from unrolled.formatting import join_words


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
class PreparedComparison:
    """Candidates and the data that all of them are fitted on and predict.

    Args:
        task: what the model learns.
        candidates: the model first, then its baselines.
        partition: training and test data.
        remarks: on the data, a sentence each.
        excluded: baselines that are left out, with a reason each.
        backend: library of the frame that X was.
        unit: what is counted: "sequences", "texts", "words", "recordings" or "clips".
        uneven: classes of very different size.
    """

    task: Task
    candidates: list[Candidate]
    partition: Partition
    remarks: tuple[str, ...]
    excluded: dict[str, str]
    backend: str
    unit: str = "sequences"
    uneven: UnevenClasses | None = None


def prepare_sequences(
    model: Any, X: Any, y: Any, task: Task, arguments: ComparisonArguments
) -> PreparedComparison:
    """Read and split sequences, and make the candidates.

    Raises:
        ArgumentError: an argument is out of range, or the test set is none.
        DataError: X or y cannot be used as they are, or a fold would have nothing to learn a class from.
        MissingDependencyError: a baseline that was named needs aeon, and it is not installed.
    """
    names = arguments.baseline_names(SEQUENCE_BASELINES[task])
    layout, missing = getattr(model, "layout", None), getattr(model, "missing", None)
    test, lengths = arguments.test, arguments.lengths
    data, backend = evaluation_data(
        X, y, task, arguments.groups, layout=layout, lengths=lengths, missing=missing
    )
    warn_of_inputs(X, data, layout, lengths)
    if layout is not None:  # what is fitted below has the steps first
        model = clone(model).set_params(layout="ntc")
    tested = None
    if test is not None:
        tested = holdout_data(data, test, task, layout=layout, missing=missing, is_padded=lengths is not None)
    partition, remarks = partition_data(data, tested, arguments.folds, task)
    return prepare_candidates(
        model, task, partition, remarks=remarks, names=names, is_explicit=arguments.is_explicit,
        backend=backend,
    )  # fmt: skip


def prepare_candidates(
    model: Any, task: Task, partition: Partition, *, remarks: list[str], names: Sequence[str],
    is_explicit: bool, backend: str = "pandas", unit: str = "sequences",
) -> PreparedComparison:  # fmt: skip
    """Make the model and the baselines that can take part, and load what they need before the clock starts.

    Args:
        model: fitted or not.
        task: what it learns.
        partition: training and test data.
        remarks: on the data.
        names: of the baselines.
        is_explicit: the caller named them.
        backend: library of the frame that X was.
        unit: what is counted.

    Raises:
        MissingDependencyError: a baseline that was named needs aeon, and it is not installed.
    """
    excluded = excluded_baselines(partition.splits, names, is_explicit=is_explicit)
    names = [name for name in names if name not in excluded]
    candidates = [model_candidate(model), *baseline_candidates(model, task, names)]
    warm_up(candidates, partition.splits[0])
    uneven = uneven_classes(partition.training_y, partition.tested.y) if task == "labels" else None
    return PreparedComparison(
        task, candidates, partition, tuple(remarks), excluded, backend, unit=unit, uneven=uneven
    )
