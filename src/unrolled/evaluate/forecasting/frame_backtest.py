"""Backtest of frames: forecasts of frames that were not trained on, beside simple ones, with a verdict."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unrolled.data.io.frames import to_frame
from unrolled.data.sequences import Sequences
from unrolled.errors import ArgumentError, DataError
from unrolled.evaluate.forecasting.frame_baselines import FRAME_BASELINES
from unrolled.evaluate.forecasting.verdict import BaselineLosses, Verdict, backtest_verdict
from unrolled.formatting import aligned_table, number, quantity
from unrolled.models.parameters import Boolean
from unrolled.models.protocols import end_if_interrupted
from unrolled.models.video.forecaster import FrameForecaster, as_frame_series
from unrolled.record import Record
from unrolled.validation import ErrorCollector, check_choices, check_int, short_repr

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FRAME_METRICS = ("mae", "rmse", "sse")
_LEVEL = 80  # of `backtest`, by default
_FEWEST_CLIPS = 4  # so that two are held out: one forecast shows nothing


@dataclass(frozen=True, eq=False)
class FrameExample:
    """One forecast of a backtest: that whose squared error is the median of all.

    Args:
        inputs: (T, ...) frames that were read.
        truth: (h, ...) frames that followed.
        forecasts: (h, ...) by model.
    """

    inputs: NDArray[Any]
    truth: NDArray[Any]
    forecasts: dict[str, Floats]


@dataclass(frozen=True, eq=False)
class FrameBacktest(Record):
    """Errors of a FrameForecaster and its baselines on the same frames, and the verdict.

    Args:
        table: a row a model, the network first, then the baselines from the best on: model; mae and rmse, of
            a pixel; sse, the squared errors of a frame added up.
        verdict: is the network better than the best of its baselines?
        horizon: frames each forecast reaches.
        frame_shape: (H, W) or (C, H, W).
        example: one forecast, for the figure.
        remarks: what to know when reading the table, a sentence each.
    """

    kind: ClassVar[str] = "frame backtest"
    _not_in_dict = frozenset({"example"})

    table: list[dict[str, Any]]
    verdict: Verdict
    horizon: int
    frame_shape: tuple[int, ...]
    example: FrameExample
    remarks: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """Sentence of the verdict."""
        return self.verdict.sentence

    def to_frame(self) -> Any:
        """Return the table as a pandas frame."""
        return to_frame(
            {name: np.array([row[name] for row in self.table]) for name in self.table[0]}, "pandas"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the frames, ready for JSON."""
        return super().to_dict() | {"verdict": self.verdict.to_dict()}

    def __str__(self) -> str:
        rows = [["model", *FRAME_METRICS]]
        rows += [
            [row["model"], *(number(row[name], 3, pad=True) for name in FRAME_METRICS)] for row in self.table
        ]
        return "\n".join([aligned_table(rows), "", textwrap.fill(self.sentence, 100), *self.remarks])


class _Origins(NamedTuple):
    """Frames to train on, and windows of other frames to forecast from."""

    training: Sequences
    tested: Sequences
    ends: Ints  # (K,) first frame after each origin, in the flat frames of `tested`
    step: int
    remark: str


def backtest_frames(
    model: FrameForecaster, frames: Any, *, origins: int = 24, step: int | None = None, refit: bool = False,
    baselines: Sequence[str] | None = None, level: float = _LEVEL,
) -> FrameBacktest:  # fmt: skip
    """Forecast frames that no model was fitted on, beside simple forecasts: see `backtest`.

    Of one series, the latest origins are tested, and all is fitted on the frames up to the first. Of several
    clips, as many as there are origins are held out whole, at most half of them, each with one origin, as
    late as its end allows.

    Raises:
        ArgumentError: an argument is out of range, or has no meaning for frames.
        DataError: the frames cannot be used as they are, or are too few.
        KeyboardInterrupt: Ctrl-C ended the training.

    >>> frames = np.random.default_rng(0).normal(size=(90, 8, 8)).cumsum(0)
    >>> model = FrameForecaster(horizon=2, window=3, hidden_channels=2, num_layers=1, max_epochs=1)
    >>> result = backtest_frames(model, frames, origins=12)
    >>> [row["model"] for row in result.table][:2], result.verdict.origins
    (['convgru', 'copy last'], 12)
    """
    names = _check_arguments(origins, step, refit=refit, baselines=baselines, level=level)
    model.check_parameters()
    placed = _place_origins(as_frame_series(frames), int(model.horizon), origins, step)
    fitted = type(model)(**model.get_params()).fit(placed.training)
    end_if_interrupted(fitted)
    windows, truth = _windows(placed, fitted.window_, int(model.horizon))
    forecasts = {model.cell: fitted.predict(list(windows)).astype(np.float64)}
    for name in names:
        baseline = FRAME_BASELINES[name]().fit(placed.training)
        forecasts[name] = baseline.predict(windows.astype(np.float64), int(model.horizon))
    losses = {name: _losses(each, truth) for name, each in forecasts.items()}
    network, *others = losses
    others.sort(key=lambda name: losses[name].mean())
    verdict = backtest_verdict(
        losses[network],
        [BaselineLosses(name, losses[name]) for name in others],
        horizon=int(model.horizon), step=placed.step, name=network,
    )  # fmt: skip
    middle = int(np.argsort(losses[network], kind="stable")[len(truth) // 2])
    example = FrameExample(windows[middle], truth[middle], {n: f[middle] for n, f in forecasts.items()})
    return FrameBacktest(
        table=[_row(name, forecasts[name], truth) for name in (network, *others)],
        verdict=verdict,
        horizon=int(model.horizon),
        frame_shape=placed.tested.feature_shape,
        example=example,
        remarks=(placed.remark,),
    )


def _check_arguments(
    origins: int, step: int | None, *, refit: bool, baselines: Sequence[str] | None, level: float
) -> tuple[str, ...]:
    """Return the baselines that are named; pass if the arguments are within their ranges."""
    errors = ErrorCollector()
    errors.collect(check_int, "origins", origins, least=1)
    if step is not None:
        errors.collect(check_int, "step", step, least=1)
    errors.collect(Boolean().check, "refit", refit)
    if isinstance(refit, bool | np.bool_) and refit:
        errors.add(
            "refit: a FrameForecaster is fitted once, on the frames up to the first origin. Leave it out."
        )
    if not isinstance(level, int | float | np.number) or level != _LEVEL:
        errors.add(f"level: forecasts of frames have no band, got level={short_repr(level)}. Leave it out.")
    names: tuple[str, ...] = tuple(FRAME_BASELINES)
    if baselines is not None:
        needed = "a network's error means nothing without one"
        names = errors.collect(check_choices, "baselines", baselines, names, needed=needed)
    errors.raise_if_any()
    return names


def _place_origins(clips: Sequences, horizon: int, origins: int, step: int | None) -> _Origins:
    """Hold out the end of one series, or whole clips of several.

    Raises:
        ArgumentError: `step` is given with several clips.
        DataError: too few frames are left to train on, or the clips are two or three.
    """
    if len(clips) > 1:
        if step is not None:
            raise ArgumentError("step: several clips have one origin each. Leave it out, or give one series.")
        if len(clips) < _FEWEST_CLIPS:
            raise DataError(
                f"backtest frames: expected one series, or {_FEWEST_CLIPS} clips, of which half are held "
                f"out, got {len(clips)}. Give more clips, or a long one alone."
            )
        order = np.random.default_rng(0).permutation(len(clips))
        n_tested = min(origins, len(clips) // 2)
        tested = clips.select(np.sort(order[:n_tested]))
        ends = tested.offsets[1:] - horizon
        remark = f"{quantity(n_tested, 'clip')} of {len(clips)} were held out, whole, and tested."
        return _Origins(clips.select(np.sort(order[n_tested:])), tested, ends, horizon, remark)
    step, n_frames = step or horizon, int(clips.lengths[0])
    first = n_frames - horizon - (origins - 1) * step
    if first < 2 * horizon:
        most = max(0, (n_frames - 3 * horizon) // step + 1)
        way = f"Use origins={most} at most." if most else "Give a longer series, or a smaller horizon."
        raise DataError(
            f"backtest frames: expected {2 * horizon} frames, twice the horizon, before the first of "
            f"{origins} origins, got {max(first, 0)} of {n_frames}. {way}"
        )
    ends = first + step * np.arange(origins)
    remark = f"Fitted on the first {quantity(first, 'frame')} of {n_frames}."
    return _Origins(clips.head(np.array([first])), clips, ends, step, remark)


def _windows(placed: _Origins, window: int, horizon: int) -> tuple[NDArray[Any], Floats]:
    """Take the frames (K, T, ...) that are read at each origin, and those (K, h, ...) that follow.

    Raises:
        DataError: a clip has fewer frames.
    """
    clip = np.searchsorted(placed.tested.offsets, placed.ends, side="right") - 1
    short = np.flatnonzero(placed.ends - placed.tested.offsets[clip] < window)
    if len(short):
        raise DataError(
            f"backtest frames, clip {placed.tested.ids[clip[short[0]]]}: expected at least "
            f"{window + horizon} frames, window and horizon, got {placed.tested.lengths[clip[short[0]]]}. "
            "Leave it out, or choose a smaller window."
        )
    values = placed.tested.values
    read = values[placed.ends[:, None] + np.arange(-window, 0)]
    return read, values[placed.ends[:, None] + np.arange(horizon)].astype(np.float64)


def _losses(forecasts: Floats, truth: Floats) -> Floats:
    """Return the mean squared error (K,) of a pixel at each origin."""
    losses: Floats = ((forecasts - truth) ** 2).reshape(len(truth), -1).mean(1)
    return losses


def _row(name: str, forecasts: Floats, truth: Floats) -> dict[str, Any]:
    errors = forecasts - truth
    mse = float((errors**2).mean())
    pixels = int(np.prod(truth.shape[2:]))
    return {"model": name, "mae": float(np.abs(errors).mean()), "rmse": mse**0.5, "sse": mse * pixels}
