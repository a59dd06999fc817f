"""Backtest: forecasts from rolling origins in the past, beside those of baselines."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, overload

import numpy as np
from numpy.typing import NDArray

from unrolled.data.io.frames import to_frame
from unrolled.data.sequences import Sequences
from unrolled.errors import ArgumentError, DataError
from unrolled.evaluate.forecasting.baselines import (
    available_baselines,
    baseline_variants,
    check_baselines,
    matching_feedforward,
    without_intermittent,
)
from unrolled.evaluate.forecasting.frame_backtest import FrameBacktest, backtest_frames
from unrolled.evaluate.forecasting.metrics import METRICS, forecast_metrics, losses_by_origin, mase_scales
from unrolled.evaluate.forecasting.origins import PlacedOrigins, most_origins, place_origins
from unrolled.evaluate.forecasting.rolling_origin import ModelForecasts, RollingOrigins, perturbed_after
from unrolled.evaluate.forecasting.verdict import BaselineLosses, Verdict, backtest_verdict
from unrolled.formatting import aligned_table, capitalized, number, percent
from unrolled.models.forecasting.checks import check_output_names, check_series
from unrolled.models.parameters import Boolean
from unrolled.models.protocols import SupportsBounds, SupportsForecast
from unrolled.models.video.forecaster import FrameForecaster
from unrolled.record import Record
from unrolled.validation import ErrorCollector, check_float, check_int, short_repr

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class BacktestResult(Record):
    """Errors of a network and its baselines from the same origins, and the verdict.

    Args:
        table: a row a model, the network first, then the baselines from the best on: model, note (the
            scale a baseline did best on), and `unrolled.evaluate.METRICS`.
        verdict: is the network better than the best of its baselines?
        columns: a row a forecast step: id, time, cutoff, y, and each model's forecast.
        backend: library of the frame `forecasts`.
        horizon: steps each forecast reaches.
        step: steps from one origin to the next.
        level: of the band, in per cent.
        refit: models were fitted anew at every origin, not once at the first.
        remarks: what to know when reading the table, a sentence each.
    """

    kind: ClassVar[str] = "backtest"
    _not_in_dict = frozenset({"columns", "backend"})

    table: list[dict[str, Any]]
    verdict: Verdict
    columns: dict[str, NDArray[Any]]
    backend: str
    horizon: int
    step: int
    level: float
    refit: bool
    remarks: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """Sentence of the verdict."""
        return self.verdict.sentence

    @property
    def forecasts(self) -> Any:
        """Frame of the input's library: id, time, cutoff (the origin), y, one column a model."""
        return to_frame(self.columns, self.backend)

    def to_frame(self) -> Any:
        """Return the table as a frame of the input's library; `coverage` becomes `coverage-80`."""
        names = {name: name for name in ("model", "note", *METRICS)}
        names["coverage"] = f"coverage-{self.level:g}"
        arrays = {
            new: np.array(
                [row[old] for row in self.table], dtype=object if old in {"model", "note"} else np.float64
            )
            for old, new in names.items()
        }
        return to_frame(arrays, self.backend)

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the single forecasts, ready for JSON."""
        return super().to_dict() | {"verdict": self.verdict.to_dict()}

    def __str__(self) -> str:
        rows = [["model", *METRICS[:-1], f"in {self.level:g} % band"]]
        for row in self.table:
            errors = [number(row[name], 3, pad=True) for name in METRICS[:-1]]
            rows.append([f"{row['model']} {row['note']}".strip(), *errors, percent(row["coverage"], 0)])
        return "\n".join([aligned_table(rows), "", textwrap.fill(self.sentence, 100), *self.remarks])


@overload
def backtest(
    model: FrameForecaster, series: Any, *, origins: int = ..., step: int | None = ..., refit: bool = ...,
    baselines: Sequence[str] | None = ..., level: float = ...,
) -> FrameBacktest: ...  # fmt: skip
@overload
def backtest(
    model: Any, series: Any, *, origins: int = ..., step: int | None = ..., refit: bool = ...,
    baselines: Sequence[str] | None = ..., level: float = ...,
) -> BacktestResult: ...  # fmt: skip
def backtest(
    model: Any, series: Any, *, origins: int = 24, step: int | None = None, refit: bool = False,
    baselines: Sequence[str] | None = None, level: float = 80,
) -> BacktestResult | FrameBacktest:  # fmt: skip
    """Forecast from many origins in the past, beside baselines, and test whether the network is better.

    No model is ever fitted on a step after the origin it serves: the network is fitted on the steps up to
    the first origin, or with `refit` anew at each; at later ones it reads the newest steps. Of many series,
    an origin is the same moment for all, counted back from the earliest of their ends; without times it is
    as many steps before each one's own end. Series too short for that are left out; a remark names them.
    Filled values are read, but never scored; a remark says how many.

    A FrameForecaster stands beside copy-last, the mean of the frames it reads, an autoregression of each
    pixel and the mean picture of the training. One series of frames is tested at its end; of several clips as
    many as there are origins are held out whole, at most half of them, with one origin each.

    In Nixtla's `cross_validation`, `origins` is called `n_windows`, `step` is `step_size`, `horizon` is `h`,
    and the origin's time is the column `cutoff`, as here.

    Args:
        model: a Forecaster or FrameForecaster, fitted or not; a copy of it is fitted and it stays as it is.
        series: any input of `unrolled.read`; or frames, as for FrameForecaster.
        origins: how many; the latest possible.
        step: steps from one to the next; None for the horizon, so that no forecasts overlap, or less
            where that would leave less than half of the shortest series before the first origin.
        refit: fit network and classical baselines anew at every origin: slower by as many times.
        baselines: some of `unrolled.evaluate.BASELINES`, of frames of `FRAME_BASELINES`; None for all but
            AutoARIMA, without those whose package is not installed, and without Zero and Croston where the
            series are not intermittent.
        level: width of the band in per cent, above 0 and below 100.

    Raises:
        ArgumentError: an argument is out of range, or no series holds as many origins; the error says how
            many work.
        DataError: the series is not regular, or has too few steps before the first origin.
        MissingDependencyError: a baseline that was named needs statsforecast, and it is not installed.

    >>> import unrolled as ur
    >>> y = 100 + np.cumsum(np.random.default_rng(0).normal(size=150))
    >>> model = ur.Forecaster(horizon=2, hidden_size=8, max_steps=16)
    >>> result = backtest(model, y, origins=12, baselines=["Naive", "AR1"])
    >>> [row["model"] for row in result.table][0], result.verdict.origins
    ('lstm', 12)
    """
    if isinstance(model, FrameForecaster):
        return backtest_frames(
            model, series, origins=origins, step=step, refit=refit, baselines=baselines, level=level
        )
    if isinstance(model, type) or not isinstance(model, SupportsForecast):
        raise ArgumentError(f"model: expected a Forecaster, fitted or not, got {short_repr(model)}.")
    Boolean().check("refit", refit)
    names = check_backtest(origins, step, level, baselines)
    series = check_series(series, missing=getattr(model, "missing", None))
    check_output_names(series, ["cutoff", "y", model.cell, *names])
    horizon = check_int("horizon", model.horizon, least=1)
    placed = _placed_origins(series, model, horizon, origins, step)
    rolling = RollingOrigins(placed.series, placed.origins, horizon, level, refit=refit)
    if np.isnan(rolling.actual).all():
        raise DataError(
            "backtest: expected observed values after the origins, got filled ones alone. Give longer series."
        )
    first_parts = [y[: each[0] + 1] for y, each in zip(rolling.targets, placed.origins, strict=True)]
    if baselines is None:
        names = without_intermittent(names, first_parts)
    names, missing_remark = available_baselines(names, is_explicit=baselines is not None)
    try:
        fitted, network, baseline_forecasts = _forecast_all(rolling, model, names)
    except DataError as error:
        most = most_origins(series, model, horizon, origins, step)
        raise DataError(f"{error} Or use origins={most} at most." if most else str(error)) from error
    observed_parts = [y[: len(part)] for y, part in zip(rolling.observed_targets, first_parts, strict=True)]
    units = mase_scales(observed_parts, rolling.season(fitted))
    losses = [losses_by_origin(rolling.actual, one.point, units) for one in (network, *baseline_forecasts)]
    baseline_losses = [
        BaselineLosses(one.name, loss, one.note)
        for one, loss in zip(baseline_forecasts, losses[1:], strict=True)
    ]
    rows = [network, *_best_variants(baseline_forecasts, losses[1:])]
    bounds_note = fitted.bounds_.note if isinstance(fitted, SupportsBounds) else ""
    bounds_remark = f"{capitalized(bounds_note)}." if bounds_note else ""
    remarks = (
        *placed.remarks,
        rolling.filled_remark,
        bounds_remark,
        *(one.remark for one in rows),
        missing_remark,
    )
    return BacktestResult(
        table=[_table_row(one, rolling, units) for one in rows],
        verdict=backtest_verdict(
            losses[0], baseline_losses, horizon=horizon, step=placed.step, name=network.name
        ),
        columns=rolling.forecast_columns(rows),
        backend=series.backend,
        horizon=horizon,
        step=placed.step,
        level=level,
        refit=refit,
        remarks=tuple(filter(None, dict.fromkeys(remarks))),
    )


def has_lookahead(model: Any, series: Any, *, origins: int = 3, refit: bool = False) -> bool:
    """Check for leakage: does any forecast change when the steps after its origin are altered?

    Everything after each origin in turn, past covariates included, is multiplied and shifted at random;
    forecasts from that origin and from earlier ones must stay as they were.

    Args:
        model: a Forecaster, or any other model that `backtest` takes.
        series: any input of `unrolled.read`.
        origins: how many to try, a horizon apart.
        refit: fit at each origin, as in `backtest`.

    >>> import unrolled as ur
    >>> y = 100 + np.cumsum(np.random.default_rng(0).normal(size=60))
    >>> has_lookahead(ur.Forecaster(horizon=2, hidden_size=4, max_steps=8), y)
    False
    """
    series = check_series(series, missing=getattr(model, "missing", None))
    placed = _placed_origins(series, model, model.horizon, origins, model.horizon)
    series, origin_grid = placed.series, placed.origins

    def forecasts_on(data: Any) -> ModelForecasts:
        return RollingOrigins(data, origin_grid, model.horizon, 80, refit=refit).forecast_model(model)[1]

    original = forecasts_on(series)
    for k in range(origins):
        changed = forecasts_on(perturbed_after(series, origin_grid[:, k]))
        for before, after in ((original.point, changed.point), (original.quantiles, changed.quantiles)):
            tolerance = 1e-5 * float(np.abs(before).mean())
            if not np.allclose(before[:, : k + 1], after[:, : k + 1], rtol=0, atol=tolerance):
                return True
    return False


def _forecast_all(
    rolling: RollingOrigins, model: Any, names: Sequence[str]
) -> tuple[Any, ModelForecasts, list[ModelForecasts]]:
    """Return the network fitted at the first origin, its forecasts, and those of each baseline."""
    fitted, network = rolling.forecast_model(model)
    variants = baseline_variants(names, rolling.transforms(fitted), fitted.window_)
    baseline_forecasts = [rolling.forecast_baseline(variant, fitted) for variant in variants]
    if "feedforward" in names and model.cell != "feedforward":
        baseline_forecasts.append(rolling.forecast_model(matching_feedforward(fitted), "feedforward")[1])
    return fitted, network, baseline_forecasts


def _best_variants(variants: Sequence[ModelForecasts], losses: Sequence[Floats]) -> list[ModelForecasts]:
    """Sort by mean loss; of variants that share a name (one for each scale), keep the best."""
    best: dict[str, ModelForecasts] = {}
    for k in np.argsort([loss.mean() for loss in losses], kind="stable"):
        best.setdefault(variants[k].name, variants[k])
    return list(best.values())


def _table_row(forecasts: ModelForecasts, rolling: RollingOrigins, units: Floats) -> dict[str, Any]:
    metrics = forecast_metrics(
        rolling.actual, forecasts.point, forecasts.band, forecasts.quantiles,
        taus=rolling.taus, units=units, level=rolling.level,
    )  # fmt: skip
    return {"model": forecasts.name, "note": forecasts.note, **metrics}


def check_backtest(
    origins: int, step: int | None, level: float, baselines: Sequence[str] | None
) -> tuple[str, ...]:
    """Return the baselines that are named; pass if the arguments of `backtest` are within their ranges.

    Raises:
        ArgumentError: some are not; each is named on a line of its own.
    """
    errors = ErrorCollector()
    errors.collect(check_int, "origins", origins, least=1)
    if step is not None:
        errors.collect(check_int, "step", step, least=1)
    errors.collect(check_float, "level", level, above=0, below=100)
    names: tuple[str, ...] = errors.collect(check_baselines, baselines)
    errors.raise_if_any()
    return names


def _placed_origins(
    series: Sequences, model: Any, horizon: int, origins: int, step: int | None
) -> PlacedOrigins:
    """Place the origins; the error says how many there can be."""
    try:
        return place_origins(series, horizon, origins, step)
    except ArgumentError as error:
        most = most_origins(series, model, horizon, origins, step)
        ways_out = f"Use origins={most} at most." if most else "Give longer series, or a smaller horizon."
        raise ArgumentError(f"{error} {ways_out}") from error
