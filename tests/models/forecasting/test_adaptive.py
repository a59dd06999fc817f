"""Bands that adapt keep their coverage where the model's own do not."""

from statistics import NormalDist
from typing import Any

import numpy as np
import pytest

import unrolled as ur
from unrolled import kernels
from unrolled.errors import ArgumentError, DataError
from unrolled.models.forecasting.adaptive import AdaptiveBands
from unrolled.models.forecasting.network import QUANTILES

H, RATE = 3, 0.1
SCORES = np.array([NormalDist().inv_cdf(level) for level in QUANTILES])
runs_streams = pytest.mark.skipif(not kernels.available(), reason="the compiled kernels are not installed")


def forecasts_of(values: np.ndarray, bands: AdaptiveBands, spread: float = 1.0) -> np.ndarray:
    """The bands (T, h, Q) around zero, of a model that thinks the values have this spread."""
    own = np.tile(SCORES * spread, (H, 1))
    answers = []
    for n, value in enumerate(values):
        bands.take(0, n, value)
        answers.append(bands.adapt(0, own))
        bands.keep(0, n + 1, answers[-1])
    return np.array(answers)


def coverage(values: np.ndarray, answers: np.ndarray, ahead: int, first: int = 0) -> list[float]:
    """Share of values inside the bands that were forecast for them, the widest first."""
    bands = answers[:-ahead, ahead - 1][first:]
    after = values[ahead:][first:, None]
    return list(((after >= bands[:, :3]) & (after <= bands[:, :3:-1])).mean(axis=0))


def test_the_update_is_the_formula() -> None:
    """Against a loop over values, bands and steps ahead, written from the formula."""
    values = np.random.default_rng(0).normal(size=60) * 2
    bands = AdaptiveBands(2, H, QUANTILES, RATE)
    answers = forecasts_of(values, bands)
    expected = np.tile(SCORES[:3:-1], (H, 1))  # (h, 3), the widest first
    for t, value in enumerate(values):
        for j in range(H):
            if t - j - 1 < 0:
                continue
            for k, miss in enumerate((0.05, 0.2, 0.5)):
                lower, upper = answers[t - j - 1][j, [k, 6 - k]]
                outside = float(not lower <= value <= upper)
                expected[j, k] = max(0.0, expected[j, k] + RATE * (outside - miss))
    np.testing.assert_allclose(SCORES[:3:-1] + bands.arrays["band_added"][0], expected, atol=1e-9)
    assert not bands.arrays["band_added"][1].any()


@pytest.mark.parametrize("spread", [0.2, 1.0, 4.0])
def test_coverage_holds_however_wrong_the_model_is(spread: float) -> None:
    """Too narrow, right, too wide; at one step ahead and at the last."""
    values = np.random.default_rng(1).normal(size=4000)
    answers = forecasts_of(values, AdaptiveBands(1, H, QUANTILES, RATE), spread)
    for ahead in (1, H):
        np.testing.assert_allclose(coverage(values, answers, ahead, 500), (0.95, 0.8, 0.5), atol=0.02)


def test_coverage_follows_a_series_whose_spread_changes() -> None:
    """Three times as wide from the middle on: the model's own 80 % band holds a third of what comes."""
    values = np.random.default_rng(2).normal(size=4000) * np.repeat((1, 3), 2000)
    answers = forecasts_of(values, AdaptiveBands(1, H, QUANTILES, RATE))
    assert coverage(values, answers, 1, 2100)[1] == pytest.approx(0.8, abs=0.03)
    own = np.tile(SCORES, (len(values), H, 1))
    assert coverage(values, own, 1, 2100)[1] < 0.4


def test_bands_stay_in_order_and_hold_the_median() -> None:
    """Of any values, also where they never leave the band."""
    for values in (np.zeros(300), np.random.default_rng(3).standard_cauchy(300)):
        answers = forecasts_of(values, AdaptiveBands(1, H, QUANTILES, 1.0))
        assert (np.diff(answers, axis=-1) >= 0).all()
        assert not answers[..., 3].any()


def test_missing_values_change_nothing() -> None:
    """The bands wait for the next one."""
    bands = AdaptiveBands(1, H, QUANTILES, RATE)
    forecasts_of(np.random.default_rng(0).normal(size=20), bands)
    before = bands.arrays["band_added"].copy()
    bands.take(0, 20, np.nan)
    assert np.array_equal(bands.arrays["band_added"], before)


@pytest.fixture(scope="module")
def model() -> ur.Forecaster:
    """Fitted on a quiet walk."""
    y = np.random.default_rng(4).normal(size=120).cumsum() + 50
    return ur.Forecaster(horizon=H, hidden_size=4, max_steps=3, window=6, transform="difference").fit(y)


@runs_streams
def test_a_forecasters_stream_adapts_its_bands_and_nothing_else(model: ur.Forecaster) -> None:
    """The medians are those without; values that jump widen the bands; snapshots hold the scores."""
    y = np.random.default_rng(5).normal(size=80).cumsum() * 5 + 50
    options: dict[str, Any] = {"adaptive": True}
    plain, adapted = model.stream().steps(y), model.stream(**options).steps(y)
    assert np.array_equal(plain.median, adapted.median, equal_nan=True)
    assert np.allclose(plain.quantiles[2], adapted.quantiles[2], rtol=1e-9)
    assert (np.diff(adapted.quantiles[2:], axis=-1) >= 0).all()
    assert (adapted.hi - adapted.lo)[-1, 0] > 1.1 * (plain.hi - plain.lo)[-1, 0]
    assert np.array_equal(adapted.lo, adapted.quantiles[..., 1], equal_nan=True)
    stream = model.stream(**options)
    stream.steps(y[:33])
    streams = ur.Streams(model, 3, **options)
    streams.restore("a", stream.snapshot())
    rest = streams.steps({"b": y[:50], "a": y[33:]})["a"]
    assert np.array_equal(rest.quantiles, adapted.quantiles[33:])
    with pytest.raises(DataError, match="of another"):
        model.stream(stream.snapshot())
    for switch in (np.True_, np.False_):
        switched = model.stream(adaptive=switch).steps(y)
        assert np.array_equal(switched.lo, (adapted if switch else plain).lo, equal_nan=True)
    other = model.stream(adaptive=0.5).steps(y)
    assert not np.array_equal(other.quantiles[2:], adapted.quantiles[2:])


@runs_streams
@pytest.mark.parametrize("rate", [0, -1, np.inf, "fast"])
def test_a_rate_that_is_none_is_refused(model: ur.Forecaster, rate: Any) -> None:
    """With what was expected."""
    with pytest.raises(ArgumentError, match=r"Forecaster\.stream adaptive: expected a number above 0"):
        model.stream(adaptive=rate)
