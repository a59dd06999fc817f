"""Windows as views: memory grows with the series, not with series × window.

All series lie one after the other in a few flat arrays, each with `window` rows of padding before it and
`horizon` after it. A window is a stretch of rows; a batch copies the stretches it needs and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.data.transforms import Transformed, reference_offsets

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_LIMIT = 12.0  # a move this many times the usual one says "huge"; more would only upset the training


class Batch(NamedTuple):
    """B windows, all that a forecast may know at their origins, and what came after."""

    inputs: Tensor  # (B, W, F) a row a step: its move, 1 if it is known, other inputs
    levels: Tensor  # (B, W) the working scale less its value at the origin, in units of the origin
    anchors: Tensor  # (B, h, A) the same seasons of the last A years, likewise
    ahead: Tensor  # (B, h, K) what is known of the horizon: calendar, future covariates
    context: Tensor  # (B, 2) how large a unit is, how long the past
    target: Tensor  # (B, h) what came, less its reference, in units of the origin; 0 where not known
    known: Tensor  # (B, h) 1.0 where the target is known and may be used, else 0.0
    weight: Tensor  # (B,) the unit of the origin over that of all series


@dataclass(frozen=True, eq=False)
class Track:
    """One series as the network sees it: its transform, and T rows of other inputs beside it.

    Args:
        transformed: T steps.
        past: (T, P) inputs known up to the origin.
        ahead: (T to T + horizon, K) inputs known over the horizon too.
    """

    transformed: Transformed
    past: Floats
    ahead: Floats

    def __len__(self) -> int:
        return len(self.transformed.working)


class Windows:
    """Every window of every series, none of them stored.

    Args:
        tracks: the series.
        window: W, steps that a window holds.
        horizon: h, steps ahead.
        season: steps in a season; 1 for none.
        usual_unit: what `Batch.weight` is measured against.

    >>> from unrolled.data.transforms import Transform
    >>> y, rule = np.arange(1.0, 31.0), Transform("difference")
    >>> nothing = np.empty((30, 0))
    >>> track = Track(rule.apply(y, rule.learn(y)), nothing, nothing)
    >>> windows = Windows([track], window=12, horizon=3, season=1, usual_unit=1.0)
    >>> windows.inputs.shape, windows.views.shape  # 12 rows of padding before, 3 after
    (torch.Size([45, 2]), torch.Size([34, 2, 12]))
    >>> windows.batch(windows.rows(0, np.array([11, 20]))).inputs.shape
    torch.Size([2, 12, 2])
    """

    def __init__(
        self, tracks: Sequence[Track], *, window: int, horizon: int, season: int, usual_unit: float
    ) -> None:
        self.window, self.horizon, self.season = window, horizon, season
        self.lag = tracks[0].transformed.transform.lag
        self._usual_unit = usual_unit
        pad = window if season == 1 else max(window, 2 * season + 1)
        lengths = np.array([len(track) for track in tracks])
        starts = pad + np.concatenate([[0], np.cumsum(lengths[:-1] + pad + horizon)])
        rows = int(starts[-1] + lengths[-1] + horizon)
        flat = {name: np.zeros(rows) for name in ("working", "center", "unit", "known", "seen")}
        inputs = np.zeros((rows, 2 + tracks[0].past.shape[1] + tracks[0].ahead.shape[1]))
        ahead = np.zeros((rows, tracks[0].ahead.shape[1]))
        for track, start in zip(tracks, starts, strict=True):
            _lay(track, flat, inputs, ahead, pad=pad, start=start)
        self._starts = starts
        self.inputs = torch.from_numpy(inputs.astype(np.float32)).clamp_(-_LIMIT, _LIMIT)
        self._ahead = torch.from_numpy(ahead.astype(np.float32))
        # Levels stay in float64 until their difference is taken: 1e9 + 1 and 1e9 must differ.
        self._working, self._center, self._unit = (
            torch.from_numpy(flat[n]) for n in ("working", "center", "unit")
        )
        self._known = torch.from_numpy(flat["known"].astype(np.float32))
        self._seen = torch.from_numpy(flat["seen"].astype(np.float32))
        self._back = torch.from_numpy(reference_offsets(max(self.lag, 1), horizon))

    @property
    def views(self) -> Tensor:
        """(R − W + 1, F, W) every window, sharing the memory of `inputs`."""
        return self.inputs.unfold(0, self.window, 1)

    def rows(self, series: int, steps: Ints) -> Ints:
        """Where these steps of a series lie in the flat arrays: what `batch` takes."""
        return np.asarray(self._starts[series] + steps)

    def batch(self, rows: Tensor | Ints, cuts: Tensor | None = None) -> Batch:
        """The windows that end at these rows.

        Args:
            rows: (B,) positions from `rows`.
            cuts: (B,) rows from which on targets may not be used; None for all.
        """
        rows = torch.as_tensor(rows)
        first, here = rows - self.window + 1, rows[:, None]
        working, unit = self._working[here], self._unit[here]
        known = self._known.unfold(0, self.window, 1)[first]
        levels = (self._working.unfold(0, self.window, 1)[first] - working) / unit * known
        steps = here + torch.arange(1, self.horizon + 1)
        usable = self._known[steps]
        if cuts is not None:
            usable = usable * (steps < cuts[:, None])
        reference = self._working[here + self._back] if self.lag else self._center[here]
        return Batch(
            inputs=self.views[first].transpose(1, 2),
            levels=levels.float().clamp_(-5 * _LIMIT, 5 * _LIMIT),
            anchors=self._anchors(here, working, unit),
            ahead=self._ahead[steps],
            context=torch.cat([(unit / self._usual_unit).log().float(), self._seen[here]], 1),
            target=((self._working[steps] - reference) / unit).float() * usable,
            known=usable,
            weight=(unit[:, 0] / self._usual_unit).float(),
        )

    def _anchors(self, here: Tensor, working: Tensor, unit: Tensor) -> Tensor:
        """(B, h, A) the last two years' values of the seasons ahead."""
        if self.season == 1:
            return torch.zeros(len(here), self.horizon, 0)
        offsets = torch.from_numpy(reference_offsets(self.season, self.horizon))
        steps = here[..., None] + torch.stack([offsets, offsets - self.season], 1)  # (B, h, 2)
        steps = steps.clamp(min=0)
        moved = (self._working[steps] - working[..., None]) / unit[..., None] * self._known[steps]
        return moved.float().clamp_(-5 * _LIMIT, 5 * _LIMIT)


class Selection:
    """Some of the windows, as examples to train on or to judge by.

    Args:
        windows: all of them.
        rows: (M,) where the chosen ones end.
        cuts: (M,) the row from which on the targets of each may not be used; None for all.
    """

    def __init__(self, windows: Windows, rows: Ints, cuts: Ints | None = None) -> None:
        self._windows = windows
        self._rows = torch.from_numpy(rows)
        self._cuts = None if cuts is None else torch.from_numpy(cuts)

    def __len__(self) -> int:
        return len(self._rows)

    def batch(self, chosen: Tensor) -> Batch:
        """The chosen examples."""
        return self._windows.batch(self._rows[chosen], None if self._cuts is None else self._cuts[chosen])


def _lay(
    track: Track, flat: dict[str, Floats], inputs: Floats, ahead: Floats, *, pad: int, start: int
) -> None:
    """Put one series into its rows of the flat arrays."""
    transformed, before, rows = track.transformed, slice(start - pad, start), slice(start, start + len(track))
    flat["working"][before] = transformed.working[0]
    flat["unit"][before] = transformed.unit[0]
    for name in ("working", "center", "unit"):
        flat[name][rows] = getattr(transformed, name)
    flat["known"][rows] = 1.0
    flat["seen"][rows] = np.log(np.arange(1, len(track) + 1)) / 2 - 1.5  # of order 1 from 3 to 1,000 steps
    columns = [transformed.inputs, np.ones(len(track))]
    inputs[rows] = np.column_stack([*columns, track.past, track.ahead[: len(track)]])
    ahead[start : start + len(track.ahead)] = track.ahead
