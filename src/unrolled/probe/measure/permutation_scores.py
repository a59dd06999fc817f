"""Copies of sequences, the steps of each copy in another order, and what a model answers to them.

Shapes: N sequences, B copies of some of them at once, T steps of the longest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from unrolled.probe.model.adapter import ProbedModel
from unrolled.probe.model.bucketing import bucket_by_length

Floats = NDArray[np.float64]
DrawPermutations = Callable[
    [Tensor, int], Tensor
]  # of lengths (B,) and T: orders (B, T), see `rearrangement`

DEFAULT_REPEATS, _MIN_REPEATS = 199, 39  # with so many p-values go down to 0.005, and to 0.025
_STEPS_OF_COPIES = 20_000_000  # with a stem, and as many in blocks: half a minute of one core
_ROWS_AT_ONCE = 2048
_STEPS_AT_ONCE = 4_000_000  # copies times T, whose orders are drawn together


@dataclass(frozen=True, eq=False)
class PermutationScores:
    """Answers to copies of N sequences.

    Args:
        losses: (copies, N).
        accuracies: mean share of right labels.
        flipped: mean share of answers that are others than on the original.
        predictions: to the first copy.
    """

    losses: Floats
    accuracies: float
    flipped: float
    predictions: NDArray[Any]


def default_repeats(steps: int) -> int:
    """How many copies of so many steps are shuffled where nobody says.

    >>> default_repeats(5_000), default_repeats(200_000), default_repeats(10**9)
    (199, 100, 39)
    """
    return min(DEFAULT_REPEATS, max(_MIN_REPEATS, _STEPS_OF_COPIES // steps))


def score_permutations(
    subject: ProbedModel, copies: int, way: DrawPermutations, base: NDArray[Any]
) -> PermutationScores:
    """Ask about so many rearranged copies; `base` are the answers to the original."""
    N, T = subject.values.shape[:2]
    losses, right, flipped = np.empty((3, copies, N))
    predictions = base.copy()
    for rows in bucket_by_length(subject.lengths, most_rows=N, most_steps=N * T):
        places, n, longest = rows.numpy(), len(rows), int(subject.lengths[rows].max())
        at: tuple[Any, ...] = (places, slice(longest)) if subject.per_step else (places,)
        own = base[at]
        at_once = max(1, min(_ROWS_AT_ONCE // n, _STEPS_AT_ONCE // (n * longest)))
        for start in range(0, copies, at_once):
            count = min(at_once, copies - start)
            several = subject.select(rows.repeat(count))
            moved = way(several.lengths, longest)
            judged = several.permuted(moved).score()
            changed = _flipped_share(judged.predictions, own[np.tile(np.arange(n), count)], moved, several)
            for whole, part in ((losses, judged.losses), (right, judged.accuracies), (flipped, changed)):
                whole[start : start + count, places] = part.reshape(count, n)
            if start == 0:
                predictions[at] = judged.predictions[:n]
    return PermutationScores(losses, float(right.mean()), float(flipped.mean()), predictions)


def _flipped_share(answers: NDArray[Any], base: NDArray[Any], moved: Tensor, subject: ProbedModel) -> Floats:
    """(B,) share of answers that are others than on the original; NaN for numbers."""
    if subject.task == "number":
        return np.full(len(answers), np.nan)
    if not subject.per_step:
        return np.asarray(answers != base, dtype=np.float64)
    T, lengths = answers.shape[1], subject.lengths.cpu().numpy()
    valid = np.arange(T) < lengths[:, None]
    before = np.take_along_axis(base, moved.cpu().numpy()[:, :T], 1)
    return np.asarray(((answers != before) & valid).sum(1) / np.maximum(lengths, 1), dtype=np.float64)
