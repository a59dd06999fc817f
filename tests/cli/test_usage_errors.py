"""Errors of the parser and of the library name the option that was typed."""

from collections.abc import Callable
from typing import Any

import pytest

from unrolled.cli.usage_errors import in_shell_words, with_option_names

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


def test_every_line_that_begins_with_an_argument_names_its_option() -> None:
    """Words within a sentence, and names that are no option, stay."""
    sentences = "hidden_size: expected 1, got 0.\nrandom_state: got -1.\nflow.csv: horizon: is text."
    assert with_option_names(sentences) == (
        "--hidden-size: expected 1, got 0.\n--seed: got -1.\nflow.csv: horizon: is text."
    )


@pytest.mark.parametrize(
    ("sentence", "in_shell"),
    [
        ("Name it with --id or id=.", "Name it with --id."),
        ("use --past a or past='a', or --target a or target='a'", "use --past a, or --target a"),
        ("Bring them to UTC with --utc or utc=True.", "Bring them to UTC with --utc."),
        ("--id or id=['store', 'item'] names two", "--id names two"),
        ("Fill it with --fill linear or unrolled.read(..., fill='linear').", "Fill it with --fill linear."),
        ("Name them with --future or unrolled.read(..., future=[...]).", "Name them with --future."),
        ("Or use origins=4 at most.", "Or use --origins 4 at most."),
        ("Use transform='scale'.", "Use --transform scale."),
        ("Rebuild with input_size=5.", "Rebuild with input_size=5."),  # no option
        ("column 'origins=4' or more", "column 'origins=4' or more"),
    ],
)
def test_a_way_out_is_named_as_the_shell_has_it(sentence: str, in_shell: str) -> None:
    """Options in place of arguments and calls; the rest stays."""
    assert in_shell_words(sentence) == in_shell
