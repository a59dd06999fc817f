"""Adaptive conformal bands of live forecasts: wider after a value outside, narrower after one inside.

Shapes: N streams, h steps ahead, Q quantiles, K = (Q - 1) / 2 bands around the median.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from unrolled.models.forecasting.calibration import quantiles_at_scores, scores_of
from unrolled.models.streaming.snapshots import State

Floats = NDArray[np.float64]


class AdaptiveBands:
    """Bands that are kept at their coverage, whatever becomes of the series.

    A band of coverage 1 - α ends at the quantiles of normal scores -s and s. When a value arrives, the bands
    that were forecast for it one to h steps ago are checked, and for each band and step ahead

        s <- max(0, s + rate (err - α)),  err = 1 where the value is outside, else 0

    While s stays above 0, |mean err - α| = |s_T - s_0| / (rate T) over T values: where the scores do not grow
    without end, coverage tends to 1 - α for any series. They begin at those of the model's own quantiles.
    Missing values change nothing.

    Args:
        capacity: N.
        horizon: h.
        levels: (Q,) levels of the quantiles, rising, the median in the middle, the others in pairs.
        rate: of the scores, above 0. A large one follows a change sooner and varies more.

    Source: Gibbs and Candès (2021), Adaptive Conformal Inference Under Distribution Shift, eq. 2, with the
    score s in place of α_t = 2 Φ(-s), as Angelopoulos, Candès and Tibshirani (2023) track quantiles: α_t
    below 0 would be a band of all numbers. A forecast of h steps ahead is checked when its value is there.
    """

    def __init__(self, capacity: int, horizon: int, levels: Sequence[float], rate: float) -> None:
        self._levels, self._rate, self._middle = levels, rate, len(levels) // 2
        self._scores = scores_of(levels)
        K = self._middle
        # `added` is s less the score of the model's own quantile; `ends` the bands of the latest h forecasts
        self.arrays: State = {
            "band_added": np.zeros((capacity, horizon, K)),
            "band_ends": np.zeros((capacity, horizon, horizon, 2, K)),
        }
        self._misses = 2 * np.array(levels[:K])  # α of each band, the widest first
        self._ahead = np.arange(horizon)

    def take(self, stream: int, n: int, value: float) -> None:
        """Check the bands for value number n + 1 of a stream, the n + 1st; NaN is passed over."""
        if np.isnan(value):
            return
        h = len(self._ahead)
        origins = n - self._ahead[: min(h, n)]  # that forecast it, the latest first
        ahead = self._ahead[: len(origins)]
        lower, upper = np.moveaxis(self.arrays["band_ends"][stream][origins % h, ahead], 1, 0)
        error = np.where(np.isnan(lower), self._misses, (value < lower) | (value > upper)) - self._misses
        added = self.arrays["band_added"][stream]
        model_scores = self._scores[self._middle + 1 :][::-1]  # the widest band first
        added[ahead] = np.maximum(added[ahead] + self._rate * error, -model_scores)

    def adapt(self, stream: int, quantiles: Floats) -> Floats:
        """Move the quantiles (h, Q) to the scores of a stream; the median stays."""
        half = self._scores[self._middle + 1 :] + self.arrays["band_added"][stream][:, ::-1]  # (h, K)
        half = np.maximum.accumulate(half, axis=1)  # a wider band holds the narrower one
        scores = np.concatenate([-half[:, ::-1], np.zeros((len(half), 1)), half], axis=1)
        return quantiles_at_scores(quantiles, self._levels, scores)

    def keep(self, stream: int, n: int, quantiles: Floats) -> None:
        """Remember the quantiles (h, Q) that were forecast after n values."""
        K, h = self._middle, len(self._ahead)
        ends = np.stack([quantiles[:, :K], quantiles[:, :K:-1]], axis=1)  # (h, 2, K)
        self.arrays["band_ends"][stream][n % h] = ends
