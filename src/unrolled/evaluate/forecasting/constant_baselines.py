"""Constants: the forecasts that minimise each measure where no step tells anything of the next.

    mae    the median        rmse   the mean        crps   the quantiles of the past

Each over all steps up to the origin, over the newest window of them, or over those at the same place in the
season. Fitted anew at every origin. Shapes: T steps, K origins, h steps ahead, Q quantiles.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from unrolled.data.preprocess.transforms import Transform
from unrolled.evaluate.forecasting.linear_baselines import BaselineForecast

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

Span = Literal["all", "window", "season"]

_MIN_DEMAND_INTERVAL = 1.32  # mean steps from one value above 0 to the next, from which data are intermittent


@dataclass(frozen=True)
class ConstantBaseline:
    """Median or mean of the past, or zero, for every step ahead.

    Args:
        name: "Median", "Mean" or "Zero".
        span: of the past: "all" steps, the newest "window", or, for each step ahead, those at its place in
            the "season".
        window: steps; for `span="window"`.

    >>> y = np.array([0.0, 0.0, 3.0, 0.0, 2.0, 1.0])
    >>> at = dict(transform=Transform("scale"), refit=False)
    >>> ConstantBaseline("Median").forecast(y, np.array([3, 5]), 2, np.array([0.5]), **at).point.tolist()
    [[0.0, 0.0], [0.5, 0.5]]
    """

    name: str
    span: Span = "all"
    window: int = 0

    def note(self, transform: Transform) -> str:
        """Name the span, as "of all steps"; empty for zero."""
        del transform
        if self.name == "Zero":
            return ""
        return {
            "all": "of all steps",
            "window": f"of the last {self.window} steps",
            "season": "of the same season",
        }[self.span]

    def forecast(
        self, y: Floats, origins: Ints, horizon: int, quantiles: Floats, *, transform: Transform, refit: bool
    ) -> BaselineForecast:
        """Forecast from each origin o, from y[: o + 1] alone.

        Args:
            y: (T,) the series.
            origins: (K,) rising positions of the newest step known.
            horizon: h, steps ahead.
            quantiles: (Q,) in (0, 1); those of the past steps.
            transform: its season counts, where the span is "season".
            refit: no difference: fitting at every origin costs nothing here.
        """
        del refit
        point = np.zeros((len(origins), horizon))
        fan = np.zeros((len(origins), horizon, len(quantiles)))
        if self.name == "Zero":
            return BaselineForecast(point, fan)
        period = transform.season if self.span == "season" else 1
        center = np.median if self.name == "Median" else np.mean
        for k, origin in enumerate(origins):
            past = y[: origin + 1][-self.window if self.span == "window" else 0 :]
            for place in range(min(period, horizon)):  # steps ahead a season apart have the same past
                values = past[(len(past) + place) % period :: period] if len(past) >= period else past
                point[k, place::period] = center(values)
                fan[k, place::period] = np.quantile(values, quantiles)
        return BaselineForecast(point, fan)


def constant_variants(name: str, window: int, season: int) -> list[ConstantBaseline]:
    """Return a constant over each span; without a season, none over its places.

    >>> [one.span for one in constant_variants("Median", 12, season=1)]
    ['all', 'window']
    """
    spans: tuple[Span, ...] = ("all", "window", "season") if season > 1 else ("all", "window")
    return [ConstantBaseline(name, span, window) for span in spans]


def is_intermittent(series: Sequence[Floats]) -> bool:
    """Tell whether most series are never negative and mostly zero: 1.32 steps or more from demand to demand.

    Args:
        series: N arrays (T_i,), up to each first origin.

    Source: Syntetos, Boylan and Croston 2005, "On the categorization of demand patterns".

    >>> is_intermittent([np.array([0.0, 0.0, 3.0, 0.0])]), is_intermittent([np.array([1.0, 2.0, 3.0, 4.0])])
    (True, False)
    """
    flags = [
        y.min() >= 0 and (y > 0).any() and len(y) >= _MIN_DEMAND_INTERVAL * (y > 0).sum() for y in series
    ]
    return bool(sum(flags) * 2 > len(flags))
