"""Levels of a recording divided out of its log-mel frames: its loudness, and mean and spread of each band.

Shapes: T frames, F bands.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.kernels.loading import compiled

Floats = NDArray[np.float64]

NORMALIZATIONS = ("running", "recording")
_FLOOR = 11.5  # nepers of power below the peak, 50 dB: what is quieter is the room's
_PRIOR_FRAMES = {"running": 20.0, "recording": 2.0}
_LEAST_VARIANCE = 1e-2  # of a band, in squared nepers of power


class LevelState(NamedTuple):
    """State of a running normalisation, a row a stream.

    Before the first frame all are 0.

    Args:
        steps: (N,) frames so far.
        peak: (N,) the largest value of any band so far.
        sums: (N, F) of the values above the floor, with those of the prior frames.
        squares: (N, F) of their squares, likewise.
    """

    steps: NDArray[np.int64]
    peak: Floats
    sums: Floats
    squares: Floats

    @classmethod
    def zeros(cls, n: int, n_bands: int) -> LevelState:
        """Make the states of N new streams."""
        bands = np.zeros((n, n_bands))
        return cls(np.zeros(n, np.int64), np.zeros(n), bands, bands.copy())


@dataclass(frozen=True, eq=False)
class BandLevels:
    """Normalisation of log-mel frames by the recording that they belong to.

        p_t = max_{s <= t, b} L_sb
        z_tb = max(L_tb - p_t, -floor)
        m_tb, v_tb: mean and variance of z_sb for s <= t, and of k frames of the training data
        x_tb = (z_tb - m_tb) / sqrt(v_tb)

    So loudness, the colour of a microphone and its noise below the floor are gone, and no frame depends on a
    later one. With "recording", p, m and v are those of the whole recording at each t: that knows the end.

    Args:
        kind: "running" or "recording".
        floor: nepers of power below the peak, beneath which there is silence.
        prior_frames: k.
        mean: (F,) of z over the training data.
        variance: (F,) likewise.
    """

    kind: str
    floor: float
    prior_frames: float
    mean: Floats
    variance: Floats

    @classmethod
    def fit(
        cls,
        values: Floats,
        offsets: NDArray[np.int64],
        *,
        kind: str,
        floor: float = _FLOOR,
        prior_frames: float | None = None,
    ) -> Self:
        """Measure mean and variance of z over frames (ΣT, F) of recordings with these offsets (N + 1,)."""
        prior_frames = _PRIOR_FRAMES[kind] if prior_frames is None else prior_frames
        unit = cls(kind, floor, prior_frames, np.zeros(values.shape[1]), np.ones(values.shape[1]))
        z = np.concatenate([unit.above_floor(part) for part in np.split(values, offsets[1:-1])])
        return cls(kind, floor, prior_frames, z.mean(0), np.maximum(z.var(0), _LEAST_VARIANCE))

    def above_floor(self, frames: Floats) -> Floats:
        """Compute z (T, F) of a whole recording."""
        return self._above(frames, self._peaks(frames, -np.inf))

    def _peaks(self, frames: Floats, before: float) -> Floats:
        """Compute p (T,) of frames; `before` is that of the frames before them."""
        if self.kind == "recording":
            return np.full(len(frames), frames.max() if len(frames) else 0.0)
        largest: Floats = np.maximum.reduce(frames, axis=1)
        if len(frames) > 1:
            largest = np.maximum.accumulate(largest)
        return np.maximum(largest, before)

    def _above(self, frames: Floats, peaks: Floats) -> Floats:
        return np.maximum(frames - peaks[:, None], -self.floor)

    def normalize(self, frames: Floats) -> Floats:
        """Compute x (T, F) of a whole recording."""
        if self.kind == "running":
            return self.advance(frames, LevelState.zeros(1, frames.shape[1]), 0)
        z = self.above_floor(frames)
        prior_sum, prior_squares = self._prior
        count = self.prior_frames + len(frames)
        return _scaled(z, (prior_sum + z.sum(0)) / count, (prior_squares + (z**2).sum(0)) / count)

    def advance(self, frames: Floats, state: LevelState, stream: int) -> Floats:
        """Compute x (T, F) of the next frames of a stream, and move its state on.

        Sums run frame by frame, so that chunks of any size give the same bits.
        """
        if not len(frames):
            return np.empty_like(frames)
        before = int(state.steps[stream])
        if not before:
            state.peak[stream] = -np.inf
            state.sums[stream], state.squares[stream] = self._prior
        after = before + len(frames)
        peaks = self._peaks(frames, state.peak[stream])
        z = self._above(frames, peaks)
        counts = np.arange(before + 1, after + 1)[:, None] + self.prior_frames
        sums, squares = _running(state.sums[stream], z), _running(state.squares[stream], z * z)
        state.peak[stream], state.steps[stream] = peaks[-1], after
        state.sums[stream], state.squares[stream] = sums[-1], squares[-1]
        return _scaled(z, sums / counts, squares / counts)

    def stepper(self, state: LevelState) -> Any:
        """Return a stepper on the kernels, which must be there.

        Its `step(frame, out)` computes x (N, F) of the next frame (1, F) of all streams, to the bits of
        `advance`, and moves their state on.
        """
        return compiled.LevelStepper(*state, *self._prior, self.prior_frames, self.floor, _LEAST_VARIANCE)

    @cached_property
    def _prior(self) -> tuple[Floats, Floats]:
        """Sums (F,) of z and of its square over k frames of the training data."""
        return self.prior_frames * self.mean, self.prior_frames * (self.variance + self.mean**2)

    def normalize_batch(self, frames: Tensor, valid_mask: Tensor) -> Tensor:
        """Compute x (B, T, F) of padded recordings in torch, up to rounding; 0 where a mask (B, T) is false.

        For training, whose augmentation changes the frames of each batch.
        """
        mask = valid_mask[..., None]
        largest = frames.masked_fill(~mask, -torch.inf).amax(2)  # (B, T)
        is_running = self.kind == "running"
        peaks = largest.cummax(1).values if is_running else largest.amax(1, keepdim=True)
        z = (frames - peaks[..., None]).clamp(min=-self.floor) * mask
        k = self.prior_frames
        prior_mean = torch.from_numpy(self.mean).to(z)
        prior_square = torch.from_numpy(self.variance + self.mean**2).to(z)
        if is_running:
            sums, squares = z.cumsum(1), (z * z).cumsum(1)
            counts = k + valid_mask.cumsum(1)[..., None]
        else:
            sums, squares = z.sum(1, keepdim=True), (z * z).sum(1, keepdim=True)
            counts = k + valid_mask.sum(1)[:, None, None]
        mean = (k * prior_mean + sums) / counts
        variance = (k * prior_square + squares) / counts - mean * mean
        return (z - mean) * variance.clamp(min=_LEAST_VARIANCE).rsqrt() * mask

    def to_dict(self) -> dict[str, Any]:
        """Return the settings and the statistics, ready for JSON."""
        return {
            "kind": self.kind,
            "floor": self.floor,
            "prior_frames": self.prior_frames,
            "mean": self.mean.tolist(),
            "variance": self.variance.tolist(),
        }

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> Self:
        """Read what `to_dict` wrote."""
        arrays = {name: np.array(record[name], dtype=np.float64) for name in ("mean", "variance")}
        return cls(**record | arrays)


def _running(before: Floats, rows: Floats) -> Floats:
    """Add up rows (T, F), one after the other, to what was before them (F,)."""
    return np.add.accumulate(np.concatenate([before[None], rows]))[1:]


def _scaled(z: Floats, mean: Floats, second: Floats) -> Floats:
    """Divide out mean and spread, from the first two moments."""
    return (z - mean) / np.sqrt(np.maximum(second - mean * mean, _LEAST_VARIANCE))
