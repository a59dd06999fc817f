"""Columns are matched by name with those that were fitted on, targets by id with the sequences."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from unrolled.data.alignment import align_steps, align_targets, match_columns
from unrolled.data.io.arrays import as_sequences
from unrolled.data.sequences import Sequences
from unrolled.errors import DataError


def _features(*header: str) -> Sequences:
    """Two sequences of three features, each with its own values."""
    parts = [np.arange(6.0).reshape(2, 3), np.arange(6.0, 15.0).reshape(3, 3)]
    return replace(Sequences.from_arrays(parts), header=header)


def _steps(*header: str, parts: tuple[tuple[float, ...], ...] = ((1, 2, 3), (4, 5, 6))) -> Sequences:
    """Sequences of a table with a row each, a column a step."""
    return replace(Sequences.from_arrays([np.array(part) for part in parts]), header=header)


def test_features_are_brought_into_the_order_of_the_header() -> None:
    """Values and column names move together."""
    matched = match_columns(_features("b", "c", "a"), ("a", "b", "c"), 3, "X")
    assert matched.values[0].tolist() == [2, 0, 1]
    assert matched.columns == ("x2", "y", "x1")
    assert matched.header == ("a", "b", "c")


def test_steps_are_brought_into_the_order_of_the_header() -> None:
    """Also where a row ended early: its steps move, and the end is cut anew."""
    matched = match_columns(_steps("t2", "t0", "t1"), ("t0", "t1", "t2"), 1, "X")
    assert [one.values[:, 0].tolist() for one in matched] == [[2, 3, 1], [5, 6, 4]]
    ragged = _steps("t0", "t2", "t1", parts=((1, np.nan, 2), (3,)))
    matched = match_columns(ragged, ["t0", "t1", "t2"], 1, "X")
    assert [one.values[:, 0].tolist() for one in matched] == [[1, 2], [3]]


@pytest.mark.parametrize(
    ("series", "header", "n_features"),
    [
        (_features(), ("a", "b", "c"), 3),
        (_features("a", "b", "c"), (), 3),
        (_features("a", "b", "c"), ("t0", "t1", "t2"), 1),
        (_steps("t0", "t1", "t2"), ("t0", "t1", "t2", "t3"), 1),
        (_steps("t0", "t1", "t2"), ("t0", "t1"), 1),
    ],
    ids=["no names", "none were fitted on", "features beside steps", "fewer steps", "more steps"],
)
def test_without_names_to_match_the_position_counts(
    series: Sequences, header: tuple[str, ...], n_features: int
) -> None:
    """And a table may be shorter or longer at its end."""
    assert match_columns(series, header, n_features, "X") is series


@pytest.mark.parametrize(
    ("series", "header", "n_features", "got"),
    [
        (_features("a", "b", "d"), ("a", "b", "c"), 3, "got 'c' missing and 'd' besides"),
        (_features("a", "b", "c"), ("a", "b"), 2, "got 'c' besides"),
        (_features("a", "b", "c"), ("a", "b", "c", "d"), 4, "got 'd' missing"),
        (_steps("t0", "t1", "u"), ("t0", "t1", "t2"), 1, "got 't2' missing and 'u' besides"),
        (_steps("t1", "t2", "t3"), ("t0", "t1", "t2", "t3"), 1, "got 't0' missing"),
    ],
)
def test_other_names_are_refused(
    series: Sequences, header: tuple[str, ...], n_features: int, got: str
) -> None:
    """What is missing and what is there besides is named."""
    with pytest.raises(DataError, match=rf"X: expected the columns '(a|t0)'.*, as in fit.*{got}"):
        match_columns(series, header, n_features, "X")


IDS = ["c", "a", "b"]
LONG = pd.DataFrame({"unique_id": np.repeat(IDS, 2), "ds": [1, 0] * 3, "x": np.arange(6.0)})
KEYS = pd.DataFrame({"subject": [2, 2, 1, 1], "trial": [1, 1, 7, 7], "time": [0, 1] * 2, "x": np.arange(4.0)})
WIDE = pd.DataFrame(np.arange(12.0).reshape(3, 4), index=[7, 5, 9])


def _values(y: Any) -> list[Any]:
    return np.asarray(y).ravel().tolist()


@pytest.mark.parametrize(
    "y",
    [
        pd.Series({"a": 1, "b": 2, "c": 0}),
        {"a": 1, "b": 2, "c": 0},
        pd.Series({"c": 0, "a": 1, "b": 2}),
        pd.Series({"b": 2, "d": 3, "c": 0, "a": 1}),
        pd.Series([1, 2, 0], index=pd.Index(["a", "b", "c"], name="unique_id")),
        pd.DataFrame({"label": [1, 2, 0]}, index=["a", "b", "c"]),
        pd.DataFrame({"unique_id": ["a", "b", "c"], "label": [1, 2, 0]}),
        pl.DataFrame({"label": [1, 2, 0], "unique_id": ["a", "b", "c"]}),
        pd.Series([0, 1, 2]),
        np.array([0, 1, 2]),
        [0, 1, 2],
    ],
)
def test_an_index_of_ids_is_aligned(y: Any) -> None:
    """Of a series, a frame, id columns of any library; what has none is in the order of the sequences."""
    assert _values(align_targets(y, as_sequences(LONG), "y")) == [0, 1, 2]


def test_what_groupby_gives_is_aligned() -> None:
    """Sorted by id, whatever the order of X; with several keys, and numbers as ids."""
    frame = LONG.assign(label=np.repeat([0, 1, 2], 2))
    y = frame.groupby("unique_id")["label"].first()
    assert y.tolist() == [1, 2, 0]
    assert _values(align_targets(y, as_sequences(LONG), "y")) == [0, 1, 2]
    keys = KEYS.assign(label=[0, 0, 1, 1])
    for columns in (["subject", "trial"], ["trial", "subject"]):
        y = keys.groupby(columns)["label"].first()
        assert _values(align_targets(y, as_sequences(KEYS), "y")) == [0, 1]
    numbers = LONG.assign(unique_id=np.repeat([1, 2, 0], 2))
    y = frame.assign(unique_id=numbers["unique_id"]).groupby("unique_id")["label"].first()
    assert _values(align_targets(y, as_sequences(numbers), "y")) == [0, 1, 2]


def test_the_index_of_a_wide_frame_names_its_rows() -> None:
    """As after a shuffle that X and y went through apart."""
    y = pd.Series([1, 0, 2], index=[5, 7, 9])
    assert _values(align_targets(y, as_sequences(WIDE), "y")) == [0, 1, 2]
    assert _values(align_targets(y.to_numpy(), as_sequences(WIDE), "y")) == [1, 0, 2]
    nested = pd.DataFrame({"x": list(WIDE.to_numpy())}, index=WIDE.index)
    assert _values(align_targets(y, as_sequences(nested), "y")) == [0, 1, 2]


@pytest.mark.parametrize(
    ("X", "y"),
    [
        (WIDE.set_axis([2, 0, 1]), pd.Series([0, 1, 2])),
        (WIDE.reset_index(drop=True), pd.Series([0, 1, 2], index=[2, 0, 1])),
        (LONG.assign(unique_id=np.repeat([1, 2, 0], 2)), pd.Series([0, 1, 2])),
    ],
)
def test_an_order_that_may_be_either_is_refused(X: Any, y: Any) -> None:
    """A count of rows beside a permutation of it: by position or by name? Both ways out work."""
    series = as_sequences(X)
    with pytest.raises(
        DataError, match=r"y: its index holds the ids of X in another order.* y\.to_numpy\(\)"
    ):
        align_targets(y, series, "y")
    assert _values(align_targets(y.to_numpy(), series, "y")) == [0, 1, 2]


def test_an_index_that_lacks_ids_is_refused() -> None:
    """Where it is called as they are, or holds some of them; another index says nothing."""
    series = as_sequences(LONG)
    for index in (["a", "b", "d"], pd.Index(["x", "y", "z"], name="unique_id")):
        with pytest.raises(DataError, match="y: expected an index that holds the ids of X, which lacks 'c'"):
            align_targets(pd.Series([0, 1, 2], index=index), series, "y")
    other = pd.Series([0, 1, 2], index=[17, 4, 9])
    assert align_targets(other, series, "y") is other


TAGS = {"c": ["c0", "c1"], "a": ["a0", "a1"], "b": ["b0", "b1"]}  # in the order of time


def test_labels_of_rows_follow_their_rows() -> None:
    """A long frame out of the order of time: one label a row moves with it, whatever holds the labels."""
    tags = pd.Series(["c1", "c0", "a1", "a0", "b1", "b0"])
    series = as_sequences(LONG)
    for y in (tags, tags.to_numpy(), tags.tolist(), tags.sample(frac=1, random_state=0)):
        assert [part.tolist() for part in align_steps(y, series, LONG, "y")] == list(TAGS.values())
    for y in (tags.set_axis([1, 2, 3, 4, 5, 6]), tags.set_axis(list("uvwxyz"))):
        with pytest.raises(DataError, match="y: expected the index of X, got another"):
            align_steps(y, series, LONG.set_axis(range(10, 16)), "y")


def test_lists_of_labels_are_aligned_by_id_and_refused_where_rows_were_sorted() -> None:
    """They may be in the order of the rows or of time; sorted first, as the sentence says, they are taken."""
    y = pd.Series(TAGS).sort_index()
    with pytest.raises(DataError, match=r"y: the rows of X were sorted by time.* one label a row"):
        align_steps(y, as_sequences(LONG), LONG, "y")
    ordered = LONG.sort_values("ds", kind="stable")
    ordered = ordered.set_index("unique_id").loc[IDS].reset_index()
    assert list(align_steps(y, as_sequences(ordered), ordered, "y")) == list(TAGS.values())
