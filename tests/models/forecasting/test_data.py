"""Data of a Forecaster: choices from the series, and a split that does not shape its own scales."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from unrolled.data.io.read import read
from unrolled.errors import DataError
from unrolled.models.forecasting.data import ForecastData, choose_window, detect_season, prepare

HORIZON = 4


def _prepare(series: Any, **changes: Any) -> ForecastData:
    settings = {"window": 10, "season": None, "transform": "difference", "validation_fraction": 0.2}
    return prepare(read(series), horizon=HORIZON, **{**settings, **changes})


def _weekly(n: int) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    y = 50 + 10 * np.sin(np.arange(n) * 2 * np.pi / 7) + rng.normal(size=n)
    return pd.DataFrame({"ds": pd.date_range("2024", periods=n, freq="D"), "y": y})


def _monthly(y: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({"ds": pd.date_range("2020-01-01", periods=len(y), freq="MS"), "y": y})


def _walk(steps: int) -> np.ndarray:
    return 100 + np.cumsum(np.random.default_rng(0).normal(size=steps))


def test_season_and_window_are_chosen_where_nobody_gives_them() -> None:
    """A week where it shows or where the transform needs one; else none; ten seasons are read."""
    assert _prepare(_weekly(140)).season == 7
    walk = np.random.default_rng(1).normal(size=140).cumsum()
    flat = pd.DataFrame({"ds": pd.date_range("2024", periods=140, freq="D"), "y": walk})
    assert _prepare(flat).season == 1
    assert _prepare(flat, transform="seasonal-difference").season == 7
    assert _prepare(_weekly(140), season=5).season == 5
    assert _prepare(_weekly(140), window=None).window == 70
    assert _prepare(_weekly(140), window=30).window == 30


def test_a_season_is_looked_for_where_series_show_one() -> None:
    """A year of months repeats, a random walk does not."""
    months = np.arange(120)
    rng = np.random.default_rng(3)
    yearly = _monthly(50 + 10 * np.sin(months * np.pi / 6) + rng.normal(size=120))
    assert detect_season(read(yearly)) == 12
    assert detect_season(read(_monthly(_walk(120)))) == 1


def test_the_window_is_bounded_by_rule_and_by_the_longest_series() -> None:
    """Ten seasons from 48 to 256, and never more than leaves room for a horizon."""
    long, short = read(_walk(900)), read(_walk(30))
    assert [choose_window(long, 12, season, None) for season in (1, 12, 24, 52)] == [48, 120, 240, 256]
    assert choose_window(short, 12, 1, None) == 18


def test_validation_scales_come_from_before_the_cuts() -> None:
    """A jump in the part that validates moves the scales of the refit alone."""
    calm = np.random.default_rng(1).normal(size=60).cumsum()
    wild = calm.copy()
    wild[50:] += 1000 * np.arange(10)
    one, other = _prepare(calm), _prepare(wild)
    assert one.cuts.tolist() == other.cuts.tolist() == [48]
    rows = slice(0, 20 + 40)  # padding and steps before the cut
    assert (one.validation_windows.inputs[rows] == other.validation_windows.inputs[rows]).all()
    assert not (one.windows.inputs[rows] == other.windows.inputs[rows]).all()


def test_the_validation_set_lies_after_every_training_target() -> None:
    """Targets of one end before the cut, origins of the other start at it."""
    data = _prepare([np.arange(40.0) ** 1.2, np.arange(30.0) ** 1.1])
    training, validation = data.split(readouts=1)
    assert data.cuts.tolist() == [32, 24]
    n_targets = [int(part.batch(np.arange(len(part))).target_mask.sum()) for part in (training, validation)]
    # of the four steps ahead, those that lie before the cut, or before the end of the series
    before = [min(HORIZON, cut - 1 - origin) for cut in (32, 24) for origin in range(2, cut - 1)]
    after = [
        min(HORIZON, n - 1 - origin) for n, cut in ((40, 32), (30, 24)) for origin in range(cut - 1, n - 1)
    ]
    assert n_targets == [sum(before), sum(after)]
    everything = data.everything(readouts=1)
    assert len(everything) == (40 - 3) + (30 - 3)


def test_without_a_fraction_nothing_is_held_out() -> None:
    """One set of windows serves, and there is no split."""
    data = _prepare(np.arange(40.0) ** 1.2, validation_fraction=0)
    assert data.split(readouts=1) is None
    assert data.windows is data.validation_windows
    assert data.cuts.tolist() == data.lengths.tolist() == [40]


def test_a_series_that_is_too_short_is_refused() -> None:
    """With the numbers that it would take."""
    with pytest.raises(DataError, match="window 10 and horizon 4 need 14 steps, got 9"):
        _prepare(np.arange(9.0) ** 2)
