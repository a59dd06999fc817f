"""Forecast with its data, model and backtest, for the screen, for JSON and for the report."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from unrolled.data.preprocess.transforms import transform_name
from unrolled.errors import ArgumentError, DataError
from unrolled.report.records import Forecast, ModelCard, SeriesForecast

if TYPE_CHECKING:
    import pandas as pd

    from unrolled.data.sequences import Sequences
    from unrolled.evaluate.forecasting.backtest import BacktestResult
    from unrolled.models.forecasting.forecaster import Forecaster

_ORIGINS = 24  # of the page's backtest, where the series is long enough


@dataclass(frozen=True, eq=False)
class ForecastReport:
    """Forecast of a fitted model, with what the report needs.

    Args:
        series: the data.
        model: fitted on it.
        frame: what `predict` returned.
        levels: widths of its bands, in per cent.
    """

    series: Sequences
    model: Forecaster
    frame: pd.DataFrame
    levels: Sequence[float]

    def forecast(self, *, log_axis: bool = False) -> Forecast:
        """Collect the forecast of each series beside its past."""
        horizon, cell = len(self.frame) // len(self.series), self.model.cell
        forecasts = []
        for k, (one, length) in enumerate(zip(self.series, self.series.observed, strict=True)):
            rows = self.frame.iloc[k * horizon : (k + 1) * horizon]
            ends = {
                level: [rows[f"{cell}-{side}-{level:g}"].to_numpy(np.float64) for side in ("lo", "hi")]
                for level in self.levels
            }
            forecasts.append(
                SeriesForecast(
                    id=self.series.ids[k],
                    times=np.arange(length) if one.times is None else one.times[:length],
                    values=one.target[:length],
                    future_times=rows[self.series.names.time].to_numpy(),
                    point=rows[cell].to_numpy(np.float64),
                    bands={level: (low, high) for level, (low, high) in ends.items()},
                )
            )
        return Forecast(cell, tuple(forecasts), self.series.freq, log_axis)

    def backtest(self, *, keep_interrupted: bool = False) -> tuple[BacktestResult | None, str]:
        """Backtest the model; where that is impossible, return the reason.

        Raises:
            KeyboardInterrupt: Ctrl-C ended it, and the forecast is not to be kept.
        """
        from unrolled.evaluate.forecasting.backtest import backtest

        if self.model.history_.stopped == "interrupted":
            return None, "The training was interrupted, so that nothing was tested."
        level = min(self.levels, key=lambda level: abs(level - 80))
        usual_length = int(np.median(self.series.observed))  # shorter ones are left out where they must be
        spare = usual_length // 2 - self.model.horizon  # half is for the first fit
        try:
            return backtest(self.model, self.series, level=level, origins=min(max(spare, 1), _ORIGINS)), ""
        except (DataError, ArgumentError) as fault:
            return None, str(fault)
        except KeyboardInterrupt:
            if not keep_interrupted:
                raise
            return None, "The backtest was interrupted, so that nothing was tested."

    def write(self, path: str, result: BacktestResult | None, why_untested: str = "") -> None:
        """Write the report."""
        from unrolled.data.describe.analyse import describe
        from unrolled.report.html.page import write_forecast_report

        description = describe(self.series)
        write_forecast_report(
            path,
            description=description,
            forecast=self.forecast(log_axis=bool(description.multiplicative)),
            backtest=result,
            model_card=self.card(),
            why_untested=why_untested,
        )

    def card(self) -> ModelCard:
        """Collect the facts on the fitted model."""
        model = self.model
        why = f"It sees {transform_name(model.transform_)}: {model.transform_reason_}."
        return ModelCard(model.summary(), why, model.history_, shlex.join(["unrolled", *sys.argv[1:]]))

    def to_dict(self) -> dict[str, Any]:
        """Return model and forecasts, ready for JSON; no score is in it."""
        model = self.model
        learned = ("window_", "transform_", "transform_reason_", "season_", "n_parameters_", "seconds_")
        return {
            "source": self.series.source,
            "notes": [*self.series.notes, *filter(None, [model.bounds_.note])],
            "model": {
                "cell": model.cell,
                "horizon": model.horizon,
                **{name.rstrip("_"): getattr(model, name) for name in learned},
                "steps": model.history_.records[-1].step,
                "best_step": model.history_.best_step,
                "stopped": model.history_.stopped,
                "seed": model.random_state,
            },
            "forecast": self.frame.to_dict("records"),
        }
