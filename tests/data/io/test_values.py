"""Arrays and lists: how their axes were read; numbers that stand for no value."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse

from unrolled.data.describe.analyse import describe
from unrolled.data.gaps import require_regular
from unrolled.data.io.read import read
from unrolled.data.io.values import from_values, without_sentinels
from unrolled.data.sequences import Sequences
from unrolled.errors import ArgumentError, DataError
from unrolled.models.forecasting.forecaster import Forecaster


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (np.zeros((3, 5)), "axes (3, 5) were read as 3 series of 5 steps; numpy.swapaxes(array, 0, 1) turns"),
        (np.zeros((2, 3, 4)), "axes (2, 3, 4) were read as 2 series of 3 steps of 4 columns; numpy.swapaxes"),
        ([[1.0, 2.0], [3.0, 5.0]], "axes (2, 2) were read as 2 series of 2 steps; "),
        ([[1.0, 2.0], [3.0]], ""),
        ([1.0, 2.0], ""),
        (np.arange(3.0), ""),
        (torch.zeros(3, 5), "axes (3, 5) were read as 3 series of 5 steps; "),
        ([np.arange(3.0)], ""),
    ],
)
def test_axes_are_said(source: Any, words: str) -> None:
    """Of arrays of two and three axes, and of lists that could be such; others leave nothing open."""
    notes = from_values(source).notes
    assert len(notes) == bool(words)
    assert all(note.startswith(words) for note in notes)


def test_more_series_than_steps_are_warned_of() -> None:
    """A table of columns is so easily taken for its rows; a list says that the axes are meant so."""
    with pytest.warns(UserWarning, match=r"read as 300 series of 20 steps.*list\(array\) says"):
        read(np.zeros((300, 20)))
    with pytest.warns(UserWarning, match="30 series of 12 steps"):
        Forecaster(1, max_steps=2, hidden_size=4).fit(np.random.default_rng(0).normal(size=(30, 12)))
    assert len(read(list(np.zeros((300, 20))))) == 300


@pytest.mark.parametrize("value", [-9999, 999, -99.9, 99999, -999.99, 1e20, 32767])
def test_a_repeated_number_that_stands_for_none_is_named(value: float) -> None:
    """With the option that reads it so, in Python and in the shell; then nothing is left to say."""
    y = np.r_[10 + np.sin(np.arange(30.0)), value, value]
    columns = {"ds": pd.date_range("2020", periods=32), "level": np.roll(y, 5)}
    (note,) = read(columns).notes
    assert note == (
        f"'level' holds {value:g} in 2 rows, which may stand for no value; missing={value:g} reads it so"
    )
    assert note in describe(read(columns)).notes
    clean = read(columns, missing=value, fill="linear")
    assert clean.values.max() < 12
    require_regular(clean)


@pytest.mark.parametrize(
    "values",
    [[5, 9, 99, 99, 120, 7], [-9999, 1, 2, 3], [99, 99, 98, 97], [0, 0, 1, 1, 7, 7], [12345, 12345, 1, 2]],
)
def test_ordinary_values_are_not_named(values: list[float]) -> None:
    """Values among others, one alone, the end of a narrow range, and numbers without nines."""
    assert without_sentinels(Sequences.from_arrays([values]), np.empty(0)).notes == ()


def test_missing_numbers_at_the_ends_are_cut(tmp_path: Path) -> None:
    """Several, in files and arrays."""
    (tmp_path / "a.csv").write_text("t,y\n1,-9999\n2,5\n3,999\n4,6\n5,-9999\n")
    series = read(tmp_path / "a.csv", missing=[-9999, 999])
    assert series.times.tolist() == [2, 3, 4]
    assert np.array_equal(series.target, [5, np.nan, 6], equal_nan=True)
    assert read([1.0, -1.0, 3.0, -1.0], missing=-1, fill="linear").target.tolist() == [1, 2, 3]


def test_numbers_of_hundreds_of_digits_are_one_sentence() -> None:
    """Neither NumPy nor pandas holds them."""
    for source in ([10**400, 1, 2], {"y": [10**400, 1]}, pd.DataFrame({"y": [10**5000, 1]}, dtype=object)):
        with pytest.raises(DataError) as fault:
            read(source)
        assert "\n" not in str(fault.value)
    assert read([10**100, 1]).target[0] == 1e100


@pytest.mark.parametrize(
    ("option", "demand"),
    [
        ({"missing": "x"}, "missing: expected a number"),
        ({"missing": {}}, "missing: expected a number"),
        ({"missing": [-9, None]}, "missing: expected a number"),
        ({"missing": True}, "missing: expected a number"),
        ({"date_format": 3}, "date_format: expected a text"),
        ({"utc": "yes"}, "utc: expected True or False"),
    ],
)
def test_options_of_another_type_are_refused(option: dict[str, Any], demand: str) -> None:
    """A wrong option is named in a sentence."""
    with pytest.raises(ArgumentError, match=demand):
        read({"date": ["2020-01-01", "2020-01-02"], "y": [1, 2]}, **option)


class _ArrayLike:
    """A stranger that NumPy can read."""

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.array([1.0, 2.0, 4.0], dtype)


def test_whatever_numpy_reads_is_an_array() -> None:
    """JAX's arrays and others name no type of ours."""
    assert read(_ArrayLike()).target.tolist() == [1, 2, 4]


@pytest.mark.parametrize("kind", [sparse.csr_array, sparse.dok_array])
def test_a_sparse_matrix_is_refused_with_the_way_out(kind: Any) -> None:
    """One kind of them is a mapping; zeros of a series are values like others."""
    matrix = kind(np.eye(3))
    with pytest.raises(ArgumentError, match=r"got a sparse matrix\. Call its \.toarray"):
        read(matrix)
    assert len(read(matrix.toarray())) == 3
