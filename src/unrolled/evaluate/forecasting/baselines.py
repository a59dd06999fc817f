"""The forecasts that every network is held against, each from the same origins.

Last value, drift, seasonal naive and AR(1) are one formula, here in NumPy, fitted anew at every origin:
with g the working scale (y or log y), L the lag of the difference and w_t = g_t − g_{t−L} (g itself at L = 0)

    w_{t+1} = c + φ w_t + e      Naive: L = 1, c = φ = 0.      SeasonalNaive: L = season, c = φ = 0.
                                 RWD:   L ≥ 1, φ = 0.          AR1: c and φ by least squares.

Theta, AutoETS and AutoARIMA are statsforecast's, imported here alone and only when asked for.
"""

from __future__ import annotations

import warnings
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import NormalDist
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from unrolled.data.preprocess.transforms import Transform
from unrolled.models.forecasting.network import ForecastNetwork
from unrolled.validation import check_choices

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

DEFAULT_BASELINES = ("Naive", "RWD", "AR1", "SeasonalNaive", "Theta", "AutoETS", "feedforward")
BASELINES = (*DEFAULT_BASELINES[:-1], "AutoARIMA", "feedforward")
_SCALES: tuple[Literal["levels", "changes", "transform"], ...] = ("levels", "changes", "transform")
_MAX_GROWTH = 10.0  # of a step's effect over the horizon: φ is cut there, so that none explodes
_MAX_HIDDEN = 4096  # hidden units of a feed-forward net
_MIN_PAIRS = 3  # neighbouring pairs under which φ is taken as 0
_MAX_ETS_SEASON = 24  # as in R's ets: a state for each season of the year, not for each hour of the week


class BaselineForecast(NamedTuple):
    """What one baseline says about one series."""

    point: Floats  # (K, h)
    quantiles: Floats  # (K, h, Q)
    fell_back: bool = False  # to the last value, where the model could not be fitted


@dataclass(frozen=True)
class LinearBaseline:
    """Last value, drift, seasonal naive or AR(1): cheap enough to be fitted anew at every origin.

    Args:
        name: its row in the table.
        scale_name: "levels", "changes" (of the levels) or "transform": what the network uses.
        has_drift: c is estimated.
        has_slope: φ is estimated.
        seasonal: repeats the last season rather than the last value.

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
        """Whether it works on logs, and the lag L."""
        if self.seasonal:
            return transform.log, transform.season
        if not (self.has_drift or self.has_slope):
            return transform.log, 1  # the same point either way; the spread follows the network's scale
        log, lag = {
            "levels": (False, 0),
            "changes": (False, 1),
            "transform": (transform.log, transform.lag),
        }[self.scale_name]
        return log, lag if self.has_slope else max(lag, 1)

    def note(self, transform: Transform) -> str:
        """Such as "on levels" or "on log changes"; empty where there is no choice."""
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
        """Forecasts from each origin o, from y[: o + 1] alone.

        Where the first origin lies inside the first season (L steps, one more for φ) nothing can be
        estimated there: the last value then, from every origin.

        Args:
            y: (T,) the series.
            origins: (K,) rising positions of the newest step known, from 1 on.
            horizon: h, steps ahead.
            quantiles: (Q,) in (0, 1); those of normal errors on the working scale.
            transform: what the network uses for this series, and its season.
            refit: makes no difference: fitting at every origin costs nothing here.
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
        """(K,) c, φ and the variance of e, by least squares over w up to each newest step."""

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
        known = (xx > 1e-12 * mean(x * x)) & (last + 1 >= _MIN_PAIRS)
        slope = np.clip(np.divide(xz, xx, out=slope, where=known), -steepest, steepest)
        left = np.maximum(zz - 2 * slope * xz + slope**2 * xx, 0.0)
        return zm - slope * xm + (1 - slope) * base, slope, left


@dataclass(frozen=True)
class StatsforecastBaseline:
    """A model of statsforecast, on the levels.

    Without refit it is fitted at the first origin; at later ones its parameters stay and its states are
    carried over the newer steps, which statsforecast does exactly. A series that the model refuses (too
    short, say) is forecast by its last value.

    >>> y = 100 + np.arange(40.0)
    >>> at = dict(transform=Transform("difference"), refit=False)
    >>> theta = StatsforecastBaseline("Theta")
    >>> theta.forecast(y, np.array([37]), 2, np.array([0.1, 0.5, 0.9]), **at).point.shape
    (1, 2)
    """

    name: str

    def note(self, transform: Transform) -> str:
        """Empty: these choose their own scale."""
        del transform
        return ""

    def forecast(
        self, y: Floats, origins: Ints, horizon: int, quantiles: Floats, *, transform: Transform, refit: bool
    ) -> BaselineForecast:
        """Forecasts from each origin, as `LinearBaseline.forecast`; refit fits at each of them."""
        season = transform.season
        if self.name == "AutoETS" and season > _MAX_ETS_SEASON:
            season = 1
        levels = sorted({_level_of(q) for q in quantiles if q != 0.5})
        y = np.array(y, dtype=np.float64)  # statsforecast wants it writable and contiguous
        answers = self._answers(y, origins, horizon, levels, self._maker(season), refit=refit)
        if len(answers) < len(origins) or not all(np.isfinite(a["mean"]).all() for a in answers):
            return _last_value_instead(y, origins, horizon, quantiles, transform=transform, refit=refit)
        point = np.stack([answer["mean"] for answer in answers])
        spanned = [np.stack([_quantile(answer, q) for q in quantiles], axis=-1) for answer in answers]
        return BaselineForecast(point, np.stack(spanned))

    def _maker(self, season: int) -> Callable[[], Any]:
        from statsforecast import models  # noqa: PLC0415 (costs a second and more)

        return partial(getattr(models, self.name), season_length=season)

    @staticmethod
    def _answers(
        y: Floats, origins: Ints, horizon: int, levels: list[float], make: Callable[[], Any], *, refit: bool
    ) -> list[dict[str, Floats]]:
        """One answer an origin; fewer where the model gave up."""
        answers: list[dict[str, Floats]] = []
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # of its optimisers' steps, which end well or raise
            try:
                for o in origins:
                    if refit or not answers:
                        model = make().fit(y[: o + 1])
                        answers.append(model.predict(horizon, level=levels))
                    else:
                        answers.append(model.forward(y[: o + 1], horizon, level=levels))
            except Exception:  # noqa: BLE001 (statsforecast raises bare Exception where no model fits)
                return []
        return answers


Baseline = LinearBaseline | StatsforecastBaseline


def _last_value_instead(*series: Any, **at: Any) -> BaselineForecast:
    """What stands in for a baseline that cannot be fitted."""
    return LinearBaseline("Naive").forecast(*series, **at)._replace(fell_back=True)


def _level_of(q: float) -> float:
    """The level of the central band that q bounds: 80 for 0.1 and for 0.9."""
    return round(100 * abs(1 - 2 * float(q)), 6)


def _quantile(answer: dict[str, Floats], q: float) -> Floats:
    if q == 0.5:
        return answer["mean"]
    return answer[f"{'lo' if q < 0.5 else 'hi'}-{_level_of(q)}"]


def baseline_variants(names: Sequence[str], transforms: Sequence[Transform]) -> list[Baseline]:
    """The baselines behind each name; of those that share a name, the one that errs least counts.

    Args:
        names: some of `BASELINES`; "feedforward" is a network, made by `backtest` itself, and skipped.
        transforms: what the network uses, one a series; without a season there is no seasonal naive.

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
    """Without those that work on the same scale as an earlier one, for every series."""
    kept: dict[tuple[tuple[bool, int], ...], Baseline] = {}
    for baseline in baselines:
        kept.setdefault(tuple(map(baseline.scale, dict.fromkeys(transforms))), baseline)
    return list(kept.values())


def matching_feedforward(fitted: Any) -> Any:
    """An unfitted feed-forward Forecaster for a fitted recurrent one: its window, about as many weights.

    >>> import unrolled as ur
    >>> y = np.random.default_rng(0).normal(size=60)
    >>> lstm = ur.Forecaster(horizon=2, hidden_size=8, max_epochs=1).fit(y)
    >>> twin = matching_feedforward(lstm).fit(y)
    >>> twin.cell, 0.9 < twin.n_parameters_ / lstm.n_parameters_ < 1.1
    ('feedforward', True)
    """
    sizes = replace(fitted.sizes_, cell="feedforward")

    def excess(hidden_size: int) -> int:
        with torch.device("meta"):
            network = ForecastNetwork(replace(sizes, hidden_size=hidden_size))
        return sum(p.numel() for p in network.parameters()) - int(fitted.n_parameters_)

    above = bisect_left(range(1, _MAX_HIDDEN), 0, key=excess) + 1
    hidden_size = min((max(1, above - 1), above), key=lambda size: abs(excess(size)))
    settings = {"cell": "feedforward", "hidden_size": hidden_size, "window": fitted.window_}
    return type(fitted)(**fitted.get_params() | settings | {"activation": "tanh"})


def check_baselines(names: Any) -> tuple[str, ...]:
    """The names as asked for, the defaults where none were, or an error that offers the nearest spelling."""
    if names is None:
        return DEFAULT_BASELINES
    return check_choices("baselines", names, BASELINES, needed="a network's error means nothing without one")
