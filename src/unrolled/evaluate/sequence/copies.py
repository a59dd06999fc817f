"""Sequences that repeat others: no new evidence, and an answer known beforehand across a split.

A sequence of few values and steps repeats by chance, as the toys of a lesson do. Copies are looked for only
where chance would make none: where a sequence holds at least 40 bits, the entropy of one value times the
values of the shortest sequence. Exact copies are one group. Near copies, as augmentation makes them, are
remarked on: alike in all but a little noise, level and scale, they may be what was measured twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from unrolled.evaluate.sequence.split import (
    EvaluationData,
    Partition,
    Task,
    partition_by_folds,
    partition_by_test_set,
    resolve_folds,
    unseen_class_remarks,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_MIN_BITS = 40.0
_NEAR = 0.999  # correlation over all steps and features from which on two sequences are near copies
_MIN_VALUES = 20  # of a sequence: the correlation of fewer can be as high by chance
_BUT_FOR = "but for a little noise, level or scale"
_IF_MADE = "if made from {0}, whoever remembers {0} is right on them."
_MAX_COMPARED = 2000  # sequences that are compared with each other


def copy_ids(sequences: Sequence[Floats]) -> Ints:
    """Number sequences (N,) by their content: copies share a number; where chance makes copies, none do.

    >>> x = np.random.default_rng(0).normal(size=(3, 20, 1))
    >>> copy_ids([x[0], x[1], x[0], x[2]]).tolist(), copy_ids([np.ones((4, 1))] * 2).tolist()
    ([0, 1, 0, 2], [0, 1])
    """
    values = np.concatenate([x.ravel() for x in sequences])
    counts = np.unique(values, return_counts=True)[1]
    entropy = float(-(counts / counts.sum()) @ np.log2(counts / counts.sum()))
    if entropy * min(x.size for x in sequences) < _MIN_BITS:
        return np.arange(len(sequences))
    number_of: dict[tuple[tuple[int, ...], bytes], int] = {}
    ids = [number_of.setdefault((x.shape, x.tobytes()), len(number_of)) for x in sequences]
    return np.array(ids, dtype=np.int64)


def near_copies(sequences: Sequence[Floats]) -> Ints:
    """Find sequences that equal an earlier one but for a little noise, a level and a scale; their positions.

    Sequences of one length are compared: the first 2,000. Those that are smooth, as slow waves are, are alike
    by nature; where more than half of all would be near copies, none are.

    >>> x = np.random.default_rng(0).normal(size=(3, 20, 1))
    >>> near_copies([x[0], x[1], 1.5 * x[0] + 0.01 * x[2], x[2]]).tolist()
    [2]
    """
    near: list[int] = []
    for shape in {x.shape for x in sequences}:
        rows = [i for i, x in enumerate(sequences) if x.shape == shape][:_MAX_COMPARED]
        if np.prod(shape) < _MIN_VALUES or len(rows) < 2:
            continue
        flat = np.stack([sequences[i].ravel() for i in rows]).astype(np.float64)
        flat = np.nan_to_num(flat - flat.mean(axis=1, keepdims=True))
        norms = np.linalg.norm(flat, axis=1, keepdims=True)
        flat /= np.where(norms > 0, norms, np.inf)
        is_near = np.tril(flat @ flat.T >= _NEAR, k=-1).any(axis=1)
        near += np.array(rows)[is_near].tolist()
    return np.array(sorted(near) if 2 * len(near) <= len(sequences) else [], dtype=np.int64)


def _near_remarks(sequences: Sequence[Floats], ids: Ints) -> list[str]:
    """Return a sentence where sequences that are no exact copies are near copies; else none."""
    distinct = np.unique(ids, return_index=True)[1]
    near = near_copies([sequences[i] for i in distinct])
    if not len(near):
        return []
    what = f"{len(near):,} of {len(sequences):,} sequences equal another one {_BUT_FOR}"
    return [f"{what}: {_IF_MADE.format('it')} Pass groups= to keep such together."]


def group_copies(data: EvaluationData, *, min_groups: int) -> tuple[EvaluationData, list[str]]:
    """Make copies one group, so that a fold and a test take them as one; and say so.

    Args:
        data: with its own groups it stays as it is.
        min_groups: with fewer distinct sequences there is nothing to split, and they stay as they are.

    Returns:
        The data, and a sentence where sequences are repeated.
    """
    if data.groups is not None:
        return data, []
    ids = copy_ids(data.sequences)
    distinct = int(ids.max()) + 1
    repeated = len(data) - distinct
    near = _near_remarks(data.sequences, ids)
    if not repeated:
        return data, near
    what = f"{repeated:,} of {len(data):,} sequences repeat another one exactly"
    if distinct < min_groups:
        return data, [f"{what}: their score says nothing of new sequences.", *near]
    remark = f"{what}: copies are kept together and count as one. Pass groups= to group otherwise."
    return replace(data, groups=ids), [remark, *near]


def copies_across(train: EvaluationData, test: EvaluationData) -> list[str]:
    """Return a sentence where test sequences are among the training sequences; else none."""
    both = [*train.sequences, *test.sequences]
    ids = copy_ids(both)
    copied = np.isin(ids[len(train) :], ids[: len(train)])
    near = near_copies(both)
    n_near = int((~copied[near[near >= len(train)] - len(train)]).sum())
    remarks = []
    if copied.any():
        what = f"{int(copied.sum()):,} of {len(test):,} test sequences are in X as well"
        remarks.append(f"{what}: whoever remembers X is right on them.")
    if n_near:
        what = f"{n_near:,} of {len(test):,} test sequences equal others {_BUT_FOR}"
        remarks.append(f"{what}: {_IF_MADE.format('them')}")
    return remarks


def partition_data(
    data: EvaluationData, tested: EvaluationData | None, folds: int | None, task: Task,
    *, without_groups: str | None = None,
) -> tuple[Partition, list[str]]:  # fmt: skip
    """Split data into folds, or put a test set beside them; return the remarks on copies, folds and classes.

    Args:
        data: all that is trained on, and tested in folds.
        tested: the test set; None for folds.
        folds: how many; None for the usual.
        task: what is learned.
        without_groups: a remark on folds without groups; None for none.
    """
    if tested is None:
        folds, remarks = resolve_folds(folds, data)
        if without_groups is not None and data.groups is None:
            remarks.append(without_groups)
        partition, copied = partition_with_copies(data, folds, stratified=task == "labels")
        return partition, [*remarks, *copied]
    partition, remarks = partition_beside_copies(data, tested)
    unseen = unseen_class_remarks(partition.splits[0]) if task == "labels" else []
    return partition, [*remarks, *unseen]


def partition_with_copies(
    data: EvaluationData, folds: int, *, stratified: bool
) -> tuple[Partition, list[str]]:
    """Split data into folds, copies kept together; and say of copies.

    Raises:
        DataError: there are too few for as many folds, or a class is in one fold only.
    """
    data, remarks = group_copies(data, min_groups=2 * folds)
    return partition_by_folds(data, folds, stratified=stratified), remarks


def partition_beside_copies(train: EvaluationData, test: EvaluationData) -> tuple[Partition, list[str]]:
    """Train on one part and test on the other, copies in it counted as one; and say of copies."""
    test, remarks = group_copies(test, min_groups=2)
    return partition_by_test_set(train, test), [*remarks, *copies_across(train, test)]
