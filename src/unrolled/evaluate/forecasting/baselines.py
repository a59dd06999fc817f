"""Baselines of a backtest, each from the same origins as the network.

Last value, drift, seasonal naive and AR(1) are one formula, in NumPy, fitted anew at every origin: with g the
working scale (y or log y), L the lag of the difference and w_t = g_t − g_{t−L} (g itself at L = 0)

    w_{t+1} = c + φ w_t + e      Naive: L = 1, c = φ = 0.      SeasonalNaive: L = season, c = φ = 0.
                                 RWD:   L ≥ 1, φ = 0.          AR1: c and φ by least squares.

Theta, AutoETS and AutoARIMA are statsforecast's, an optional package: it is imported here alone, and only
when one of them is forecast.
"""

from __future__ import annotations

import warnings
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from statistics import NormalDist
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from unrolled.data.preprocess.transforms import Transform
from unrolled.errors import MissingDependencyError
from unrolled.formatting import join_words
from unrolled.models.forecasting.network import ForecastNetwork
from unrolled.validation import check_choices

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

DEFAULT_BASELINES = ("Naive", "RWD", "AR1", "SeasonalNaive", "Theta", "AutoETS", "feedforward")
BASELINES = (*DEFAULT_BASELINES[:-1], "AutoARIMA", "feedforward")
_STATSFORECAST_BASELINES = ("Theta", "AutoETS", "AutoARIMA")
_SCALES: tuple[Literal["levels", "changes", "transform"], ...] = ("levels", "changes", "transform")
_MAX_GROWTH = 10.0  # of a step's effect over the horizon: φ is cut there, so that none explodes
_MAX_HIDDEN = 4096  # hidden units of a feed-forward net
_MIN_PAIRS = 3  # neighbouring pairs under which φ is taken as 0
_MAX_ETS_SEASON = 24  # as in R's ets: a state for each season of the year, not for each hour of the week


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
            return _last_value_instead(y, origins, horizon, quantiles, transform=transform, refit=refit)
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


@dataclass(frozen=True)
class StatsforecastBaseline:
    """Theta, AutoETS or AutoARIMA of statsforecast, on the levels.

    Without refit it is fitted at the first origin; at later ones its parameters stay and its states are
    carried over the newer steps, which statsforecast does exactly. A series that the model refuses (too
    short, say) is forecast by its last value, and the table's remarks say so.

    >>> StatsforecastBaseline("Theta").note(Transform("difference"))
    ''
    """

    name: str

    def note(self, transform: Transform) -> str:
        """Return "": these choose their own scale."""
        del transform
        return ""

    def forecast(
        self, y: Floats, origins: Ints, horizon: int, quantiles: Floats, *, transform: Transform, refit: bool
    ) -> BaselineForecast:
        """Forecast as `LinearBaseline.forecast`; with refit, the model is fitted anew at each origin."""
        season = transform.season
        if self.name == "AutoETS" and season > _MAX_ETS_SEASON:
            season = 1
        levels = sorted({_level_of(q) for q in quantiles if q != 0.5})
        y = np.array(y, dtype=np.float64)  # statsforecast wants it writable and contiguous
        forecasts = self._forecast_origins(
            y, origins, horizon, levels, self._model_factory(season), refit=refit
        )
        if len(forecasts) < len(origins) or not all(np.isfinite(each["mean"]).all() for each in forecasts):
            return _last_value_instead(y, origins, horizon, quantiles, transform=transform, refit=refit)
        point = np.stack([forecast["mean"] for forecast in forecasts])
        quantile_values = [
            np.stack([_quantile(forecast, q) for q in quantiles], axis=-1) for forecast in forecasts
        ]
        return BaselineForecast(point, np.stack(quantile_values))

    def _model_factory(self, season: int) -> Callable[[], Any]:
        from statsforecast import models  # noqa: PLC0415 (costs a second and more)

        return partial(getattr(models, self.name), season_length=season)

    @staticmethod
    def _forecast_origins(
        y: Floats, origins: Ints, horizon: int, levels: list[float], make: Callable[[], Any], *, refit: bool
    ) -> list[dict[str, Floats]]:
        """Return one forecast an origin; none where the model cannot be fitted."""
        forecasts: list[dict[str, Floats]] = []
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # its optimisers warn of steps, and raise where they fail
            try:
                for origin in origins:
                    if refit or not forecasts:
                        model = make().fit(y[: origin + 1])
                        forecasts.append(model.predict(horizon, level=levels))
                    else:
                        forecasts.append(model.forward(y[: origin + 1], horizon, level=levels))
            except Exception:  # noqa: BLE001 (statsforecast raises bare Exception where no model fits)
                return []
        return forecasts


Baseline = LinearBaseline | StatsforecastBaseline


def _last_value_instead(*series: Any, **settings: Any) -> BaselineForecast:
    """Forecast the last value in place of a baseline that cannot be fitted."""
    return LinearBaseline("Naive").forecast(*series, **settings)._replace(fell_back=True)


def _level_of(q: float) -> float:
    """Return the level of the central band that q bounds: 80 for 0.1 and for 0.9."""
    return round(100 * abs(1 - 2 * float(q)), 6)


def _quantile(forecast: dict[str, Floats], q: float) -> Floats:
    if q == 0.5:
        return forecast["mean"]
    return forecast[f"{'lo' if q < 0.5 else 'hi'}-{_level_of(q)}"]


def baseline_variants(names: Sequence[str], transforms: Sequence[Transform]) -> list[Baseline]:
    """Make the baselines behind each name; of those that share a name, the one that errs least counts.

    Args:
        names: some of `BASELINES`; "feedforward" is a network, made by `backtest` itself, and skipped.
        transforms: the network's, one a series; without a season there is no seasonal naive.

    >>> monthly = Transform("log-difference", season=12)
    >>> [(b.name, b.note(monthly)) for b in baseline_variants(("Naive", "AR1"), [monthly])]
    [('Naive', ''), ('AR1', 'on levels'), ('AR1', 'on changes'), ('AR1', 'on log changes')]
    """
    table: dict[str, list[Baseline]] = {
        "Naive": [LinearBaseline("Naive")],
        "RWD": _without_equal_scales(
            [LinearBaseline("RWD", scale, has_drift=True) for scale in _SCALES], transforms
        ),
        "AR1": _without_equal_scales(
            [LinearBaseline("AR1", s, has_drift=True, has_slope=True) for s in _SCALES], transforms
        ),
        "SeasonalNaive": [LinearBaseline("SeasonalNaive", seasonal=True)] * (transforms[0].season > 1),
        "Theta": [StatsforecastBaseline("Theta")],
        "AutoETS": [StatsforecastBaseline("AutoETS")],
        "AutoARIMA": [StatsforecastBaseline("AutoARIMA")],
    }
    return [baseline for name in names for baseline in table.get(name, [])]


def _without_equal_scales(baselines: list[LinearBaseline], transforms: Sequence[Transform]) -> list[Baseline]:
    """Drop those that work on the same scale as an earlier one, for every series."""
    by_scale: dict[tuple[tuple[bool, int], ...], Baseline] = {}
    for baseline in baselines:
        by_scale.setdefault(tuple(map(baseline.scale, dict.fromkeys(transforms))), baseline)
    return list(by_scale.values())


def matching_feedforward(fitted: Any) -> Any:
    """Make an unfitted feed-forward Forecaster with the window and about as many weights as a fitted one.

    >>> import unrolled as ur
    >>> y = np.random.default_rng(0).normal(size=60)
    >>> lstm = ur.Forecaster(horizon=2, hidden_size=8, max_steps=8).fit(y)
    >>> flat = matching_feedforward(lstm).fit(y)
    >>> flat.cell, 0.9 < flat.n_parameters_ / lstm.n_parameters_ < 1.1
    ('feedforward', True)
    """
    sizes = replace(fitted.network_config_, cell="feedforward")

    def excess(hidden_size: int) -> int:
        with torch.device("meta"):
            network = ForecastNetwork(replace(sizes, hidden_size=hidden_size))
        return sum(p.numel() for p in network.parameters()) - int(fitted.n_parameters_)

    above = bisect_left(range(1, _MAX_HIDDEN), 0, key=excess) + 1
    hidden_size = min((max(1, above - 1), above), key=lambda size: abs(excess(size)))
    settings = {"cell": "feedforward", "hidden_size": hidden_size, "window": fitted.window_}
    return type(fitted)(**fitted.get_params() | settings | {"activation": "tanh"})


def check_baselines(names: Any) -> tuple[str, ...]:
    """Return valid names, the default ones for None.

    Raises:
        ArgumentError: a name is unknown; the sentence offers the nearest spelling.
    """
    if names is None:
        return DEFAULT_BASELINES
    return check_choices("baselines", names, BASELINES, needed="a network's error means nothing without one")


def available_baselines(names: Sequence[str], *, is_explicit: bool) -> tuple[tuple[str, ...], str]:
    """Return the baselines whose package is installed, and a sentence on those left out.

    Args:
        names: some of `BASELINES`.
        is_explicit: the caller named them: then none may be left out.

    Raises:
        MissingDependencyError: one is left out that the caller named.

    >>> available_baselines(("Naive", "AR1"), is_explicit=True)
    (('Naive', 'AR1'), '')
    """
    missing = [name for name in names if name in _STATSFORECAST_BASELINES]
    if not missing or find_spec("statsforecast"):
        return tuple(names), ""
    reason = 'statsforecast, which is not installed: pip install "unrolled[baselines]"'
    if is_explicit:
        raise MissingDependencyError(f"baselines: {missing[0]} needs {reason}")
    remark = f"{join_words(missing)} left out: they need {reason}."
    return tuple(name for name in names if name not in missing), remark
