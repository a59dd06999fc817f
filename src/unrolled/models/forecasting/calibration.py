"""Conformal calibration of a network's quantiles, and interpolation between them."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_LEAST_RATIO, _MOST_RATIO = 0.5, 3.0
_PRIOR_POINTS = 30.0  # how many held-out points "as trained" counts for


def calibration_factors(predictions: Floats, targets: Floats, quantiles: Sequence[float]) -> Floats:
    """Return the factors that move each quantile from the median until it holds on held-out data.

    For the quantile τ, the ratio (target − median) / (q_τ − median) exceeds c in a share τ (or 1 − τ)
    of the held-out points; that c replaces 1. Few points pull it towards 1.

    Args:
        predictions: (M, Q) quantiles of held-out points, rising.
        targets: (M,) observed values.
        quantiles: (Q,) their levels, the median in the middle.

    Returns:
        (Q,) a factor a quantile; 1 for the median.

    Source: Romano, Patterson and Candès (2019), Conformalized Quantile Regression, with a ratio in
    place of their difference, so that one factor serves wide and narrow bands.

    >>> rng = np.random.default_rng(0)
    >>> predictions = np.tile([-0.5, 0.0, 0.5], (4000, 1))  # too narrow for a standard normal
    >>> calibration_factors(predictions, rng.normal(size=4000), [0.1, 0.5, 0.9]).round(1).tolist()
    [2.5, 1.0, 2.6]
    """
    middle = len(quantiles) // 2
    factors = np.ones(len(quantiles))
    errors = targets - predictions[:, middle]
    for k, level in enumerate(quantiles):
        if k == middle or not len(targets):
            continue
        ratio = errors / (predictions[:, k] - predictions[:, middle] + np.copysign(1e-9, k - middle))
        share = level if k > middle else 1 - level
        factor = float(np.clip(np.quantile(ratio, share), _LEAST_RATIO, _MOST_RATIO))
        factors[k] = (len(ratio) * factor + _PRIOR_POINTS) / (len(ratio) + _PRIOR_POINTS)
    return factors


def rescale_quantiles(predictions: Floats, factors: Floats) -> Floats:
    """Move quantiles (..., Q) away from their median by these factors, and keep them rising."""
    middle = len(factors) // 2
    median = predictions[..., middle : middle + 1]
    return np.asarray(np.sort(median + (predictions - median) * factors, axis=-1))


def interpolate_quantile(predictions: Floats, quantiles: Sequence[float], level: float) -> Floats:
    """Return the quantile at `level` (...), between and beyond those predicted (..., Q).

    Straight lines between two of them, on the scale of a normal distribution's quantiles; beyond the
    outermost, its distance from the median grows as a normal distribution's would.

    >>> interpolate_quantile(np.array([[-1.0, 0.0, 1.0]]), [0.1, 0.5, 0.9], 0.9).tolist()
    [1.0]
    >>> interpolate_quantile(np.array([[-1.0, 0.0, 1.0]]), [0.1, 0.5, 0.9], 0.99).round(2).tolist()
    [1.82]
    """
    scores = [NormalDist().inv_cdf(level) for level in quantiles]
    z = NormalDist().inv_cdf(level)
    middle = len(scores) // 2
    edge = 0 if z < scores[0] else len(scores) - 1
    if not scores[0] <= z <= scores[-1]:
        median = predictions[..., middle]
        return np.asarray(median + (predictions[..., edge] - median) * z / scores[edge])
    right = int(np.clip(np.searchsorted(scores, z), 1, len(scores) - 1))
    share = (z - scores[right - 1]) / (scores[right] - scores[right - 1])
    return np.asarray(predictions[..., right - 1] * (1 - share) + predictions[..., right] * share)


def scores_of(levels: Sequence[float]) -> Floats:
    """Return the quantiles of a standard normal distribution at these levels.

    >>> scores_of([0.1, 0.5, 0.9]).round(2).tolist()
    [-1.28, 0.0, 1.28]
    """
    return np.array([NormalDist().inv_cdf(level) for level in levels])


def quantiles_at_scores(predictions: Floats, levels: Sequence[float], scores: Floats) -> Floats:
    """Return the quantiles at normal scores, row by row, as `interpolate_quantile` does at a level.

    Args:
        predictions: (n, Q) quantiles, rising.
        levels: (Q,) their levels, the median in the middle.
        scores: (n, K) of the quantiles to return.

    Returns:
        (n, K).

    >>> scores = np.array([[-2.56, 0.0, 0.64]])
    >>> quantiles_at_scores(np.array([[-1.0, 0.0, 2.0]]), [0.1, 0.5, 0.9], scores).round(1)
    array([[-2.,  0.,  1.]])
    """
    grid, middle = scores_of(levels), len(levels) // 2
    right = np.clip(np.searchsorted(grid, scores), 1, len(grid) - 1)
    share = (scores - grid[right - 1]) / (grid[right] - grid[right - 1])
    inner = (
        np.take_along_axis(predictions, right - 1, 1) * (1 - share)
        + np.take_along_axis(predictions, right, 1) * share
    )
    edge = np.where(scores < 0, 0, len(grid) - 1)
    median = predictions[:, middle : middle + 1]
    beyond = median + (np.take_along_axis(predictions, edge, 1) - median) * scores / grid[edge]
    return np.where((scores < grid[0]) | (scores > grid[-1]), beyond, inner)
