"""Sentences about type and range: all faults at once, the nearest spelling offered."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from unrolled import errors
from unrolled.validation import (
    ErrorCollector,
    check_choice,
    check_choices,
    check_float,
    check_int,
    check_path,
    suggest_spelling,
)


def test_all_faults_are_told_at_once() -> None:
    """A line each, in order, as the error that was asked for."""
    faults = ErrorCollector(errors.DataError)
    faults.raise_if_any()
    assert faults.collect(check_int, "a", 3) == 3
    assert faults.collect(check_int, "b", -1) is None
    faults.add("c: no.")
    with pytest.raises(errors.DataError) as told:
        faults.raise_if_any()
    assert str(told.value) == "b: expected a whole number at least 0, got -1.\nc: no."


def test_what_is_no_fault_of_the_caller_is_not_collected() -> None:
    """A bug inside a check stays a bug."""
    with pytest.raises(ZeroDivisionError):
        ErrorCollector().collect(lambda: 1 / 0)


def test_the_nearest_spelling_is_offered() -> None:
    """Close words are offered whatever their case, far ones are not."""
    assert suggest_spelling("LTSM", ("lstm", "gru")) == " Did you mean 'lstm'?"
    assert suggest_spelling("close", ("Close",)) == " Did you mean 'Close'?"
    assert suggest_spelling("transformer", ("lstm", "gru")) == ""


def test_one_of_reads_as_one_sentence() -> None:
    """The thing, the demand, what came, the way out."""
    assert check_choice("cell", "gru", ("gru", "lstm")) == "gru"
    with pytest.raises(errors.ArgumentError) as told:
        check_choice("cell", "gruu", ("gru", "lstm"))
    assert str(told.value) == "cell: expected one of gru, lstm; got 'gruu'. Did you mean 'gru'?"
    with pytest.raises(errors.ArgumentError, match="got 3"):
        check_choice("cell", 3, ("gru",))


@pytest.mark.parametrize("value", [0, 4, True, 1.0, "1", None, float("nan"), 10**30])
def test_a_whole_number_out_of_range_is_refused(value: object) -> None:
    """Booleans, floats and words are no whole numbers."""
    with pytest.raises(errors.ArgumentError, match="n: expected a whole number from 1 to 3, got"):
        check_int("n", value, least=1, most=3)


def test_an_array_stands_in_one_line_of_a_message() -> None:
    """Cut where it is long."""
    for check in (check_int, check_float, check_path):
        with pytest.raises(errors.ArgumentError, match=r"^size: .* got array\(\[ ?0\., .*\.\.\.\.$") as fault:
            check("size", np.arange(900.0))
        assert len(str(fault.value)) < 180


@pytest.mark.parametrize("values", [[pd.NA], np.ones((2, 900)), np.array("red"), [np.array(["red"])], 3])
def test_words_of_another_kind_are_refused_in_one_line(values: Any) -> None:
    """Also where == has no answer, and an array without axes, which is no list."""
    with pytest.raises(
        errors.ArgumentError, match=r"^colors: expected some of red, blue; got [^\n]*$"
    ) as fault:
        check_choices("colors", values, ("red", "blue"), needed="a picture has one")
    assert len(str(fault.value)) < 180
    assert check_choices("colors", np.array(["blue"]), ("red", "blue"), needed="") == ("blue",)


def test_numpys_numbers_are_numbers() -> None:
    """A grid of settings made with NumPy is taken."""
    assert check_int("n", np.int64(2)) == 2
    assert type(check_int("n", np.int64(2))) is int
    assert type(check_float("x", np.float32(0.5))) is float


@pytest.mark.parametrize("value", [0, 1, -1, True, "0.5", None, float("nan"), float("inf"), 10**400])
def test_a_number_out_of_range_is_refused(value: object) -> None:
    """Bounds exclude or include as they say; nothing that is not finite passes."""
    with pytest.raises(errors.ArgumentError, match="x: expected a number above 0 and below 1, got"):
        check_float("x", value, above=0, below=1)
    assert check_float("x", 0.5, above=0, below=1) == 0.5


def test_inclusive_bounds_include() -> None:
    """`least` and `most` are allowed themselves, and no bound means finite."""
    assert check_float("x", 0, least=0, most=1) == 0.0
    assert check_float("x", 1, least=0, most=1) == 1.0
    with pytest.raises(errors.ArgumentError, match=r"at least 0 and at most 1, got 1\.5"):
        check_float("x", 1.5, least=0, most=1)
    with pytest.raises(errors.ArgumentError, match="that is finite"):
        check_float("x", float("nan"))


@pytest.mark.parametrize("value", [None, 3, ["a.csv"], "a\0b", ""])
def test_what_is_no_path_is_refused(value: object) -> None:
    """In a sentence that names the argument."""
    with pytest.raises(errors.ArgumentError, match=r"save path: expected the path of a file or folder, got"):
        check_path("save path", value)
    assert check_path("save path", "a.csv") == Path("a.csv")


def test_a_name_that_no_file_system_has_is_refused() -> None:
    """Whoever asks whether it exists would get an error of the system's."""
    assert check_path("save path", "models/" + "é" * 127)
    with pytest.raises(errors.ArgumentError, match=r"names of at most 255 bytes.* got one of 256 bytes"):
        check_path("save path", "models/" + "é" * 128)
