"""Where in its cycles a step lies."""

import numpy as np
import pandas as pd
import pytest

from unrolled.data.preprocess.time_features import cycle_features, cycle_names


@pytest.mark.parametrize(
    ("freq", "cycles"),
    [
        ("MS", ("month of the year",)),
        ("QE-DEC", ("month of the year",)),
        ("D", ("day of the week", "day of the year")),
        ("B", ("day of the week", "day of the year")),
        ("W-SUN", ("day of the year",)),
        ("h", ("hour of the day", "day of the week")),
        ("15min", ("minute of the hour", "hour of the day")),
        ("YS", ()),
        ("1", ()),
        (None, ()),
    ],
)
def test_a_frequency_has_its_cycles(freq: str | None, cycles: tuple[str, ...]) -> None:
    """Each frequency shows the cycles that are longer than its step; years and counts have none."""
    assert cycle_names(freq) == cycles


@pytest.mark.parametrize("freq", ["MS", "D", "W-SUN", "h", "15min"])
def test_each_step_is_a_point_on_each_circle(freq: str) -> None:
    """Sine and cosine, (T, 2 C), of radius 1, and all steps of one round are different."""
    times = pd.date_range("2023-01-01", periods=12, freq=freq).to_numpy()
    inputs = cycle_features(times, freq)
    assert inputs.shape == (12, 2 * len(cycle_names(freq)))
    np.testing.assert_allclose(inputs[:, ::2] ** 2 + inputs[:, 1::2] ** 2, 1.0)
    assert len(np.unique(inputs.round(9), axis=0)) == 12


def test_a_year_later_the_same_month_is_the_same() -> None:
    """Months repeat after twelve, days of the week after seven."""
    months = cycle_features(pd.date_range("2023-01-01", periods=24, freq="MS").to_numpy(), "MS")
    np.testing.assert_array_equal(months[:12], months[12:])
    days = cycle_features(pd.date_range("2023-01-01", periods=14, freq="D").to_numpy(), "D")
    np.testing.assert_array_equal(days[:7, :2], days[7:, :2])


def test_no_cycle_no_columns() -> None:
    """Whole-number times have no calendar, and no column comes of it."""
    assert cycle_features(np.arange(5), "1").shape == (5, 0)
