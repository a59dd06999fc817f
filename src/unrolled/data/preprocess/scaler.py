"""Standard scaling: mean 0 and variance 1 a column, for inputs and targets of every estimator."""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SCALED_LIMIT = 1e6  # of a network's inputs: beyond it they say "huge", and their squares must stay finite
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


def _weighted_mean(values: Floats, weights: Floats) -> Floats:
    w = weights.reshape(-1, *[1] * (values.ndim - 1))
    return np.nansum(values * w, axis=0) / np.where(np.isnan(values), 0.0, w).sum(axis=0)  # type: ignore[no-any-return]
