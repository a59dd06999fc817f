"""States of live streams of a Forecaster: a forecast of the whole horizon after every value.

Shapes: N streams, n steps, L steps kept, h steps ahead, Q quantiles.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from unrolled.data.calendar.offsets import advance
from unrolled.data.preprocess.running_transform import N_KEPT, N_SUMS, RunningTransform
from unrolled.data.preprocess.time_features import cycle_features, cycle_names
from unrolled.data.sequences import Role
from unrolled.errors import ArgumentError, DataError
from unrolled.models.forecasting.adaptive import AdaptiveBands
from unrolled.models.forecasting.calibration import interpolate_quantile, rescale_quantiles
from unrolled.models.forecasting.encoder import seasonal_moves
from unrolled.models.forecasting.network import QUANTILES, predict_quantiles
from unrolled.models.forecasting.windows import EncodedSeries, Windows
from unrolled.models.streaming.snapshots import State
from unrolled.models.streaming.streams import StreamStates
from unrolled.nn.layers.stream import LayerStream
from unrolled.validation import check_float

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_SHARES = (0.5, 0.1, 0.9)  # the median, and the ends of the 80 % band
EACH = "each"
_BLOCK, _MOST_BLOCKS = 256, 1024  # steps whose calendar is read at once, and blocks that are remembered
_RATE = 0.05  # of adaptive bands: benchmarks/stream_drift.py says how it was chosen
_YEARS = (1678, 2261)  # that nanoseconds reach whole
_LEAST_STEPS = 3  # before which there is no forecast, as `predict` has none


@dataclass(frozen=True, eq=False)
class StreamForecasts:
    """Forecasts after each of some steps, or after one: a slice or an index gives those of these steps.

    Args:
        median: (n, h), or (h,) after one step; NaN before the third value of a stream, as all here.
        lo: the lower end of the 80 % band.
        hi: its upper end.
        quantiles: (n, h, Q) at `unrolled.models.forecasting.network.QUANTILES`.
    """

    median: Floats
    lo: Floats
    hi: Floats
    quantiles: Floats

    def __len__(self) -> int:
        return len(self.median)

    def __getitem__(self, steps: Any) -> StreamForecasts:
        return StreamForecasts(self.median[steps], self.lo[steps], self.hi[steps], self.quantiles[steps])

    def to_dict(self) -> dict[str, Any]:
        """Return all fields as lists of numbers, ready for JSON."""
        return {name: array.tolist() for name, array in vars(self).items()}


class ForecastStates(StreamStates):
    """States of N streams of a Forecaster that reads one column, each answered from its latest window.

    A forecast after n values equals `predict` on a series of these values and times, alone in its frame,
    to the bit; its cost is that of a window, whatever n. Scale, differences, anchors and bounds are those of
    all n values.

    Args:
        model: fitted.
        capacity: N.
        window: read the latest window anew for each forecast, as the networks were trained. False: carry
            their states on from the first value, at the cost of a step; each forecast equals the
            network's own, unrolled from the first step. Networks trained on windows never ran for so long,
            and may drift.
        series: id of a fitted series whose scale the streams have; None for the only one, or, of a model of
            several, for the scale that `predict` gives to a new one.
        start: time of the first value of each stream, which calendar inputs need; "each" where streams begin
            at times of their own, see `starting_at`.
        adaptive: keep the bands at their coverage as values come, see `AdaptiveBands`; a number is the rate
            of it, True is 0.05. The state of a stream grows by 6 h² + 3 h numbers.

    Raises:
        ArgumentError: there is no such series, no start where one is needed, no state to carry, or the rate
            is not above 0.
    """

    def __init__(
        self,
        model: Any,
        capacity: int,
        *,
        window: bool = True,
        series: str | None = None,
        start: Any = None,
        adaptive: bool | float = False,
    ) -> None:
        # as they are now: a refit gives the model others
        self._networks, self._device, self._window = model.networks_, model.device, model.window_
        self._encoder, self._factors = model._encoder, model._factors  # noqa: SLF001 (its own states)
        self._bounds, self._is_integer = model.bounds_, bool(model.integer)
        self._takes_gaps, self._times = model.missing == "forward", model.series_.times
        self._horizon = model.network_config_.horizon
        season = self._encoder.season
        self._kept = max(self._window, 2 * season + 1) + season + 1
        self._id = self._series_id(series)
        rule, scale = self._encoder.rule_of(self._id, is_positive=True)
        self._running = RunningTransform(rule, scale, self._kept)
        self.width = 1
        self.arrays: State = {
            "steps": np.zeros(capacity, np.int64),
            "sums": np.zeros((capacity, N_SUMS)),
            "latest": np.zeros((capacity, N_KEPT, self._kept)),
            "last_value": np.zeros(capacity),
            "extremes": np.zeros((capacity, 2)),
        }
        self.has_calendar = self._reads_calendar()
        self._start = self._read_start(start)
        if self.has_calendar:
            self.arrays["start"] = np.zeros(capacity, np.int64)  # of the first value, as `_number_of` has it
        self._blocks: dict[tuple[int, int], Floats] = {}
        self._cores = () if window else _carried_cores(model, self.arrays, capacity)
        self._bands = _adaptive_bands(adaptive, capacity, self._horizon)
        if self._bands:
            self.arrays |= self._bands.arrays

    @staticmethod
    def why_not_streamable(model: Any) -> str:
        """Say in a sentence why a fitted Forecaster cannot be streamed; empty if it can."""
        series = model.series_
        others = [
            name for name, role in zip(series.columns, series.roles, strict=True) if role is not Role.TARGET
        ]
        if others:
            return (
                f"a stream takes one value a step, and this model reads {', '.join(map(repr, others))} too."
                " Fit on the target alone."
            )
        if model.missing not in (None, "forward"):
            return f"missing={model.missing!r} is not stepped yet. Fit with missing='forward'."
        return ""

    def check(self, rows: Floats, name: str) -> None:
        """Pass if values (n, 1) are finite, and above 0 where the model takes logarithms.

        NaN passes where the model fills gaps, but for the first value of a stream.
        """
        is_bad = ~np.isfinite(rows) & ~(np.isnan(rows) & self._takes_gaps)
        if is_bad.any():
            step = int(np.argmax(is_bad[:, 0]))
            raise DataError(f"{name}: expected finite numbers, got {rows[step, 0]:g} at step {step + 1}.")
        if self._running.transform.log and (rows <= 0).any():
            step = int(np.argmax(rows[:, 0] <= 0))
            raise DataError(
                f"{name}: the model takes logarithms, which need values above 0, got {rows[step, 0]:g} at"
                f" step {step + 1}. Fit with transform='difference'."
            )
        self._bounds.check_values(rows, name)

    def step(self, rows: Floats, streams: Ints, counts: Ints) -> StreamForecasts:
        """Step streams; see `StreamStates`."""
        begins = np.cumsum(counts) - counts
        begun = self.arrays["steps"][streams[counts > 0]] > 0
        if self.has_calendar:
            self._set_starts(streams[counts > 0][~begun])
        if np.isnan(rows[begins[counts > 0], 0])[~begun].any():
            raise DataError(
                "stream: expected a number as the first value of a stream, got NaN."
                " Begin at the first known one."
            )
        parts = [np.empty((len(rows), self._horizon)) for _ in _SHARES]
        parts.append(np.empty((len(rows), self._horizon, len(QUANTILES))))
        row = 0
        for stream, count in zip(streams.tolist(), counts.tolist(), strict=True):
            for _ in range(count):
                forecast = self._answer(stream, float(rows[row, 0]))
                for part, each in zip(parts, forecast, strict=True):
                    part[row] = each
                row += 1
        return StreamForecasts(*parts)

    def _answer(self, stream: int, value: float) -> tuple[Floats, Floats, Floats, Floats]:
        """Move one stream on by a value, and return its forecast: median, both ends and the quantiles."""
        n, bands = int(self.arrays["steps"][stream]), self._bands
        if bands:
            bands.take(stream, n, value)
        self._take(stream, value)
        quantiles = self._forecast(stream)
        if bands:
            quantiles = bands.adapt(stream, quantiles)
        forecast = self._within_bounds(quantiles, self.arrays["extremes"][stream])
        if bands:
            bands.keep(stream, n + 1, forecast[-1])
        return forecast

    def _take(self, stream: int, value: float) -> None:
        """Move one stream on by a value; NaN repeats the last one."""
        arrays = self.arrays
        n = int(arrays["steps"][stream])
        value = float(arrays["last_value"][stream]) if np.isnan(value) else value
        self._running.step(value, n, arrays["sums"][stream], arrays["latest"][stream])
        lowest, highest = arrays["extremes"][stream] if n else (value, value)
        arrays["extremes"][stream] = min(lowest, value), max(highest, value)
        arrays["last_value"][stream], arrays["steps"][stream] = value, n + 1

    def _forecast(self, stream: int) -> Floats:
        """Return the quantiles (h, Q) after the newest value, not yet within the bounds."""
        n = int(self.arrays["steps"][stream])
        if n < _LEAST_STEPS and not self._cores:
            return np.full((self._horizon, len(QUANTILES)), np.nan)
        encoder, latest = self._encoder, self._running.latest(n, self.arrays["latest"][stream])
        m = len(latest.working)
        past = seasonal_moves(latest, encoder.season)[:, None] if encoder.season > 1 else np.empty((m, 0))
        encoded = EncodedSeries(latest, past, self._cycles(stream, n, m), steps_before=n - m)
        windows = encoder.windows([encoded], self._window, self._horizon)
        origin = np.array([m - 1])
        if self._cores:
            raw = self._carried_quantiles(stream, windows, windows.rows(0, origin))
        else:
            raw = predict_quantiles(self._networks, windows, windows.rows(0, origin), self._device)
        if n < _LEAST_STEPS:
            return np.full((self._horizon, len(QUANTILES)), np.nan)
        levels: Floats = latest.levels(origin, rescale_quantiles(raw, self._factors))[0]
        return levels

    @torch.inference_mode()
    def _carried_quantiles(self, stream: int, windows: Windows, rows: Ints) -> Floats:
        """Step the cores by the inputs of the newest step, and read out their states: (1, h, Q)."""
        batch, outputs = windows.batch(rows), []
        for k, (network, core) in enumerate(zip(self._networks, self._cores, strict=True)):
            parts = [array for name, array in self.arrays.items() if name.startswith(f"network{k}.")]
            core.state = tuple(torch.from_numpy(part[stream])[:, None] for part in parts)
            states = core.step(windows.inputs[rows])
            after = core.state if len(parts) > 1 else (core.state,)
            for part, new in zip(parts, after, strict=True):
                part[stream] = new[:, 0].numpy()
            outputs.append(network.read_out(states, batch))
        return torch.stack(outputs).double().mean(0).numpy()

    def starting_at(self, start: Any) -> State:
        """Return the state of a stream that has no value yet, whose first one has this time.

        Raises:
            ArgumentError: it is no time, or the model reads no calendar.
        """
        if not self.has_calendar:
            raise ArgumentError(
                "Forecaster.stream start: expected none, for the model reads no calendar. Leave it out."
            )
        state = {name: np.zeros_like(array[0]) for name, array in self.arrays.items()}
        return state | {"start": np.array(_number_of(_as_time(start)))}

    def _set_starts(self, new: Ints) -> None:
        """Give the common start to new streams that have none of their own."""
        without = new[self.arrays["start"][new] == 0]
        if len(without) and self._start is None:
            raise DataError(
                "stream: expected the time of its first value, for the model reads the calendar; got none."
                " Give each stream its start before its first step."
            )
        if self._start is not None:
            self.arrays["start"][without] = _number_of(self._start)

    def _cycles(self, stream: int, n: int, m: int) -> Floats:
        """Return the calendar inputs of the last m of n steps and of the horizon, if there are any."""
        if not self.has_calendar:
            return np.empty((m, 0))
        start = int(self.arrays["start"][stream])
        first, last = (n - m) // _BLOCK, (n + self._horizon - 1) // _BLOCK
        blocks = [self._block_of(start, block) for block in range(first, last + 1)]
        return np.concatenate(blocks)[n - m - first * _BLOCK : n + self._horizon - first * _BLOCK]

    def _block_of(self, start: int, block: int) -> Floats:
        """Return the calendar inputs of the steps of a block; those of the latest blocks are kept."""
        features = self._blocks.get((start, block))
        if features is None:
            steps = np.arange(block * _BLOCK, (block + 1) * _BLOCK)
            times = advance(np.repeat(_time_of(start), _BLOCK), self._encoder.freq, steps)
            features = self._blocks[start, block] = cycle_features(times, self._encoder.freq)
            if len(self._blocks) > _MOST_BLOCKS:
                del self._blocks[next(iter(self._blocks))]
        return features

    def _within_bounds(self, quantiles: Floats, extremes: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Return the median, both ends of the band and the quantiles (h, Q), all within the bounds."""
        limits = self._bounds.limits_after(
            self._id, *extremes.tolist(), is_log=self._running.transform.log, integer=self._is_integer
        )
        raw = quantiles[None, None]
        shares = [interpolate_quantile(raw, QUANTILES, share) for share in _SHARES]
        return tuple(limits.apply(each)[0, 0] for each in (*shares, raw))

    def _series_id(self, series: str | None) -> str:
        ids = list(self._encoder.scales)
        if series is None:
            return ids[0] if len(ids) == 1 else ""
        if series not in ids:
            raise ArgumentError(
                f"Forecaster.stream series: expected the id of a fitted series, such as {ids[0]!r}, got"
                f" {series!r}. Leave it out for a series that was not fitted on."
            )
        return series

    def _reads_calendar(self) -> bool:
        encoder = self._encoder
        return self._times is not None and encoder.season > 1 and bool(cycle_names(encoder.freq))

    def _read_start(self, start: Any) -> np.datetime64 | None:
        time = None if start is None or (isinstance(start, str) and start == EACH) else _as_time(start)
        if self.has_calendar and start is None:
            raise ArgumentError(
                "Forecaster.stream start: expected the time of the first value, for the model reads the"
                f" calendar; got None. Give one, such as start={str(self._times[0])[:10]!r}."
            )
        return time


def _number_of(time: np.datetime64) -> int:
    """Return a time as a number that is not 0, which stands for none."""
    return int(time.astype(np.int64)) + 1


def _time_of(number: int) -> np.datetime64:
    return np.datetime64(number - 1, "ns")


def _as_time(start: Any) -> np.datetime64:
    """Convert the time of the first value to nanoseconds; a period is its beginning.

    Without a unit NumPy refuses numbers; what nanoseconds do not reach would become another time.
    """
    reason = ""
    try:
        time: Any = np.datetime64(getattr(start, "start_time", start))
        if np.isnat(time) or not _YEARS[0] <= time.astype("M8[Y]").astype(int) + 1970 <= _YEARS[1]:
            reason = f" (none from {_YEARS[0]} to {_YEARS[1]})"
    except (TypeError, ValueError) as fault:
        reason = f" ({fault})"
    if reason:
        raise ArgumentError(
            f"Forecaster.stream start: expected a time, got {start!r}{reason}."
            " Write it as '2026-01-31' or '2026-01-31T12:00'."
        )
    in_nanoseconds: np.datetime64 = time.astype("datetime64[ns]")
    return in_nanoseconds


def _adaptive_bands(adaptive: bool | float, capacity: int, horizon: int) -> AdaptiveBands | None:
    """Make the bands that adapt, if any are asked for."""
    is_switch = isinstance(adaptive, bool | np.bool_)
    if adaptive is None or (is_switch and not adaptive):
        return None
    rate = _RATE if is_switch else check_float("Forecaster.stream adaptive", adaptive, above=0)
    return AdaptiveBands(capacity, horizon, QUANTILES, rate)


def _carried_cores(model: Any, arrays: State, capacity: int) -> tuple[LayerStream, ...]:
    """Return streams of the networks' cores, and add arrays for their states, (N, L, H) each."""
    config = model.network_config_
    if config.cell == "feedforward":
        raise ArgumentError(
            "Forecaster.stream window: cell='feedforward' has no state to carry. Stream it with window=True."
        )
    if torch.device(model.device).type != "cpu":
        raise ArgumentError(
            f"Forecaster.stream window: states are carried on the CPU, the model is on {model.device}."
            " Load it with device='cpu'."
        )
    for k in range(len(model.networks_)):
        for part in ("h", "c")[: 2 if config.cell == "lstm" else 1]:
            shape = (capacity, config.num_layers, config.hidden_size)
            arrays[f"network{k}.{part}"] = np.zeros(shape, np.float32)
    return tuple(network.core.stream() for network in model.networks_)
