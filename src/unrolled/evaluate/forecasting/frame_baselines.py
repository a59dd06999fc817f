"""Simple forecasts of frames, pixel by pixel, that a FrameForecaster is compared with.

    copy last      the last frame that was read
    mean of inputs the mean of the frames that were read
    AR1            x_{t+1} = c + φ x_t for each pixel, by least squares, iterated
    training mean  one mean picture of all frames that were trained on

Shapes: N windows of T frames that are read, h frames ahead, frames (H, W) or (C, H, W).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from unrolled.data.sequences import Sequences

Floats = NDArray[np.float64]


class CopyLast:
    """The last frame, again and again.

    >>> CopyLast().predict(np.array([[[[1.0]], [[2.0]]]]), 2).ravel().tolist()
    [2.0, 2.0]
    """

    def fit(self, clips: Sequences) -> Self:
        """Learn nothing."""
        del clips
        return self

    def predict(self, windows: Floats, horizon: int) -> Floats:
        """Return (N, h, ...)."""
        return _repeated(windows[:, -1], horizon)


class MeanOfInputs(CopyLast):
    """The mean of the frames that were read.

    >>> MeanOfInputs().predict(np.array([[[[1.0]], [[2.0]]]]), 2).ravel().tolist()
    [1.5, 1.5]
    """

    def predict(self, windows: Floats, horizon: int) -> Floats:
        """Return (N, h, ...)."""
        return _repeated(windows.mean(1), horizon)


class TrainingMean:
    """One picture: the mean of all frames in training.

    >>> clips = Sequences.from_arrays([np.array([[[1.0]], [[4.0]]])], dtype=float)
    >>> TrainingMean().fit(clips).predict(np.zeros((1, 2, 1, 1)), 2).ravel().tolist()
    [2.5, 2.5]
    """

    def fit(self, clips: Sequences) -> Self:
        """Take the mean."""
        self.picture_ = clips.values.mean(0, dtype=np.float64)
        return self

    def predict(self, windows: Floats, horizon: int) -> Floats:
        """Return (N, h, ...)."""
        return np.broadcast_to(self.picture_, (len(windows), horizon, *self.picture_.shape))


class PixelAR1:
    """A first-order autoregression of each pixel by itself; one that never changes stays at its mean.

    φ is bounded to ±1: a pixel that is rarely lit would else explode over the horizon.

    >>> clips = Sequences.from_arrays([2.0 ** -np.arange(5.0).reshape(5, 1, 1)], dtype=float)
    >>> PixelAR1().fit(clips).predict(np.ones((1, 2, 1, 1)), 2).ravel().round(6).tolist()
    [0.5, 0.25]
    """

    def fit(self, clips: Sequences) -> Self:
        """Solve the least squares of each pixel over all pairs of neighbouring frames."""
        n, shape = 0, clips.feature_shape
        x_mean, y_mean, xy = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        squares = np.zeros(shape)
        for start, end in zip(clips.offsets[:-1], clips.offsets[1:], strict=True):
            frames = clips.values[start:end].astype(np.float64)
            x, y = frames[:-1], frames[1:]
            if not len(x):
                continue
            m, dx, dy = len(x), x.mean(0) - x_mean, y.mean(0) - y_mean
            share = n * m / (n + m)
            squares += ((x - x.mean(0)) ** 2).sum(0) + share * dx**2
            xy += ((x - x.mean(0)) * (y - y.mean(0))).sum(0) + share * dx * dy
            x_mean, y_mean, n = x_mean + dx * (m / (n + m)), y_mean + dy * (m / (n + m)), n + m
        self.slope_ = np.divide(xy, squares, out=np.zeros(shape), where=squares > 0).clip(-1, 1)
        self.constant_ = y_mean - self.slope_ * x_mean
        return self

    def predict(self, windows: Floats, horizon: int) -> Floats:
        """Return (N, h, ...)."""
        frames = [windows[:, -1]]
        for _ in range(horizon):
            frames.append(self.constant_ + self.slope_ * frames[-1])
        return np.stack(frames[1:], 1)


FRAME_BASELINES: dict[str, Callable[[], Any]] = {
    "copy last": CopyLast,
    "mean of inputs": MeanOfInputs,
    "AR1": PixelAR1,
    "training mean": TrainingMean,
}


def _repeated(frames: Floats, horizon: int) -> Floats:
    """Return each frame (N, ...) so many times: (N, h, ...)."""
    return np.broadcast_to(frames[:, None], (len(frames), horizon, *frames.shape[1:]))
