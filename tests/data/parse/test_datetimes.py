"""Anything that says when, read in one notation a column."""

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from unrolled.data.io.read import read
from unrolled.data.parse.datetimes import looks_like_dates, parse_times
from unrolled.errors import ArgumentError, DataError


def _place(row: int) -> str:
    return f"flow.csv row {row + 2}"


def _days(values: object, **options: Any) -> list[str]:
    """The times of a column, as texts down to the second."""
    array = values if isinstance(values, np.ndarray) else np.array(values, dtype=object)
    times = parse_times(array, name="date", place=_place, **{"utc": False} | options)[0]
    return times.astype("M8[s]").astype(str).tolist()


def _fault_of(values: object, **options: Any) -> str:
    with pytest.raises(DataError) as fault:
        _days(values, **options)
    return str(fault.value)


@pytest.mark.parametrize(
    "items",
    [
        ["2020-01-31", "2020-02-29"],
        ["2020-1-31", "2020-2-29"],
        ["2020/01/31", "2020/02/29"],
        ["2020.1.31", "2020.2.29"],
        ["20200131", "20200229"],
        ["31.01.2020", "29.02.2020"],
        ["31.1.2020", "29.2.2020"],
        ["31/01/2020", "29/02/2020"],
        ["01/31/2020", "02/29/2020"],
        ["31-01-2020", "29-02-2020"],
        ["31 Jan 2020", "29 Feb 2020"],
        ["31 January 2020", "29 February 2020"],
        ["31-Jan-2020", "29-Feb-2020"],
        ["Jan 31, 2020", "Feb 29, 2020"],
        [" 2020-01-31 ", "2020-02-29"],
        [dt.date(2020, 1, 31), dt.date(2020, 2, 29)],
        [dt.datetime(2020, 1, 31), dt.datetime(2020, 2, 29)],
        np.array([20200131, 20200229]),
        np.array([20200131.0, 20200229.0]),
        np.array(["2020-01-31", "2020-02-29"], dtype="M8[us]"),
    ],
)
def test_every_usual_notation_of_days(items: object) -> None:
    """They all mean the last days of January and February 2020."""
    assert _days(items) == ["2020-01-31T00:00:00", "2020-02-29T00:00:00"]


@pytest.mark.parametrize(
    "items",
    [["1950-01", "1950-04"], ["1950Q1", "1950Q2"], ["1950-Q1", "1950-Q2"], ["Q1 1950", "Q2 1950"],
     ["1950M01", "1950M4"],
     ["1950q1", "1950q2"], ["1950/1", "1950/4"], ["Jan 1950", "Apr 1950"], ["January 1950", "April 1950"],
     np.array([195001, 195004])],
)  # fmt: skip
def test_months_and_quarters_stand_on_their_first_day(items: object) -> None:
    """A period is the day on which it begins."""
    assert _days(items) == ["1950-01-01T00:00:00", "1950-04-01T00:00:00"]


@pytest.mark.parametrize(
    ("items", "first"),
    [
        (["2020-01-31 15:30", "2020-02-01 16:00"], "2020-01-31T15:30:00"),
        (["2020-01-31T15:30:05", "2020-02-01T16:00:00"], "2020-01-31T15:30:05"),
        (["2020-01-31 15:30:05.25", "2020-02-01 16:00"], "2020-01-31T15:30:05"),
        (["31.01.2020 15:30", "01.02.2020 16:00"], "2020-01-31T15:30:00"),
        (["01/31/2020 3:30 PM", "02/01/2020 4:00 AM"], "2020-01-31T15:30:00"),
        (["01/31/2020, 3:30:05 PM", "02/01/2020, 4:00:00 AM"], "2020-01-31T15:30:05"),
        (["2020-W05", "2020-W06"], "2020-01-27T00:00:00"),
    ],
)
def test_clocks_and_weeks(items: list[str], first: str) -> None:
    """A clock stays with its day; a week is its Monday."""
    assert _days(items)[0] == first


def test_numbers_as_times() -> None:
    """Years and epochs are dates; counters, and numbers that are no dates, stay whole numbers."""
    assert _days(np.array([1950, 1951])) == ["1950-01-01T00:00:00", "1951-01-01T00:00:00"]
    assert _days(np.array([1950.0, 1951.0]))[0] == "1950-01-01T00:00:00"
    assert _days(np.array([1577836800, 1577836860]))[0] == "2020-01-01T00:00:00"
    assert _days(np.array([1577836800000]))[0] == "2020-01-01T00:00:00"
    times, notes = parse_times(np.array([1, 2, 3]), name="t", place=_place, utc=False)
    assert times.dtype == np.int64
    assert notes == []
    assert parse_times(np.array([1990, 1991]), name="step", place=_place, utc=False)[0].dtype == np.int64
    assert parse_times(np.array([20201399]), name="date", place=_place, utc=False)[0].dtype == np.int64


def test_even_steps_resolve_day_and_month() -> None:
    """01/02/2020 as months makes a calendar, as days of January it does not; a note says so."""
    items = [f"01/{month:02}/{year}" for year in (2020, 2021) for month in range(1, 13)]
    times, notes = parse_times(np.array(items, dtype=object), name="date", place=_place, utc=False)
    assert times.astype("M8[M]").astype(str).tolist()[:3] == ["2020-01", "2020-02", "2020-03"]
    assert notes == ["dates of column 'date' were read as day/month/year: only so they make even steps"]
    swapped = [f"{month:02}/01/{year}" for year in (2020, 2021) for month in range(1, 13)]
    assert _days(swapped) == [str(t) for t in times.astype("M8[s]")]


@pytest.mark.parametrize("form", ["{Y}:{q}", "{Y}-{q}", "{Y}/0{q}", "{q}/{Y}", "0{q}-{Y}"])
def test_a_year_and_a_number_are_quarters_where_only_they_are_even(form: str) -> None:
    """1 to 4 in each year: as months they would leave eight out every year."""
    texts = [form.format(Y=year, q=quarter) for year in (2019, 2020) for quarter in (1, 2, 3, 4)]
    times, notes = parse_times(np.array(texts, dtype=object), name="date", place=_place, utc=False)
    assert times.astype("M8[M]").tolist() == np.arange("2019-01", "2021-01", 3, dtype="M8[M]").tolist()
    assert len(notes) == 1
    assert "quarter" in notes[0]


@pytest.mark.parametrize("months", [4, 18])
def test_a_year_and_a_number_are_months_where_they_are_even(months: int) -> None:
    """A fifth month in the file, or the first four months alone."""
    texts = [f"{2019 + k // 12}-{k % 12 + 1}" for k in range(months)]
    times, notes = parse_times(np.array(texts, dtype=object), name="date", place=_place, utc=False)
    assert times.astype("M8[M]").tolist() == (np.datetime64("2019-01") + np.arange(months)).tolist()
    assert notes == []


def test_the_same_day_and_month_need_no_telling() -> None:
    """The first of January is the first of January."""
    assert _days(["01/01/2020", "01/01/2021"]) == ["2020-01-01T00:00:00", "2021-01-01T00:00:00"]


def test_ambiguous_days_and_months_raise() -> None:
    """Where both orders make sense, neither is guessed."""
    sentence = _fault_of(["01/02/2020", "02/02/2020"])
    assert sentence == (
        "flow.csv row 2, column 'date': expected dates such as 2020-01-31, got '01/02/2020', which can be "
        "2020-02-01 or 2020-01-02. Say which with date_format='dmy' or "
        "date_format='mdy', or write them year first."
    )
    for way, day in (("dmy", "2020-02-01"), ("mdy", "2020-01-02")):
        assert _days(["01/02/2020", "02/02/2020"], date_format=way)[0][:10] == day


def test_a_row_shows_the_order_of_day_and_month() -> None:
    """One row that fits one order decides for the column, and stands in the note; two that disagree raise."""
    items = np.array(["01/02/2021", "13/02/2021", "03/04/2021"], dtype=object)
    times, notes = parse_times(items, name="date", place=_place, utc=False)
    assert times.astype("M8[D]").astype(str).tolist() == ["2021-02-01", "2021-02-13", "2021-04-03"]
    assert notes == [
        "dates of column 'date' were read as day/month/year: flow.csv row 3 '13/02/2021' shows the day first"
    ]
    sentence = _fault_of([*items, "02/14/2021"])
    for part in ("row 3 '13/02/2021'", "row 5 '02/14/2021'", "one order of day and month"):
        assert part in sentence


@pytest.mark.parametrize(
    ("items", "days", "said"),
    [
        (["31/12/21", "01/01/22", "02/01/22"], ["2021-12-31", "2022-01-01", "2022-01-02"], "2021 to 2022"),
        (["12/30/21", "12/31/21", "01/01/22"], ["2021-12-30", "2021-12-31", "2022-01-01"], "2021 to 2022"),
        (["Nov-68", "Dec-68", "Jan-69"], ["1968-11-01", "1968-12-01", "1969-01-01"], "1968 to 1969"),
        (["Dec-99", "Jan-00", "Feb-00"], ["1999-12-01", "2000-01-01", "2000-02-01"], "1999 to 2000"),
    ],
)
def test_two_digit_years(items: list[str], days: list[str], said: str) -> None:
    """The century is the one that makes one run of dates; a note says which years were read."""
    times, notes = parse_times(np.array(items, dtype=object), name="date", place=_place, utc=False)
    assert times.astype("M8[D]").astype(str).tolist() == days
    assert f"two-digit years of column 'date' were read as {said}" in notes


def test_two_digit_years_of_either_century_raise() -> None:
    """Excel reads 60 as 1960, POSIX as 2060."""
    sentence = _fault_of(["Jan-60", "Feb-60", "Mar-60"])
    assert "which can be 2060-01-01 or 1960-01-01. Write them as 2020-01-31" in sentence


def test_no_text_in_a_known_notation() -> None:
    """It is the column that is refused, not its first row; a format or a count of rows is the way out."""
    sentence = _fault_of(["run 1", "run 2"])
    for part in ("'run 1', 'run 2'", "no text of the column", "date_format=", "order='rows'"):
        assert part in sentence
    assert _days(["2021<>05", "2021<>06"], date_format="%Y<>%m")[0][:10] == "2021-05-01"


def test_a_format_is_what_it_says() -> None:
    """A format of strptime that fits no text is refused; one that is none is an argument at fault."""
    assert "expected dates as %Y!%m, got '2020-01'" in _fault_of(["2020-01"], date_format="%Y!%m")
    with pytest.raises(ArgumentError, match="date_format: expected a format of strptime, got '%Q'"):
        _days(["2020-01"], date_format="%Q")
    assert _days(["2020-01-01 00:00+0100", "2020-01-01 01:00+0100"], date_format="%Y-%m-%d %H:%M%z")[0] == (
        "2019-12-31T23:00:00"
    )


@pytest.mark.parametrize(
    ("items", "row", "got"),
    [
        (["2020-01-31", "2020-02-30", "2020-03-01"], 3, "'2020-02-30'"),
        (["31.01.2020", "29.02.2020", "31/31/2020", "1.3.2020"], 4, "'31/31/2020'"),
        (["2020-01-31", "", "2020-03-01"], 3, "nothing"),
        (["2020-01-31", None, "2020-03-01"], 3, "nothing"),
        (["2020-01-31", "soon"], 3, "'soon'"),
        (["2020-01-31", "1500-01-01"], 3, "'1500-01-01'"),
        (["1950Q5", "1950Q1"], 2, "'1950Q5'"),
        (["1950M12", "1950M13"], 3, "'1950M13'"),
        (["1950M1", "1950M0"], 3, "'1950M0'"),
        (np.array(["2020-01-31", "NaT"], dtype="M8[ns]"), 3, "nothing"),
    ],
)
def test_a_date_that_cannot_be_read_is_named(items: object, row: int, got: str) -> None:
    """Row, column, what was expected, what came, and the way out."""
    assert _fault_of(items) == (
        f"flow.csv row {row}, column 'date': expected a date between 1678 and 2261 such as 2020-01-31, got "
        f"{got}. Correct or remove that row."
    )


def test_a_number_that_is_no_time() -> None:
    """Fractions and missing numbers are named."""
    start = "flow.csv row 3, column 'date': expected a date or a whole number as time, got "
    assert _fault_of(np.array([1.0, 1.5])) == start + "1.5. Write dates, or count the rows with order='rows'."
    assert (
        _fault_of(np.array([1.0, np.nan]))
        == start + "nothing. Write dates, or count the rows with order='rows'."
    )


ZONED = [
    ["2020-01-01T00:00:00Z", "2020-01-01T01:00:00Z"],
    ["2020-01-01 01:00:00+01:00", "2020-01-01 03:00:00+02:00"],  # mixed offsets
    ["2020-01-01 00:00 UTC", "2020-01-01 01:00 UTC"],
    [dt.datetime(2020, 1, 1, 1, tzinfo=ZoneInfo("CET")), dt.datetime(2020, 1, 1, 2, tzinfo=ZoneInfo("CET"))],
    [pd.Timestamp("2020-01-01", tz="UTC"), pd.Timestamp("2020-01-01 01:00", tz="UTC")],
]


@pytest.mark.parametrize("items", ZONED)
def test_times_with_a_zone_are_refused_or_brought_to_utc(items: list[object]) -> None:
    """Without `utc` the sentence offers it; with it, all offsets mean the same clock, and a note says so."""
    sentence = _fault_of(items)
    assert sentence.startswith(
        "flow.csv row 2, column 'date': expected times without a zone, got '2020-01-01"
    )
    assert sentence.endswith("Bring them to UTC with utc=True.")
    assert _days(items, utc=True) == ["2020-01-01T00:00:00", "2020-01-01T01:00:00"]
    notes = parse_times(np.array(items, dtype=object), name="date", place=_place, utc=True)[1]
    assert notes == ["times of column 'date' were brought to UTC"]


DAYS_WITH_ZONES = [
    ["2021-03-27T00:00:00+01:00", "2021-03-28T00:00:00+01:00", "2021-03-29T00:00:00+02:00"],
    ["2021-03-27 00:00 CET", "2021-03-28 00:00 CET", "2021-03-29 00:00 CEST"],
    ["2021-03-27T00:00+01:00[Europe/Berlin]", "2021-03-28T00:00+01:00", "2021-03-29T00:00+02:00"],
    [pd.Timestamp(f"2021-03-{day}", tz="Europe/Berlin") for day in (27, 28, 29)],
    ["2021-03-27Z", "2021-03-28Z", "2021-03-29Z"],
]


@pytest.mark.parametrize("utc", [False, True])
@pytest.mark.parametrize("items", DAYS_WITH_ZONES)
def test_days_with_a_zone_are_days_by_local_date(items: list[object], utc: bool) -> None:
    """Midnight in Berlin is a day, not 23:00 of the day before, summer time or not."""
    times, notes = parse_times(np.array(items, dtype=object), name="date", place=_place, utc=utc)
    assert times.astype("M8[m]").astype(str).tolist() == [f"2021-03-{day}T00:00" for day in (27, 28, 29)]
    assert notes[-1] == "times of column 'date' are days by local date: their time zone was left out"


def test_an_unknown_zone_is_named() -> None:
    """IST is of India, Israel or Ireland."""
    sentence = _fault_of(["2021-01-01 10:00 IST", "2021-01-01 11:00 IST"], utc=True)
    assert "'2021-01-01 10:00 IST'" in sentence
    assert "such as +01:00" in sentence


def test_zones_in_some_rows_only() -> None:
    """Times with and without a zone cannot be put in one order."""
    assert _fault_of(["2020-01-01T00:00:00Z", "2020-01-01T01:00:00"], utc=True) == (
        "flow.csv row 3, column 'date': expected a time zone as in '2020-01-01T00:00:00Z', got "
        "'2020-01-01T01:00:00'. Write all times with a zone, or none."
    )


@pytest.mark.parametrize(
    ("items", "answer"),
    [(["2020-01-01", "x"], True), (["x", "y", "2020-01-01"], False), (["01/02/2020"], True),
     (["may", "be"], False),
     (["A1", "B2"], False), ([], False), (["", None], False)],
)  # fmt: skip
def test_half_of_the_valid_texts_make_a_column_of_dates(items: list[str], answer: bool) -> None:
    """Words and codes are no dates; missing texts have no say."""
    assert looks_like_dates(np.array(items, dtype=object)) is answer


def test_long_texts_are_cut_in_messages() -> None:
    """Sixty characters tell which one it is."""
    texts = np.array(["2020-01-01", "x" * 400, "2020-01-03"], dtype=object)
    with pytest.raises(DataError, match=f"got '{'x' * 60}\\.\\.\\.'"):
        parse_times(texts, name="day", place=str, utc=False)


@pytest.mark.parametrize("unit", ["s", "ms", "us"])
def test_datetimes_of_other_units_are_bounded_too(unit: str) -> None:
    """NumPy would wrap the year 1500 around to a date that nobody wrote; pandas 3 reads such dates."""
    times = np.array(["2020-01-31", "1500-01-01"], dtype=f"datetime64[{unit}]")
    with pytest.raises(DataError, match="between 1678 and 2261"):
        parse_times(times, name="date", place=str, utc=False)


@pytest.mark.parametrize(
    "texts",
    [
        ["1988", "1989", "1988 Q1", "1988 Q2", "1988 JAN", "1988 FEB"],
        [*map(str, range(1988, 2000)), "1988 Q1"],
        ["2020-01", "2020-02", "2020-03", "2020"],
    ],
)
def test_years_among_quarters_and_months_are_refused_by_name(texts: list[str]) -> None:
    """As statistics offices put them below one another: each kind with its first row."""
    with pytest.raises(DataError, match=r"expected dates of one length, got .*years .*Keep the rows of one"):
        read({"date": texts, "y": range(len(texts))})
