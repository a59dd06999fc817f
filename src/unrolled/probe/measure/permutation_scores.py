"""Scores of a model on copies of sequences whose steps are permuted.

Shapes: N sequences, B copies of some of them at once, T steps of the longest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from unrolled.probe.model.bucketing import bucket_by_length
from unrolled.probe.model.probed_model import ProbedModel

Floats = NDArray[np.float64]
DrawPermutations = Callable[[Tensor, int], Tensor]  # lengths (B,) and T to permutations (B, T)

DEFAULT_REPEATS, _MIN_REPEATS = 199, 39  # p-values go down to 0.005, and to 0.025
_MOST_STEPS = (
    20_000_000  # of all copies; with a stem, and a quarter as many in blocks: half a minute of a core
)
_ROWS_AT_ONCE = 2048
_STEPS_AT_ONCE = 1_000_000  # copies times T whose permutations are drawn together


@dataclass(frozen=True, eq=False)
class PermutationScores:
    """Scores on permuted copies of N sequences.

    Args:
        losses: (copies, N).
        accuracy: mean share of right labels; NaN for numbers.
        flipped: mean share of predictions that differ from those on the original; NaN for numbers.
        predictions: predictions on the first copy.
    """

    losses: Floats
    accuracy: float
    flipped: float
    predictions: NDArray[Any]


def default_repeats(steps: int) -> int:
    """Choose the number of copies of sequences with so many steps in all.

    >>> default_repeats(5_000), default_repeats(200_000), default_repeats(10**9)
    (199, 100, 39)
    """
    return min(DEFAULT_REPEATS, max(_MIN_REPEATS, _MOST_STEPS // steps))


def score_permutations(
    probed: ProbedModel,
    copies: int,
    draw: DrawPermutations,
    base: NDArray[Any],
    *,
    on_progress: Callable[[float], None] = lambda _: None,
) -> PermutationScores:
    """Score a model on permuted copies of its sequences.

    Args:
        probed: model with its sequences and targets.
        copies: how many of each sequence.
        draw: draws the permutations of a batch.
        base: predictions on the original sequences, as `ProbedModel.score` returns them.
        on_progress: called with the number of copies that are scored, in parts of one too.
    """
    N, T = probed.values.shape[:2]
    losses, accuracies, flipped = np.empty((3, copies, N))
    predictions, scored, steps = base.copy(), 0.0, int(probed.lengths.sum())
    for rows in bucket_by_length(probed.lengths, most_rows=N, most_steps=N * T):
        positions, n, longest = rows.numpy(), len(rows), int(probed.lengths[rows].max())
        bucket: tuple[Any, ...] = (positions, slice(longest)) if probed.per_step else (positions,)
        bucket_base = base[bucket]
        at_once = max(1, min(_ROWS_AT_ONCE // n, _STEPS_AT_ONCE // (n * longest)))
        for start in range(0, copies, at_once):
            count = min(at_once, copies - start)
            repeated = probed.select(rows.repeat(count))
            orders = draw(repeated.lengths, longest)
            scores = repeated.permuted(orders).score()
            changed = _flipped_share(
                scores.predictions, bucket_base[np.tile(np.arange(n), count)], orders, repeated
            )
            for table, batch in (
                (losses, scores.losses),
                (accuracies, scores.accuracies),
                (flipped, changed),
            ):
                table[start : start + count, positions] = batch.reshape(count, n)
            scored += float(probed.lengths[rows].sum()) * count / steps
            on_progress(min(scored, copies))
            if start == 0:
                predictions[bucket] = scores.predictions[:n]
    return PermutationScores(losses, float(accuracies.mean()), float(flipped.mean()), predictions)


def _flipped_share(
    predictions: NDArray[Any], base: NDArray[Any], orders: Tensor, probed: ProbedModel
) -> Floats:
    """Share (B,) of predictions that differ from those on the original; NaN for numbers."""
    if probed.task == "number":
        return np.full(len(predictions), np.nan)
    if not probed.per_step:
        return np.asarray(predictions != base, dtype=np.float64)
    T, lengths = predictions.shape[1], probed.lengths.cpu().numpy()
    valid = np.arange(T) < lengths[:, None]
    before = np.take_along_axis(base, orders.cpu().numpy()[:, :T], 1)
    return np.asarray(((predictions != before) & valid).sum(1) / np.maximum(lengths, 1), dtype=np.float64)
