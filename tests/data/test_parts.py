"""Lists and arrays become parts of one type and one shape of steps, or are refused in a sentence."""

from typing import Any

import numpy as np
import pytest

from unrolled.data.parts import out_of_range, table_parts, typed_parts
from unrolled.errors import DataError


def test_tables_are_float64_of_one_width() -> None:
    """A list is one column; an empty part has the columns of the others."""
    parts = table_parts([[], np.ones((3, 2), np.int8)])
    assert [(part.shape, part.dtype) for part in parts] == [((0, 2), np.float64), ((3, 2), np.float64)]
    assert table_parts([[1, 2]])[0].tolist() == [[1.0], [2.0]]


def test_typed_parts_keep_every_value() -> None:
    """Their type is the one asked for, an empty part has the shape of the others."""
    parts = typed_parts([[], np.full((2, 3, 5), 200)], np.dtype(np.uint8))
    assert [(part.shape, part.dtype) for part in parts] == [((0, 3, 5), np.uint8), ((2, 3, 5), np.uint8)]
    assert (parts[1] == 200).all()
    for wrong in (256, -1, 0.5):
        with pytest.raises(DataError, match=rf"sequence 1: expected values of type uint8, got {wrong}"):
            typed_parts([[3], [wrong]], np.dtype(np.uint8))


def test_steps_without_values_are_refused() -> None:
    """They would be joined as none."""
    with pytest.raises(DataError, match=r"sequence 0: expected at least one feature a step, got \(3, 0\)"):
        table_parts([np.ones((3, 0))])
    with pytest.raises(DataError, match=r"sequence 1: expected steps that hold values, got \(3, 0, 2\)"):
        typed_parts([np.ones((1, 4, 2)), np.ones((3, 0, 2))], np.dtype(np.float32))


def test_a_number_whose_square_is_lost_is_found() -> None:
    """Its row is named; zeros and what is missing are in range."""
    assert out_of_range(np.array([0.0, np.nan, 1e150, -3.0])) == (2, "")
    row, demand = out_of_range(np.array([1.0, -1e151]))
    assert (row, demand.partition(",")[0]) == (1, "expected numbers up to 1e+150")


@pytest.mark.parametrize(
    ("array", "sentence"),
    [
        (
            np.array(["2020-01-01"], "M8[D]"),
            (
                "sequence 0: expected real numbers, got datetime64[D]. "
                "Give times beside their values: {'ds': times, 'y': values}."
            ),
        ),
        (np.array([1j]), "sequence 0: expected real numbers, got complex128. Complex data not supported."),
        (
            [1.0, -1e200],
            (
                "sequence 0, position 1: expected numbers up to 1e+150, got -1e+200. "
                "Divide the column by a power of ten."
            ),
        ),
        (
            [0.0, 1e-200],
            (
                "sequence 0, position 1: expected a number beyond 1e-150 in its column, got 1e-200 "
                "as the largest. Multiply the column by a power of ten."
            ),
        ),
    ],
)
def test_what_is_no_value(array: Any, sentence: str) -> None:
    """Dates, complex numbers, and numbers whose squares are infinite or zero."""
    with pytest.raises(DataError) as fault:
        table_parts([array])
    assert str(fault.value) == sentence
