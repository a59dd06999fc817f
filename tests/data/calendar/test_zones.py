"""Clocks that change: local hours of a zone in UTC, and the way out where they are not named so."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from unrolled.data.calendar.zones import check_zone, zone_to_utc, zone_with_repeated, zone_with_skipped
from unrolled.data.gaps import require_regular
from unrolled.data.io.read import read
from unrolled.errors import ArgumentError, DataError

ZONES = ["Europe/Berlin", "Europe/London", "America/New_York", "Australia/Sydney"]


def _local(zone: str, start: str, end: str, freq: str = "h") -> pd.DataFrame:
    times = pd.date_range(start, end, freq=freq, tz=zone)
    return pd.DataFrame({"time": times.strftime("%Y-%m-%d %H:%M"), "load": range(len(times))})


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("freq", ["h", "15min"])
def test_a_year_of_local_hours_is_even_in_utc(zone: str, freq: str) -> None:
    """The hour that is lost and the one that is repeated, in the order of the rows or in reverse."""
    frame = _local(zone, "2021-01-01", "2021-12-31", freq)
    times = pd.date_range("2021-01-01", "2021-12-31", freq=freq, tz=zone).tz_convert("UTC").tz_localize(None)
    for rows in (frame, frame[::-1]):
        series = read(rows, zone=zone)
        require_regular(series)
        np.testing.assert_array_equal(series.times, times.to_numpy().astype("M8[ns]"))
        assert series.target.tolist() == list(range(len(frame)))
    assert f"times of column 'time' were brought from the clock of {zone} to UTC" in series.notes


@pytest.mark.parametrize("zone", ZONES)
def test_without_the_zone_the_sentence_names_one_that_works(zone: str) -> None:
    """A repeated hour, and a lost one."""
    frame = _local(zone, "2021-02-01", "2021-12-01")
    with pytest.raises(DataError) as fault:
        require_regular(read(frame))
    way_out = f"name their zone with unrolled.read(..., zone={zone!r})."
    assert [way_out in sentence for sentence in str(fault.value).splitlines()] == [True, True]


def test_series_of_a_panel_change_their_clocks_each() -> None:
    """Rows of two meters, the one below the other."""
    one = _local("Europe/Berlin", "2021-10-29", "2021-11-02")
    panel = pd.concat([one.assign(meter="a"), one.assign(meter="b")])
    series = read(panel, zone="Europe/Berlin", target="load")
    require_regular(series)
    assert series.lengths.tolist() == [len(one)] * 2


def test_times_that_a_clock_does_not_show_are_refused() -> None:
    """In the hour that is left out; once in the hour that occurs twice."""
    spring, autumn = _local("UTC", "2021-03-27", "2021-03-29"), _local("UTC", "2021-10-30", "2021-11-01")
    with pytest.raises(DataError, match="got 2021-03-28 02:00, which it leaves out"):
        read(spring, zone="Europe/Berlin")
    with pytest.raises(DataError, match="expected 2021-10-31 02:00 twice, as the clock of"):
        read(autumn, zone="Europe/Berlin")
    assert read(autumn, zone="UTC").times[0] == np.datetime64("2021-10-30")


@pytest.mark.parametrize(
    ("columns", "arguments", "words"),
    [
        (
            {"time": ["2021-01-01 00:00"], "y": [1.0]},
            {"zone": "Europe/Berlim"},
            "mean 'Europe/Berlin'",
        ),
        ({"time": ["2021-01-01 00:00"], "y": [1.0]}, {"zone": 1}, "expected a time zone such as"),
        ({"y": [1.0, 2.0]}, {"zone": "Europe/Berlin"}, "only dates with a clock have a zone"),
        ({"step": [1, 2], "y": [1.0, 2.0]}, {"zone": "Europe/Berlin"}, "only dates with a clock have a zone"),
        (
            {"time": ["2021-01-01 00:00+01:00", "2021-01-01 01:00+01:00"], "y": [1.0, 2.0]},
            {"zone": "Europe/Berlin", "utc": True},
            "have zones of their own",
        ),
    ],
)
def test_a_zone_that_means_nothing_is_refused(
    columns: dict[str, Any], arguments: dict[str, Any], words: str
) -> None:
    """Misspelt, or beside times that have none or one of their own."""
    with pytest.raises(ArgumentError, match=words):
        read(columns, **arguments)


def test_other_repeated_and_missing_hours_are_no_change_of_clocks() -> None:
    """On days on which no usual zone changes; longer gaps; whole numbers."""
    assert check_zone(None) is None
    assert zone_with_repeated(np.datetime64("2021-10-30T02:00")) == ""
    assert zone_with_repeated(np.int64(3)) == zone_with_skipped(np.int64(3), np.int64(5)) == ""
    assert zone_with_skipped(np.datetime64("2021-03-27T01:00"), np.datetime64("2021-03-27T03:00")) == ""
    assert zone_with_skipped(np.datetime64("2021-03-28T01:00"), np.datetime64("2021-03-29T03:00")) == ""


def test_each_repeated_hour_needs_its_own_second_pass() -> None:
    """Two autumns, of which the second has the hour once."""
    two = pd.concat([_local("Europe/Berlin", f"{year}-10-30", f"{year}-11-01") for year in (2020, 2021)])
    times = pd.to_datetime(two["time"]).to_numpy().astype("M8[ns]")
    series = np.zeros(len(times), dtype=np.int64)
    assert (np.diff(zone_to_utc(times, series, "Europe/Berlin", "time")).astype(int) > 0).all()
    once = np.delete(times, np.flatnonzero(times == np.datetime64("2021-10-31T02:00"))[0])
    with pytest.raises(DataError, match="expected 2021-10-31 02:00 twice"):
        zone_to_utc(once, series[1:], "Europe/Berlin", "time")
