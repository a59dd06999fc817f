"""Statistics of losses in pairs, and of means: how often chance alone would do the same.

Two losses of the same sequence (or origin) are compared by their difference d. p-values are one-sided: how
often sums this large, in this direction, would appear if there were no difference.

    McNemar      of the pairs that differ (d = ±1), how often a fair coin shows as many heads; exact.
    sign flips   the share of sign patterns s under which Σ s_i d_i reaches Σ d_i; exact up to 12 pairs.
                 Holds for any size and spread of the d_i, heavy tails included.
    corrected t  t = d̄ / (s √(v / n)), then t + γt²/3√n + γ²t³/27n + γ/6√n for skewness γ, against Student's
                 t with n − 1. Holds where a model wins often but loses big; v is what dependence adds.

Source: McNemar 1947; Hall 1992, "On the Removal of Skewness by Transformation", eq. 2.2 (the cubic);
Wilson 1927 (the interval of a share); Nadeau and Bengio 2003, "Inference for the Generalization Error", eq.
18 (`fold_inflation`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, stdtr, stdtrit

Floats = NDArray[np.float64]

_MAX_EXACT_PAIRS = 12  # 2^12 sign patterns are enumerated, more are sampled
_SAMPLED_FLIPS = 9999
_PATTERNS_PER_BATCH = 512  # sign patterns in memory: 8 MB for 2,000 pairs


def mcnemar_p(wins: float, losses: float, inflation: float = 1.0) -> float:
    """How often a fair coin, thrown `wins + losses` times, shows heads at least `wins` times.

    Args:
        wins: pairs that one of two wins.
        losses: pairs that it loses.
        inflation: how many pairs are worth one independent pair, at least 1.

    >>> mcnemar_p(5, 0), round(mcnemar_p(9, 1), 4), mcnemar_p(0, 0)
    (0.03125, 0.0107, 1.0)
    """
    if wins == 0:
        return 1.0
    return float(betainc(wins / inflation, losses / inflation + 1, 0.5))


def sign_flip_p(differences: Floats) -> float:
    """How often flips of whole rows of `differences` (n, J) reach its largest column.

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
    """Every pattern of n signs, or a fixed sample of them, in parts: (patterns, n) of ±1.

    >>> next(sign_patterns(2)).tolist()
    [[-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0], [1.0, 1.0]]
    """
    rng = np.random.default_rng(0)
    patterns = 2**n if n <= _MAX_EXACT_PAIRS else _SAMPLED_FLIPS
    for start in range(0, patterns, _PATTERNS_PER_BATCH):
        part = np.arange(start, min(start + _PATTERNS_PER_BATCH, patterns))
        if n <= _MAX_EXACT_PAIRS:
            bits = part[:, None] >> np.arange(n) & 1
        else:
            bits = rng.integers(0, 2, size=(len(part), n))
        yield np.where(bits == 1, 1.0, -1.0)


def corrected_t_p(d: Floats, inflation: float = 1.0) -> float:
    """How often Student's t, corrected for skewness, is as large as that of d (n,).

    Args:
        d: differences.
        inflation: v, how many times as large the variance of their mean is as if they were independent.

    >>> round(corrected_t_p(np.array([2.0, -1.0] * 10) + 0.2), 4)
    0.0281
    """
    n = len(d)
    centred = d - d.mean()
    squares = float((centred**2).sum())
    if squares <= (1e-9 * np.abs(d).max()) ** 2:  # the same difference everywhere
        return 0.0 if d.mean() > 0 else 1.0
    t = float(d.mean()) / math.sqrt(squares / (n - 1) / n * inflation)
    a = _skewness(centred) / math.sqrt(n)
    corrected = t + a * t**2 / 3 + a**2 * t**3 / 27 + a / 6
    return float(stdtr(n - 1, -corrected))


def _skewness(centred: Floats) -> float:
    n = len(centred)
    if n < 3:
        return 0.0
    third, second = float((centred**3).mean()), float((centred**2).mean())
    return float(third / second**1.5 * math.sqrt(n * (n - 1)) / (n - 2))


def wilson_interval(right: float, n: float, level: float) -> tuple[float, float]:
    """Wilson's interval of a share, of which `right` of n were seen.

    Args:
        right: from 0 to n; not only whole numbers.
        n: how many independent ones, above 0.
        level: in per cent.

    >>> [round(end, 3) for end in wilson_interval(9, 10, 95)]
    [0.596, 0.982]
    """
    z, share = NormalDist().inv_cdf(0.5 + level / 200), right / n
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def mean_interval(values: Floats, level: float, inflation: float = 1.0) -> tuple[float, float]:
    """An interval of the mean of values (n,), by Student's t with its skewness taken out.

    The cubic of `corrected_t_p` has an inverse, (3 / a) ((1 + a (x − a / 6))^⅓ − 1) with a = γ / √n, which
    turns the ends of Student's t into those of a skewed one. A single value is its own interval.

    >>> [round(end, 2) for end in mean_interval(np.array([1.0, 2.0, 3.0, 4.0]), 95)]
    [0.45, 4.55]
    """
    n, mean = len(values), float(values.mean())
    centred = values - mean
    squares = float((centred**2).sum())
    if n == 1 or squares <= (1e-9 * np.abs(values).max()) ** 2:
        return mean, mean
    error = math.sqrt(squares / (n - 1) / n * inflation)
    a, x = _skewness(centred) / math.sqrt(n), float(stdtrit(n - 1, 0.5 + level / 200))
    low, high = (3 / a * (np.cbrt(1 + a * (q - a / 6)) - 1) if abs(a) > 1e-6 else q for q in (x, -x))
    return mean - error * float(low), mean - error * float(high)


def group_contributions(values: Floats, groups: NDArray[np.int64]) -> Floats:
    """(G,) one value a group, whose mean is that of values (n, ...) and whose spread tells that mean's.

    m + G / n · Σ over the group of (value − m): what the group adds to the mean m.

    >>> group_contributions(np.array([1.0, 1.0, 4.0]), np.array([0, 0, 1])).round(2).tolist()
    [0.67, 3.33]
    """
    mean = values.mean(axis=0)
    sums = np.zeros((int(groups.max()) + 1, *values.shape[1:]))
    np.add.at(sums, groups, values - mean)
    return np.asarray(mean + sums * (len(sums) / len(values)))


def fold_inflation(folds: int) -> float:
    """How many times as large the variance of a mean over all folds is as if their losses were independent.

    They share most of what they were trained on: 1 + k · n_test / n_train = 1 + k / (k − 1).

    >>> fold_inflation(5)
    2.25
    """
    return 1 + folds / (folds - 1)
