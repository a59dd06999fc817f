"""Standard scaling: mean 0 and variance 1 a column, for inputs and targets of every estimator."""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SCALED_LIMIT = 1e6  # of a network's inputs: beyond it they say "huge", and their squares must stay finite
_FRAMES_AT_ONCE = 256
_ROUNDING = 1e-12  # of the largest value: the mean of equal numbers may miss them by as much


class StandardScaler(NamedTuple):
    """Scale each column to mean 0 and variance 1 over the steps that it was fitted on.

        z = (x - mean) / scale

    A column that does not change there, but for rounding, has scale 1: what it does later is neither
    divided by 0 nor by a rounding error.

    Args:
        mean: (F,), or a scalar for a single column.
        scale: (F,) standard deviations, or a scalar; 1 for a constant column.
    """

    mean: Floats
    scale: Floats

    @classmethod
    def fit(cls, values: Floats, weights: Floats | None = None) -> Self:
        """Measure (ΣT, F) steps, or (ΣT,) of a single column; missing values (NaN) are left out.

        Args:
            values: the steps.
            weights: (ΣT,) of the steps; None where all are equal.

        >>> [part.tolist() for part in StandardScaler.fit(np.array([[0.0, 3.0], [2.0, 3.0]]))]
        [[1.0, 3.0], [1.0, 1.0]]
        """
        if weights is None:
            mean, scale = np.nanmean(values, axis=0), np.nanstd(values, axis=0)
        else:
            mean = _weighted_mean(values, weights)
            scale = np.sqrt(_weighted_mean((values - mean) ** 2, weights))
        changes = scale > _ROUNDING * np.nanmax(np.abs(values), axis=0)
        return cls(mean, np.where(changes, scale, 1.0)[()])

    def transform(self, values: Floats) -> Floats:
        """Scale values (..., F)."""
        return (values - self.mean) / self.scale

    def inverse_transform(self, scaled: Floats) -> Floats:
        """Bring scaled values (..., F) back to their unit."""
        return scaled * self.scale + self.mean

    def to_dict(self) -> dict[str, Any]:
        """Mean and scale as lists of numbers, ready for JSON."""
        return {name: np.asarray(part).tolist() for name, part in self._asdict().items()}

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> Self:
        """Read what `to_dict` wrote.

        >>> StandardScaler.from_dict(StandardScaler.fit(np.arange(3.0)).to_dict()).mean.item()
        1.0
        """
        return cls(*(np.asarray(record[name], dtype=np.float64) for name in cls._fields))


def fit_channel_scaler(frames: NDArray[Any], weights: Floats | None = None) -> StandardScaler:
    """Measure mean and standard deviation (C,) of the channels of frames (N, C, H, W), some at a time.

    Args:
        frames: of any type of numbers, none missing.
        weights: (N,) of the frames, at least 0; None where all are equal.

    >>> scaler = fit_channel_scaler(np.array([0, 2], np.uint8).reshape(2, 1, 1, 1))
    >>> scaler.mean.tolist(), scaler.scale.tolist()
    ([1.0], [1.0])
    """
    weights = np.ones(len(frames)) if weights is None else weights
    total, mean = 0.0, np.zeros(frames.shape[1])
    squares = np.zeros(frames.shape[1])
    for start in range(0, len(frames), _FRAMES_AT_ONCE):  # no copy of all frames in float64
        part = np.asarray(frames[start : start + _FRAMES_AT_ONCE], dtype=np.float64)
        w = weights[start : start + _FRAMES_AT_ONCE]
        weight = float(w.sum())
        if not weight:
            continue
        part_mean = w @ part.mean((2, 3)) / weight
        shift, share = part_mean - mean, weight / (total + weight)
        deviations = ((part - part_mean[:, None, None]) ** 2).mean((2, 3))
        squares += w @ deviations + total * share * shift**2
        mean, total = mean + share * shift, total + weight
    scale = np.sqrt(squares / total)
    return StandardScaler(mean, np.where(scale > _ROUNDING * np.abs(mean), scale, 1.0))


def _weighted_mean(values: Floats, weights: Floats) -> Floats:
    w = weights.reshape(-1, *[1] * (values.ndim - 1))
    return np.nansum(values * w, axis=0) / np.where(np.isnan(values), 0.0, w).sum(axis=0)  # type: ignore[no-any-return]
