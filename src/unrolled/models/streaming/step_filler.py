"""Missing values of live streams, filled step by step.

Shapes: N streams, F features a step.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_COLUMNS_OF_MASK = 3  # value, whether it is missing, steps since the last known one


class StepFiller:
    """Fill the missing values of N streams as `fill_missing` fills sequences: by "forward" or "forward+mask".

    Args:
        how: one of these.
        means: (F,) or, for "forward+mask", (3 F,) means of the inputs, the first F of them the features'.
        capacity: N.

    >>> filler = StepFiller("forward+mask", np.zeros(3), capacity=1)
    >>> gaps = np.array([[np.nan], [1.0], [np.nan]])
    >>> filler.fill(gaps, np.array([0]), np.array([3])).round(2).tolist()
    [[0.0, 1.0, 0.69], [1.0, 0.0, 0.0], [1.0, 1.0, 0.69]]
    """

    def __init__(self, how: str, means: Floats, capacity: int) -> None:
        self._has_mask = how == "forward+mask"
        self.width = len(means) // (_COLUMNS_OF_MASK if self._has_mask else 1)
        self._means = means[: self.width]
        self.arrays = {
            "last_value": np.zeros((capacity, self.width)),
            "has_value": np.zeros((capacity, self.width), dtype=bool),
            "steps_since": np.zeros((capacity, self.width), dtype=np.int64),
        }

    def fill(self, rows: Floats, streams: Ints, counts: Ints) -> Floats:
        """Fill rows (Σ counts, F), `counts` of each of the streams, and remember their last values."""
        filled, since = np.empty_like(rows), np.empty(rows.shape, dtype=np.int64)
        is_missing = np.isnan(rows)
        last, has_value, steps_since = self.arrays.values()
        begins = np.cumsum(counts) - counts
        for step in range(int(counts.max(initial=0))):
            goes_on = counts > step
            at, which = begins[goes_on] + step, streams[goes_on]
            missing = is_missing[at]
            steps_since[which] = np.where(missing, steps_since[which] + 1, 0)
            last[which] = np.where(missing, last[which], rows[at])
            has_value[which] |= ~missing
            filled[at] = np.where(has_value[which], last[which], self._means)
            since[at] = steps_since[which]
        if not self._has_mask:
            return filled
        return np.concatenate([filled, is_missing, np.log1p(since)], axis=1)
