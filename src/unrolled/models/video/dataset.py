"""Dataset of windows of frames: one flat array in its own type, scaled batch by batch."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.data.clips import channels_of
from unrolled.data.preprocess.scaler import SCALED_LIMIT, StandardScaler
from unrolled.data.sequences import Sequences

Ints = NDArray[np.int64]


class FrameBatch(NamedTuple):
    """B windows of scaled frames, and the frames that follow each."""

    frames: Tensor  # (B, T, C, H, W)
    targets: Tensor  # (B, h, C, H, W)


@dataclass(frozen=True, eq=False)
class FrameWindows:
    """Windows of frames of one length, from which a batch takes its own.

    Args:
        values: (ΣT, C, H, W) frames of all clips, uint8 or float32.
        starts: (N,) first frame of each window.
        window: T, frames that are read.
        horizon: h, frames that follow; 0 where none are known.
        scaler: (C,) mean and scale of the channels.
        device: where batches are put.

    >>> values = torch.arange(6, dtype=torch.uint8)[:, None, None, None]
    >>> scaler = StandardScaler(np.zeros(1), np.ones(1))
    >>> batch = FrameWindows(values, torch.tensor([0, 2]), 3, 1, scaler).batch(torch.tensor([1]))
    >>> batch.frames.flatten().tolist(), batch.targets.flatten().tolist()
    ([2.0, 3.0, 4.0], [5.0])
    """

    values: Tensor
    starts: Tensor
    window: int
    horizon: int
    scaler: StandardScaler
    device: str = "cpu"

    def __len__(self) -> int:
        return len(self.starts)

    def batch(self, rows: Tensor) -> FrameBatch:
        """Make a batch of the windows in these rows."""
        places = self.starts[rows][:, None] + torch.arange(self.window + self.horizon)
        frames = self.values[places].to(self.device).float()  # (B, T + h, C, H, W)
        mean, scale = (
            torch.as_tensor(part, dtype=torch.float32, device=self.device)[:, None, None]
            for part in self.scaler
        )
        frames = ((frames - mean) / scale).clamp(-SCALED_LIMIT, SCALED_LIMIT)
        return FrameBatch(frames[:, : self.window], frames[:, self.window :])

    def subset(self, rows: Tensor) -> FrameWindows:
        """Select the windows in these rows; the frames are shared."""
        return replace(self, starts=self.starts[rows])

    def fingerprint(self, settings: str) -> str:
        """Compute a digest of the data and of how it is used: a training resumes with the same only."""
        used = repr((settings, self.window, self.horizon, self.scaler.to_dict()))
        digest = hashlib.sha256(used.encode())
        for tensor in (self.values, self.starts):
            digest.update(tensor.contiguous().numpy().tobytes())
        return digest.hexdigest()


def flat_frames(clips: Sequences) -> Tensor:
    """Return all frames (ΣT, C, H, W): whole numbers of a byte as they are, others as float32."""
    values = clips.values.reshape(len(clips.values), *channels_of(clips))
    kept = values if values.dtype == np.uint8 else values.astype(np.float32)
    return torch.from_numpy(np.ascontiguousarray(kept))


def window_starts(lengths: Ints, offsets: Ints, span: int) -> tuple[Ints, Ints]:
    """Find every window of so many frames: its first frame, and the clip that it lies in.

    >>> [part.tolist() for part in window_starts(np.array([4, 2, 3]), np.array([0, 4, 6]), 3)]
    [[0, 1, 6], [0, 0, 2]]
    """
    counts = np.maximum(lengths - span + 1, 0)
    clip = np.repeat(np.arange(len(lengths)), counts)
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return offsets[clip] + within, clip
