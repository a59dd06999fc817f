"""Confidence intervals of a share, of a mean, and of a score of sums.

Source: Wilson 1927 (the share); Hall 1992, eq. 2.2 (the skewed mean, see `skewness`); Efron 1979 (the
bootstrap).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from unrolled.stats.skewness import restore_skewness, skewness

_RESAMPLES = 1000
_DRAWS_AT_ONCE = 1 << 21


def wilson_interval(successes: float, n: float, level: float) -> tuple[float, float]:
    """Return Wilson's confidence interval of a share, of which `successes` of n were observed.

    Args:
        successes: from 0 to n; fractions of cases are allowed.
        n: number of independent cases, above 0.
        level: confidence level in per cent.

    >>> [round(end, 3) for end in wilson_interval(9, 10, 95)]
    [0.596, 0.982]
    """
    z, share = NormalDist().inv_cdf(0.5 + level / 200), successes / n
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def mean_interval(values: NDArray[np.float64], level: float, inflation: float = 1.0) -> tuple[float, float]:
    """Return a confidence interval of the mean of values (n,), by Student's t corrected for skewness.

    The ends of Student's interval are turned into those of a skewed one by Hall's inverse. A single value
    has no spread to tell it by: its interval is NaN to NaN. Values that are all alike are their own.

    Args:
        values: (n,) at least one.
        level: confidence level in per cent.
        inflation: factor on the variance of the mean, 1 for independent values.

    >>> [round(end, 2) for end in mean_interval(np.array([1.0, 2.0, 3.0, 4.0]), 95)]
    [0.45, 4.55]
    """
    n, mean = len(values), float(values.mean())
    if n == 1:
        return math.nan, math.nan
    centred = values - mean
    squares = float((centred**2).sum())
    if squares <= (1e-9 * np.abs(values).max()) ** 2:
        return mean, mean
    error = math.sqrt(squares / (n - 1) / n * inflation)
    a, x = skewness(centred) / math.sqrt(n), float(stdtrit(n - 1, 0.5 + level / 200))
    low, high = restore_skewness(x, a), restore_skewness(-x, a)
    return mean - error * low, mean - error * high


def bootstrap_interval(
    rows: NDArray[np.float64],
    score: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    level: float,
) -> tuple[float, float]:
    """Return the percentile interval of a score of the sums of rows, by the bootstrap; the draws are seeded.

    A single row could only be drawn as it is: its interval is NaN to NaN.

    Args:
        rows: (n, J) counts, a row an independent unit.
        score: of sums (..., J), to (...,).
        level: confidence level in per cent.

    >>> rows = np.repeat([[0.0], [1.0]], 50, axis=0)
    >>> bootstrap_interval(rows, lambda sums: sums[..., 0] / 100, 95)
    (0.41, 0.6)
    """
    rng, n = np.random.default_rng(0), len(rows)
    if n == 1:
        return math.nan, math.nan
    scores = []
    at_once = max(1, _DRAWS_AT_ONCE // n)
    for start in range(0, _RESAMPLES, at_once):
        size = min(at_once, _RESAMPLES - start)
        counts = rng.multinomial(n, np.full(n, 1 / n), size=size)
        scores.append(score(counts.astype(np.float64) @ rows))
    tail = (100 - level) / 200
    low, high = np.quantile(np.concatenate(scores), [tail, 1 - tail])
    return float(low), float(high)
