"""Values of steps as rows: shapes that are taken, and sentences on those that are not."""

from typing import Any

import numpy as np
import pytest

from unrolled.errors import DataError
from unrolled.models.streaming.rows import read_numbers, read_rows


@pytest.mark.parametrize(
    ("values", "width", "rows"),
    [
        ([1, 2], 1, [[1.0], [2.0]]),
        ([[1, True]], 2, [[1.0, 1.0]]),
        ([], 3, np.empty((0, 3))),
        (np.arange(6, dtype=np.int16).reshape(3, 2).T, 3, [[0.0, 2.0, 4.0], [1.0, 3.0, 5.0]]),
    ],
)
def test_values_become_contiguous_rows(values: Any, width: int, rows: Any) -> None:
    """Of one number a step, without a step, and of a view."""
    got = read_rows(values, width, "xs")
    assert got.flags.c_contiguous
    assert got.dtype == np.float64
    assert np.array_equal(got, rows)


@pytest.mark.parametrize(
    ("values", "width", "sentence"),
    [
        ([1.0, 2.0], 2, r"xs: expected steps of 2 values, \(n, 2\), got shape \(2,\)"),
        (3.0, 1, r"expected steps of 1 values, \(n,\) or \(n, 1\), got shape \(\)"),
        ([[1.0], [1.0, 2.0]], 1, "expected numbers, got list"),
        ("text", 1, "expected numbers, got 'text'"),
    ],
)
def test_other_values_are_refused(values: Any, width: int, sentence: str) -> None:
    """With what came."""
    with pytest.raises(DataError, match=sentence):
        read_rows(values, width, "xs")


def test_numbers_of_any_real_type_are_taken() -> None:
    """Complex ones are not."""
    assert read_numbers(np.float16(0.5), "x").dtype == np.float64
    with pytest.raises(DataError, match="values of type complex128"):
        read_numbers([1j], "x")
