"""Times across the columns become rows; `tests/data/corpus/` holds files of each kind."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

from unrolled.data.io.read import read
from unrolled.data.sequences import Sequences
from unrolled.errors import DataError
from unrolled.models.forecasting.forecaster import Forecaster

MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


def _times(series: Sequences, unit: str) -> list[str]:
    return series.times.astype(f"M8[{unit}]").astype(str).tolist()


@pytest.mark.parametrize(
    ("names", "unit", "times"),
    [
        (["2019", "2020", "2021"], "Y", ["2019", "2020", "2021"]),
        ([2021, 2020, 2019], "Y", ["2019", "2020", "2021"]),
        (["X2019", "X2020"], "Y", ["2019", "2020"]),
        (["2019 [YR2019]", "2020 [YR2020]"], "Y", ["2019", "2020"]),
        (["2019-01", "2019-02", "2019-03"], "M", ["2019-01", "2019-02", "2019-03"]),
        (["2019M01", "2019M02", "2019M03"], "M", ["2019-01", "2019-02", "2019-03"]),
        (["2019Q1", "2019Q2", "2019Q3"], "M", ["2019-01", "2019-04", "2019-07"]),
        (["13.01.2021", "14.01.2021", "15.01.2021"], "D", ["2021-01-13", "2021-01-14", "2021-01-15"]),
    ],
)
def test_a_header_of_times_makes_a_series_of_each_row(
    names: list[object], unit: str, times: list[str]
) -> None:
    """Years, months, quarters and days, in any order; ids come back in the type of the frame."""
    frame = pd.DataFrame([range(len(names)), range(5, 5 + len(names))], columns=names)
    frame.insert(0, "store", np.array([3, 4], dtype=np.int16))
    series = read(frame)
    assert series.ids == ("3", "4")
    assert series.keys["store"].to_numpy().dtype == np.int16
    assert _times(series[0], unit) == times
    assert sorted(series[1].target) == list(range(5, 5 + len(names)))
    assert series.target[0] == (0 if str(names[0]) < str(names[1]) else len(names) - 1)
    assert len([note for note in series.notes if "were read as times" in note]) == 1


@pytest.mark.parametrize("names", [["x1", "x2", "x3"], ["d1", "d3", "d4"], ["2019", "b"], ["age", "income"]])
def test_other_numbered_columns_are_no_times(names: list[str]) -> None:
    """Features, steps that are not counted, a single year."""
    columns = {name: np.arange(3.0) for name in names}
    assert read({"unit": ["a", "b", "c"], **columns}).times is None


def test_a_named_target_reads_the_columns_as_they_stand() -> None:
    """The way to the other reading that the note offers."""
    columns = {"country": ["a", "b"], "2019": [1.0, 2.0], "2020": [3.0, 4.0]}
    assert read(columns).ids == ("a", "b")
    assert read(columns, target=["2019", "2020"]).times is None


def test_keys_beside_a_header_of_times() -> None:
    """Named by the caller, found together, or made up; those left out are said."""
    frame = pd.DataFrame(
        {
            "area": ["x", "x", "y"],
            "kind": ["p", "q", "p"],
            "rank": [1, 2, 3],
            "2019": [1.0] * 3,
            "2020": [2.0] * 3,
        }
    )
    series = read(frame)
    assert series.id_names == ("area", "kind")
    assert series.ids == ("x / p", "x / q", "y / p")
    assert "'rank' left out" in series.notes[0]
    assert read(frame, id="rank").ids == ("1", "2", "3")
    assert read(frame[["2019", "2020"]]).ids == ("row 1", "row 2", "row 3")
    answer = Forecaster(1, hidden_size=4, max_steps=2).fit(
        pd.DataFrame({"area": ["x", "y"], **{str(y): [y + 0.5, 3.0 * y] for y in range(1990, 2020)}})
    )
    assert answer.predict()["area"].tolist() == ["x", "y"]


def test_a_role_is_refused_with_the_line_that_melts() -> None:
    """The line is Python, and what it makes is read."""
    frame = pd.DataFrame({"area": ["x", "y"], "size": [1, 2], "2019": [1.0, 2.0], "2020": [2.0, 5.0]})
    with pytest.raises(DataError) as fault:
        read(frame, static="size")
    line = str(fault.value).partition("Melt it first: ")[2].rstrip(".")
    assert line == "frame.melt(id_vars=['area', 'size'], var_name='ds', value_name='y')"
    assert read(eval(line, {"frame": frame}), static="size", id="area").ids == ("x", "y")


def test_months_beside_a_year_of_several_stations() -> None:
    """Each station from its first value to its last, also from polars."""
    rows = [{"station": s, "year": y, **dict.fromkeys(MONTHS, float(y))} for s in "ab" for y in (2019, 2020)]
    rows[-1] |= {"Nov": np.nan, "Dec": np.nan}
    for kind in (pd.DataFrame, pl.DataFrame):
        series = read(kind(rows))
        assert series.ids == ("a", "b")
        assert series.lengths.tolist() == [24, 22]
        assert _times(series[0], "M")[::23] == ["2019-01", "2020-12"]
        assert series.freq == "MS"


@pytest.mark.parametrize(
    "names",
    [
        ["Jan", "Feb", "Mär", "Apr", "Mai", "Juni", "Juli", "Aug", "Sep", "Okt", "Nov", "Dez"],
        [f"{k:02d}" for k in range(1, 13)],
        [f"M{k}" for k in range(1, 13)],
        [name.upper() for name in MONTHS],
    ],
)
def test_months_in_the_languages_of_dates(names: list[str]) -> None:
    """The names are those that dates are read by, across the columns or down the rows."""
    series = read({"Jahr": ["2019", "2020"], **{name: [1.5 + k, 2.5 * k] for k, name in enumerate(names)}})
    assert (series.freq, series.lengths.tolist()) == ("MS", [24])
    down = read({"Monat": names, "2019": np.arange(12.0), "2020": np.arange(12.0) ** 2})
    assert (down.freq, down.lengths.tolist(), down.target[13]) == ("MS", [24], 1.0)


def test_a_fault_in_a_melted_cell_names_its_row_and_column() -> None:
    """As they stand in the source."""
    frame = pd.DataFrame({"area": ["x", "y", "z"], "2019": ["1", "2", "3"], "2020": ["5", "oops", "7"]})
    with pytest.raises(
        DataError, match=r"row 1 \(counted from 0\), column '2020': expected a number, got 'oops'"
    ):
        read(frame)
