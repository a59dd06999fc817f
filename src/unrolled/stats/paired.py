"""Test paired losses: is one model better than another on the same cases?

The difference d_i of two losses on case i (a sequence, an origin, a fold) is tested. p-values are one-sided:
the probability of a sum at least this large if there were no difference.

    McNemar      of the pairs that differ (d = ±1), how often a fair coin shows as many heads; exact.
    sign flips   the share of sign patterns s under which Σ s_i d_i reaches Σ d_i; exact up to 12 pairs.
                 Holds for any size and spread of the d_i, heavy tails included.
    corrected t  t = d̄ / (s √(v / n)), corrected for skewness, against Student's t with n − 1. Holds where a
                 model wins often but loses big; v is what dependence adds (see `dependence`).

Source: McNemar 1947; Hall 1992, "On the Removal of Skewness by Transformation", eq. 2.2; Nadeau and Bengio
2003, "Inference for the Generalization Error", eq. 18 (v).
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, stdtr

from unrolled.stats.skewness import remove_skewness, skewness

Floats = NDArray[np.float64]

_MAX_EXACT_PAIRS = 12  # 2^12 sign patterns are enumerated, more are sampled
_SAMPLED_FLIPS = 9999
_PATTERNS_PER_BATCH = 512  # in memory at once: 8 MB for 2,000 pairs


def mcnemar_p(wins: float, losses: float, inflation: float = 1.0) -> float:
    """Return how often a fair coin, thrown `wins + losses` times, shows heads at least `wins` times.

    Args:
        wins: pairs that the first model wins.
        losses: pairs that it loses.
        inflation: how many pairs are worth one independent pair, at least 1.

    >>> mcnemar_p(5, 0), round(mcnemar_p(9, 1), 4), mcnemar_p(0, 0)
    (0.03125, 0.0107, 1.0)
    """
    if wins == 0:
        return 1.0
    return float(betainc(wins / inflation, losses / inflation + 1, 0.5))


def sign_flip_p(differences: Floats) -> float:
    """Return how often flips of whole rows of `differences` (n, J) reach its largest column sum.

    Each column's sum is divided by the root of its sum of squares, which no flip changes, so that a column
    of large numbers does not hide the others.

    >>> sign_flip_p(np.array([[3.0], [1.0], [1.0]]))
    0.125
    """
    size = np.sqrt((differences**2).sum(axis=0))
    columns = differences[:, size > 0] / size[size > 0]
    if columns.shape[1] == 0:
        return 1.0  # no difference anywhere
    observed = columns.sum(axis=0).max()
    reached = 0
    for signs in sign_patterns(len(columns)):
        reached += int(((signs @ columns).max(axis=1) >= observed - 1e-9).sum())
    if len(columns) <= _MAX_EXACT_PAIRS:
        return reached / 2.0 ** len(columns)
    return (1 + reached) / (1 + _SAMPLED_FLIPS)


def sign_patterns(n: int) -> Iterator[Floats]:
    """Yield every pattern of n signs, or a fixed sample of them, in batches (patterns, n) of ±1.

    >>> next(sign_patterns(2)).tolist()
    [[-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0], [1.0, 1.0]]
    """
    rng = np.random.default_rng(0)
    patterns = 2**n if n <= _MAX_EXACT_PAIRS else _SAMPLED_FLIPS
    for start in range(0, patterns, _PATTERNS_PER_BATCH):
        batch = np.arange(start, min(start + _PATTERNS_PER_BATCH, patterns))
        if n <= _MAX_EXACT_PAIRS:
            bits = batch[:, None] >> np.arange(n) & 1
        else:
            bits = rng.integers(0, 2, size=(len(batch), n))
        yield np.where(bits == 1, 1.0, -1.0)


def corrected_t_p(d: Floats, inflation: float = 1.0, *, correct_skewness: bool = True) -> float:
    """Return how often the mean of differences d (n,) would be this far above 0 if it were 0.

    Differences that are all alike are certain: 0 where they are above 0, else 1.

    Args:
        d: (n,) differences, at least 2.
        inflation: v, the factor of dependence on the variance of the mean.
        correct_skewness: apply Hall's cubic; too few values (folds, say) tell nothing of their skewness.

    >>> round(corrected_t_p(np.array([2.0, -1.0] * 10) + 0.2), 4)
    0.0281
    """
    n = len(d)
    centred = d - d.mean()
    squares = float((centred**2).sum())
    if squares <= (1e-9 * np.abs(d).max()) ** 2:
        return 0.0 if d.mean() > 0 else 1.0
    t = float(d.mean()) / math.sqrt(squares / (n - 1) / n * inflation)
    if correct_skewness:
        t = remove_skewness(t, skewness(centred) / math.sqrt(n))
    return float(stdtr(n - 1, -t))
