"""Last value, drift, seasonal naive and AR(1): one formula, fitted anew at every origin.

With g the working scale (y or log y), L the lag of the difference and w_t = g_t − g_{t−L} (g itself at L = 0)

    w_{t+1} = c + φ w_t + e      Naive: L = 1, c = φ = 0.      SeasonalNaive: L = season, c = φ = 0.
                                 RWD:   L ≥ 1, φ = 0.          AR1: c and φ by least squares.

Shapes: T steps, K origins, h steps ahead, Q quantiles.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unrolled.data.preprocess.transforms import Transform

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_MAX_GROWTH = 10.0  # of a step's effect over the horizon: φ is cut there, so that none explodes
_MIN_PAIRS = 3  # neighbouring pairs under which φ is taken as 0


class BaselineForecast(NamedTuple):
    """Forecasts of one baseline for one series."""

    point: Floats  # (K, h)
    quantiles: Floats  # (K, h, Q)
    fell_back: bool = False  # to the last value, where the model could not be fitted


@dataclass(frozen=True)
class LinearBaseline:
    """Last value, drift, seasonal naive or AR(1): cheap enough to be fitted anew at every origin.

    Args:
        name: its row in the table.
        scale_name: "levels", "changes" (of the levels) or "transform", the network's own.
        has_drift: estimate c.
        has_slope: estimate φ.
        seasonal: repeat the last season rather than the last value.

    >>> y = np.array([1.0, 2.0, 4.0, 8.0, 16.0, 32.0])
    >>> drift = LinearBaseline("RWD", "transform", has_drift=True)
    >>> at = dict(transform=Transform("log-difference"), refit=False)
    >>> drift.forecast(y, np.array([3, 5]), 2, np.array([0.5]), **at).point.round(6).tolist()
    [[16.0, 32.0], [64.0, 128.0]]
    """

    name: str
    scale_name: Literal["levels", "changes", "transform"] = "transform"
    has_drift: bool = False
    has_slope: bool = False
    seasonal: bool = False

    def scale(self, transform: Transform) -> tuple[bool, int]:
        """Return whether the working scale is the log, and the lag L."""
        if self.seasonal:
            return transform.log, transform.season
        if not (self.has_drift or self.has_slope):
            return transform.log, 1  # the log changes no point here, and gives the spread the network's scale
        log, lag = {
            "levels": (False, 0),
            "changes": (False, 1),
            "transform": (transform.log, transform.lag),
        }[self.scale_name]
        return log, lag if self.has_slope else max(lag, 1)

    def note(self, transform: Transform) -> str:
        """Name the working scale, as "on levels" or "on log changes"; empty where there is no choice."""
        if not (self.has_drift or self.has_slope):
            return ""
        log, lag = self.scale(transform)
        words = ["log"] * log + ["seasonal"] * (lag > 1)
        if lag > 1 or (lag == 1 and self.has_slope):
            words.append("changes")
        return f"on {' '.join(words)}" if words else "on levels"

    def forecast(
        self, y: Floats, origins: Ints, horizon: int, quantiles: Floats, *, transform: Transform, refit: bool
    ) -> BaselineForecast:
        """Forecast from each origin o, from y[: o + 1] alone.

        Where the first origin lies inside the first season (L steps, one more for φ) nothing can be
        estimated there: the last value stands in, from every origin.

        Args:
            y: (T,) the series.
            origins: (K,) rising positions of the newest step known, from 1 on.
            horizon: h, steps ahead.
            quantiles: (Q,) in (0, 1); those of normal errors on the working scale.
            transform: the network's for this series, and the season.
            refit: no difference: fitting at every origin costs nothing here.
        """
        log, lag = self.scale(transform)
        if origins.min() < lag + self.has_slope:
            return last_value_instead(y, origins, horizon, quantiles, transform=transform, refit=refit)
        g = np.log(y) if log else np.asarray(y, dtype=np.float64)
        w = g[lag:] - g[:-lag] if lag else g
        constant, slope, variance = self._fit(w, origins - lag, _MAX_GROWTH ** (1 / horizon))
        ahead, psi = np.zeros((len(origins), horizon)), np.zeros((len(origins), horizon))
        newest = w[origins - lag]
        for k in range(horizon):
            newest = constant + slope * newest
            ahead[:, k], psi[:, k] = newest, slope**k  # psi: what an error k steps old still weighs
            if lag:
                ahead[:, k] += g[origins + k + 1 - lag] if k < lag else ahead[:, k - lag]
                psi[:, k] += psi[:, k - lag] if k >= lag else 0.0
        spread = np.sqrt(variance[:, None] * np.cumsum(psi**2, axis=1))
        z = np.array([NormalDist().inv_cdf(q) for q in quantiles])
        spanned = ahead[..., None] + spread[..., None] * z  # (K, h, Q)
        return BaselineForecast(np.exp(ahead), np.exp(spanned)) if log else BaselineForecast(ahead, spanned)

    def _fit(self, w: Floats, newest: Ints, steepest: float) -> tuple[Floats, Floats, Floats]:
        """Estimate c, φ and the variance of e, (K,) each, by least squares over w up to each newest step."""

        def mean(values: Floats) -> Floats:
            return np.asarray(np.cumsum(values)[last] / (last + 1))

        last = newest - 1 if self.has_slope else newest
        slope = np.zeros(len(newest))
        if not (self.has_drift or self.has_slope):
            return slope, slope, mean(w**2)
        base = w[0]  # sums of squares about a value near the data keep their digits
        z = w[1:] - base if self.has_slope else w - base
        zm, zz = mean(z), mean(z * z) - mean(z) ** 2
        if not self.has_slope:
            return zm + base, slope, np.maximum(zz, 0.0)
        x = w[:-1] - base
        xm, xx, xz = mean(x), mean(x * x) - mean(x) ** 2, mean(x * z) - mean(x) * mean(z)
        is_estimable = (xx > 1e-12 * mean(x * x)) & (last + 1 >= _MIN_PAIRS)
        slope = np.clip(np.divide(xz, xx, out=slope, where=is_estimable), -steepest, steepest)
        residual_variance = np.maximum(zz - 2 * slope * xz + slope**2 * xx, 0.0)
        return zm - slope * xm + (1 - slope) * base, slope, residual_variance


def last_value_instead(*series: Any, **settings: Any) -> BaselineForecast:
    """Forecast the last value in place of a baseline that cannot be fitted."""
    return LinearBaseline("Naive").forecast(*series, **settings)._replace(fell_back=True)
