"""Summarise a curve of influence over the steps back: peak, half-life, window."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

WINDOW_SHARE = 0.95  # of the influence that lies within the window


class MemorySpan(NamedTuple):
    """Reach of an influence over the steps back.

    >>> from numpy import arange, ones
    >>> span = memory_span(0.5 ** arange(30), ones(30, int))
    >>> span.peak, span.half_life, span.window
    (0, 1.0, 2)
    """

    peak: int  # steps back where the influence is largest
    half_life: float | None  # steps back beyond which it stays below half its peak; None: never
    window: int  # steps back within which 95 % of its square lies, the newest step included


def memory_span(influence: Floats, sequences: NDArray[np.int64]) -> MemorySpan:
    """Measure the reach of an influence.

        window = the smallest k with Σ_{j ≤ k} n_j v_j² ≥ 0.95 Σ_j n_j v_j²

    Squares are summed because v² is a variance, and variances of independent steps add. The half-life is
    where the curve falls through half its peak for the last time, interpolated between logarithms: v_k = ρ^k
    has the half-life ln 2 / -ln ρ, and a spike k steps back a little more than k.

    Args:
        influence: (K,) v_k, k steps back, not negative.
        sequences: (K,) n_k, number of sequences that are that long.

    A curve of zeros has peak and window 0, and no half-life.
    """
    squares = sequences * influence**2
    if squares.sum() == 0:
        return MemorySpan(0, None, 0)
    reached = np.cumsum(squares) / squares.sum()
    peak = int(np.argmax(influence))
    half = influence[peak] / 2
    last = int(np.flatnonzero(influence >= half)[-1])
    half_life = None
    if last < len(influence) - 1:
        above, below = float(influence[last]), float(influence[last + 1])
        half_life = last + (math.log(above / half) / math.log(above / below) if below > 0 else 0.0)
    return MemorySpan(peak, half_life, int(np.argmax(reached >= WINDOW_SHARE - 1e-12)))


def rank_correlation(a: Floats, b: Floats) -> float:
    """Compute Spearman's rank correlation, ties at their mean rank; 0 where one of them is constant.

    >>> round(rank_correlation(np.array([1.0, 2.0, 9.0]), np.array([3.0, 4.0, 5.0])), 9)
    1.0
    """
    x, y = _ranks(a), _ranks(b)
    size = math.sqrt(float((x**2).sum() * (y**2).sum()))
    return float((x * y).sum()) / size if size > 0 else 0.0


def _ranks(values: Floats) -> Floats:
    """Rank values, less the mean rank."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Floats = (np.cumsum(counts) - (counts + 1) / 2)[inverse]
    return ranks - float(ranks.mean())


def overlap(a: Floats, b: Floats) -> float:
    """Compute the share, from 0 to 1, that two distributions of squared influence have in common.

    >>> overlap(np.array([1.0, 0.0]), np.array([1.0, 1.0]))
    0.5
    """
    if not (a.any() and b.any()):
        return float(not a.any() and not b.any())
    return float(np.minimum(a**2 / (a**2).sum(), b**2 / (b**2).sum()).sum())
