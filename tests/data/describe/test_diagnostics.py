"""Growth, season and averaging, on series made so that the answer is known."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from unrolled.data.describe.diagnostics import (
    detect_averaging,
    detect_seasonality,
    percent_growth,
    step_changes,
)


def _walk(months: int, seed: int, days: int = 21) -> np.ndarray:
    """(months, days) of a random walk in the logarithm."""
    rng = np.random.default_rng(seed)
    return np.exp(0.01 * rng.normal(size=(months, days)).cumsum().reshape(months, days))


def test_month_ends_are_rarely_suspected() -> None:
    """Of 400 random walks of any length, fewer than 2 in 100 look averaged."""
    for months in (30, 100, 250):
        assert sum(detect_averaging(_walk(months, seed)[:, -1], 12).suspected for seed in range(400)) <= 8


def test_monthly_means_are_mostly_detected() -> None:
    """Averages over two steps or many: 900 of them are found nine times in ten."""
    for days in (2, 5, 21):
        n_suspected = sum(
            detect_averaging(_walk(900, seed, days).mean(axis=1), 12).suspected for seed in range(40)
        )
        assert n_suspected >= (20 if days == 2 else 32)  # lag 1 of two-step averages is 0.17, at the edge
    assert detect_averaging(_walk(900, 0).mean(axis=1)).lag_1 == pytest.approx(0.25, abs=0.1)


def test_short_series_are_never_suspected() -> None:
    """With fewer than 74 changes no lag-1 autocorrelation up to 0.30 is far enough from 0."""
    assert not any(detect_averaging(_walk(70, seed).mean(axis=1), 12).suspected for seed in range(300))


def test_wild_times_do_not_raise_the_alarm() -> None:
    """Changes whose size clusters have a wider error; few walks with such changes are suspected."""
    alarms = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        d = np.empty(600)
        variance = 1.0
        for t in range(600):  # GARCH(1, 1)
            d[t] = np.sqrt(variance) * rng.normal()
            variance = 0.05 + 0.25 * d[t] ** 2 + 0.7 * variance
        alarms += detect_averaging(d.cumsum()).suspected
    assert alarms <= 4


@pytest.mark.parametrize(
    "y", [[], [1.0], [1.0, 2.0], [5.0] * 100, [np.nan] * 100, np.arange(200.0), 1.05 ** np.arange(200)]
)
def test_nothing_to_suspect(y: list[float]) -> None:
    """Too short, constant or empty, or the same change at every step but for round-off."""
    assert detect_averaging(np.array(y), 12) == (0.0, 0.0, False)


def test_missing_values_and_seasons_do_not_hide_averaging() -> None:
    """A tenth of the values missing, or a strong season on top, leaves the suspicion."""
    y = _walk(900, 3).mean(axis=1)
    whole = detect_averaging(y, 12)
    assert whole.suspected
    holed = np.where(np.arange(900) % 10 == 5, np.nan, y)
    assert detect_averaging(holed, 12).lag_1 == pytest.approx(whole.lag_1, abs=0.05)
    assert detect_averaging(holed, 12).suspected
    seasonal = y * np.tile(np.linspace(0.5, 2, 12), 75)
    assert detect_averaging(seasonal, 12).suspected
    assert not detect_averaging(seasonal, 1).suspected


def test_changes_are_of_the_logarithm_above_0() -> None:
    """Growing by multiples or not, positive values are compared in percent, others in amounts."""
    np.testing.assert_allclose(
        step_changes(np.array([1.0, 2.0, np.nan, 4.0, 8.0])), [np.log(2), np.nan, np.nan, np.log(2)]
    )
    assert step_changes(np.array([0.0, 2.0, 5.0])).tolist() == [2.0, 3.0]


@pytest.mark.parametrize(
    ("y", "season", "told"),
    [
        (np.tile([1.0, 5.0, 2.0, 8.0], 10), 4, True),
        (np.random.default_rng(0).normal(size=200).cumsum() + 100, 12, False),
        (np.tile([1.0, 5.0, 2.0, 8.0], 2), 4, None),
        (np.arange(50.0), 1, None),
        (np.ones(50), 4, None),
    ],
)
def test_seasons(y: np.ndarray, season: int, told: bool | None) -> None:
    """A repeated pattern is one; a random walk has none; two seasons, or a constant, cannot tell."""
    assert detect_seasonality(y, season)[0] is told


def test_growth_is_percent_a_step() -> None:
    """Of values above 0 only; a missing value has no growth on either side."""
    np.testing.assert_allclose(
        percent_growth(np.array([100.0, 110.0, np.nan, 121.0, 60.5])), [10, np.nan, np.nan, -50]
    )
    assert percent_growth(np.array([1.0, 0.0])).tolist() == []


@pytest.mark.slow
def test_false_alarms_on_m3(data_dir: Path) -> None:
    """The published count: 7 of 3,003 series, all of them monthly."""
    seasons = {"YEARLY": 1, "QUARTERLY": 4, "MONTHLY": 12, "OTHER": 1}
    alarms = dict.fromkeys(seasons, 0)
    with gzip.open(data_dir / "m3" / "m3.jsonl.gz", "rt") as lines:
        for line in lines:
            one = json.loads(line)
            result = detect_averaging(np.array(one["x"] + one["xx"], dtype=float), seasons[one["period"]])
            alarms[one["period"]] += result.suspected
    assert alarms == {"YEARLY": 0, "QUARTERLY": 0, "MONTHLY": 7, "OTHER": 0}


def test_growth_over_hundreds_of_powers_of_ten_is_no_warning() -> None:
    """It is infinite, and a mean growth is not made of it."""
    assert percent_growth(np.array([1e-300, 1e100, 1e100])).tolist() == [np.inf, 0.0]
