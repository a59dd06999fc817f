"""Transforms step by step equal those of whole series."""

import numpy as np
import pytest

from unrolled.data.preprocess.running_transform import N_KEPT, N_SUMS, RunningTransform
from unrolled.data.preprocess.transforms import TRANSFORMS, Scale, Transform


@pytest.mark.parametrize("name", TRANSFORMS)
@pytest.mark.parametrize("steps", [6, 40])
def test_every_step_has_the_numbers_of_the_whole_series(name: str, steps: int) -> None:
    """To the bit: working values, centers, units and shares of the latest steps, inputs past the lag."""
    y = np.exp(np.random.default_rng(3).normal(size=25).cumsum() / 3)
    y[4:7] = y[3]
    rule = Transform(name, season=4)
    for scale in (rule.learn(y), Scale(0.0, -1.0, 2.0)):
        running, sums, kept = (
            RunningTransform(rule, scale, steps),
            np.zeros(N_SUMS),
            np.zeros((N_KEPT, steps)),
        )
        for n, value in enumerate(y):
            running.step(value, n, sums, kept)
            latest, whole = running.latest(n + 1, kept), rule.apply(y[: n + 1], scale)
            for part in ("working", "center", "unit", "share"):
                assert np.array_equal(getattr(latest, part), getattr(whole, part)[-steps:]), (part, n)
            known = rule.lag if n >= steps else 0
            assert np.array_equal(latest.inputs[known:], whole.inputs[-steps:][known:])


def test_a_series_of_zeros_has_a_unit() -> None:
    """As it has in a whole run."""
    rule, y = Transform("scale"), np.zeros(4)
    running, sums, kept = RunningTransform(rule, rule.learn(y), 3), np.zeros(N_SUMS), np.zeros((N_KEPT, 3))
    for n, value in enumerate(y):
        running.step(value, n, sums, kept)
    assert np.array_equal(running.latest(4, kept).unit, rule.apply(y, rule.learn(y)).unit[-3:])
