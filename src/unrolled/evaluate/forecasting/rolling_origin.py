"""Forecasts from origins in the past, each from what was known there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.data.calendar.offsets import season_length, shown
from unrolled.data.preprocess.transforms import Transform
from unrolled.data.sequences import Role, Sequences
from unrolled.errors import DataError
from unrolled.evaluate.forecasting.baselines import Baseline
from unrolled.models.forecasting.network import QUANTILES

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ModelForecasts:
    """What one model forecast from every origin.

    Args:
        name: its row in the table.
        note: the scale it works on, where it has a choice.
        point: (N, K, h) medians.
        band: two (N, K, h), the ends of the band.
        quantiles: (N, K, h, Q) at `RollingOrigins.taus`.
        remark: what to know of it, a sentence; empty where there is nothing.
    """

    name: str
    note: str
    point: Floats
    band: tuple[Floats, Floats]
    quantiles: Floats
    remark: str = ""


@dataclass(frozen=True, eq=False)
class RollingOrigins:
    """The origins of a backtest, and what any model forecasts from them.

    Args:
        series: N series, regular.
        grid: (N, K) origins, rising.
        horizon: h, steps ahead.
        level: width of the band in per cent.
        refit: fit at each origin; else once, at the first.

    >>> steps = Sequences.from_arrays([np.arange(10.0)])
    >>> RollingOrigins(steps, np.array([[5, 7]]), 2, 80, refit=False).actual.tolist()
    [[[6.0, 7.0], [8.0, 9.0]]]
    """

    series: Sequences
    grid: Ints
    horizon: int
    level: float
    refit: bool

    taus = QUANTILES

    @cached_property
    def targets(self) -> list[Floats]:
        """N arrays (T_i,), without future rows."""
        return [one.target[:n] for one, n in zip(self.series, self.series.observed, strict=True)]

    @cached_property
    def actual(self) -> Floats:
        """(N, K, h) what came after each origin."""
        ahead = self.grid[..., None] + np.arange(1, self.horizon + 1)
        return np.stack([y[steps] for y, steps in zip(self.targets, ahead, strict=True)])

    def network(self, model: Any, name: str | None = None) -> tuple[Any, ModelForecasts]:
        """The copy of a model that was fitted at the first origin, and what all copies told.

        Args:
            model: a Forecaster; it stays as it is.
            name: its row in the table; None for its cell.

        Raises:
            DataError: it cannot be fitted on what was known at an origin.
        """
        if not self.refit:
            first = self._fitted(model, self.grid[:, 0])
            answers = [first.forecast_origins(self.series, self.grid, level=self.level)]
        else:
            copies = [self._fitted(model, origin) for origin in self.grid.T]
            first = copies[0]
            columns = np.split(self.grid, self.grid.shape[1], axis=1)
            answers = [
                copy.forecast_origins(self.series, column, level=self.level)
                for copy, column in zip(copies, columns, strict=True)
            ]
        whole = {key: np.concatenate([a[key] for a in answers], axis=1) for key in answers[0]}
        told = ModelForecasts(
            name or model.cell, "", whole["point"], (whole["lo"], whole["hi"]), whole["quantiles"]
        )
        return first, told

    def _fitted(self, model: Any, origin: Ints) -> Any:
        """A copy of the model that never saw a step after these origins."""
        copy = type(model)(**model.get_params())
        known = origin + 1
        try:
            return copy.fit(self.series.head(known))
        except DataError as fault:
            raise DataError(
                f"backtest: only {known.max()} steps are known at the first of {self.grid.shape[1]} origins. "
                f"{fault} Or take fewer origins, or a smaller step."
            ) from fault

    def transforms(self, fitted: Any) -> list[Transform]:
        """What the network uses for each series; without the log where a value is not above 0."""
        name = fitted.transform_
        plain = {"log": "scale"}.get(name, name.removeprefix("log-"))
        season = self.season(fitted)
        return [Transform(name if y.min() > 0 else plain, season) for y in self.targets]

    def season(self, fitted: Any) -> int:
        """The season of the baselines: as asked, or the frequency's, whether or not the network saw one."""
        return int(fitted.season or season_length(self.series.freq))

    def baseline(self, baseline: Baseline, fitted: Any) -> ModelForecasts:
        """What a baseline told, on the scale of the fitted network where it has a choice."""
        wanted = np.array([*self.taus, 0.5 - self.level / 200, 0.5 + self.level / 200])
        transforms = self.transforms(fitted)
        each = [
            baseline.forecast(y, origins, self.horizon, wanted, transform=transform, refit=self.refit)
            for y, origins, transform in zip(self.targets, self.grid, transforms, strict=True)
        ]
        quantiles = np.stack([one.quantiles for one in each])
        fell_back = sum(one.fell_back for one in each)
        remark = (
            f"{baseline.name} could not be fitted to {fell_back} of {len(each)} series: last value there."
        )
        return ModelForecasts(
            baseline.name,
            baseline.note(transforms[0]),
            np.stack([one.point for one in each]),
            (quantiles[..., -2], quantiles[..., -1]),
            quantiles[..., :-2],
            remark if fell_back else "",
        )

    def columns(self, told: Sequence[ModelForecasts]) -> dict[str, NDArray[Any]]:
        """A row a forecast step: id, time, cutoff, y, and the point forecasts of each model."""
        series = self.series
        ahead = self.grid[..., None] + np.arange(1, self.horizon + 1)  # (N, K, h)
        at = np.broadcast_to(self.grid[..., None], ahead.shape)
        rows = series.offsets[:-1, None, None]
        times = [part if series.times is None else series.times[rows + part] for part in (ahead, at)]
        ids = np.repeat(np.array(series.ids, dtype=object), ahead[0].size)
        columns = {series.names.id: ids, series.names.time: times[0].ravel(), "cutoff": times[1].ravel()}
        columns["y"] = self.actual.ravel()
        return columns | {one.name: one.point.ravel() for one in told}


def common_ends(series: Sequences) -> tuple[Ints, str]:
    """(N,) steps of each series up to the earliest of their ends, and a sentence where others go on.

    Origins are counted back from there, so that each is one moment for all: a network fitted on every
    series up to it has read no later day of another. Where nothing says when, each series has its own end.

    >>> steps, offsets, times = np.ones((7, 1)), np.array([0, 4, 7]), np.array([0, 1, 2, 3, 0, 1, 2])
    >>> ends, remark = common_ends(Sequences(steps, offsets, ("a", "b"), times=times, freq="1"))
    >>> print(ends, remark)
    [3 3] Series end at different times: origins are counted back from 2, the end of 'b'; what comes \
later in others is not used.
    """
    own = series.observed
    if series.times is None:
        return own, ""
    last = series.times[series.offsets[:-1] + own - 1]
    first = int(last.argmin())
    parts = np.split(series.times, series.offsets[1:-1])
    ends = np.array([np.searchsorted(times, last[first], side="right") for times in parts])
    if (ends == own).all():
        return own, ""
    return ends, (
        f"Series end at different times: origins are counted back from {shown(last[first])}, the end of "
        f"{series.ids[first]!r}; what comes later in others is not used."
    )


def perturbed_after(series: Sequences, origin: Ints) -> Sequences:
    """The same series up to each origin, and larger numbers of the same sign after it.

    What is known ahead of time (future and static columns) stays.

    >>> before = Sequences.from_arrays([[1.0, 2.0, 3.0, 4.0]])
    >>> after = perturbed_after(before, np.array([1])).target
    >>> after[:2].tolist(), bool((after[2:] > before.target[2:]).all())
    ([1.0, 2.0], True)
    """
    rng = np.random.default_rng(0)
    within = np.arange(len(series.values)) - np.repeat(series.offsets[:-1], series.lengths)
    later = within > np.repeat(origin, series.lengths)
    values = series.values.copy()
    for k in (*series.columns_of(Role.TARGET), *series.columns_of(Role.PAST)):
        shift = np.nanmean(np.abs(values[:, k])) * rng.uniform(0.5, 2, len(values))
        other = values[:, k] * rng.uniform(1.5, 3, len(values)) + np.copysign(shift, values[:, k])
        values[later, k] = other[later]
    return replace(series, values=values)
