"""Sequences that repeat others exactly: no new evidence, and an answer known beforehand across a split.

A sequence of few values and steps repeats by chance, as the toys of a lesson do. Copies are looked for only
where chance would make none: where a sequence holds at least 40 bits, the entropy of one value times the
values of the shortest sequence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from unrolled.evaluate.sequence.split import EvaluationData

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_MIN_BITS = 40.0


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
    if not repeated:
        return data, []
    what = f"{repeated:,} of {len(data):,} sequences repeat another one exactly"
    if distinct < min_groups:
        return data, [f"{what}: their score says nothing of new sequences."]
    remark = f"{what}: copies are kept together and count as one. Pass groups= to group otherwise."
    return replace(data, groups=ids), [remark]


def copies_across(train: EvaluationData, test: EvaluationData) -> list[str]:
    """Return a sentence where test sequences are among the training sequences; else none."""
    ids = copy_ids([*train.sequences, *test.sequences])
    copied = int(np.isin(ids[len(train) :], ids[: len(train)]).sum())
    if not copied:
        return []
    return [
        f"{copied:,} of {len(test):,} test sequences are in X as well: whoever remembers X is right on them."
    ]
