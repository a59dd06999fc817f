"""A record becomes what JSON has words for."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from unrolled.jsonable import to_jsonable


class Span(NamedTuple):
    """A record inside a record."""

    first: int
    half_life: float


@dataclass
class Row:
    """A dataclass inside a record."""

    name: str
    span: Span


def test_records_become_dicts_and_lists_of_finite_numbers() -> None:
    """NaN and infinity are None, NumPy's numbers Python's, times texts, named tuples dicts."""
    record = {"a": np.array([[1.0, np.nan]]), 2: (True, np.int64(3)), "b": Span(1, float("inf")), "c": None}
    assert to_jsonable(record) == {
        "a": [[1.0, None]],
        "2": [True, 3],
        "b": {"first": 1, "half_life": None},
        "c": None,
    }
    assert to_jsonable([pd.Timestamp("2024-01-02"), "word", ValueError("x")]) == [
        "2024-01-02T00:00:00",
        "word",
        "x",
    ]


def test_dataclasses_become_dicts_of_their_fields() -> None:
    """At every depth, named tuples inside them too."""
    rows = to_jsonable({"rows": [Row("a", Span(1, float("nan")))]})
    assert rows == {"rows": [{"name": "a", "span": {"first": 1, "half_life": None}}]}
