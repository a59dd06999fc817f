"""Totals below and beside a table are neither values nor series; whatever else is called so stays."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

import unrolled as ur
from unrolled.data.parse.table import Table
from unrolled.data.reshape.totals import without_total_rows, without_total_series

MONTHS = pd.date_range("2020-01-01", periods=24, freq="MS")
NORTH, SOUTH = np.random.default_rng(0).integers(5, 99, (2, 24)).astype(float)


def _frame(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"ds": MONTHS, "North": NORTH, "South": SOUTH, **columns})


@pytest.mark.parametrize("name", ["Total", "Gesamt", "All"])
def test_the_sum_of_the_others_is_no_series(name: str) -> None:
    """Of frames too; it is named, and can be named as the target."""
    frame = _frame(**{name: NORTH + SOUTH})
    series = ur.read(frame)
    assert series.ids == ("North", "South")
    assert any(note.startswith(f"{name!r} left out as the sum") for note in series.notes)
    assert ur.read(frame, target=["North", name]).ids == ("North", name)


@pytest.mark.parametrize(
    "off",
    [np.eye(24)[5], np.full(24, 3.0), 0.02 * NORTH],
    ids=["once", "always", "by a share"],
)
def test_a_total_of_more_is_a_series_and_said_to_be_one(off: Any) -> None:
    """Even where it differs once by more than rounding."""
    series = ur.read(_frame(Total=NORTH + SOUTH + 2 * off))
    assert series.ids == ("North", "South", "Total")
    assert any("'Total' is forecast as one more series" in note for note in series.notes)


def test_one_series_beside_it_makes_no_total() -> None:
    """A copy under another name may be anything."""
    frame = _frame(Total=NORTH).drop(columns="South")
    assert ur.read(frame).ids == ("North", "Total")


@pytest.mark.parametrize("decimals", [0, 1, 2])
def test_rounded_parts_sum_to_their_total(decimals: int) -> None:
    """Each is rounded by itself; where a value is missing the others are the sum."""
    north, south = NORTH / 7, SOUTH / 7
    south[3] = np.nan
    total = np.nansum([north, south], axis=0).round(decimals)
    frame = pd.DataFrame(
        {"ds": MONTHS, "North": north.round(decimals), "South": south.round(decimals), "Sum": total}
    )
    assert ur.read(frame).ids == ("North", "South")


def test_subtotals_and_their_total_are_left_out_together() -> None:
    """Of two keys each has its own; the sum of all rows is both."""
    rows = [
        (month, region, product, value)
        for month, n, s in zip(MONTHS, NORTH, SOUTH, strict=True)
        for region, scale in (("East", 1.0), ("West", 2.0), ("Total", 3.0))
        for product, value in (("tea", n * scale), ("milk", s * scale), ("Total", (n + s) * scale))
    ]
    frame = pd.DataFrame(rows, columns=["month", "region", "product", "sales"])
    series = ur.read(frame, id=["region", "product"])
    assert set(series.ids) == {"East / tea", "East / milk", "West / tea", "West / milk"}
    assert series.keys is not None
    assert set(series.keys["region"].to_list()) == {"East", "West"}


def test_series_without_times_or_totals_stay_as_they_are() -> None:
    """Nothing is copied."""
    for series in (ur.Sequences.from_arrays([[1.0], [2.0], [3.0]]), ur.read(_frame(East=NORTH))):
        assert without_total_series(series).ids == series.ids


def _table(cells: list[Any]) -> Table:
    values = np.arange(len(cells), dtype=np.float64)
    place = "t.csv row {}".format
    return Table({"day": np.array(cells, dtype=object), "x": values}, "t.csv", place)


def test_rows_of_totals_go_and_places_stay() -> None:
    """A fault below them is named by its row of the file."""
    table = without_total_rows(_table(["2020-01", "2020-02", "Subtotal", "2020-03", "2020-04", "2020-05"]))
    assert table.columns["x"].tolist() == [0, 1, 3, 4, 5]
    assert table.place(2) == "t.csv row 3"
    assert table.notes == ("1 row left out as no date but a total or mean: 'Subtotal'",)


@pytest.mark.parametrize(
    "cells",
    [
        ["2020-01", "2020-02", "Total", "Total"],  # half of all
        ["tea", "milk", "juice", "water", "Total"],  # no dates
        ["2020-01", "2020-02", "2020-03", "2020-04", "n/a"],
        [],
    ],
)
def test_other_rows_stay(cells: list[Any]) -> None:
    """What is wrong with them is for others to say."""
    table = _table(cells)
    assert without_total_rows(table) is table
