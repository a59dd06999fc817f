"""Rolling origins: forecasts of models and baselines, each from the steps up to its origin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unrolled.data.calendar.offsets import format_time, season_length
from unrolled.data.io.frames import id_columns_of
from unrolled.data.preprocess.transforms import Transform
from unrolled.data.sequences import Role, Sequences
from unrolled.errors import DataError
from unrolled.evaluate.forecasting.baselines import Baseline
from unrolled.formatting import quantity
from unrolled.models.forecasting.network import QUANTILES
from unrolled.models.protocols import end_if_interrupted

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ModelForecasts:
    """Forecasts of one model from every origin.

    Args:
        name: its row in the table.
        note: the scale it works on, where it has a choice.
        point: (N, K, h) medians.
        band: two (N, K, h), the ends of the band.
        quantiles: (N, K, h, Q) at `RollingOrigins.taus`.
        remark: sentence for the reader of the table, or empty.
    """

    name: str
    note: str
    point: Floats
    band: tuple[Floats, Floats]
    quantiles: Floats
    remark: str = ""


@dataclass(frozen=True, eq=False)
class RollingOrigins:
    """Origins of a backtest, and the forecasts of any model from them.

    Args:
        series: N series, regular.
        origins: (N, K) positions of the newest step known, rising.
        horizon: h, steps ahead.
        level: width of the band in per cent.
        refit: fit at each origin; else once, at the first.

    >>> steps = Sequences.from_arrays([np.arange(10.0)])
    >>> RollingOrigins(steps, np.array([[5, 7]]), 2, 80, refit=False).actual.tolist()
    [[[6.0, 7.0], [8.0, 9.0]]]
    """

    series: Sequences
    origins: Ints
    horizon: int
    level: float
    refit: bool

    taus = QUANTILES

    @cached_property
    def targets(self) -> list[Floats]:
        """Target of each series (T_i,), without future rows."""
        return [one.target[:n] for one, n in zip(self.series, self.series.observed, strict=True)]

    @cached_property
    def observed_targets(self) -> list[Floats]:
        """Target of each series (T_i,), NaN where it was filled."""
        if self.series.filled is None:
            return self.targets
        filled = np.split(self.series.filled, self.series.offsets[1:-1])
        return [np.where(each[: len(y)], np.nan, y) for y, each in zip(self.targets, filled, strict=True)]

    @cached_property
    def actual(self) -> Floats:
        """Observed values (N, K, h) after each origin; NaN where there is nothing to score.

        No filled value is scored, and nothing after a filled origin that holds what comes later, as on a
        straight line to the next observation.
        """
        ahead = self.origins[..., None] + np.arange(1, self.horizon + 1)
        scored = np.stack([y[steps] for y, steps in zip(self.observed_targets, ahead, strict=True)])
        for k, (y, seen) in enumerate(zip(self.targets, self.observed_targets, strict=True)):
            last = pd.Series(seen).ffill().to_numpy()
            scored[k, y[self.origins[k]] != last[self.origins[k]]] = np.nan
        return scored

    @property
    def filled_remark(self) -> str:
        """Sentence on the steps that are not scored; empty where all are."""
        n_left_out = int(np.isnan(self.actual).sum())
        if not n_left_out:
            return ""
        verb = "was" if n_left_out == 1 else "were"
        return (
            f"{n_left_out:,} of {quantity(self.actual.size, 'step')} {verb} left out of the scores: the "
            "series was filled there, or at their origin by what comes later."
        )

    def forecast_model(self, model: Any, name: str | None = None) -> tuple[Any, ModelForecasts]:
        """Fit copies of a model, and forecast with them.

        Args:
            model: a Forecaster; it stays as it is.
            name: its row in the table; None for its cell.

        Returns:
            The copy that was fitted at the first origin, and the forecasts of all copies.

        Raises:
            DataError: it cannot be fitted on the steps up to an origin.
        """
        remark = ""
        starts = range(self.origins.shape[1]) if self.refit else [0]
        copies = [self._fit_copy(model, self.origins[:, k]) for k in starts]
        try:
            forecasts = self._forecast_from(copies, starts, self.series)
        except DataError:
            turns = [] if model.get_params().get("transform") != "auto" else self._turns()
            if not turns:
                raise
            more = [] if self.refit else turns
            copies += [self._fit_copy(model, self.origins[:, k]) for k in more]
            forecasts = self._forecast_from(copies, [*starts, *more])
            remark = self._turn_remark(turns)
        joined = {
            key: np.concatenate([forecast[key] for forecast in forecasts], axis=1) for key in forecasts[0]
        }
        band = joined["lo"], joined["hi"]
        shown = name or model.cell
        return copies[0], ModelForecasts(shown, "", joined["point"], band, joined["quantiles"], remark)

    def _forecast_from(
        self, copies: Sequence[Any], starts: Sequence[int], series: Sequences | None = None
    ) -> list[dict[str, Any]]:
        """Forecast with each copy from the origins that begin at its start, up to the next one's.

        Args:
            copies: fitted models.
            starts: position of the first origin of each, rising.
            series: to read; None for the steps up to the last of those origins alone.
        """
        forecasts = []
        for copy, start, stop in zip(copies, starts, [*starts[1:], self.origins.shape[1]], strict=True):
            origins = self.origins[:, start:stop]
            past = self._known_at(origins[:, -1]) if series is None else series
            forecasts.append(copy.forecast_origins(past, origins, level=self.level))
        return forecasts

    def _known_at(self, origin: Ints) -> Sequences:
        """Leave out targets after an origin each; what is known ahead stays."""
        steps = np.arange(len(self.series.values)) - np.repeat(self.series.offsets[:-1], self.series.lengths)
        values = self.series.values.copy()
        rows = np.flatnonzero(steps > np.repeat(origin, self.series.lengths))
        for k in self.series.columns_of(Role.TARGET):
            values[rows, k] = np.nan
        return replace(self.series, values=values)

    def _turns(self) -> list[int]:
        """List the origins after the first at which the first value at or below 0 of a series is known."""
        is_positive = np.array(
            [
                [y[: origin + 1].min() > 0 for origin in row]
                for y, row in zip(self.targets, self.origins, strict=True)
            ]
        )
        return (np.flatnonzero((is_positive[:, :-1] & ~is_positive[:, 1:]).any(axis=0)) + 1).tolist()

    def _turn_remark(self, turns: Sequence[int]) -> str:
        origin = self.origins[0, turns[0]]
        times = self.series.times
        when = f"step {origin}" if times is None else format_time(times[self.series.offsets[0] + origin])
        what = "chosen" if self.refit else "chosen and the network fitted anew"
        return (
            f"From {when} on values at or below 0 are known, which have no logarithm: there the transform "
            f"was {what}."
        )

    def _fit_copy(self, model: Any, origin: Ints) -> Any:
        """Fit a copy of the model on the steps up to these origins.

        Raises:
            DataError: it cannot be fitted on them.
            KeyboardInterrupt: Ctrl-C cut the training short: half of one must not be judged as a whole one.
        """
        copy = type(model)(**model.get_params())
        n_steps = origin + 1
        try:
            copy.fit(self.series.head(n_steps))
        except DataError as error:
            raise DataError(
                f"backtest: only {n_steps.max()} steps are known at the first of "
                f"{self.origins.shape[1]} origins. {error}"
            ) from error
        end_if_interrupted(copy)
        return copy

    def transforms(self, fitted: Any) -> list[Transform]:
        """Return the network's transform for each series; without the log where a value is not above 0."""
        name = fitted.transform_
        without_log = {"log": "scale"}.get(name, name.removeprefix("log-"))
        season = self.season(fitted)
        return [Transform(name if y.min() > 0 else without_log, season) for y in self.targets]

    def season(self, fitted: Any) -> int:
        """Return the season of the baselines: the network's, or else the frequency's."""
        return int(fitted.season or season_length(self.series.freq))

    def forecast_baseline(self, baseline: Baseline, fitted: Any) -> ModelForecasts:
        """Forecast with a baseline, on the scale of the fitted network where it has a choice."""
        levels = np.array([*self.taus, 0.5 - self.level / 200, 0.5 + self.level / 200])
        transforms = self.transforms(fitted)
        forecasts = [
            baseline.forecast(y, origins, self.horizon, levels, transform=transform, refit=self.refit)
            for y, origins, transform in zip(self.targets, self.origins, transforms, strict=True)
        ]
        quantiles = np.stack([one.quantiles for one in forecasts])
        fell_back = sum(one.fell_back for one in forecasts)
        remark = (
            f"{baseline.name} could not be fitted to {fell_back} of {len(forecasts)} series, which are "
            "forecast by their last value."
        )
        return ModelForecasts(
            baseline.name,
            baseline.note(transforms[0]),
            np.stack([one.point for one in forecasts]),
            (quantiles[..., -2], quantiles[..., -1]),
            quantiles[..., :-2],
            remark if fell_back else "",
        )

    def forecast_columns(self, predictions: Sequence[ModelForecasts]) -> dict[str, NDArray[Any]]:
        """Return id, time, cutoff, y and the point forecasts of each model, a row a forecast step."""
        series = self.series
        steps = self.origins[..., None] + np.arange(1, self.horizon + 1)  # (N, K, h)
        origins = np.broadcast_to(self.origins[..., None], steps.shape)
        rows = series.offsets[:-1, None, None]
        times = [part if series.times is None else series.times[rows + part] for part in (steps, origins)]
        columns = id_columns_of(series, np.repeat(np.arange(len(series)), steps[0].size))
        columns |= {series.names.time: times[0].ravel(), "cutoff": times[1].ravel()}
        columns["y"] = self.actual.ravel()
        return columns | {one.name: one.point.ravel() for one in predictions}


def common_ends(series: Sequences) -> tuple[Ints, str]:
    """Return the steps (N,) of each series up to the earliest end, and a sentence where others go on.

    Origins are counted back from there, so that each is one moment for all: a network fitted on every
    series up to it has read no later day of another. Without times, each series has its own end.

    >>> steps, offsets, times = np.ones((7, 1)), np.array([0, 4, 7]), np.array([0, 1, 2, 3, 0, 1, 2])
    >>> ends, remark = common_ends(Sequences(steps, offsets, ("a", "b"), times=times, freq="1"))
    >>> print(ends, remark)
    [3 3] Series end at different times: origins are counted back from 2, the end of 'b'; what comes \
later in others is not used.
    """
    own_ends = series.observed
    if series.times is None:
        return own_ends, ""
    last_times = series.times[series.offsets[:-1] + own_ends - 1]
    first = int(last_times.argmin())
    times_of_series = np.split(series.times, series.offsets[1:-1])
    ends = np.array([np.searchsorted(times, last_times[first], side="right") for times in times_of_series])
    if (ends == own_ends).all():
        return own_ends, ""
    return ends, (
        f"Series end at different times: origins are counted back from {format_time(last_times[first])}, "
        f"the end of {series.ids[first]!r}; what comes later in others is not used."
    )


def perturbed_after(series: Sequences, origin: Ints) -> Sequences:
    """Alter series after an origin each: larger numbers of the same sign.

    Columns that are known ahead of time (future and static) stay.

    >>> before = Sequences.from_arrays([[1.0, 2.0, 3.0, 4.0]])
    >>> after = perturbed_after(before, np.array([1])).target
    >>> after[:2].tolist(), bool((after[2:] > before.target[2:]).all())
    ([1.0, 2.0], True)
    """
    rng = np.random.default_rng(0)
    steps = np.arange(len(series.values)) - np.repeat(series.offsets[:-1], series.lengths)
    is_later = steps > np.repeat(origin, series.lengths)
    values = series.values.copy()
    for k in (*series.columns_of(Role.TARGET), *series.columns_of(Role.PAST)):
        shift = np.nanmean(np.abs(values[:, k])) * rng.uniform(0.5, 2, len(values))
        perturbed = values[:, k] * rng.uniform(1.5, 3, len(values)) + np.copysign(shift, values[:, k])
        values[is_later, k] = perturbed[is_later]
    return replace(series, values=values)
