"""Errors of the parser and of the library name the option that was typed."""

from collections.abc import Callable
from typing import Any

import pytest

Run = Callable[..., Any]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["forcast", "x.csv"], "No such command 'forcast'. Did you mean 'forecast'? See unrolled --help."),
        (["forecast"], "Missing argument 'FILE'. See unrolled forecast --help."),
        (
            ["forecast", "x.csv", "--horizn", "3"],
            "No such option: --horizn. Did you mean --horizon? See unrolled forecast --help.",
        ),
        (
            ["forecast", "x.csv", "--horizon", "soon"],
            "--horizon: expected a whole number, got 'soon'. See unrolled forecast --help.",
        ),
        (
            ["forecast", "x.csv", "--level", "80", "--level=abc"],
            "--level: expected a number, got 'abc'. See unrolled forecast --help.",
        ),
    ],
)
def test_a_usage_error_is_one_sentence(words: list[str], sentence: str, unrolled: Run) -> None:
    """Status 2, and one line on what was expected, what came and what was meant."""
    assert unrolled(*words) == (2, "", sentence + "\n")


def test_no_argument_at_all_prints_the_help(unrolled: Run) -> None:
    """The program's name alone is a question too."""
    answer = unrolled()
    assert answer.status == 2
    assert "Usage: unrolled" in answer.out + answer.err
