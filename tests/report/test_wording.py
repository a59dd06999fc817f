"""Times, steps and names of models in words."""

import numpy as np
import pytest

from unrolled.report.records import SeriesForecast
from unrolled.report.wording import forecast_table, model_name, step_noun, time_words


@pytest.mark.parametrize(
    ("freq", "word"),
    [("MS", "month"), ("ME", "month"), ("QS-OCT", "quarter"), ("YE-DEC", "year"), ("W-SUN", "week"),
     ("D", "day"), ("B", "business day"), ("h", "hour"), ("min", "minute"), ("15min", "step"), ("1", "step"),
     (None, "step")],
)  # fmt: skip
def test_a_frequency_has_a_word(freq: str | None, word: str) -> None:
    """What has no plain word is a step."""
    assert step_noun(freq) == word


@pytest.mark.parametrize(
    ("time", "freq", "text"),
    [
        ("2015-06-01", "MS", "June 2015"),
        ("2015-06-30", "ME", "June 2015"),
        ("2015-04-01", "QS", "quarter 2 of 2015"),
        ("1950-01-01", "YS", "1950"),
        ("2015-06-07", "D", "7 June 2015"),
        ("2015-06-07T00:00", "h", "7 June 2015, 00:00"),
        ("2015-06-07T14:30:05", "s", "7 June 2015, 14:30:05"),
        ("2015-06-07T14:30", None, "7 June 2015, 14:30"),
        ("NaT", "MS", "unknown"),
    ],
)
def test_a_moment_is_as_precise_as_its_frequency(time: str, freq: str | None, text: str) -> None:
    """A month needs no day, an hour needs its clock."""
    assert time_words(np.datetime64(time, "ns"), freq) == text


def test_a_step_without_a_date_is_its_number() -> None:
    """Whole-number times stay whole numbers."""
    assert time_words(np.int64(41), "1") == "41"


def test_rows_of_a_forecast_go_from_low_to_high() -> None:
    """The widest band is outside, whatever order the levels came in."""
    ahead = np.array(["2015-07-01", "2015-08-01"], dtype="datetime64[ns]")
    ends = {
        level: (np.array([10.0 - w, 20 - w]), np.array([10.0 + w, 20 + w])) for level, w in ((95, 4), (80, 2))
    }
    one = SeriesForecast("a", ahead[:0], np.empty(0), ahead, np.array([10.0, 20.0]), ends)
    heads, rows = forecast_table(one, "MS")
    assert heads == [
        "Month",
        *(f"Low, {w} %" for w in (95, 80)),
        "Middle",
        *(f"High, {w} %" for w in (80, 95)),
    ]
    assert rows[0] == ["July 2015", "6.00", "8.00", "10.00", "12.00", "14.00"]
    assert rows[1][0] == "August 2015"


def test_models_have_display_names() -> None:
    """A name that nobody knows stays as it is."""
    assert model_name("Naive") == "Last value"
    assert model_name("MyModel") == "MyModel"
