"""Steps of a calendar, against pandas' own."""

import numpy as np
import pandas as pd
import pytest

from unrolled.data.calendar.offsets import (
    advance,
    format_time,
    freq_words,
    future_times,
    parse_freq,
    season_length,
    step_quantity,
    steps_between,
    unit_word,
)
from unrolled.errors import ArgumentError, DataError

ALIASES = [
    "MS", "ME", "2MS", "QS", "QE", "QS-FEB", "QE-JAN", "2QS", "YS", "YE", "YE-JUN", "YS-APR", "3YS",
    "BMS", "BME",
    "BQE", "BYE", "W-SUN", "W-WED", "2W-SAT", "D", "2D", "B", "h", "2h", "30min", "15min", "min", "s", "ms",
]  # fmt: skip


@pytest.mark.parametrize("freq", ALIASES)
def test_future_times_equal_those_of_pandas(freq: str) -> None:
    """From the last time of a pandas range, the next five are pandas' next five."""
    times = pd.date_range("2003-11-28 00:00", periods=45, freq=freq)
    following = future_times(times.values[39], freq, 5)
    assert following.dtype == "datetime64[ns]"
    assert following.tolist() == times.values[40:].astype("datetime64[ns]").tolist()


@pytest.mark.parametrize("freq", ALIASES)
def test_distance_undoes_advance(freq: str) -> None:
    """Moved by k steps, a time lies k steps away."""
    times = pd.date_range("2003-11-28", periods=30, freq=freq).values
    steps = np.arange(30) % 7
    assert steps_between(times, advance(times, freq, steps), freq).tolist() == steps.tolist()


def test_a_day_of_the_month_is_kept() -> None:
    """Monthly data of the 15th goes on with the 15th, of the 30th with the last of February."""
    assert future_times(np.datetime64("2020-01-15T06:00"), "MS", 2).astype(str).tolist() == [
        "2020-02-15T06:00:00.000000000",
        "2020-03-15T06:00:00.000000000",
    ]
    assert str(future_times(np.datetime64("2021-01-30"), "MS", 1)[0])[:10] == "2021-02-28"


def test_whole_number_times() -> None:
    """They go on by their own step, as int64; zero steps are none."""
    assert future_times(7, "10", 3).tolist() == [17, 27, 37]
    assert future_times(7, "1", 0).shape == (0,)
    assert future_times(np.datetime64("2020-01-01"), "D", 0).dtype == "datetime64[ns]"


@pytest.mark.parametrize(
    ("freq", "season"),
    [("MS", 12), ("BME", 12), ("2MS", 6), ("5MS", 1), ("QE", 4), ("2QS", 2), ("YS", 1), ("W-SUN", 52),
     ("2W-SUN", 26), ("D", 7), ("2D", 1), ("B", 5), ("h", 24), ("6h", 4), ("30min", 48), ("min", 1440),
     ("s", 1),
     ("1", 1), (None, 1)],
)  # fmt: skip
def test_season_length(freq: str | None, season: int) -> None:
    """A year of months, quarters or weeks, a week of days, a day of hours or minutes, else none."""
    assert season_length(freq) == season


@pytest.mark.parametrize("freq", ["monthly", "", "0D", "M", "-1D", "QQ"])
def test_an_unknown_frequency(freq: str) -> None:
    """The sentence gives examples of what is known."""
    with pytest.raises(ArgumentError) as fault:
        parse_freq(freq)
    assert str(fault.value) == (
        f"freq: expected a pandas alias such as 'MS', 'D', 'h' or '15min', got {freq!r}."
    )


def test_steps_below_zero() -> None:
    """`steps` is a count."""
    with pytest.raises(ArgumentError, match=r"steps: expected a whole number at least 0, got -1\."):
        future_times(1, "1", -1)


def test_words() -> None:
    """Frequencies and times as a person says them."""
    said = {
        freq: (freq_words(freq), unit_word(freq))
        for freq in ("YE", "QS-FEB", "W-SUN", "B", "15min", "10", None)
    }
    assert said == {
        "YE": ("yearly", "year"),
        "QS-FEB": ("quarterly", "quarter"),
        "W-SUN": ("weekly", "week"),
        "B": ("business days", "business day"),
        "15min": ("every 15 minutes", "15 minutes"),
        "10": ("steps of 10", "step"),
        None: ("no common step", "step"),
    }
    times = ["2020-01-05", "2020-01-05T07:00", "2020-01-05T07:00:30", "2020-01-05T07:00:30.5"]
    assert [format_time(np.datetime64(t)) for t in times] == [
        "2020-01-05", "2020-01-05 07:00", "2020-01-05 07:00:30", "2020-01-05 07:00:30.500000000",
    ]  # fmt: skip
    assert format_time(np.int64(7)) == "7"


@pytest.mark.parametrize(
    ("last", "freq", "steps"),
    [
        (np.datetime64("2261-01-01"), "YS", 2), (np.datetime64("2262-03-31"), "ME", 1),
        (np.datetime64("2262-04-09"), "B", 2), (np.datetime64("2262-04-09"), "D", 3),
        (2**63 - 3, "1", 3),
    ],
)  # fmt: skip
def test_times_never_wrap_around(last: np.datetime64 | int, freq: str, steps: int) -> None:
    """The last step that can be written is given, the next refused: no forecast is dated 1678."""
    assert (np.diff(future_times(last, freq, steps - 1).astype(np.int64)) > 0).all()
    with pytest.raises(DataError) as fault:
        future_times(last, freq, steps)
    whole = isinstance(last, int)
    most = "times below 2**63" if whole else "dates from 1677-09-22 to 2262-04-10"
    said = f"{steps} step{'s' if steps > 1 else ''} of {freq!r} after {last}"
    way = "Take fewer steps, or number the times 1, 2, 3."
    assert str(fault.value) == f"times: expected {most}, got {said}. {way}"


def test_one_step_is_singular() -> None:
    """1 month, 2 months, 1,000 steps."""
    assert [step_quantity(n, "MS") for n in (1, 2)] == ["1 month", "2 months"]
    assert step_quantity(1000, None) == "1,000 steps"
    assert step_quantity(1, "15min") == "1 step of 15 minutes"
