"""Transforms of series that grow step by step: a few sums, and the latest steps.

Every number is that of `Transform.apply` on all steps so far, to the bit.

Shapes: L latest steps that are kept.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.data.preprocess.transforms import (
    LEAST_UNIT,
    PRIOR_STEPS,
    Scale,
    Transform,
    Transformed,
)

Floats = NDArray[np.float64]

N_SUMS = 3  # of moves, of working values, of their sizes
N_KEPT = 4  # numbers kept of a step: working value, center, unit, share


class RunningTransform:
    """Transform of a series of which only sums and the latest steps are kept.

    Args:
        transform: the rule.
        scale: what `Transform.learn` gave at fit time.
        steps: L, more than the lag of the transform.

    >>> rule, y = Transform("difference"), np.array([1.0, 3.0, 2.0, 5.0])
    >>> running = RunningTransform(rule, rule.learn(y), steps=2)
    >>> sums, kept = np.zeros(N_SUMS), np.zeros((N_KEPT, 2))
    >>> for n, value in enumerate(y):
    ...     running.step(value, n, sums, kept)
    >>> bool((running.latest(4, kept).unit == rule.apply(y, rule.learn(y)).unit[-2:]).all())
    True
    """

    def __init__(self, transform: Transform, scale: Scale, steps: int) -> None:
        self.transform, self._scale, self._steps = transform, scale, steps

    def step(self, value: Any, n: int, sums: Floats, kept: Floats) -> None:
        """Take the next value of a series of n steps.

        Args:
            value: above 0 where the transform takes logarithms.
            n: steps before it.
            sums: (N_SUMS,), zero before the first step; they are moved on.
            kept: (N_KEPT, L) the latest steps, likewise.
        """
        rule, scale = self.transform, self._scale
        g = np.log(np.float64(value)) if rule.log else np.float64(value)
        place = min(n, self._steps - 1)
        if n >= self._steps:
            kept[:, :-1] = kept[:, 1:]
        before = kept[0, place - rule.lag] if 0 < rule.lag <= n else None
        sums[1] += g
        sums[2] += abs(g)
        mean, level = sums[1] / (n + 1), 1.0 if rule.log else sums[2] / (n + 1)
        if rule.name == "minmax":
            kept[:, place] = g, scale.low, (scale.high - scale.low) or 1.0, 1.0
            return
        if rule.lag == 0:
            sums[0] += abs(g - mean)
        elif before is not None:
            sums[0] += abs(g - before)
        level = level or 1.0
        prior = (scale.move or 1.0) * level
        counted = max(n + 1 - rule.lag, 0)
        unit = max((PRIOR_STEPS * prior + sums[0]) / (PRIOR_STEPS + counted), LEAST_UNIT * prior)
        kept[:, place] = g, mean if rule.lag == 0 else 0.0, unit, unit / level

    def latest(self, n: int, kept: Floats) -> Transformed:
        """Return the latest of n steps, at most L; the first moves are from steps that are not kept."""
        return Transformed(self.transform, *kept[:, : min(n, self._steps)])
