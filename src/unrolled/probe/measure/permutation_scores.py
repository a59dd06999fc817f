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
    probed: ProbedModel, copies: int, draw: DrawPermutations, base: NDArray[Any]
) -> PermutationScores:
    """Ask about so many rearranged copies; `base` are the answers to the original."""
    N, T = probed.values.shape[:2]
    losses, right, flipped = np.empty((3, copies, N))
    predictions = base.copy()
    for rows in bucket_by_length(probed.lengths, most_rows=N, most_steps=N * T):
        positions, n, longest = rows.numpy(), len(rows), int(probed.lengths[rows].max())
        at: tuple[Any, ...] = (positions, slice(longest)) if probed.per_step else (positions,)
        bucket_base = base[at]
        at_once = max(1, min(_ROWS_AT_ONCE // n, _STEPS_AT_ONCE // (n * longest)))
        for start in range(0, copies, at_once):
            count = min(at_once, copies - start)
            repeated = probed.select(rows.repeat(count))
            orders = draw(repeated.lengths, longest)
            scores = repeated.permuted(orders).score()
            changed = _flipped_share(
                scores.predictions, bucket_base[np.tile(np.arange(n), count)], orders, repeated
            )
            for target, part in ((losses, scores.losses), (right, scores.accuracies), (flipped, changed)):
                target[start : start + count, positions] = part.reshape(count, n)
            if start == 0:
                predictions[at] = scores.predictions[:n]
    return PermutationScores(losses, float(right.mean()), float(flipped.mean()), predictions)


def _flipped_share(answers: NDArray[Any], base: NDArray[Any], orders: Tensor, probed: ProbedModel) -> Floats:
    """(B,) share of answers that are others than on the original; NaN for numbers."""
    if probed.task == "number":
        return np.full(len(answers), np.nan)
    if not probed.per_step:
        return np.asarray(answers != base, dtype=np.float64)
    T, lengths = answers.shape[1], probed.lengths.cpu().numpy()
    valid = np.arange(T) < lengths[:, None]
    before = np.take_along_axis(base, orders.cpu().numpy()[:, :T], 1)
    return np.asarray(((answers != before) & valid).sum(1) / np.maximum(lengths, 1), dtype=np.float64)
