"""One scale for all features: their mean and how far they lie from it, over the steps of a training."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_ROUNDING = 1e-12  # of the largest value: a mean of equal numbers may miss them by as much


class Scaling(NamedTuple):
    """(x - mean) / scale, one of each a feature."""

    mean: Floats  # (F,)
    scale: Floats  # (F,), 1 where a feature never changes

    def scaled(self, values: Floats) -> Floats:
        """(..., F) as a network or a distance reads them."""
        return (values - self.mean) / self.scale


def scaling_of(values: Floats) -> Scaling:
    """Mean and standard deviation of (ΣT, F) steps; a feature that never changes keeps its scale.

    >>> [part.tolist() for part in scaling_of(np.array([[0.0, 3.0], [2.0, 3.0]]))]
    [[1.0, 3.0], [1.0, 1.0]]
    """
    scale = values.std(axis=0)
    changes = scale > _ROUNDING * np.abs(values).max(axis=0)
    return Scaling(values.mean(axis=0), np.where(changes, scale, 1.0))
