"""Records: one line as repr, JSON as dict, a sentence and the first rows in a notebook."""

import importlib
import json
import pkgutil
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import polars as pl
import pytest

import unrolled
from unrolled.errors import ArgumentError
from unrolled.record import Record


@dataclass(frozen=True)
class Shares(Record):
    """A record without a table of its own."""

    kind: ClassVar[str] = "shares"

    sentence: str
    values: tuple[float, ...] = (0.5, float("nan"))
    best: int = 1


@dataclass(frozen=True)
class Sizes(Record):
    """A record with a table, and a sentence made from it."""

    kind: ClassVar[str] = "sizes"

    table: Any

    @property
    def sentence(self) -> str:
        """Rows of the table."""
        return f"There are {len(self.table)} <rows>."

    def to_frame(self) -> Any:
        """The table."""
        return self.table


def test_a_repr_is_one_line_whatever_the_fields_hold() -> None:
    """A record of a thousand arrays says its kind and its sentence."""
    assert repr(Shares("Half.", tuple(np.linspace(0, 1, 1000)))) == "<shares: Half.>"
    assert repr(Sizes([1, 2])) == "<sizes: There are 2 <rows>.>"


def test_a_repr_of_its_own_is_kept() -> None:
    """A class that writes one keeps it."""

    class Quiet(Shares):
        def __repr__(self) -> str:
            return "quiet"

    assert repr(Quiet("Half.")) == "quiet"


def test_a_dict_is_ready_for_json() -> None:
    """All fields after the kind; NaN is null."""
    record = Shares("Half.", (1.0, float("nan"), float("inf"))).to_dict()
    assert json.dumps(record, allow_nan=False) == (
        '{"kind": "shares", "sentence": "Half.", "values": [1.0, null, null], "best": 1}'
    )


def test_a_dict_leaves_out_the_arrays_beneath_a_table() -> None:
    """Those that the class names are not converted either."""

    class Unwanted:
        def tolist(self) -> list[float]:
            raise AssertionError("converted")

    @dataclass(frozen=True)
    class Table(Record):
        kind: ClassVar[str] = "table"
        _not_in_dict = frozenset({"columns"})

        sentence: str
        columns: dict[str, Any]

    assert Table("It is.", {"y": Unwanted()}).to_dict() == {"kind": "table", "sentence": "It is."}


def test_a_frame_of_a_record_without_a_table_is_one_row() -> None:
    """Its single values."""
    frame = Shares("Half.").to_frame()
    assert frame.to_dict("records") == [{"kind": "shares", "sentence": "Half.", "best": 1}]


def test_a_record_without_a_figure_is_refused_by_its_kind() -> None:
    """The kinds that have one are named."""
    with pytest.raises(ArgumentError, match="shares"):
        Shares("Half.").plot()


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame])
def test_html_shows_the_sentence_and_the_first_rows_escaped(make: Any) -> None:
    """Ten rows of pandas or polars, numbers rounded, missing ones empty."""
    table = make({"<b>": ["<i>&"] * 12, "loss": [1 / 3, *[None] * 11], "n": list(range(12))})
    html = Sizes(table)._repr_html_()
    assert html.startswith("<p>There are 12 &lt;rows&gt;.</p><table>")
    assert "<th>&lt;b&gt;</th><th>loss</th><th>n</th>" in html
    assert "<tr><td>&lt;i&gt;&amp;</td><td>0.3333</td><td>0</td></tr>" in html
    assert "<tr><td>&lt;i&gt;&amp;</td><td></td><td>9</td></tr>" in html
    assert html.count("<tr>") == 11
    assert html.endswith("<p>and 2 more rows: <code>.to_frame()</code></p>")


def test_html_of_a_wide_table_shows_its_first_columns() -> None:
    """Twelve; what is left out is counted."""
    html = Sizes(pd.DataFrame(np.zeros((2, 40)), columns=list(map(str, range(40)))))._repr_html_()
    assert html.count("<th>") == 12
    assert "and 28 more columns" in html
    assert "more rows" not in html


def _records(cls: type[Record]) -> set[type[Record]]:
    return {cls, *(one for child in cls.__subclasses__() for one in _records(child))}


def test_every_record_of_the_package_has_its_kind_and_the_short_repr() -> None:
    """No two kinds have one name, and no dataclass brings its wall of fields back."""
    for module in pkgutil.walk_packages(unrolled.__path__, "unrolled."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    records = {one for one in _records(Record) - {Record} if one.__module__.startswith("unrolled.")}
    kinds = [one.kind for one in records]
    assert len(kinds) > 1
    assert len(kinds) == len(set(kinds))
    assert all(one.__repr__ is Record.__repr__ for one in records)
