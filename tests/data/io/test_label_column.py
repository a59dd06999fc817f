"""Labels as whole numbers, numbers or texts: one a sequence, or a sentence."""

from typing import Any

import numpy as np
import pytest

from unrolled.data.io.csv import parse_csv
from unrolled.data.io.label_column import label_changes, label_of_each
from unrolled.data.parse.table import Table
from unrolled.errors import DataError


def _labels_of(*cells: str) -> Table:
    return parse_csv("a,label\n" + "".join(f"1,{cell}\n" for cell in cells), "steps.csv", [])


@pytest.mark.parametrize(
    ("cells", "kind", "labels"),
    [
        (["1", "2"], "i", [1, 2]),
        (["1.0", "-2.0"], "i", [1, -2]),
        (["0.5", "2"], "f", [0.5, 2.0]),
        (["none", "-"], "U", ["none", "-"]),
        (["1a", "b2"], "U", ["1a", "b2"]),
        (["1", "1.0"], "i", [1, 1]),
        (["0", "-0.5"], "f", [0.0, -0.5]),
        (["01.50", "2"], "f", [1.5, 2.0]),
        (["01", "1"], "U", ["01", "1"]),
        (["1.0", "007"], "U", ["1.0", "007"]),
        (["0", "00"], "U", ["0", "00"]),
        (["9007199254740993", "9007199254740992"], "i", [9007199254740993, 9007199254740992]),
        (
            ["12345678901234567890", "12345678901234567891"],
            "U",
            ["12345678901234567890", "12345678901234567891"],
        ),
    ],
)
def test_labels_are_whole_numbers_numbers_or_texts(cells: list[str], kind: str, labels: list[Any]) -> None:
    """As all of them can be read; "none" and "-" are classes, not gaps; a zero in front makes all names."""
    got = label_of_each(_labels_of(*cells), "label", np.arange(2), ["0", "1"])
    assert (got.dtype.kind, got.tolist()) == (kind, labels)


def test_a_label_is_that_of_all_rows_of_its_sequence() -> None:
    """Sequences are numbered as they first occur; one row in many that differs is named."""
    rows, codes = ["up"] * 30 + ["down"] * 30, np.repeat([0, 1], 30)
    assert label_of_each(_labels_of(*rows), "label", codes, ["a", "b"]).tolist() == ["up", "down"]
    assert not label_changes(np.array(rows), codes).any()
    with pytest.raises(DataError, match=r"row 42, sequence 'b': .* got 'up' after 'down'"):
        label_of_each(_labels_of(*rows[:40], "up", *rows[41:]), "label", codes, ["a", "b"])
    with pytest.raises(DataError, match=r"which changes within 1 of 1 sequences of 'id'\. Name all"):
        label_of_each(_labels_of("up", "down", "down"), "label", np.zeros(3, dtype=int), ["a"], ["id"])


def test_a_row_without_a_label_is_named() -> None:
    """A question mark is none."""
    with pytest.raises(DataError, match=r"row 3, column 'label': expected a label, got '\?'"):
        label_of_each(_labels_of("up", "?"), "label", np.arange(2), ["0", "1"])
