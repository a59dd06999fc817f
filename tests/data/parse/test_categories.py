"""Labels as codes: learned from some rows, matched in others."""

import numpy as np
import pytest

from unrolled.data.parse.categories import codes_of, encode_inputs, recode, warn_of_unseen
from unrolled.data.parse.table import Table
from unrolled.errors import DataError


def test_numbers_stay_numbers_beside_labels() -> None:
    """Only texts are encoded, with one note."""
    table = Table(
        {"n": np.array(["1", "2"], dtype=object), "k": np.array(["b", "a"], dtype=object)}, "x", str
    )
    notes: list[str] = []
    columns, labels = encode_inputs(table, ["n", "k"], np.ones(2, dtype=bool), notes)
    assert [column.tolist() for column in columns] == [[1, 2], [1, 0]]
    assert labels == {"k": ("a", "b")}
    assert notes == ["column 'k' was read as 2 labels; numbers in their place are read as such"]


def test_a_column_of_comments_is_refused() -> None:
    """A label a row is nothing to learn from."""
    table = Table({"k": np.array([f"text {i}" for i in range(200)], dtype=object)}, "flow.csv", str)
    with pytest.raises(DataError) as fault:
        encode_inputs(table, ["k"], np.ones(200, dtype=bool), [])
    assert str(fault.value) == (
        "flow.csv, column 'k': expected at most 100 labels that recur, got 200 in 200 rows. Group them, or "
        "leave that column out."
    )


def test_codes_follow_the_labels_of_the_model() -> None:
    """Whatever order new data has them in; what it lacks or adds is none."""
    assert codes_of(["b", "c", None, " a "], ["a", "b"]).tolist() == [1, -1, -1, 0]
    assert recode(np.array([0.0, 1.0, 2.0, -1.0]), ["c", "b", "a"], ["a", "b"]).tolist() == [-1, 1, 0, -1]


def test_unseen_labels_are_warned_of() -> None:
    """Empty cells and known labels are not."""
    warn_of_unseen("plan", "k", ["a", "", None], ["a"])
    with pytest.warns(UserWarning, match="plan, column 'k': the model has not seen 'z'"):
        warn_of_unseen("plan", "k", ["a", "z"], ["a"])
