"""Baselines against statsforecast: ours equal its own, and its models read no step after an origin."""

from typing import Any

import numpy as np
import pytest

from unrolled.data.preprocess.transforms import Transform
from unrolled.evaluate.forecasting.linear_baselines import LinearBaseline
from unrolled.evaluate.forecasting.statsforecast_baselines import CrostonBaseline, StatsforecastBaseline

classical = pytest.importorskip("statsforecast.models", reason="statsforecast is not installed")

QUANTILES = np.array([0.1, 0.5, 0.9])
ORIGINS = np.array([40, 47, 58])
MONTHLY = Transform("log-difference", season=12)


def forecast(baseline: Any, y: np.ndarray, transform: Transform = MONTHLY, **settings: Any) -> Any:
    """Three origins, seven steps."""
    arguments = {"transform": transform, "refit": False} | settings
    return baseline.forecast(y, ORIGINS, 7, QUANTILES, **arguments)


def test_naive_and_its_spread_are_statsforecasts(walk: np.ndarray) -> None:
    """Last value, drift and seasonal naive repeat statsforecast's points; naive its band as well."""
    levels = Transform("difference", season=12)
    pairs = [
        (LinearBaseline("Naive"), classical.Naive()),
        (LinearBaseline("RWD", "levels", has_drift=True), classical.RandomWalkWithDrift()),
        (LinearBaseline("SeasonalNaive", seasonal=True), classical.SeasonalNaive(12)),
    ]
    for ours, theirs in pairs:
        forecasts = forecast(ours, walk, levels)
        expected = theirs.forecast(walk[: ORIGINS[1] + 1], 7, level=[80])
        np.testing.assert_allclose(forecasts.point[1], expected["mean"], rtol=1e-10)
        if ours.name == "Naive":
            np.testing.assert_allclose(forecasts.quantiles[1, :, 2], expected["hi-80"], rtol=1e-6)


@pytest.mark.parametrize("name", ["Theta", "AutoETS", "AutoARIMA"])
def test_later_origins_read_the_newest_steps_with_the_first_ones_parameters(
    walk: np.ndarray, name: str
) -> None:
    """Without refit, later origins carry the first one's states on; with it, each is a fit of its own."""
    short = Transform("log-difference", season=1)
    once, anew = (forecast(StatsforecastBaseline(name), walk, short, refit=refit) for refit in (False, True))
    np.testing.assert_array_equal(once.point[0], anew.point[0])
    alone = getattr(classical, name)(season_length=1).fit(walk[: ORIGINS[2] + 1]).predict(7)["mean"]
    np.testing.assert_allclose(anew.point[2], alone)
    model = getattr(classical, name)(season_length=1).fit(walk[: ORIGINS[0] + 1])
    np.testing.assert_allclose(once.point[2], model.forward(walk[: ORIGINS[2] + 1], 7)["mean"])
    assert (once.point[2] != once.point[0]).all()


@pytest.mark.parametrize("name", ["Theta", "AutoETS"])
def test_carrying_on_over_nothing_new_is_the_fit_itself(walk: np.ndarray, name: str) -> None:
    """Forward is exact: over the same steps it gives the fit's own forecast."""
    season = Transform("log-difference", season=12)
    forecasts = StatsforecastBaseline(name).forecast(
        walk, np.array([58, 58]), 7, QUANTILES, transform=season, refit=False
    )
    np.testing.assert_allclose(forecasts.point[1], forecasts.point[0], rtol=1e-6)


def test_a_failing_model_repeats_the_last_value() -> None:
    """Four steps are too few for AutoETS: the last value stands in, and the answer says so."""
    y = np.array([1.0, 3.0, 2.0, 4.0, 3.0, 5.0])
    forecasts = StatsforecastBaseline("AutoETS").forecast(
        y, np.array([3]), 2, QUANTILES, transform=Transform("difference"), refit=False
    )
    assert forecasts.fell_back
    assert forecasts.point.tolist() == [[4.0, 4.0]]


def test_a_long_season_is_left_out_of_ets(walk: np.ndarray) -> None:
    """No state for each of 52 weeks: AutoETS goes without a season."""
    weekly, none = (
        forecast(StatsforecastBaseline("AutoETS"), walk, Transform("difference", season=m)) for m in (52, 1)
    )
    np.testing.assert_array_equal(weekly.point, none.point)


@pytest.mark.parametrize("method", ["CrostonClassic", "CrostonSBA", "TSB"])
def test_croston_is_statsforecasts_with_the_past_as_its_band(method: str) -> None:
    """The rate from each origin is statsforecast's over the steps to it; the quantiles are the past's."""
    y = np.random.default_rng(0).poisson(0.3, 65).astype(float)
    forecasts = forecast(CrostonBaseline(method), y)
    settings = {"alpha_d": 0.1, "alpha_p": 0.1} if method == "TSB" else {}
    for k, origin in enumerate(ORIGINS):
        expected = getattr(classical, method)(**settings).forecast(y[: origin + 1], 7)["mean"]
        np.testing.assert_allclose(forecasts.point[k], expected, rtol=1e-6)
        np.testing.assert_array_equal(forecasts.quantiles[k, 3], np.quantile(y[: origin + 1], QUANTILES))
