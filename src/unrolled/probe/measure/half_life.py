"""How far back does an influence reach? A curve over the steps back, read as a few numbers."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

WINDOW_SHARE = 0.95  # of the influence that lies within the window


class MemorySpan(NamedTuple):
    """How far an influence reaches.

    >>> from numpy import arange, ones
    >>> span = memory_span(0.5 ** arange(30), ones(30, int))
    >>> span.peak, span.half_life, span.window
    (0, 1.0, 2)
    """

    peak: int  # steps back where it is largest
    half_life: float | None  # steps back beyond which it stays below half its peak; None where it never does
    window: int  # the last so many steps back, and the newest one, hold 95 % of its square


def memory_span(influence: Floats, sequences: NDArray[np.int64]) -> MemorySpan:
    """Read a curve.

        window = the smallest k with Σ_{j ≤ k} n_j v_j² ≥ 0.95 Σ_j n_j v_j²

    Squares are added up because v² is a variance, and those of independent steps add. The half-life is where
    the curve crosses half its peak for the last time, on a straight line between logarithms: so that
    v_k = ρ^k has ln 2 / -ln ρ, and a spike k steps back a little more than k.

    Args:
        influence: (K,) v_k, k steps back, not negative.
        sequences: (K,) n_k, how many sequences are that long.

    Where all of it is 0 everything is 0 and the half-life None.
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
    """Spearman's, ties by their mean rank; 0 where one of them does not vary.

    >>> round(rank_correlation(np.array([1.0, 2.0, 9.0]), np.array([3.0, 4.0, 5.0])), 9)
    1.0
    """
    x, y = _ranks(a), _ranks(b)
    size = math.sqrt(float((x**2).sum() * (y**2).sum()))
    return float((x * y).sum()) / size if size > 0 else 0.0


def _ranks(values: Floats) -> Floats:
    """Ranks less their mean."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Floats = (np.cumsum(counts) - (counts + 1) / 2)[inverse]
    return ranks - float(ranks.mean())


def overlap(a: Floats, b: Floats) -> float:
    """The share that two distributions of influence have in common, of their squares: from 0 to 1.

    >>> overlap(np.array([1.0, 0.0]), np.array([1.0, 1.0]))
    0.5
    """
    if not (a.any() and b.any()):
        return float(not a.any() and not b.any())
    return float(np.minimum(a**2 / (a**2).sum(), b**2 / (b**2).sum()).sum())
