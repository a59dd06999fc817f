"""Constants against slow loops, and what each of them minimises."""

from typing import Any

import numpy as np
import pytest

from unrolled.data.preprocess.transforms import Transform
from unrolled.evaluate.forecasting.constant_baselines import (
    ConstantBaseline,
    constant_variants,
    is_intermittent,
)

QUANTILES = np.array([0.1, 0.5, 0.9])
ORIGINS = np.array([4, 20, 38])
WEEKLY = Transform("scale", season=7)


@pytest.fixture
def skewed() -> np.ndarray:
    """50 independent steps whose mean lies far above their median."""
    return np.random.default_rng(0).lognormal(0, 1, 50)


def forecast(baseline: ConstantBaseline, y: np.ndarray, origins: Any = ORIGINS) -> Any:
    """Nine steps ahead."""
    return baseline.forecast(y, np.asarray(origins), 9, QUANTILES, transform=WEEKLY, refit=False)


@pytest.mark.parametrize("name", ["Median", "Mean"])
@pytest.mark.parametrize("span", ["all", "window", "season"])
def test_each_span_equals_a_slow_loop(skewed: np.ndarray, name: str, span: Any) -> None:
    """Every step ahead by itself; inside the first season, all steps stand for the place."""
    forecasts = forecast(ConstantBaseline(name, span, window=10), skewed)
    center = {"Median": np.median, "Mean": np.mean}[name]
    for k, origin in enumerate(ORIGINS):
        for ahead in range(9):
            past = skewed[: origin + 1]
            if span == "window":
                past = past[-10:]
            if span == "season" and len(past) >= 7:
                past = np.array([v for t, v in enumerate(past) if t % 7 == (origin + 1 + ahead) % 7])
            assert forecasts.point[k, ahead] == pytest.approx(center(past))
            np.testing.assert_allclose(forecasts.quantiles[k, ahead], np.quantile(past, QUANTILES))


@pytest.mark.parametrize("baseline", constant_variants("Median", 10, 7), ids=repr)
def test_a_constant_sees_no_step_after_its_origin(skewed: np.ndarray, baseline: ConstantBaseline) -> None:
    """What comes after an origin is changed: forecasts from it stay, later ones do not."""
    altered = skewed.copy()
    altered[ORIGINS[1] + 1 :] += 100
    before, after = forecast(baseline, skewed), forecast(baseline, altered)
    np.testing.assert_array_equal(before.point[:2], after.point[:2])
    np.testing.assert_array_equal(before.quantiles[:2], after.quantiles[:2])
    assert (before.point[2] != after.point[2]).any()


def test_each_measure_has_its_constant(skewed: np.ndarray) -> None:
    """On the steps it was taken from, no other constant has a smaller mae or rmse."""
    last = [len(skewed) - 1]
    median, mean = (forecast(ConstantBaseline(name), skewed, last).point[0, 0] for name in ("Median", "Mean"))
    grid = np.linspace(skewed.min(), skewed.max(), 997)
    mae = np.abs(skewed[:, None] - grid).mean(axis=0).min()
    rmse = ((skewed[:, None] - grid) ** 2).mean(axis=0).min()
    assert np.abs(skewed - median).mean() <= mae + 1e-12
    assert ((skewed - mean) ** 2).mean() <= rmse + 1e-12
    assert mean > 1.3 * median


def test_zero_is_certain_of_itself() -> None:
    """A point mass: its quantiles are zero too."""
    forecasts = forecast(ConstantBaseline("Zero"), np.arange(50.0))
    assert not forecasts.point.any()
    assert not forecasts.quantiles.any()


@pytest.mark.parametrize(
    ("y", "expected"),
    [
        ([0, 0, 3, 0, 0, 1], True),
        ([1, 2, 0, 4, 2, 3], False),  # a demand every 1.2 steps
        ([0, 0, 0, 0, 0, 0], False),  # no demand at all
        ([0, 0, -3, 0, 0, 1], False),  # returns, not demand
    ],
)
def test_intermittent_series_are_mostly_zero_and_never_negative(y: list[float], expected: bool) -> None:
    """By the mean interval between demands, 1.32 steps."""
    assert is_intermittent([np.array(y, dtype=float)]) is expected
