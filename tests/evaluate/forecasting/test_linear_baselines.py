"""Linear baselines against slow loops from the formula; causality of every baseline."""

from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

from unrolled.data.preprocess.transforms import Transform
from unrolled.evaluate.forecasting.baselines import baseline_variants
from unrolled.evaluate.forecasting.linear_baselines import LinearBaseline
from unrolled.evaluate.forecasting.statsforecast_baselines import StatsforecastBaseline

QUANTILES = np.array([0.1, 0.5, 0.9])
ORIGINS = np.array([40, 47, 58])
MONTHLY = Transform("log-difference", season=12)
SEASONAL = Transform("log-seasonal-difference", season=4)
CHEAP = baseline_variants(("Naive", "RWD", "AR1", "SeasonalNaive"), [MONTHLY]) + baseline_variants(
    ("RWD", "AR1"), [SEASONAL]
)
CLASSICAL = [
    pytest.param(
        StatsforecastBaseline(name),
        marks=pytest.mark.skipif(find_spec("statsforecast") is None, reason="statsforecast is not installed"),
    )
    for name in ("Theta", "AutoETS")
]


def forecast(baseline: Any, y: np.ndarray, transform: Transform = MONTHLY, **settings: Any) -> Any:
    """Three origins, seven steps."""
    arguments = {"transform": transform, "refit": False} | settings
    return baseline.forecast(y, ORIGINS, 7, QUANTILES, **arguments)


def slowly(y: np.ndarray, origin: int, *, log: bool, lag: int, drift: bool, slope: bool) -> list[float]:
    """The formula of the module, step after step, with numpy's own least squares."""
    g = np.log(y[: origin + 1]) if log else y[: origin + 1]
    w = g[lag:] - g[:-lag] if lag else g
    c, phi = (w.mean(), 0.0) if drift else (0.0, 0.0)
    if slope:
        phi, c = np.polyfit(w[:-1], w[1:], 1)
    answer, newest = list(g), w[-1]
    for _ in range(7):
        newest = c + phi * newest
        answer.append(newest + (answer[-lag] if lag else 0.0))
    return list(np.exp(answer[-7:]) if log else answer[-7:])


@pytest.mark.parametrize(
    ("baseline", "transform", "log", "lag"),
    [
        (LinearBaseline("Naive"), MONTHLY, True, 1),
        (LinearBaseline("SeasonalNaive", seasonal=True), MONTHLY, True, 12),
        (LinearBaseline("RWD", "levels", has_drift=True), MONTHLY, False, 1),
        (LinearBaseline("RWD", "transform", has_drift=True), MONTHLY, True, 1),
        (LinearBaseline("RWD", "transform", has_drift=True), SEASONAL, True, 4),
        (LinearBaseline("AR1", "levels", has_drift=True, has_slope=True), MONTHLY, False, 0),
        (LinearBaseline("AR1", "changes", has_drift=True, has_slope=True), MONTHLY, False, 1),
        (LinearBaseline("AR1", "transform", has_drift=True, has_slope=True), MONTHLY, True, 1),
        (LinearBaseline("AR1", "transform", has_drift=True, has_slope=True), SEASONAL, True, 4),
    ],
)
def test_each_formula_equals_a_slow_loop(
    walk: np.ndarray, baseline: LinearBaseline, transform: Transform, log: bool, lag: int
) -> None:
    """All origins at once equal one origin after the other."""
    formula = {"log": log, "lag": lag, "drift": baseline.has_drift, "slope": baseline.has_slope}
    fast = forecast(baseline, walk, transform).point
    slow = [slowly(walk, int(o), **formula) for o in ORIGINS]
    np.testing.assert_allclose(fast, slow, rtol=1e-9)


@pytest.mark.parametrize("baseline", [*CHEAP, *CLASSICAL], ids=repr)
@pytest.mark.parametrize("refit", [False, True])
def test_no_baseline_sees_a_step_after_its_origin(walk: np.ndarray, baseline: Any, refit: bool) -> None:
    """What comes after an origin is doubled: the forecasts from it stay, those after it do not."""
    forecasts = forecast(baseline, walk, refit=refit)
    altered = walk.copy()
    altered[ORIGINS[1] + 1 :] *= 2
    again = forecast(baseline, altered, refit=refit)
    np.testing.assert_array_equal(forecasts.point[:2], again.point[:2])
    np.testing.assert_array_equal(forecasts.quantiles[:2], again.quantiles[:2])
    assert (forecasts.point[2] != again.point[2]).any()


@pytest.mark.parametrize("baseline", CHEAP, ids=repr)
@pytest.mark.parametrize("transform", [MONTHLY, SEASONAL, Transform("difference", season=52)], ids=str)
@pytest.mark.parametrize("first", [1, 2, 3, 4, 5, 9, 11, 12, 13, 51, 52, 53])
def test_no_baseline_sees_the_end_from_inside_the_first_season(
    walk: np.ndarray, baseline: LinearBaseline, transform: Transform, first: int
) -> None:
    """An origin below the lag has nothing behind it: the last value, not what an index below 0 finds."""
    origins, at = np.array([first, first + 2]), {"transform": transform, "refit": False}
    forecasts = baseline.forecast(walk, origins, 12, QUANTILES, **at)
    altered = walk.copy()
    altered[first + 1 :] *= np.random.default_rng(1).uniform(2, 3, len(walk) - first - 1)
    again = baseline.forecast(altered, origins, 12, QUANTILES, **at)
    np.testing.assert_array_equal(forecasts.point[0], again.point[0])
    np.testing.assert_array_equal(forecasts.quantiles[0], again.quantiles[0])
    assert forecasts.fell_back == (first < baseline.scale(transform)[1] + baseline.has_slope)
    if forecasts.fell_back:
        np.testing.assert_allclose(forecasts.point, np.repeat(walk[origins, None], 12, axis=1))


@pytest.mark.parametrize("baseline", [*CHEAP, *CLASSICAL], ids=repr)
def test_quantiles_rise_and_widen(walk: np.ndarray, baseline: Any) -> None:
    """The lower below the middle below the upper, and further apart at the horizon than at the first step."""
    forecasts = forecast(baseline, walk)
    assert forecasts.quantiles.shape == (3, 7, 3)
    assert (np.diff(forecasts.quantiles, axis=2) > 0).all()
    width = np.log(forecasts.quantiles[..., 2] / forecasts.quantiles[..., 0])
    assert (width[:, -1] >= 0.999 * width[:, 0]).all()  # seasonal naive: equal, on the scale of the log
    np.testing.assert_allclose(forecasts.quantiles[..., 1], forecasts.point, rtol=1e-9)


def test_the_band_of_a_random_walk_has_nominal_coverage() -> None:
    """80 % of the steps of 500 random walks with drift, to within 5 points, the seventh step as the first."""
    levels, origin = Transform("difference"), np.array([99])
    for baseline in (
        LinearBaseline("RWD", "levels", has_drift=True),
        LinearBaseline("AR1", "changes", True, True),
    ):
        inside = []
        for y in np.cumsum(np.random.default_rng(1).normal(0.1, 1, (500, 107)), axis=1):
            forecasts = baseline.forecast(y, origin, 7, QUANTILES, transform=levels, refit=False)
            inside.append(
                (y[100:] >= forecasts.quantiles[0, :, 0]) & (y[100:] <= forecasts.quantiles[0, :, 2])
            )
        assert np.abs(np.mean(inside, axis=0) - 0.8).max() < 0.05


def test_an_exploding_slope_is_cut() -> None:
    """Doubling at every step has a slope of 2: over 48 steps it may grow tenfold, no more."""
    y = 2.0 ** np.arange(20)
    forecasts = LinearBaseline("AR1", "levels", True, True).forecast(
        y, np.array([18]), 48, QUANTILES, transform=Transform("difference"), refit=False
    )
    assert forecasts.point[0, -1] < 100 * y[18]
    one = LinearBaseline("AR1", "levels", True, True).forecast(
        y, np.array([18]), 1, QUANTILES, transform=Transform("difference"), refit=False
    )
    assert one.point[0, 0] == pytest.approx(2 * y[18])


def test_a_series_that_never_changes_is_its_own_forecast() -> None:
    """No slope can be estimated: every cheap baseline says the same value again."""
    y = np.full(65, 7.0)
    for baseline in CHEAP:
        np.testing.assert_allclose(forecast(baseline, y).point, 7.0)


def test_large_levels_keep_their_digits() -> None:
    """A level of 10^9 leaves the slope of its small moves as it is."""
    noise = np.random.default_rng(2).normal(size=65)
    ar1 = LinearBaseline("AR1", "levels", True, True)
    far, near = (forecast(ar1, noise + level, Transform("difference")).point - level for level in (1e9, 0.0))
    np.testing.assert_allclose(far, near, atol=1e-5)
