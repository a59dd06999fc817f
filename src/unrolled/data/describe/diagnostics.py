"""Diagnostics on the changes of a series: growth, season, and signs of averaging."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

AVERAGED = (0.15, 0.30)  # lag-1 autocorrelation of changes; 0.17 for averages of two steps, 0.25 of many
_Z = 2.576  # of 1,000 random walks, 5 stray this far above 0 at lag 1
_Z_LAG_2 = 2.08  # 1.96 √(1 + 2 · 0.25²), the spread of the lag-2 autocorrelation under averaging
_LEAST_SEASONS = 3
_Z_SEASON = 2.326


class AveragingEvidence(NamedTuple):
    """Autocorrelations of the changes one and two steps apart, and whether they look like averaging."""

    lag_1: float
    lag_2: float
    suspected: bool


def step_changes(y: Floats) -> Floats:
    """Difference the logarithm where all known values are above 0, else the values; (T − 1,)."""
    valid = y[~np.isnan(y)]
    return np.diff(np.log(y) if len(valid) and valid.min() > 0 else y)


def detect_averaging(y: Floats, season: int = 1) -> AveragingEvidence:
    """Detect that a series is an average of a finer one, such as monthly means of daily prices.

    Averages of a random walk have changes with autocorrelation (m² − 1) / (4m² + 2) at lag 1, m the steps
    averaged, and 0 from lag 2 on. Suspected where lag 1 lies between 0.15 and 0.30 and at least 2.58
    standard errors above 0, and lag 2 within its own error of 0. The standard error allows for calm and
    wild times: √Σ (d_t d_{t−1})² / Σ d², no less than 1 / √n. So fewer than 74 changes are never suspected.

    Args:
        y: (T,) the series, NaN where missing.
        season: steps in a season, whose mean changes are taken off first.

    Source: Working 1960, "Note on the Correlation of First Differences of Averages in a Random Chain".

    >>> walk = np.random.default_rng(0).normal(size=21 * 600).cumsum()
    >>> detect_averaging(walk.reshape(600, 21).mean(1)).suspected, detect_averaging(walk[20::21]).suspected
    (True, False)
    """
    changes = step_changes(y)
    d, valid_mask = _deseasoned(changes, season), ~np.isnan(changes)
    pairs = [max(int((valid_mask[k:] & valid_mask[:-k]).sum()), 1) for k in (1, 2)]
    if valid_mask.sum() < 3 or not d.any():
        return AveragingEvidence(0.0, 0.0, suspected=False)
    variance = float((d**2).sum() / valid_mask.sum())
    products = d[1:] * d[:-1]
    lag_1 = float(products.sum() / pairs[0] / variance)
    lag_2 = float((d[2:] * d[:-2]).sum() / pairs[1] / variance)
    error = max(float(np.sqrt((products**2).sum()) / pairs[0] / variance), 1 / np.sqrt(pairs[0]))
    inside = AVERAGED[0] <= lag_1 <= AVERAGED[1] and lag_1 >= _Z * error
    return AveragingEvidence(
        lag_1, lag_2, suspected=bool(inside and abs(lag_2) <= _Z_LAG_2 / np.sqrt(pairs[1]))
    )


def _deseasoned(d: Floats, season: int) -> Floats:
    """Changes less their mean, or less the mean of their season; 0 where one is missing."""
    valid_mask = ~np.isnan(d)
    phase = np.arange(len(d)) % (season if season > 1 and valid_mask.sum() >= _LEAST_SEASONS * season else 1)
    filled = np.where(valid_mask, d, 0.0)
    mean = np.bincount(phase, filled) / np.maximum(np.bincount(phase, valid_mask), 1)
    rest = np.where(valid_mask, d - mean[phase], 0.0)
    return np.where(np.abs(rest) > 1e-9 * np.abs(filled).max(initial=0.0), rest, 0.0)  # less is round-off


def detect_seasonality(y: Floats, season: int) -> tuple[bool | None, float]:
    """Detect a season: whether changes resemble those a season before, with their autocorrelation.

    Compared with √((1 + 2 Σ_{k < season} r_k²) / n), the standard error if later lags were 0.

    Returns:
        None and 0.0 where there is no season, or too few of them.

    >>> year = np.tile([3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0, 5.0, 3.0, 5.0, 8.0], 6)
    >>> detect_seasonality(year, 12)[0], detect_seasonality(year, 1)[0]
    (True, None)
    """
    d = _deseasoned(step_changes(y), 1)
    power = float((d**2).sum())
    if season < 2 or len(d) < _LEAST_SEASONS * season or power == 0:
        return None, 0.0
    spectrum = np.abs(np.fft.rfft(d, 2 * len(d))) ** 2  # its inverse is the autocovariance at every lag
    r = np.fft.irfft(spectrum)[: season + 1] / power
    error = np.sqrt((1 + 2 * (r[1:season] ** 2).sum()) / len(d))
    return bool(r[season] > _Z_SEASON * error), float(r[season])


def percent_growth(y: Floats) -> Floats:
    """Change (T − 1,) from each step to the next in percent; empty unless all known values are above 0.

    >>> percent_growth(np.array([100.0, 110.0, 99.0])).round(6).tolist()
    [10.0, -10.0]
    """
    valid = y[~np.isnan(y)]
    if not len(valid) or valid.min() <= 0:
        return np.empty(0)
    with np.errstate(over="ignore"):  # such as from 1e-300 to 1e100: infinite, as good as
        return 100 * (y[1:] / y[:-1] - 1)


def log_growth(
    y: Floats, season: int = 1, *, is_step: NDArray[np.bool_] | None = None
) -> tuple[float, float]:
    """Return the mean change of log y a step, the geometric growth, and its standard error.

    Where four seasons or more are complete, the changes are those of the season's mean of log y, counted back
    from the end, so that neither the season nor where in it the series begins counts.

    Args:
        y: (T,) values; both results are NaN unless all known ones are above 0 and two changes are known.
        season: steps in a season.
        is_step: (T - 1,) false where a change spans a gap, and is left out; None where none does.

    >>> growth, error = log_growth(np.array([100.0, 110.0, 99.0, 121.0]))
    >>> round(growth, 4), round(error, 4)
    (0.0635, 0.0898)
    """
    valid = y[~np.isnan(y)]
    if not len(valid) or valid.min() <= 0:
        return np.nan, np.nan
    g, whole = np.log(y), len(y) // season
    changes, steps = np.diff(g), 1
    if season > 1 and whole >= _LEAST_SEASONS and len(valid) == len(y) and (is_step is None or is_step.all()):
        changes, steps = np.diff(g[len(g) - whole * season :].reshape(whole, season).mean(axis=1)), season
    elif is_step is not None:
        changes = changes[is_step]
    changes = changes[~np.isnan(changes)] / steps
    if len(changes) < 2:
        return np.nan, np.nan
    return float(changes.mean()), float(changes.std(ddof=1)) / math.sqrt(len(changes))
