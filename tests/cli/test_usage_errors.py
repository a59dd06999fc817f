"""Errors of the parser and of the library name the option that was typed."""

from collections.abc import Callable
from pathlib import Path
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


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("classify", ("--folds", 3, "--report", "page.html")),
        ("tag", ("--folds", 3, "--column", "upos")),
        ("translate", ("--test", "x.csv")),
        ("generate", ("--test", "x.csv", "--lines")),
    ],
)
def test_a_saved_model_takes_no_options_of_training(
    command: str, options: tuple[Any, ...], unrolled: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every command that trains names all of them, those on the model first."""
    monkeypatch.chdir(tmp_path)
    Path("x.csv").write_text("text,label\nso warm,1\n")
    Path("saved").mkdir()
    answer = unrolled(command, "x.csv", "--model", "saved", "--cell", "gru", *options)
    names = [option for option in options if str(option).startswith("--")]
    assert answer.status == 2
    assert "takes no options of training or testing" in answer.err
    places = [answer.err.index(f" {name}") for name in ("--cell", *names)]
    assert places == sorted(places)
