"""Baselines of statsforecast: Theta, AutoETS, AutoARIMA, and Croston's method for intermittent data.

The package is optional; it is imported here alone, and only when one of them is forecast.
Shapes: T steps, K origins, h steps ahead, Q quantiles.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from unrolled.data.preprocess.transforms import Transform
from unrolled.evaluate.forecasting.constant_baselines import ConstantBaseline
from unrolled.evaluate.forecasting.linear_baselines import BaselineForecast, last_value_instead

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_MAX_ETS_SEASON = 24  # as in R's ets: a state for each season of the year, not for each hour of the week
_TSB_SMOOTHING = 0.1  # of sizes and of the probability of a demand, the rate of Croston's method


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
            return last_value_instead(y, origins, horizon, quantiles, transform=transform, refit=refit)
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


@dataclass(frozen=True)
class CrostonBaseline:
    """Rate of intermittent data: Croston's method, SBA or TSB of statsforecast, fitted anew at every origin.

    The point forecast is a mean per step; the quantiles are those of all steps to the origin, as these
    methods give none.

    Args:
        method: "CrostonClassic", "CrostonSBA" or "TSB".

    Source: Croston 1972; Syntetos and Boylan 2005 (SBA); Teunter, Syntetos and Babai 2011 (TSB).

    >>> CrostonBaseline("CrostonSBA").note(Transform("scale"))
    'SBA'
    """

    method: str
    name: ClassVar[str] = "Croston"

    def note(self, transform: Transform) -> str:
        """Name the method."""
        del transform
        return {"CrostonClassic": "classic", "CrostonSBA": "SBA"}.get(self.method, self.method)

    def forecast(
        self, y: Floats, origins: Ints, horizon: int, quantiles: Floats, *, transform: Transform, refit: bool
    ) -> BaselineForecast:
        """Forecast as `LinearBaseline.forecast`."""
        from statsforecast import models  # noqa: PLC0415 (costs a second and more)

        settings = {"alpha_d": _TSB_SMOOTHING, "alpha_p": _TSB_SMOOTHING} if self.method == "TSB" else {}
        model = getattr(models, self.method)(**settings)
        y = np.array(y, dtype=np.float64)
        point = np.stack([model.forecast(y[: origin + 1], horizon)["mean"] for origin in origins])
        past = ConstantBaseline("Mean").forecast(
            y, origins, horizon, quantiles, transform=transform, refit=refit
        )
        return past._replace(point=np.asarray(point, dtype=np.float64))


def _level_of(q: float) -> float:
    """Return the level of the central band that q bounds: 80 for 0.1 and for 0.9."""
    return round(100 * abs(1 - 2 * float(q)), 6)


def _quantile(forecast: dict[str, Floats], q: float) -> Floats:
    if q == 0.5:
        return forecast["mean"]
    return forecast[f"{'lo' if q < 0.5 else 'hi'}-{_level_of(q)}"]
