"""The past replayed: what a network would have forecast, beside what its baselines would have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from unrolled.data.gaps import require_regular
from unrolled.data.io.frames import to_frame
from unrolled.data.io.read import read
from unrolled.data.splits import rolling_origins
from unrolled.errors import ArgumentError
from unrolled.evaluate.forecasting.baselines import baseline_variants, check_baselines, matching_feedforward
from unrolled.evaluate.forecasting.metrics import METRICS, forecast_metrics, losses_by_origin, mase_scales
from unrolled.evaluate.forecasting.rolling_origin import (
    ModelForecasts,
    RollingOrigins,
    common_ends,
    perturbed_after,
)
from unrolled.evaluate.forecasting.verdict import BaselineLosses, Verdict, backtest_verdict
from unrolled.models.forecasting.validation import check_output_names
from unrolled.validation import ErrorCollector, check_float, check_int

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class BacktestResult:
    """Every model's errors from the same origins, and the verdict.

    Args:
        table: a row a model, the network first, then the baselines from the best on: model, note (the
            scale a baseline did best on), and `unrolled.evaluate.forecasting.metrics.METRICS`.
        verdict: is the network better than the best of its baselines?
        columns: a row a forecast step: id, time, cutoff, y, and each model's forecast.
        backend: the kind of frame that `forecasts` is.
        horizon: steps each forecast reaches.
        step: steps from one origin to the next.
        level: of the band, in per cent.
        refit: whether models were fitted at every origin, or once at the first.
        remarks: what to know when reading the table, a sentence each.
    """

    kind: ClassVar[str] = "backtest"

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
    def forecasts(self) -> Any:
        """A frame of the kind that came in: id, time, cutoff (the origin), y, one column a model."""
        return to_frame(self.columns, self.backend)

    def to_frame(self) -> Any:
        """The table as a frame of the kind that came in; `coverage` becomes `coverage-80`."""
        names = {name: name for name in ("model", "note", *METRICS)}
        names["coverage"] = f"coverage-{self.level:g}"
        columns = {new: [row[old] for row in self.table] for old, new in names.items()}
        arrays = {
            name: np.array(values, dtype=object if name in {"model", "note"} else np.float64)
            for name, values in columns.items()
        }
        return to_frame(arrays, self.backend)

    def to_dict(self) -> dict[str, Any]:
        """Everything but the single forecasts, ready for JSON."""
        return {
            "kind": self.kind,
            "table": self.table,
            "verdict": self.verdict.to_dict(),
            "horizon": self.horizon,
            "step": self.step,
            "level": self.level,
            "refit": self.refit,
            "remarks": list(self.remarks),
        }

    def plot(self) -> Any:
        """Each model's error as a multiple of the best baseline's."""
        from unrolled.report.figures.dispatch import figure  # noqa: PLC0415 (the one arrow between neighbours)

        return figure(self)

    def __str__(self) -> str:
        head = ["model", *METRICS[:-1], f"in {self.level:g} % band"]
        rows = [head]
        for row in self.table:
            label = f"{row['model']} {row['note']}".strip()
            rows.append([label, *(_number(name, row[name]) for name in METRICS)])
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(
                [line[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True))]
            )
            for line in rows
        ]
        return "\n".join([*lines, "", str(self.verdict), *self.remarks])


def backtest(
    model: Any, series: Any, *, origins: int = 24, step: int | None = None, refit: bool = False,
    baselines: Sequence[str] | None = None, level: float = 80,
) -> BacktestResult:  # fmt: skip
    """Forecast from many moments of the past, beside the baselines, and say what the network is worth.

    Nothing is ever fitted on a step after the origin it serves: the network is fitted on what was known
    at the first origin, or with `refit` anew at each; at later ones it reads the newest steps. Of many
    series, an origin is the same moment for all, counted back from the earliest of their ends; only where
    nothing says when is it as many steps before each one's own end.

    Args:
        model: a Forecaster, fitted or not; a copy of it is fitted here and it stays as it is.
        series: whatever `unrolled.read` takes.
        origins: how many; the latest possible.
        step: steps from one to the next; None for the horizon, so that no forecasts overlap, or less
            where that would leave less than half of the shortest series before the first origin.
        refit: fit network and classical baselines anew at every origin: slower by as many times.
        baselines: some of `unrolled.evaluate.forecasting.baselines.BASELINES`; None for all but AutoARIMA.
        level: width of the band in per cent, above 0 and below 100.

    Raises:
        ArgumentError: an argument is out of range, or there are more origins than the series holds.
        DataError: the series is not regular, or has too few steps before the first origin.

    >>> import unrolled as ur
    >>> y = 100 + np.cumsum(np.random.default_rng(0).normal(size=150))
    >>> model = ur.Forecaster(horizon=2, hidden_size=8, max_epochs=2)
    >>> result = backtest(model, y, origins=12, baselines=["Naive", "AR1"])
    >>> [row["model"] for row in result.table][0], result.verdict.origins
    ('lstm', 12)
    """
    if isinstance(model, type) or not hasattr(model, "forecast_origins"):
        raise ArgumentError(f"model: expected a Forecaster, fitted or not, got {model!r}.")
    names = _check_arguments(origins, step, level, baselines)
    series = read(series)
    require_regular(series)
    check_output_names(series, ["cutoff", "y", model.cell, *names])
    horizon = check_int("horizon", model.horizon, least=1)
    ends, early = common_ends(series)
    if step is None:
        step = _default_step(ends, horizon, origins)
    grid = _origins(ends, early, horizon, origins, step)
    replay = RollingOrigins(series, grid, horizon, level, refit=refit)
    fitted, told, tried = _forecast_all(replay, model, names)
    units = mase_scales(
        [y[: o[0] + 1] for y, o in zip(replay.targets, grid, strict=True)], replay.season(fitted)
    )
    losses = [losses_by_origin(replay.actual, one.point, units) for one in (told, *tried)]
    rivals = [BaselineLosses(one.name, loss, one.note) for one, loss in zip(tried, losses[1:], strict=True)]
    shown = [told, *_best_variants(tried, losses[1:])]
    return BacktestResult(
        table=[_table_row(one, replay, units) for one in shown],
        verdict=backtest_verdict(losses[0], rivals, horizon=horizon, step=step, name=told.name),
        columns=replay.columns(shown),
        backend=series.backend,
        horizon=horizon,
        step=step,
        level=level,
        refit=refit,
        remarks=tuple(filter(None, (early, *(one.remark for one in shown)))),
    )


def has_lookahead(model: Any, series: Any, *, origins: int = 3, refit: bool = False) -> bool:
    """Whether any forecast changes when the steps after its origin are altered: then the model cheats.

    Everything after each origin in turn, past covariates included, is multiplied and shifted at random;
    forecasts from that origin and from earlier ones must stay as they were.

    Args:
        model: a Forecaster, or whatever else `backtest` takes.
        series: whatever `unrolled.read` takes.
        origins: how many to try, a horizon apart.
        refit: fit at each origin, as in `backtest`.

    >>> import unrolled as ur
    >>> y = 100 + np.cumsum(np.random.default_rng(0).normal(size=60))
    >>> has_lookahead(ur.Forecaster(horizon=2, hidden_size=4, max_epochs=1), y)
    False
    """
    series = read(series)
    require_regular(series)
    grid = _origins(*common_ends(series), model.horizon, origins, model.horizon)
    _, honest = RollingOrigins(series, grid, model.horizon, 80, refit=refit).network(model)
    for k in range(origins):
        other = perturbed_after(series, grid[:, k])
        _, told = RollingOrigins(other, grid, model.horizon, 80, refit=refit).network(model)
        for before, after in ((honest.point, told.point), (honest.quantiles, told.quantiles)):
            tolerance = 1e-5 * float(np.abs(before).mean())
            if not np.allclose(before[:, : k + 1], after[:, : k + 1], rtol=0, atol=tolerance):
                return True
    return False


def _forecast_all(
    replay: RollingOrigins, model: Any, names: Sequence[str]
) -> tuple[Any, ModelForecasts, list[ModelForecasts]]:
    """The network fitted at the first origin, what it told, and what each baseline told."""
    fitted, told = replay.network(model)
    tried = [replay.baseline(one, fitted) for one in baseline_variants(names, replay.transforms(fitted))]
    if "feedforward" in names and model.cell != "feedforward":
        tried.append(replay.network(matching_feedforward(fitted), "feedforward")[1])
    return fitted, told, tried


def _best_variants(tried: Sequence[ModelForecasts], losses: Sequence[Floats]) -> list[ModelForecasts]:
    """From the best on; of those that share a name (one for each scale), the best."""
    best: dict[str, ModelForecasts] = {}
    for k in np.argsort([loss.mean() for loss in losses], kind="stable"):
        best.setdefault(tried[k].name, tried[k])
    return list(best.values())


def _table_row(told: ModelForecasts, replay: RollingOrigins, units: Floats) -> dict[str, Any]:
    measured = forecast_metrics(
        replay.actual, told.point, told.band, told.quantiles,
        taus=replay.taus, units=units, level=replay.level,
    )  # fmt: skip
    return {"model": told.name, "note": told.note, **measured}


def _check_arguments(
    origins: int, step: int | None, level: float, baselines: Sequence[str] | None
) -> tuple[str, ...]:
    faults = ErrorCollector()
    faults.collect(check_int, "origins", origins, least=1)
    if step is not None:
        faults.collect(check_int, "step", step, least=1)
    faults.collect(check_float, "level", level, above=0, below=100)
    names: tuple[str, ...] = faults.collect(check_baselines, baselines)
    faults.raise_if_any()
    return names


def _default_step(lengths: Ints, horizon: int, origins: int) -> int:
    """The horizon, or what leaves half of the shortest series before the first origin; at least 1."""
    room = int(lengths.min()) // 2 - horizon
    return max(1, min(horizon, room // max(1, origins - 1)))


def _origins(ends: Ints, early: str, horizon: int, origins: int, step: int) -> Ints:
    """(N, K) origins; the refusal says where they are counted from."""
    try:
        return rolling_origins(ends, horizon, origins, step)
    except ArgumentError as fault:
        way_out = f" {early} Leave out series that end early or begin late." if early else ""
        raise ArgumentError(f"{fault}{way_out}") from fault


def _number(measure: str, value: float | None) -> str:
    if value is None:
        return "-"
    if measure == "coverage":
        return f"{100 * value:.0f} %"
    return f"{value:.{max(0, 3 - len(f'{abs(value):.0f}'))}f}" if abs(value) >= 1 else f"{value:.3g}"
