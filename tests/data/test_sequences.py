"""The one container: ragged rows, views, and the faults it refuses."""

from typing import Any

import numpy as np
import pytest

from unrolled.data.sequences import DeclaredOrder, Role, Sequences
from unrolled.errors import ArgumentError, DataError


def _make(**changes: object) -> Sequences:
    """Two series of 3 and 2 rows, with a past column."""
    fields = {
        "values": np.arange(10.0).reshape(5, 2),
        "offsets": np.array([0, 3, 5]),
        "ids": ("a", "b"),
        "columns": ("y", "x"),
        "roles": (Role.TARGET, Role.PAST),
        "times": np.arange("2020-01", "2020-06", dtype="M8[M]").astype("M8[ns]"),
        "source": "flow.csv",
    }
    return Sequences(**{**fields, **changes})


def test_one_sequence_is_a_view() -> None:
    """Taking a sequence by position or by id copies neither values nor times."""
    both = _make()
    for one in (both[1], both["b"], both[-1]):
        assert one.ids == ("b",)
        assert one.values.tolist() == [[6.0, 7.0], [8.0, 9.0]]
        assert np.shares_memory(one.values, both.values)
        assert np.shares_memory(one.times, both.times)
    assert [one.ids[0] for one in both] == ["a", "b"]


def test_lengths_target_and_roles() -> None:
    """Lengths come from offsets, the target from its role, wherever its column stands."""
    swapped = _make(roles=(Role.PAST, Role.TARGET))
    assert swapped.lengths.tolist() == [3, 2]
    assert swapped.target.tolist() == [1.0, 3.0, 5.0, 7.0, 9.0]
    assert swapped.columns_of(Role.PAST) == (0,)
    assert swapped.columns_of(Role.STATIC) == ()


@pytest.mark.parametrize("lengths", [(0, 0), (1, 2), (3, 1), (9, 1)])
def test_head_keeps_the_first_steps(lengths: tuple[int, int]) -> None:
    """Each sequence keeps its own first rows, times included, and never reaches into the next."""
    head = _make().head(np.array(lengths))
    kept = np.minimum(lengths, [3, 2])
    assert head.lengths.tolist() == kept.tolist()
    assert head[0].values.tolist() == _make()[0].values[: kept[0]].tolist()
    assert head[1].times.tolist() == _make()[1].times[: kept[1]].tolist()


def test_observed_ends_at_the_last_known_target() -> None:
    """Rows after the last known target are the future; an empty or unknown sequence observed nothing."""
    nan = np.nan
    ragged = Sequences.from_arrays([[1.0, nan, 3.0, nan], [nan, nan], [], [nan, 5.0], [7.0]])
    assert ragged.observed.tolist() == [3, 0, 0, 2, 1]


def test_missing_marks_nan() -> None:
    """The mask is true exactly where a value is missing."""
    assert Sequences.from_arrays([[1.0, np.nan]]).missing.tolist() == [[False], [True]]


def test_arrays_of_two_axes_have_inputs_after_the_target() -> None:
    """The first column of (T, F) arrays is the target; an empty sequence fits any F."""
    series = Sequences.from_arrays([np.ones((3, 2)), [], np.zeros((1, 2))])
    assert series.columns == ("y", "x1")
    assert series.roles == (Role.TARGET, Role.PAST)
    assert series.lengths.tolist() == [3, 0, 1]
    assert series.order is DeclaredOrder.POSITION


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ([], "arrays: expected at least one sequence, got none."),
        ([[1.0], ["a"]], "sequence 1: expected numbers of shape (T,) or (T, F); could not convert"),
        ([5.0], "sequence 0: expected shape (T,) or (T, F), got ()."),
        ([np.ones((2, 2)), np.ones((2, 3))], "sequence 1: expected 2 columns as in sequence 0, got 3."),
    ],
)
def test_arrays_that_are_no_sequences(arrays: list[object], sentence: str) -> None:
    """The sentence names the sequence that does not fit."""
    with pytest.raises(DataError) as fault:
        Sequences.from_arrays(arrays)
    assert str(fault.value).startswith(sentence)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"values": np.ones((4, 2))}, "expected values of shape (5, 2), got (4, 2)."),
        ({"offsets": np.array([1, 3, 5])}, "expected offsets that begin at 0 and never fall."),
        ({"offsets": np.array([0, 6, 5])}, "expected offsets that begin at 0 and never fall."),
        ({"ids": ("a",)}, "expected one id a sequence and one role a column."),
        ({"ids": ("a", "a")}, "expected distinct ids, got 'a' twice."),
        ({"roles": (Role.PAST, Role.PAST)}, "expected at least one target among the columns, got none."),
        ({"times": np.arange(4)}, "expected times of shape (5,), got (4,)."),
    ],
)
def test_parts_that_do_not_fit(changes: dict[str, object], sentence: str) -> None:
    """Every misfit is a sentence that begins with the source."""
    with pytest.raises(DataError) as fault:
        _make(**changes)
    assert str(fault.value) == f"flow.csv: {sentence}"


def test_a_sequence_that_is_not_there() -> None:
    """An unknown id offers the nearest one; a position out of range says how many there are."""
    named = _make(ids=("north", "south"))
    with pytest.raises(ArgumentError) as fault:
        named["nort"]
    assert str(fault.value) == "flow.csv: no sequence is called 'nort'. Did you mean 'north'?"
    with pytest.raises(ArgumentError) as fault:
        named[2]
    assert str(fault.value) == "flow.csv: sequence 2 asked for, but there are 2."


def test_its_repr_is_one_line() -> None:
    """A million rows print as one line."""
    assert repr(_make(freq="MS")) == "Sequences(flow.csv: 2 of 5 rows in all, columns y, x, freq='MS')"


def test_a_mask_hides_its_values() -> None:
    """What a masked array hides is missing, in whole numbers and in rows of a matrix too."""
    hidden = np.ma.array([1, 2, 3], mask=[False, True, False])
    for source in ([hidden], [hidden.astype(float)], np.ma.array([[1, 2, 3]], mask=[[0, 1, 0]])):
        values = Sequences.from_arrays(source).target
        assert np.array_equal(values, [1.0, np.nan, 3.0], equal_nan=True)


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
        (np.array([1j]), "sequence 0: expected real numbers, got complex128."),
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
        Sequences.from_arrays([array])
    assert str(fault.value) == sentence


def test_times_of_any_unit_are_kept_in_nanoseconds() -> None:
    """What pandas 3 hands out in microseconds is the same moment here."""
    days = np.array(["2020-01-01", "2020-01-02"], dtype="datetime64[us]")
    series = Sequences(np.ones((2, 1)), np.array([0, 2]), ("a",), times=days, freq="D")
    assert series.times.dtype == "datetime64[ns]"
    assert (series.times == days).all()
