"""Texts in one notation: clocks, halves of the day, fractions, spans, zones, names of months."""

import numpy as np
import pytest

from unrolled.data.parse.date_texts import candidates, read_in_centuries
from unrolled.data.parse.datetimes import parse_times


def _read(*texts: str, utc: bool = False) -> tuple[list[str], list[str]]:
    array = np.array(texts, dtype=object)
    times, notes = parse_times(array, name="date", place=lambda row: f"flow.csv row {row + 2}", utc=utc)
    return times.astype("M8[ms]").astype(str).tolist(), notes


@pytest.mark.parametrize(
    ("texts", "second"),
    [
        (["2020-01-01 23:00", "2020-01-01 24:00"], "2020-01-02T00:00:00.000"),
        (["01-Jan-2021 10:00", "01-Jan-2021 11:00"], "2021-01-01T11:00:00.000"),
        (["01JAN2021:10:00:00", "01JAN2021:11:00:00"], "2021-01-01T11:00:00.000"),
        (["2021-01-01 10:00:00,123", "2021-01-01 10:00:01,5"], "2021-01-01T10:00:01.500"),
        (["Friday, January 01, 2021", "Saturday, January 02, 2021"], "2021-01-02T00:00:00.000"),
        (["Fri Jan  1 10:00:00 2021", "Fri Jan  1 11:00:00 2021"], "2021-01-01T11:00:00.000"),
        (["1. Januar 2021", "2. Januar 2021"], "2021-01-02T00:00:00.000"),
        (["janv. 2021", "févr. 2021"], "2021-02-01T00:00:00.000"),
        (["ene-21", "feb-21"], "2021-02-01T00:00:00.000"),
        (["1st March 2021", "2nd March 2021"], "2021-03-02T00:00:00.000"),
        (["Mar 1, 2021 12:00 AM", "Mar 1, 2021 1:00 p.m."], "2021-03-01T13:00:00.000"),
        (["20210101T05", "20210101T06"], "2021-01-01T06:00:00.000"),
        (["2021-01-01 00:00 - 01:00", "2021-01-01 01:00 - 02:00"], "2021-01-01T01:00:00.000"),
        (["01/2015", "02/2015"], "2015-02-01T00:00:00.000"),
        (["1-2015", "2-2015"], "2015-02-01T00:00:00.000"),
        (["Q1/2015", "Q2/2015"], "2015-04-01T00:00:00.000"),
        (["2T2015", "3T2015"], "2015-07-01T00:00:00.000"),
        (["2000-H1", "2000-H2"], "2000-07-01T00:00:00.000"),
        (["2020-W53-7", "2021-W01-1"], "2021-01-04T00:00:00.000"),
    ],
)  # fmt: skip
def test_the_second_text(texts: list[str], second: str) -> None:
    """The first row is read in the same notation."""
    assert _read(*texts)[0][1] == second


def test_what_is_not_obvious_is_noted() -> None:
    """24:00, spans, two-digit years and named zones each leave a sentence."""
    assert _read("2020-01-01 23:00", "2020-01-01 24:00")[1] == [
        "24:00 in column 'date' was read as the start of the next day"
    ]
    assert "the start was read" in _read("2021-01-01 00:00 - 01:00", "2021-01-01 01:00 - 02:00")[1][0]
    assert "2021 to 2021" in _read("Jan-21", "Feb-21")[1][0]
    zoned, notes = _read("2021-01-01 10:00 EST", "2021-07-01 11:00 EDT", utc=True)
    assert zoned == ["2021-01-01T15:00:00.000", "2021-07-01T15:00:00.000"]
    assert notes[0] == "time zones of column 'date' were read as EST = UTC-5, EDT = UTC-4"


def test_mail_headers_in_utc() -> None:
    """RFC 2822, with the offset in digits, and the order of Twitter."""
    for texts in (("Fri, 01 Jan 2021 10:00:00 +0100", "Fri, 01 Jan 2021 11:00:00 +0100"),
                  ("Fri Jan 01 10:00:00 +0100 2021", "Fri Jan 01 11:00:00 +0100 2021")):  # fmt: skip
        assert _read(*texts, utc=True)[0] == ["2021-01-01T09:00:00.000", "2021-01-01T10:00:00.000"]


def test_orders_of_day_and_month_are_candidates_together() -> None:
    """Two texts that fit two orders; two-digit years from 30 to 68 fit two centuries."""
    assert [one.name for one in candidates(["01/02/2021", "03/04/2021"])] == [
        "day/month/year",
        "month/day/year",
    ]
    assert [one.name for one in candidates(["2021-01-02"])] == ["year-month-day"]
    assert candidates(["run 1"]) == []
    months = candidates(["Jan-60"])[0]
    years = [str(one.times[0])[:4] for one in read_in_centuries(["Jan-60"], months)]
    assert years == ["2060", "1960"]
    assert len(read_in_centuries(["Jan-21", "Jan-99"], months)) == 1


@pytest.mark.parametrize(
    ("dates", "clocks"),
    [
        (
            ["31-Dec-21", "1-Jan-22", "2-Jan-22", "30-Feb-22", "x", "Sat, 1-Jan-22"],
            ["", " 10:30", " 9:05 PM", " 24:00", " 25:00"],
        ),
        (["2021-01-31", "2021-02-01"], ["", "T10:30Z", " 10:30:00,5 +0100", " 10:30 CET"]),
        (["Fri Jan 01", "Sat Jan 02"], [" 10:00:00 +0100 2021", " 11:00:00 2021"]),
        (["2021-01-31 +0100", "2021-02-01"], ["", " 10:30"]),
    ],
)
def test_dates_and_clocks_that_recur_read_as_one_by_one(dates: list[str], clocks: list[str]) -> None:
    """Each is taken apart once; times, zones and remarks are those of the whole texts."""
    texts = [f"{date}{clock}" for date in dates for clock in clocks] * 5
    notation = candidates(texts)[0]
    together, apart = (
        read_in_centuries(texts, notation)[0],
        [read_in_centuries([t], notation)[0] for t in texts],
    )
    assert np.array_equal(together.times, np.concatenate([one.times for one in apart]), equal_nan=True)
    assert np.array_equal(together.offsets, np.concatenate([one.offsets for one in apart]), equal_nan=True)
    assert not np.isnat(together.times).all()
    assert set(together.remarks) == {key for one in apart for key in one.remarks}


def test_a_million_texts_take_seconds() -> None:
    """Plain ISO dates go through pandas; others are taken apart once each."""
    times = np.arange("2000-01-01", "2001-01-01", dtype="M8[m]")[:200_000]
    assert _read(*np.datetime_as_string(times))[0][-1][:16] == str(times[-1])
