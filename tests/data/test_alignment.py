"""Columns are matched by name with those that were fitted on."""

from dataclasses import replace

import numpy as np
import pytest

from unrolled.data.alignment import match_columns
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
