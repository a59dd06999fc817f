"""Ids of series: one name, however it is spelt."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from unrolled.data.gaps import require_regular
from unrolled.data.io.read import read
from unrolled.data.parse.series_ids import encode_ids, merge_spellings
from unrolled.data.parse.table import Table
from unrolled.errors import DataError

DAYS = pd.date_range("2021-01-01", periods=12)


def _panel(*spellings: str) -> pd.DataFrame:
    """One series whose rows are spelt in turn, beside another."""
    names = [spellings[k % len(spellings)] for k in range(len(DAYS))]
    one = pd.DataFrame({"shop": names, "date": DAYS, "y": range(len(DAYS))})
    return pd.concat([one, one.assign(shop="other")])


@pytest.mark.parametrize("other", ["a1 ", " a1", "a1\u00a0", "Ａ1", "A1", "A1 "])
def test_spellings_of_one_name_are_one_series(other: str) -> None:
    """Spaces, letters of double width, capitals: a note names them; the most frequent spelling stays."""
    series = read(_panel("a1", "a1", other))
    require_regular(series)
    assert series.ids == ("a1", "other")
    assert series["a1"].target.tolist() == list(range(12))
    assert series.keys["shop"].to_list() == ["a1", "other"]
    notes = [note for note in series.notes if "were read as one series, 'a1'" in note]
    assert len(notes) == 1
    assert repr(other) in notes[0]


def test_spellings_that_share_a_time_are_named_or_two_series() -> None:
    """Spaces tell no series apart; capitals do."""
    first = _panel("a")
    with pytest.raises(DataError, match=r"'a' and 'a ', which have a row each at 2021-01-01\. Write"):
        read(pd.concat([first, first.assign(shop="a ")]))
    both = pd.concat([first, first.assign(shop="A")])
    assert read(both[both["shop"] != "other"]).ids == ("a", "A")


def test_three_spellings_are_told_apart_by_their_times() -> None:
    """'a' and 'a ' are one; 'A', which has rows beside them, is another."""
    frame = pd.concat([_panel("a", "a "), _panel("A")])
    series = read(frame[frame["shop"] != "other"])
    assert series.ids == ("a", "A")
    assert series.lengths.tolist() == [12, 12]


def test_without_times_only_spaces_are_left_out() -> None:
    """Rows in their order; capitals may be another name."""
    columns: dict[str, Any] = {"unique_id": ["a", "a ", "A", "A"], "y": [1, 2, 3, 4]}
    series = read(columns, order="rows")
    assert series.ids == ("a", "A")
    assert series["a"].target.tolist() == [1, 2]


def test_of_several_keys_each_may_be_spelt_in_two_ways() -> None:
    """Store and item, one of them with a space."""
    frame = pd.concat([_panel("a", "a ").assign(item=item) for item in ("x", "y")])
    assert read(frame, id=["shop", "item"]).ids == ("a / x", "other / x", "a / y", "other / y")


def test_many_spellings_take_no_time() -> None:
    """Ten thousand names in two spellings each: groups are looked up together."""
    names = tuple(f"s{k // 2}{' ' * (k % 2)}" for k in range(20_000))
    codes, ids, firsts = merge_spellings(np.arange(20_000), names, np.arange(20_000), "flow.csv", [])
    assert len(ids) == len(firsts) == codes.max() + 1 == 10_000


def test_an_empty_id_is_named() -> None:
    """A row that belongs to no series."""
    table = Table({"id": np.array(["a", " "], dtype=object)}, "flow.csv", lambda row: f"row {row}")
    with pytest.raises(DataError, match=r"row 1, column 'id': expected the name of a series, got nothing"):
        encode_ids(table, ["id"])
