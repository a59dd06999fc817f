"""Frequencies found from times alone, whatever is missing or doubled."""

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from unrolled.data.calendar.frequency import Calendar, business_days_note, infer_calendar
from unrolled.data.calendar.offsets import future_times

ALIASES = [
    "MS", "ME", "2MS", "QS", "QE", "QS-FEB", "QE-JAN", "2QS", "YS", "YE", "YE-JUN", "YS-APR", "3YS",
    "BMS", "BME",
    "BQE", "BYE", "W-SUN", "W-WED", "2W-SAT", "D", "2D", "h", "2h", "30min", "15min", "min", "s", "ms", "us",
    "ns",
]  # fmt: skip


def _look(*series: object) -> Calendar:
    """The survey of a few series of times."""
    parts = [np.asarray(one, dtype="M8[ns]") for one in series]
    return infer_calendar(np.concatenate(parts), np.concatenate([[0], np.cumsum([len(p) for p in parts])]))


def _times_of(freq: str, periods: int = 60) -> NDArray[np.datetime64]:
    return pd.date_range("2001-03-05", periods=periods, freq=freq).values


@pytest.mark.parametrize("freq", ALIASES)
def test_each_frequency_is_inferred_with_gaps_and_duplicates(freq: str) -> None:
    """Three rows taken out and one doubled hide no frequency, and are counted where they are."""
    times = _times_of(freq)
    assert _look(times)[:1] == (freq,)
    broken = np.insert(np.delete(times, [5, 6, 20]), 30, times[33])
    result = _look(broken)
    assert result.freq == freq
    assert result.gaps.tolist() == [4, 17]
    assert result.missing.tolist() == [2, 1]
    assert result.duplicates.tolist() == [31]


def test_monthly_on_any_day() -> None:
    """The 15th of each month, the 30th or the last of shorter ones, and any clock are monthly."""
    assert _look(pd.date_range("2020-01-15", periods=9, freq="MS") + pd.Timedelta(days=14)).freq == "MS"
    assert _look(["2020-01-30", "2020-02-29", "2020-03-30", "2020-04-30"]).freq == "MS"
    assert _look(_times_of("ME") + np.timedelta64(17, "h")).freq == "ME"


def test_last_trading_days_are_monthly() -> None:
    """Month ends moved by weekends and holidays keep the month; future ones are the last weekday."""
    times = ["2018-01-31", "2018-02-28", "2018-03-29", "2018-04-30", "2018-05-31", "2018-06-29", "2018-11-30"]
    result = _look(times)
    assert result.freq == "BME"
    assert result.missing.tolist() == [4]


def test_holidays_are_no_gaps() -> None:
    """Business days with a few short closings are whole; with a long one, or many, they have gaps."""
    days = _times_of("B", 500)
    closed = _look(np.delete(days, [10, 11, 12, 100, 200]))
    assert (closed.freq, closed.holidays, closed.gaps.tolist()) == ("B", 5, [])
    long = _look(np.delete(days, np.arange(100, 111)))
    assert (long.freq, long.holidays, long.missing.tolist()) == ("B", 0, [11])
    many = _look(np.delete(days, np.arange(3, 500, 6)))
    assert (many.freq, many.holidays, len(many.gaps)) == ("B", 0, 83)


D, H = pd.date_range("2021-01-04", periods=63), pd.date_range("2021-01-04", periods=24 * 63, freq="h")
HALVES = pd.date_range("2021-01-04", periods=48 * 63, freq="30min")
WEEKLY = {
    "D@0-5": D[D.day_of_week < 6],
    "D@0-3,6-6": D[~D.day_of_week.isin([4, 5])],
    "D@1-1,4-4": D[D.day_of_week.isin([1, 4])],
    "h@9-16,33-40,57-64,81-88,105-112": H[(H.day_of_week < 5) & (H.hour >= 9) & (H.hour <= 16)],
    "h@0-117,166-167": H[
        ~(
            (H.day_of_week == 5)
            | ((H.day_of_week == 6) & (H.hour < 22))
            | ((H.day_of_week == 4) & (H.hour > 21))
        )
    ],
    "30min@18-21,26-29,66-69,74-77,114-117,122-125,162-165,170-173,210-213,218-221": HALVES[
        (HALVES.day_of_week < 5) & HALVES.hour.isin([9, 10, 13, 14])
    ],
}


@pytest.mark.parametrize("freq", WEEKLY)
def test_closing_hours_that_repeat_are_a_calendar(freq: str) -> None:
    """Six-day weeks, trading hours and lunch breaks are no gaps; the next step is the next that is open."""
    times = WEEKLY[freq].to_numpy().astype("M8[ns]")
    calendar = _look(times)
    assert (calendar.freq, len(calendar.gaps), calendar.holidays) == (freq, 0, 0)
    assert future_times(times[-9], freq, 8).tolist() == times[-8:].tolist()
    day = times.astype("M8[D]") != np.datetime64("2021-01-19")  # a holiday, or closed anyway
    assert _look(times[day])[:1] == (freq,)
    assert len(_look(times[day]).gaps) == 0


@pytest.mark.parametrize(("freq", "alias"), [("h", "h@0-119"), ("15min", "15min@0-479"), ("6h", "6h@0-19")])
def test_a_skipped_weekend_tells_business_days_around_the_clock(freq: str, alias: str) -> None:
    """Of less than two weeks too, and a note says so; hours missing in the week are a gap."""
    times = pd.date_range("2024-01-03", "2024-01-09 23:00", freq=freq)
    times = times[times.day_of_week < 5].to_numpy().astype("M8[ns]")
    calendar = _look(times)
    assert calendar.freq == alias
    assert len(calendar.gaps) == 0
    assert "none is on a weekend" in business_days_note(times, alias)[0]
    assert business_days_note(times, freq) == []
    assert _look(times[times < np.datetime64("2024-01-05")]).freq == freq
    assert len(_look(np.delete(times, 2)).gaps) == 1


@pytest.mark.parametrize("holes", [[5, 20], [11, 12, 13], list(range(3, 60, 5))])
def test_gaps_that_do_not_repeat_are_gaps(holes: list[int]) -> None:
    """Days missing here and there, or on every fifth day, are missing."""
    calendar = _look(np.delete(D.to_numpy(), holes))
    assert calendar.freq == "D"
    assert calendar.missing.sum() == len(holes)


def test_a_known_calendar_is_kept_without_a_gap_only() -> None:
    """A short stretch of a six-day week looks like days with a gap; coarser data never pass for it."""
    week = WEEKLY["D@0-5"].to_numpy().astype("M8[ns]")
    ends = np.array([0, 10])
    assert infer_calendar(week[:10], ends).freq == "D"
    assert infer_calendar(week[:10], ends, known_freq="D@0-5").freq == "D@0-5"
    pairs = [("D", "MS"), ("D", "W-SUN"), ("D", "2D"), ("h", "D"), ("MS", "QS"), ("ME", "QE"), ("QS", "YS"),
             ("W-SUN", "2W-SUN"), ("15min", "h"), ("B", "W-WED"), ("B", "BMS")]  # fmt: skip
    for fine, coarse in pairs:
        times = _times_of(coarse, 24).astype("M8[ns]")
        assert infer_calendar(times, np.array([0, 24]), known_freq=fine).freq == coarse
        assert infer_calendar(times[:2], np.array([0, 2]), known_freq=fine).freq != fine


def test_a_week_without_its_weekend_is_daily() -> None:
    """Five days in a row do not tell that the weekend is skipped, unless another series does."""
    week = _times_of("D", 5)
    assert _look(week).freq == "D"
    assert _look(week, _times_of("B", 60)).freqs == ("B", "B")


@pytest.mark.parametrize(
    "times",
    [
        ["2020-01-01", "2020-01-02", "2020-01-04", "2020-01-07", "2020-01-12"],
        ["2020-01-01 00:00:00", "2020-01-01 01:00:01", "2020-01-01 02:00:00", "2020-01-01 03:00:02"],
        ["2020-01-03", "2020-02-11", "2020-03-19", "2020-05-02"],
    ],
)
def test_uneven_steps_are_no_frequency(times: list[str]) -> None:
    """Where the shortest step is not the usual one, or does not divide the others, there is none."""
    result = _look(times)
    assert result.freq is None
    assert result.irregular.tolist() == [0]


def test_short_and_sparse_series_follow_the_others() -> None:
    """Two rows, or rows here and there, fit the calendar of the rest; then what is missing is a gap."""
    days = _times_of("D", 40)
    result = _look(days, days[[3, 9]], days[[0, 1, 4, 9, 16, 25]], days[:1])
    assert result.freq == "D"
    assert result.freqs == ("D", "D", "D", None)
    assert result.missing.tolist() == [5, 2, 4, 6, 8]


def test_series_that_differ_have_no_common_step() -> None:
    """Monthly and quarterly series are told apart."""
    result = _look(_times_of("MS"), _times_of("QS"))
    assert result.freq is None
    assert result.freqs == ("MS", "QS")
    assert len(result.irregular) == 0
    assert _look(_times_of("MS"), _times_of("ME")[:2]).freq is None  # two rows that do not fit


def test_whole_numbers() -> None:
    """Their step is its digits."""
    result = infer_calendar(np.array([10, 20, 40, 50]), np.array([0, 4]))
    assert (result.freq, result.gaps.tolist(), result.missing.tolist()) == ("10", [1], [1])


def test_nothing_to_tell_from() -> None:
    """No rows, or one a series, have no step and nothing broken."""
    for times, offsets in ([], [0]), ([], [0, 0]), (["2020-01-01"], [0, 1]), (["2020-01-01"] * 2, [0, 1, 2]):
        result = infer_calendar(np.array(times, dtype="M8[ns]"), np.array(offsets))
        assert result.freq is None
        assert [len(result.gaps), len(result.duplicates), len(result.irregular)] == [0, 0, 0]


def test_a_million_rows_take_a_moment() -> None:
    """3,003 series are looked at together, not one by one."""
    times = np.tile(_times_of("MS", 100), 3003)
    result = infer_calendar(times, np.arange(0, len(times) + 1, 100))
    assert result.freq == "MS"
    assert len(result.freqs) == 3003


def _open_minutes(days: int, market: str, missing: float) -> np.ndarray:
    """Minutes of a market that closes at night, or at weekends only, with holes at random."""
    times = pd.date_range("2021-03-01", periods=days * 1440, freq="min")
    of_day, day = times.hour * 60 + times.minute, times.day_of_week
    nights = (day < 5) & (of_day >= 570) & (of_day < 960)
    weekends = (day < 4) | ((day == 4) & (of_day < 1320)) | ((day == 6) & (of_day >= 1320))
    is_open = nights if market == "stocks" else weekends
    kept = is_open & (np.random.default_rng(0).random(len(times)) >= missing)
    return times[kept].to_numpy().astype("M8[ns]")


@pytest.mark.parametrize("missing", [0.0, 0.02, 0.1, 0.3])
@pytest.mark.parametrize(
    ("market", "days", "freq"),
    [
        ("stocks", 8, "min@570-959,2010-2399,3450-3839,4890-5279,6330-6719"),
        ("stocks", 22, "min@570-959,2010-2399,3450-3839,4890-5279,6330-6719"),
        ("currencies", 22, "min@0-7079,9960-10079"),
    ],
)
def test_closing_hours_show_through_holes(market: str, days: int, freq: str, missing: float) -> None:
    """Gaps are the minutes that are missing while it is open, not the nights and weekends."""
    times = _open_minutes(days, market, missing)
    calendar = infer_calendar(times, np.array([0, len(times)]))
    assert calendar.freq == freq
    whole = len(_open_minutes(days, market, 0.0))
    assert abs(int(calendar.missing.sum()) + calendar.holidays - (whole - len(times))) <= 3
