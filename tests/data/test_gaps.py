"""What forecasting refuses, sentence by sentence, and how gaps are filled."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from unrolled.data.calendar.frequency import infer_calendar
from unrolled.data.gaps import fill_gaps, find_irregularities, require_regular
from unrolled.data.io.read import read
from unrolled.data.sequences import DeclaredOrder, Role, Sequences
from unrolled.errors import ArgumentError, DataError

NAN = float("nan")


def _dated(**series: dict[str, float] | list[str]) -> Sequences:
    """Series of time to value, or of times with values 1, 2, 3."""
    pairs = [
        one if isinstance(one, dict) else dict(zip(one, np.arange(1.0, 1 + len(one)), strict=False))
        for one in series.values()
    ]
    offsets = np.concatenate([[0], np.cumsum([len(p) for p in pairs])])
    times = np.concatenate([np.array(list(p), dtype="M8[ns]") for p in pairs])
    values = np.concatenate([list(p.values()) for p in pairs])[:, None]
    freq = infer_calendar(times, offsets).freq
    return Sequences(values, offsets, tuple(series), times=times, freq=freq, source="flow.csv")


def _fault_of(series: Sequences) -> str:
    with pytest.raises(DataError) as fault:
        require_regular(series)
    return str(fault.value)


def test_a_regular_series_passes() -> None:
    """Nothing is said, and nothing is raised."""
    require_regular(_dated(a=["2020-01-01", "2020-02-01", "2020-03-01"], b=["2019-01-01", "2019-02-01"]))
    require_regular(Sequences.from_arrays([[1.0, 2.0]]))


@pytest.mark.parametrize(
    ("series", "sentence"),
    [
        (
            {"a": {"2020-01-01": 1.0}},
            (
                "flow.csv: expected at least 2 rows with a value a series, got 1 in series 'a'. Add earlier "
                "rows, or leave such series out."
            ),
        ),
        (
            {"a": ["2020-01-01", "2020-01-02", "2020-01-04", "2020-01-05"]},
            (
                "flow.csv, series 'a': expected a row every day, got none between 2020-01-02 and 2020-01-04 "
                "(1 missing there, 1 in all). Fill the gaps with "
                "unrolled.read(..., fill='linear')."
            ),
        ),
        (
            {"a": {"2020-01-01": 1.0, "2020-01-02": NAN, "2020-01-03": 3.0, "2020-01-04": NAN}},
            (
                "flow.csv, series 'a': expected a number at 2020-01-02, got a missing value (2 in all). "
                "Fill it with unrolled.read(..., fill='linear')."
            ),
        ),
        (
            {"a": {"2020-01-01": 1.0, "2020-01-02": float("-inf"), "2020-01-03": 3.0}},
            (
                "flow.csv, series 'a': expected a finite number at 2020-01-02, column 'y', got -inf. "
                "Correct that value or leave it empty."
            ),
        ),
        (
            {
                "a": ["2020-01-01", "2020-02-01", "2020-03-01"],
                "b": ["2020-01-01", "2020-04-01", "2020-07-01"],
            },
            (
                "flow.csv: expected the same step in all series, got monthly in series 'a' and quarterly in "
                "series 'b'. Read them separately."
            ),
        ),
        (
            {
                "a": ["2020-01-01", "2020-02-01", "2020-03-01"],
                "b": ["2020-01-31", "2020-02-29", "2020-03-31"],
            },
            (
                "flow.csv: expected the same step in all series, got monthly (MS) in series 'a' and monthly "
                "(ME) in series 'b'. Read them separately."
            ),
        ),
        (
            {
                "a": [
                    "2020-01-01 00:00:00",
                    "2020-01-01 00:00:10",
                    "2020-01-01 00:00:20",
                    "2020-01-01 02:30:03",
                ]
            },
            (
                "flow.csv, series 'a': expected steps of one length, got 10 s and, from 2020-01-01 00:00:20 "
                "to 2020-01-01 02:30:03, 2.49528 hours. Bring it to a regular calendar, such as with "
                "pandas' resample, or count the rows with order='rows'."
            ),
        ),
        (
            {"a": ["2020-01-01", "2020-01-02", "2020-01-04 06:00", "2020-01-05 06:00"]},
            (
                "flow.csv, series 'a': expected steps of one length, got 1 day and, from 2020-01-02 to "
                "2020-01-04 06:00, 2.25 days. Bring it to a regular calendar, such as with pandas' resample, "
                "or count the rows with order='rows'."
            ),
        ),
    ],
)
def test_what_is_refused(series: dict[str, object], sentence: str) -> None:
    """One row, gaps, missing and infinite values, mixed and uneven steps: the thing and the way out."""
    assert _fault_of(_dated(**series)) == sentence


def test_duplicated_times() -> None:
    """Both rows stand at one time; which of them counts is the user's to say."""
    times = np.array(["2020-01-01", "2020-01-02", "2020-01-02", "2020-01-03"], dtype="M8[ns]")
    series = Sequences(np.ones((4, 1)), np.array([0, 4]), ("a",), times=times, source="flow.csv")
    assert _fault_of(series) == (
        "flow.csv, series 'a': expected one row at a time, got two at 2020-01-02. Keep one of them, or name "
        "the column that tells the series apart with id=."
    )
    with pytest.raises(DataError, match="expected one row at a time"):
        fill_gaps(series, "linear")


def test_a_table_has_no_order() -> None:
    """Rows without a time column cannot be forecast, nor filled."""
    table = replace(Sequences.from_arrays([[1.0, 2.0]]), order=DeclaredOrder.NONE, source="customers.csv")
    sentence = _fault_of(table)
    assert sentence == (
        "customers.csv: expected rows in order of time, got a table without a time column. Name that column "
        "with time=, or count the rows with order='rows'."
    )
    with pytest.raises(DataError, match="got a table without a time column"):
        fill_gaps(table, "linear")


def test_every_fault_is_said_at_once() -> None:
    """A gap and a missing value are two sentences of one error; a gap skips the duplicates."""
    series = _dated(a={"2020-01-01": 1.0, "2020-01-02": NAN, "2020-01-04": 3.0, "2020-01-05": 3.0})
    assert len(find_irregularities(series)) == 2
    assert _fault_of(series).splitlines() == find_irregularities(series)
    times = np.array(["2020-01-01", "2020-01-02", "2020-01-02", "2020-01-04", "2020-01-05"], dtype="M8[ns]")
    doubled = Sequences(np.ones((5, 1)), np.array([0, 5]), ("a",), times=times, source="flow.csv")
    assert "none between 2020-01-02 and 2020-01-04" in find_irregularities(doubled)[1]


def test_positions_stand_in_for_times() -> None:
    """Without times, a missing value is named by its place in its sequence."""
    series = Sequences.from_arrays([[1.0, 2.0], [1.0, NAN, 3.0]])
    assert _fault_of(series) == (
        "arrays, series '1': expected a number at position 1, got a missing value (1 in all). Fill it with "
        "unrolled.read(..., fill='linear')."
    )


def _known_ahead() -> Sequences:
    """Three known targets, then two rows of a column that is known ahead, and a past one."""
    values = np.array([[1.0, 5.0, 0.0], [2.0, 6.0, 1.0], [3.0, 7.0, 0.0], [NAN, 8.0, NAN], [NAN, 9.0, NAN]])
    times = pd.date_range("2020", periods=5).values
    roles = (Role.TARGET, Role.FUTURE, Role.PAST)
    return Sequences(values, np.array([0, 5]), ("a",), ("y", "x", "p"), roles, times=times, freq="D")


def test_rows_of_the_future_may_miss_the_target() -> None:
    """Where columns are known ahead, targets and past columns end before; a hole before that is refused."""
    require_regular(_known_ahead())
    assert fill_gaps(_known_ahead(), "forward").values.tolist()[2:3] == [[3.0, 7.0, 0.0]]
    assert len(fill_gaps(_known_ahead(), "forward").values) == 5
    holed = _known_ahead()
    holed.values[1, 1] = NAN
    assert "column 'x', got a missing value (1 in all)" in _fault_of(holed)


@pytest.mark.parametrize(("how", "made"), [("forward", [2.0, 2.0]), ("linear", [3.0, 4.0])])
def test_gaps_are_filled_between_known_values(how: str, made: list[float]) -> None:
    """Rows come back on the calendar, values between known ones; a note counts both."""
    series = _dated(
        a={"2020-01-01": 1.0, "2020-01-02": 2.0, "2020-01-03": NAN, "2020-01-05": 5.0},
        b={"2020-01-01": NAN, "2020-01-02": 7.0, "2020-01-03": 8.0, "2020-01-04": NAN},
    )
    filled = fill_gaps(series, how)
    require_regular(filled)
    assert filled.ids == ("a", "b")
    assert filled[0].target.tolist() == [1.0, 2.0, *made, 5.0]
    assert filled[0].times.astype("M8[D]").astype(str).tolist()[3] == "2020-01-04"
    assert filled[1].target.tolist() == [7.0, 8.0]
    method = "by the value before" if how == "forward" else "by straight lines"
    assert filled.notes == (
        "1 row was added for missing steps",
        f"2 values were filled {method}",
        "2 rows were dropped before the first or after the last known value",
    )


def test_fill_keeps_months_and_other_columns() -> None:
    """Month ends stay month ends, future inputs are filled like the target, static ones stay as they are."""
    times = pd.to_datetime(["2020-01-31", "2020-02-29", "2020-05-31", "2020-06-30"]).values
    values = np.array([[1.0, 10.0, 4.0], [2.0, 20.0, 4.0], [5.0, 50.0, 4.0], [6.0, 60.0, 4.0]])
    roles = (Role.TARGET, Role.FUTURE, Role.STATIC)
    series = Sequences(values, np.array([0, 4]), ("a",), ("y", "x", "s"), roles, times=times, freq="ME")
    filled = fill_gaps(series, "linear")
    assert filled.times.astype("M8[D]").astype(str).tolist()[2:4] == ["2020-03-31", "2020-04-30"]
    assert filled.values.tolist()[2:4] == [[3.0, 30.0, 4.0], [4.0, 40.0, 4.0]]


@pytest.mark.parametrize(
    ("flags", "filled"),
    [
        ([0, 1, NAN, NAN, 0, 0, 1], [0, 1, 1, 1, 0, 0, 1]),  # a flag
        ([2, 5, NAN, 2, 5, 2, 5], [2, 5, 5, 2, 5, 2, 5]),  # a code of weather, of a shop's kind
        ([20.5, 21, NAN, 23, 20, 20, 21], [20.5, 21, 22, 23, 20, 20, 21]),  # a measurement
        ([1200, 1300, NAN, 1400, 1250, 1100, 1010], [1200, 1300, 1350, 1400, 1250, 1100, 1010]),  # a count
    ],
)
def test_lines_make_no_half_a_holiday(flags: list[float], filled: list[float]) -> None:
    """Flags and codes carry on as they were, measurements and the target are drawn by lines."""
    values = np.column_stack([[1, 2, NAN, 4, 5, 6, 7], flags])
    times = pd.date_range("2020", periods=7).values
    series = Sequences(
        values, np.array([0, 7]), ("a",), ("y", "x"), (Role.TARGET, Role.FUTURE), times=times, freq="D"
    )
    assert fill_gaps(series, "linear").values.T.tolist() == [[1, 2, 3, 4, 5, 6, 7], filled]
    notes = fill_gaps(series, "linear").notes
    is_code = filled[2] in flags
    assert any("filled by the value before, as 'x' holds flags or codes" in note for note in notes) == is_code


def test_a_past_input_is_never_filled_from_what_comes_after_it() -> None:
    """Whatever follows a gap changes nothing in it; a note says so."""
    times = pd.date_range("2020", periods=6).values
    for after in (90.0, -5.0):
        values = np.column_stack([[1, 2, NAN, 4, 5, 6], [10.5, 11.5, NAN, NAN, after, 12.5]])
        series = Sequences(
            values, np.array([0, 6]), ("a",), ("y", "x"), (Role.TARGET, Role.PAST), times=times, freq="D"
        )
        filled = fill_gaps(series, "linear")
        assert filled.values[:4].T.tolist() == [[1, 2, 3, 4], [10.5, 11.5, 11.5, 11.5]]
        assert filled.notes == (
            "1 value was filled by straight lines",
            "2 values were filled by the value before, as lines of 'x' would know what comes after",
        )


def test_labels_are_repeated_however_many() -> None:
    """A text covariate stands as positions among its labels, between which there is nothing."""
    labels = tuple(f"kind{k:02d}" for k in range(20))
    values = np.column_stack([np.arange(20.0), np.arange(20.0)[::-1]])
    values[5, 1] = NAN
    series = Sequences(
        values, np.array([0, 20]), ("a",), ("y", "x"), (Role.TARGET, Role.PAST), labels={"x": labels},
        order=DeclaredOrder.POSITION,
    )  # fmt: skip
    assert fill_gaps(series, "linear").values[5, 1] == 15


def test_a_target_that_counts_is_drawn_by_lines_and_one_of_flags_is_not() -> None:
    """Few whole numbers make a target no code; 0 and 1 do."""
    counts = Sequences.from_arrays([[4.0, NAN, 6.0, 4.0, 6.0, 4.0, 6.0, 4.0]])
    assert fill_gaps(counts, "linear").target[1] == 5
    flags = Sequences.from_arrays([[1.0, NAN, 0.0, 1.0, 1.0]])
    assert fill_gaps(flags, "linear").target[1] == 1


def test_holidays_are_not_filled() -> None:
    """Business days with a holiday are whole as they are."""
    days = pd.bdate_range("2020-01-01", periods=100).delete(40).values
    series = Sequences(np.ones((99, 1)), np.array([0, 99]), ("a",), times=days, freq="B")
    require_regular(series)
    assert len(fill_gaps(series, "linear").values) == 99


def test_filling_what_is_whole_changes_nothing() -> None:
    """No notes, the same rows; an unknown way offers the nearest."""
    series = _dated(a=["2020-01-01", "2020-01-02", "2020-01-03"])
    assert fill_gaps(series, "linear").notes == ()
    assert fill_gaps(series, "linear").values.tolist() == series.values.tolist()
    with pytest.raises(ArgumentError, match=r"Did you mean 'linear'\?"):
        fill_gaps(series, "linaer")


def test_a_series_without_any_value_cannot_be_filled() -> None:
    """There is nothing to draw a line between."""
    with pytest.raises(DataError, match=r"series 'b': expected a number, got none\. Leave it out\."):
        fill_gaps(_dated(a=["2020-01-01", "2020-01-02"], b={"2020-01-01": NAN, "2020-01-02": NAN}), "linear")


def _wide(freq: str, at: int, wrong: str) -> Sequences:
    """Two hundred rows, of which one has a mistyped date."""
    times = pd.date_range("2021-01-01", periods=200, freq=freq).to_numpy().astype("M8[ns]")
    times[at] = np.datetime64(wrong)
    order = np.argsort(times)
    values = np.arange(200.0)[order, None]
    return Sequences(values, np.array([0, 200]), ("a",), times=times[order], source="flow.csv")


@pytest.mark.parametrize(
    ("freq", "at", "wrong"),
    [("h", 100, "2012-01-05T04:00"), ("h", 100, "2031-01-05T04:00"), ("min", 100, "2031-01-01T01:40")],
)
def test_a_mistyped_date_is_named_and_never_filled(freq: str, at: int, wrong: str) -> None:
    """Where more is missing than there is, the row beyond the largest gap is named, and nothing is filled."""
    series = _wide(freq, at, wrong)
    sentence = _fault_of(series)
    assert f"correct or remove the row at {wrong.replace('T', ' ')}" in sentence
    assert "order='rows'" in sentence
    assert "fill" not in sentence
    with pytest.raises(DataError) as fault:
        fill_gaps(series, "linear")
    assert str(fault.value) == sentence
    row = int(np.flatnonzero(series.times == np.datetime64(wrong))[0])
    rest = Sequences(
        np.delete(series.values, row, 0), np.array([0, 199]), ("a",), times=np.delete(series.times, row)
    )
    require_regular(fill_gaps(rest, "linear"))


def test_a_long_gap_may_be_filled() -> None:
    """A quarter left out is a gap, and more than there is may be asked for; beyond thrice it is refused."""
    days = pd.date_range("2021-01-01", periods=400).values
    for cut, offered in ((100, True), (250, False)):
        times = np.delete(days, np.arange(60, 60 + cut))
        series = Sequences(np.ones((len(times), 1)), np.array([0, len(times)]), ("a",), times=times)
        assert ("fill='linear'" in _fault_of(series)) is offered
        assert len(fill_gaps(series, "forward").values) == 400
    times = np.delete(days, np.arange(40, 350))
    series = Sequences(np.ones((len(times), 1)), np.array([0, len(times)]), ("a",), times=times)
    with pytest.raises(DataError, match="More is missing than there is"):
        fill_gaps(series, "forward")


def test_closing_hours_are_not_filled() -> None:
    """A market of weekdays, 9 to 16, is whole as it is; a bar missing within a day is a gap, and filled."""
    hours = pd.date_range("2021-01-04", periods=24 * 60, freq="h")
    times = hours[(hours.day_of_week < 5) & (hours.hour >= 9) & (hours.hour <= 16)].values
    whole = Sequences(np.ones((len(times), 1)), np.array([0, len(times)]), ("a",), times=times)
    require_regular(whole)
    assert len(fill_gaps(whole, "linear").values) == len(times)
    holed = replace(
        whole, values=whole.values[1:], offsets=whole.offsets - [0, 1], times=np.delete(times, 13)
    )
    assert "expected a row every hour, got none between 2021-01-05 13:00 and 2021-01-05 15:00" in _fault_of(
        holed
    )
    assert fill_gaps(holed, "linear").times.tolist() == times.astype("M8[ns]").tolist()


def test_short_series_are_counted_with_the_line_that_leaves_them_out() -> None:
    """Of thousands, one is named; the line is Python and what it leaves is regular."""
    days = pd.date_range("2020-01-01", periods=3)
    parts = [pd.DataFrame({"shop": k, "ds": days[: 1 if k % 3 else 3], "y": 1.0 + k}) for k in range(6)]
    frame = pd.concat(parts)
    fault = find_irregularities(read(frame))[0]
    assert fault.startswith(
        "data frame: expected at least 2 rows with a value a series, got 1 in series '1' and too few in 3 "
        "more of 6 series. Add earlier rows, or leave such series out: "
    )
    line = fault.partition("out: ")[2].removesuffix(".")
    assert read(eval(line, {"frame": frame})).ids == ("0", "3")


@pytest.mark.parametrize("hole", [slice(9000, 9003), slice(20, 21)])
def test_a_hole_is_named_before_a_weekend(hole: slice) -> None:
    """In two weeks nothing shows that weekends are closed; what is missing elsewhere is named first."""
    times = pd.date_range("2021-03-01", periods=12 * 1440, freq="min")
    day, hour = times.day_of_week, times.hour
    times = times[(day < 4) | ((day == 4) & (hour < 22)) | ((day == 6) & (hour >= 22))]
    gone = times[hole]
    frame = pd.DataFrame({"time": times.delete(range(*hole.indices(len(times)))), "y": 1.0})
    sentence = _fault_of(read(frame))
    assert f"between {gone[0] - pd.Timedelta('1min'):%Y-%m-%d %H:%M} and" in sentence
    whole = _fault_of(read(pd.DataFrame({"time": times, "y": 1.0})))
    assert "between 2021-03-05 21:59 and 2021-03-07" in whole
    assert whole.endswith("Or, if nothing is measured then, count the rows with order='rows'.")


@pytest.mark.parametrize("how", ["forward", "linear", "mask"])
def test_filled_targets_are_marked(how: str) -> None:
    """In whole rows and in single values, in every slice, and after filling once more."""
    days = np.delete(pd.date_range("2024-01-01", periods=12), [3, 4])
    y = np.arange(10.0)
    y[6] = np.nan
    filled = read({"ds": days, "y": y}, fill=how)
    assert np.flatnonzero(filled.filled).tolist() == [3, 4, 8]
    assert np.flatnonzero(fill_gaps(filled, how).filled).tolist() == [3, 4, 8]
    assert np.flatnonzero(filled.head(np.array([5])).filled).tolist() == [3, 4]
    assert np.flatnonzero(filled[0].filled).tolist() == [3, 4, 8]
    assert filled.select(np.array([0])).filled.sum() == 3
