"""Errors of forecasts over all series, origins and steps, by utilsforecast."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from utilsforecast import losses

Floats = NDArray[np.float64]

METRICS = ("mae", "rmse", "mase", "smape", "crps", "coverage")


def forecast_metrics(
    actual: Floats, point: Floats, band: tuple[Floats, Floats], quantiles: Floats, *,
    taus: Sequence[float], units: Floats, level: float,
) -> dict[str, float | None]:  # fmt: skip
    """Measure the forecasts of one model: each series' metric over its origins and steps, then their mean.

        mae       mean |y − ŷ|                        rmse   √ mean (y − ŷ)²
        mase      mae / unit                          smape  200 · mean |y − ŷ| / (|y| + |ŷ|)
        crps      2 · ∫ over τ of the pinball loss at τ: the mae of a distribution
        coverage  share of steps inside the band

    Args:
        actual: (N, K, h) observed values, NaN where there is nothing to score.
        point: (N, K, h) the medians.
        band: two (N, K, h), the ends of the band of `level` per cent.
        quantiles: (N, K, h, Q) forecasts at `taus`.
        taus: (Q,) rising levels in (0, 1); the integral also takes the points halfway between two.
        units: (N,) from `mase_scales`; series whose unit is NaN are left out of mase.
        level: of the band, in per cent.

    Returns:
        Value by name in `METRICS`; None where there is none, such as mase where no series ever changed.

    >>> y = np.array([[[10.0, 12.0]]])
    >>> at = dict(taus=[0.5], units=np.array([4.0]), level=80)
    >>> row = forecast_metrics(y, y - 1, (y - 2, y), y[..., None] - 1, **at)
    >>> {name: round(value, 2) for name, value in row.items()}
    {'mae': 1.0, 'rmse': 1.0, 'mase': 0.25, 'smape': 9.61, 'crps': 1.0, 'coverage': 1.0}
    """
    lo, hi = (f"model-{side}-{level}" for side in ("lo", "hi"))
    levels, fan, widths = _with_midpoints(np.asarray(taus, dtype=np.float64), quantiles)
    frame = pd.DataFrame(
        {
            "unique_id": np.repeat(np.arange(len(actual)), actual[0].size),
            "y": actual.ravel(),
            "model": point.ravel(),
            lo: band[0].ravel(),
            hi: band[1].ravel(),
        }
    ).dropna(subset=["y"])
    units = units[frame["unique_id"].unique()]

    def by_series(metric: Callable[..., Any], **settings: Any) -> Floats:
        return np.asarray(metric(frame, ["model"], **settings)["model"], dtype=np.float64)

    mae = by_series(losses.mae)
    pinball = _pinball_losses(actual, fan, levels)
    values = {
        "mae": mae.mean(),
        "rmse": by_series(losses.rmse).mean(),
        "mase": _finite_mean(mae / units),
        "smape": 200 * by_series(losses.smape).mean(),
        "crps": 2 * float(widths @ pinball),
        "coverage": by_series(losses.coverage, level=level).mean(),
    }
    return {name: float(value) if np.isfinite(value) else None for name, value in values.items()}


def _pinball_losses(actual: Floats, fan: Floats, levels: Floats) -> Floats:
    """Compute the pinball loss (Q,) at each level: the mean over the steps of a series, then over series.

    As `utilsforecast.losses.quantile_loss`, of all levels at once: a call of that takes milliseconds.

    Args:
        actual: (N, K, h), NaN where there is nothing to score.
        fan: (N, K, h, Q) forecasts at the levels.
        levels: (Q,).
    """
    error = (actual[..., None] - fan).reshape(len(actual), -1, len(levels))
    pinball = np.maximum(levels * error, (levels - 1) * error)
    is_scored = ~np.isnan(actual).reshape(len(actual), -1)
    totals = np.where(is_scored[..., None], pinball, 0.0).sum(axis=1)  # (N, Q)
    n_scored = is_scored.sum(axis=1, keepdims=True)
    return (totals[n_scored[:, 0] > 0] / n_scored[n_scored > 0, None]).mean(axis=0)  # type: ignore[no-any-return]


def _with_midpoints(taus: Floats, quantiles: Floats) -> tuple[Floats, Floats, Floats]:
    """Add levels and quantiles halfway between neighbours; and the width of (0, 1) nearest to each level.

    Seven uneven levels weighed alike make the crps of a normal 24 % too small; these, 0.2 %.
    """
    levels = np.interp(np.arange(0, len(taus) - 0.5, 0.5), np.arange(len(taus)), taus)
    fan = np.empty((*quantiles.shape[:-1], len(levels)))
    fan[..., ::2] = quantiles
    fan[..., 1::2] = (quantiles[..., 1:] + quantiles[..., :-1]) / 2
    return levels, fan, np.diff(np.concatenate([[0.0], (levels[1:] + levels[:-1]) / 2, [1.0]]))


def mase_scales(series: Sequence[Floats], season: int) -> Floats:
    """Return the divisors (N,) of MASE: the mean change over a season, before the first origin.

    The change from step to step is used where a series is not longer than a season or repeats it exactly;
    NaN where it never changes. Changes from or to a missing value do not count.

    Args:
        series: N arrays (T_i,), up to each first origin.
        season: steps in a season.

    Source: Hyndman and Koehler 2006, "Another look at measures of forecast accuracy", eq. 11.

    >>> mase_scales([np.array([1.0, 2.0, 1.0, 4.0]), np.ones(5)], season=2).tolist()
    [1.0, nan]
    """
    return np.array([_mase_scale(y, season) for y in series])


def _mase_scale(y: Floats, season: int) -> float:
    for lag in (season, 1):
        changes = np.abs(y[lag:] - y[:-lag])
        if (unit := _finite_mean(changes)) > 0:
            return unit
    return float("nan")


def losses_by_origin(actual: Floats, point: Floats, units: Floats) -> Floats:
    """Return one loss an origin: the mean over the horizon, and over series in their units.

    One series stays in its own unit; of many, those without a unit are left out. So are steps without an
    actual value, and origins without any.

    >>> y = np.zeros((2, 3, 4))
    >>> losses_by_origin(y, y + np.array([2.0, 30.0])[:, None, None], np.array([1.0, 10.0])).tolist()
    [2.5, 2.5, 2.5]
    """
    is_scored = ~np.isnan(actual)
    n_scored = is_scored.sum(axis=2)
    by_series = np.where(is_scored, np.abs(actual - point), 0.0).sum(axis=2) / np.maximum(
        n_scored, 1
    )  # (N, K)
    has_unit = np.isfinite(units)
    if len(units) > 1 and has_unit.any():
        by_series, n_scored = by_series[has_unit] / units[has_unit, None], n_scored[has_unit]
    n_series = (n_scored > 0).sum(axis=0)
    return np.asarray(by_series.sum(axis=0)[n_series > 0] / n_series[n_series > 0])


def _finite_mean(values: Floats) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else float("nan")
