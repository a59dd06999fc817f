"""Intervals equal SciPy's where it has them, and cover the mean of skewed values."""

import numpy as np
import pytest
from scipy import stats

from unrolled.stats.intervals import bootstrap_interval, mean_interval, wilson_interval

SIMULATIONS = 1600


@pytest.mark.parametrize(("right", "n"), [(0, 5), (5, 5), (9, 10), (371, 1029)])
def test_the_interval_of_a_share_is_wilsons(right: int, n: int) -> None:
    """As scipy has it, at 95 and 80 per cent."""
    for level in (95, 80):
        expected = stats.binomtest(right, n).proportion_ci(level / 100, method="wilson")
        assert wilson_interval(right, n, level) == pytest.approx(tuple(expected), abs=1e-12)


def test_the_interval_of_a_mean_is_students_without_skewness() -> None:
    """Symmetric values; those all alike are their own interval, a single one has none."""
    values = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.9)
    assert mean_interval(values, 90) == pytest.approx(tuple(expected))
    assert np.isnan(mean_interval(np.array([2.0]), 95)).all()
    assert mean_interval(np.full(7, 0.3), 95) == pytest.approx((0.3, 0.3))


def test_the_interval_of_a_skewed_mean_covers_it() -> None:
    """Squared normal errors, 30 of them: at least 92 % of intervals hold the mean, of Student's fewer."""
    rng = np.random.default_rng(0)
    holds = students = 0
    for _ in range(SIMULATIONS):
        values = rng.normal(size=30) ** 2
        low, high = mean_interval(values, 95)
        holds += low <= 1 <= high
        low, high = stats.ttest_1samp(values, 0).confidence_interval(0.95)
        students += low <= 1 <= high
    assert holds >= 0.92 * SIMULATIONS
    assert students < holds


def test_the_bootstrap_of_a_mean_is_near_students() -> None:
    """Of many rows; a single row has none."""
    rows = np.random.default_rng(0).normal(size=(400, 1))
    low, high = bootstrap_interval(rows, lambda sums: sums[..., 0] / 400, 90)
    expected = mean_interval(rows[:, 0], 90)
    assert np.allclose((low, high), expected, atol=0.02)
    assert np.isnan(bootstrap_interval(rows[:1], lambda sums: sums[..., 0], 95)).all()
