"""Splits by time: which origins are trained on, which judge, which a backtest forecasts from.

An *origin* is the position of the last observed step; its horizon is the steps after it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import ArgumentError

Ints = NDArray[np.int64]


def rolling_origins(lengths: Ints, horizon: int, origins: int, step: int) -> Ints:
    """(N, K) the K latest origins of each series, `step` apart; the last has just `horizon` steps after it.

    Args:
        lengths: (N,) steps of each series.
        horizon: steps that follow each origin.
        origins: K.
        step: steps between two origins.

    Raises:
        ArgumentError: the shortest series has not as many; the largest number that fits is said.

    >>> rolling_origins(np.array([10, 12]), horizon=2, origins=3, step=2).tolist()
    [[3, 5, 7], [5, 7, 9]]
    """
    back = horizon + np.arange(origins - 1, -1, -1) * step
    result = lengths[:, None] - 1 - back
    if (result < 1).any():
        shortest = int(lengths.min())
        fits = max(0, (shortest - horizon - 2) // step + 1)
        raise ArgumentError(
            f"origins: {origins} origins {step} apart with a horizon of {horizon} need "
            f"{int(back[0]) + 2} steps, the shortest series has {shortest}. Use origins={fits} at most."
        )
    return np.asarray(result)


def holdout_steps(length: int, horizon: int, fraction: float) -> int:
    """How many of the latest steps of a series judge the training.

    A share of them, and at least the horizon where that leaves three quarters to train on.

    >>> held_out(900, 12, 0.1), held_out(14, 6, 0.1), held_out(100, 12, 0.0)
    (90, 3, 0)
    """
    if fraction == 0:
        return 0
    return max(round(fraction * length), min(horizon, length // 4))


def train_origins(first: int, cut: int) -> Ints:
    """Origins whose first step ahead still lies before `cut`: later targets of theirs are masked.

    >>> training_origins(first=2, cut=6).tolist()
    [2, 3, 4]
    """
    return np.arange(first, cut - 1)


def validation_origins(length: int, first: int, cut: int) -> Ints:
    """Origins all of whose targets lie at `cut` or later, so that none was trained on.

    >>> judging_origins(10, first=2, cut=6).tolist()
    [5, 6, 7, 8]
    """
    return np.arange(max(first, cut - 1), length - 1)


def evenly_spaced(rows: Ints, most: int) -> Ints:
    """At most `most` of the rows, evenly spaced."""
    if len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)]
