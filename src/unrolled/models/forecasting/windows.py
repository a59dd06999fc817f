"""Windows of series as views: memory grows with the series, not with series × window.

All series lie one after the other in a few flat arrays, each with `window` rows of padding before it and
`horizon` after it. A window is a stretch of rows; a batch copies the stretches it needs and nothing else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import embedding

from unrolled.data.preprocess.transforms import Transformed, reference_offsets
from unrolled.nn.ops.forecasting import SeriesRows, WindowPlaces, gather_windows
from unrolled.nn.ops.sequence import runs_on_kernels

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_LIMIT = 12.0  # a move this many times the usual one says "huge"; more would only upset the training

_FLAT = ("working", "center", "unit", "share", "observed", "usable", "seen")  # a number a step
_YEARS = 2  # of the same season that a forecast may lean on
_LEAST_RECENT = 8  # latest values that the readout sees beside the state, at least


class ForecastBatch(NamedTuple):
    """B windows, each read out at R of its steps: the inputs of those forecasts, and their targets."""

    inputs: Tensor  # (B, W, F) a row a step: its move, 1 if it is observed, other inputs
    readouts: Tensor  # (B, R) positions in the window; M = B · R below, window by window
    levels: Tensor  # (M, V) the latest values of the working scale less the newest, in units of the origin
    anchors: Tensor  # (M, h, A) the same seasons of the last A years, likewise
    ahead: Tensor  # (M, h, K) what is known of the horizon: calendar, future covariates
    context: Tensor  # (M, 2) how large a usual move is, how long the past
    target: Tensor  # (M, h) less its reference, in units of the origin; 0 where masked
    target_mask: Tensor  # (M, h) 1.0 where the target is observed and may be used, else 0.0
    weight: Tensor  # (M,) the usual move, as a share of the level, over that of all series
    starts: Tensor  # (B,) steps of a window before its series begins, all of which are 0

    def to(self, device: str) -> ForecastBatch:
        """Copy the batch to a device."""
        return ForecastBatch(*(tensor.to(device) for tensor in self))


@dataclass(frozen=True, eq=False)
class EncodedSeries:
    """One series as the network reads it: transformed values, and T rows of other inputs.

    Args:
        transformed: T steps.
        past: (T, P) inputs known up to the origin.
        ahead: (T to T + horizon, K) inputs known over the horizon too.
        is_observed: (T,) false where the value was filled, which is no target to learn; None for all.
        steps_before: steps of the series before these T, which are not held.
    """

    transformed: Transformed
    past: Floats
    ahead: Floats
    is_observed: NDArray[np.bool_] | None = None
    steps_before: int = 0

    def __len__(self) -> int:
        return len(self.transformed.working)


class Windows:
    """Every window of every series, none of them stored.

    Args:
        tracks: the series.
        window: W, steps that a window holds.
        horizon: h, steps ahead.
        season: steps in a season; 1 for none.
        usual_share: what is 1 in `ForecastBatch.weight`.

    >>> from unrolled.data.preprocess.transforms import Transform
    >>> y, rule = np.arange(1.0, 31.0), Transform("difference")
    >>> nothing = np.empty((30, 0))
    >>> track = EncodedSeries(rule.apply(y, rule.learn(y)), nothing, nothing)
    >>> windows = Windows([track], window=12, horizon=3, season=1, usual_share=1.0)
    >>> windows.inputs.shape, windows.views.shape  # 12 rows of padding before, 3 after
    (torch.Size([45, 2]), torch.Size([34, 2, 12]))
    >>> windows.batch(windows.rows(0, np.array([11, 20]))).inputs.shape
    torch.Size([2, 12, 2])
    """

    def __init__(
        self, tracks: Sequence[EncodedSeries], *, window: int, horizon: int, season: int, usual_share: float
    ) -> None:
        self.window, self.horizon, self.season = window, horizon, season
        self.lag = tracks[0].transformed.transform.lag
        pad = window if season == 1 else max(window, 2 * season + 1)
        lengths = np.array([len(track) for track in tracks])
        starts = pad + np.concatenate([[0], np.cumsum(lengths[:-1] + pad + horizon)])
        rows = int(starts[-1] + lengths[-1] + horizon)
        flat = {name: np.zeros(rows) for name in _FLAT}
        inputs = np.zeros((rows, 2 + tracks[0].past.shape[1] + tracks[0].ahead.shape[1]))
        ahead = np.zeros((rows, tracks[0].ahead.shape[1]))
        for track, start in zip(tracks, starts, strict=True):
            _write_series(track, flat, inputs, ahead, pad=pad, start=start)
        self._starts, self._first_rows = starts, torch.from_numpy(starts)
        self.inputs = torch.from_numpy(inputs.astype(np.float32)).clamp_(-_LIMIT, _LIMIT)
        self._ahead = torch.from_numpy(ahead.astype(np.float32))
        # Levels stay in float64 until their difference is taken: 1e9 + 1 and 1e9 must differ.
        self._working, self._center, self._unit = (
            torch.from_numpy(flat[name]) for name in ("working", "center", "unit")
        )
        self._unit.clamp_(min=torch.finfo(torch.float64).tiny)  # its reciprocal is finite
        self._share = torch.from_numpy((flat["share"] / usual_share).astype(np.float32))
        self._log_share = self._share.log()
        self._observed = torch.from_numpy(flat["observed"].astype(np.float32))
        self._usable = torch.from_numpy(flat["usable"].astype(np.float32))
        self._seen = torch.from_numpy(flat["seen"].astype(np.float32))
        self._recent = torch.arange(1 - min(window, max(2 * season, _LEAST_RECENT)), 1)
        self._back = torch.from_numpy(reference_offsets(max(self.lag, 1), horizon))
        years_back = season * torch.arange(self.anchors)
        self._yearly = torch.from_numpy(reference_offsets(season, horizon))[:, None] - years_back  # (h, A)
        self._rows = SeriesRows(
            self.inputs, self._ahead, self._working, self._center, self._unit, self._share, self._log_share,
            self._observed, self._usable, self._seen,
        )  # fmt: skip

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """Tensors that all windows are made of: a few numbers a step."""
        return self.inputs, self._ahead, self._working, self._center, self._unit, self._share

    @property
    def recent(self) -> int:
        """Number V of latest levels that a readout sees."""
        return len(self._recent)

    @property
    def anchors(self) -> int:
        """Number A of anchors of each step of the horizon."""
        return _YEARS if self.season > 1 else 0

    @property
    def ahead(self) -> int:
        """Number K of inputs of each step of the horizon."""
        return self._ahead.shape[1]

    @property
    def views(self) -> Tensor:
        """View every window (R − W + 1, F, W), sharing the memory of `inputs`."""
        return self.inputs.unfold(0, self.window, 1)

    def rows(self, series: int | Ints, steps: Ints) -> Ints:
        """Return the rows of the flat arrays at these steps of these series: what `batch` takes."""
        return np.asarray(self._starts[series] + steps)

    def batch(
        self, rows: Tensor | Ints, steps_back: Tensor | None = None, cuts: Tensor | None = None
    ) -> ForecastBatch:
        """Return the windows that end at these rows.

        Args:
            rows: (B,) positions from `rows`.
            steps_back: (B, R) how many steps before its end each window is read out; None for its end alone.
            cuts: (B,) rows from which on targets may not be used; None for all.
        """
        rows = torch.as_tensor(rows)
        steps_back = torch.zeros_like(rows)[:, None] if steps_back is None else steps_back
        if runs_on_kernels(self.inputs):
            places = WindowPlaces(
                rows.contiguous(), steps_back.contiguous(), cuts, self._back if self.lag else None,
                self._recent, self._yearly,
            )  # fmt: skip
            gathered = gather_windows(self._rows, places, self.window, 5 * _LIMIT)
            if gathered is not None:
                return ForecastBatch(
                    readouts=self.window - 1 - steps_back, starts=self._padding(rows), **gathered._asdict()
                )
        return self._batch(rows, steps_back, cuts)

    def _batch(self, rows: Tensor, steps_back: Tensor, cuts: Tensor | None) -> ForecastBatch:
        """Make a batch by torch's operators, the twin of the kernel."""
        origins = (rows[:, None] - steps_back).reshape(-1, 1)  # (M, 1)
        per_unit, share = 1 / self._unit[origins], self._share[origins]
        steps = origins + torch.arange(1, self.horizon + 1)
        usable = self._usable.take(steps)
        if cuts is not None:
            usable = usable * (steps < cuts.repeat_interleave(steps_back.shape[1])[:, None])
        reference = self._working.take(origins + self._back) if self.lag else self._center[origins]
        return ForecastBatch(
            inputs=self.views[rows - self.window + 1].transpose(1, 2),
            readouts=self.window - 1 - steps_back,
            levels=self._moved(origins, origins + self._recent),
            anchors=self._anchors(origins),
            ahead=embedding(steps, self._ahead),
            context=torch.cat([self._log_share[origins], self._seen[origins]], 1),
            target=((self._working.take(steps) - reference) * per_unit).float() * usable,
            target_mask=usable,
            weight=share[:, 0],
            starts=self._padding(rows),
        )

    def _padding(self, rows: Tensor) -> Tensor:
        """Number of steps (B,) before the first of its series in each window that ends at these rows."""
        first = self._first_rows[torch.searchsorted(self._first_rows, rows, right=True) - 1]
        return (first - rows + (self.window - 1)).clamp_(0, self.window - 1)

    def _moved(self, origins: Tensor, steps: Tensor) -> Tensor:
        """Distance (M, ·) of the working scale at these steps from that at the origin, in its units."""
        moved = (
            (self._working.take(steps) - self._working[origins])
            * (1 / self._unit[origins])
            * self._observed.take(steps)
        )
        return moved.float().clamp_(-5 * _LIMIT, 5 * _LIMIT)

    def _anchors(self, origins: Tensor) -> Tensor:
        """Values (M, h, A) of the last two years in the seasons ahead."""
        steps = origins + self._yearly.flatten()  # (M, h · A)
        anchors = self._moved(origins, steps).view(len(origins), *self._yearly.shape)
        unknown = 1 - self._observed.take(steps).view(anchors.shape)
        for year in range(1, self.anchors):  # a year that is not observed, 0 so far, repeats the one after it
            anchors[..., year] += unknown[..., year] * anchors[..., year - 1]
        return anchors


class ForecastDataset:
    """Origins as examples to train or to validate on.

    Args:
        windows: all of them.
        rows: (M,) the chosen origins.
        firsts: (M,) the first row of the series of each at which a forecast can be made.
        cuts: (M,) the row from which on the targets of each may not be used.
        readouts: R. For 1, an example is the window that ends at its origin. For more, the window ends up
            to half its length later (before the cut), and is read out at R of its steps drawn at random:
            from its later half or, where it holds the start of its series, from all of it. So one pass
            over a window trains on many origins. Those within half a window of the end of a series are drawn
            about two thirds as often as those in its middle, those at its start up to twice as often.
    """

    def __init__(self, windows: Windows, rows: Ints, *, firsts: Ints, cuts: Ints, readouts: int = 1) -> None:
        self._windows, self._readouts = windows, readouts
        self._rows, self._firsts, self._cuts = (torch.from_numpy(each) for each in (rows, firsts, cuts))

    def __len__(self) -> int:
        return len(self._rows)

    def fingerprint(self, settings: str) -> str:
        """Return a digest of these settings, of the origins and of everything that their windows hold."""
        digest = hashlib.sha256(settings.encode())
        for tensor in (self._rows, self._cuts, *self._windows.tensors):
            digest.update(tensor.numpy().data)
        return digest.hexdigest()

    def batch(self, examples: Tensor) -> ForecastBatch:
        """Return the windows of these examples."""
        rows, cuts = self._rows[examples], self._cuts[examples]
        if self._readouts == 1:
            return self._windows.batch(rows, cuts=cuts)
        half = self._windows.window // 2
        ends = torch.minimum(rows + torch.randint(half + 1, rows.shape), cuts - 2)
        since_first = ends - self._firsts[examples]
        reach = torch.where(since_first >= self._windows.window, half, since_first) + 1
        steps_back = (torch.rand(len(rows), self._readouts) * reach[:, None]).long()
        return self._windows.batch(ends, steps_back, cuts)


def _write_series(
    track: EncodedSeries, flat: dict[str, Floats], inputs: Floats, ahead: Floats, *, pad: int, start: int
) -> None:
    """Write one series into its rows of the flat arrays."""
    transformed, before, rows = track.transformed, slice(start - pad, start), slice(start, start + len(track))
    flat["working"][before] = transformed.working[0]
    flat["unit"][before] = transformed.unit[0]
    for name in ("working", "center", "unit", "share"):
        flat[name][rows] = getattr(transformed, name)
    flat["observed"][rows] = 1.0
    flat["usable"][rows] = 1.0 if track.is_observed is None else track.is_observed
    seen = track.steps_before + np.arange(1, len(track) + 1)
    flat["seen"][rows] = np.log(seen) / 2 - 1.5  # of order 1 from 3 to 1,000 steps
    columns = [transformed.inputs, np.ones(len(track))]
    inputs[rows] = np.column_stack([*columns, track.past, track.ahead[: len(track)]])
    ahead[start : start + len(track.ahead)] = track.ahead
