"""Bands hold what they say on data that the network never saw."""

from statistics import NormalDist

import numpy as np
import pytest

from unrolled.models.forecasting.calibration import (
    calibration_factors,
    interpolate_quantile,
    rescale_quantiles,
)
from unrolled.models.forecasting.forecaster import Forecaster
from unrolled.models.forecasting.network import QUANTILES

NORMAL = np.array([NormalDist().inv_cdf(level) for level in QUANTILES])


@pytest.mark.parametrize("width", [0.6, 1.0, 1.7])
def test_calibration_undoes_a_wrong_width(width: float) -> None:
    """Quantiles too narrow or too wide by a factor are stretched by its inverse."""
    rng = np.random.default_rng(0)
    answers, targets = np.tile(width * NORMAL, (8000, 1)), rng.normal(size=8000)
    factors = calibration_factors(answers, targets, QUANTILES)
    np.testing.assert_allclose(factors, np.where(NORMAL == 0, 1, 1 / width), rtol=0.1)
    below = (targets[:, None] < rescale_quantiles(answers, factors)).mean(0)
    np.testing.assert_allclose(below, QUANTILES, atol=0.02)


def test_few_points_change_little_and_none_change_nothing() -> None:
    """Pulled towards 1, and never beyond bounds."""
    answers = np.tile(0.1 * NORMAL, (5, 1))
    factors = calibration_factors(answers, np.full(5, 10.0), QUANTILES)
    assert (factors <= 1.3).all()
    assert calibration_factors(answers[:0], np.empty(0), QUANTILES).tolist() == [1.0] * 7


def test_stretched_quantiles_do_not_cross() -> None:
    """Whatever the factors."""
    answers = np.sort(np.random.default_rng(1).normal(size=(50, 3, 7)), axis=-1)
    factors = np.array([0.5, 3.0, 0.7, 1.0, 3.0, 0.5, 2.0])
    out = rescale_quantiles(answers, factors)
    assert (np.diff(out, axis=-1) >= 0).all()


def test_levels_in_between_and_beyond_are_those_of_a_normal() -> None:
    """For quantiles of a normal distribution, every level is exact."""
    for level in (0.001, 0.025, 0.05, 0.3, 0.5, 0.62, 0.9, 0.975, 0.9995):
        assert interpolate_quantile(NORMAL[None], QUANTILES, level)[0] == pytest.approx(
            NormalDist().inv_cdf(level)
        )


def _panel(series: int, steps: int, seed: int) -> list[np.ndarray]:
    """Random walks with drift, of sizes from 1 to 1,000."""
    rng = np.random.default_rng(seed)
    moves = rng.normal(0.01, 0.04, size=(series, steps)) * rng.uniform(0.5, 2, size=(series, 1))
    return list(10 ** rng.uniform(0, 3, size=(series, 1)) * np.exp(np.cumsum(moves, 1)))


def test_the_80_per_cent_band_holds_80_per_cent() -> None:
    """Over 300 simulated series, each forecast once from its end: it covers 75 to 85 % of what follows."""
    horizon = 4
    whole = _panel(300, 64, seed=2)
    model = Forecaster(horizon, hidden_size=8, max_steps=24, window=16).fit([y[:-horizon] for y in whole])
    frame = model.predict()
    observed = np.concatenate([y[-horizon:] for y in whole])
    within = (observed > frame["lstm-lo-80"]) & (observed < frame["lstm-hi-80"])
    assert 0.75 <= within.mean() <= 0.85
    assert (np.diff(frame[["lstm-lo-80", "lstm", "lstm-hi-80"]].to_numpy(), axis=1) > 0).all()
