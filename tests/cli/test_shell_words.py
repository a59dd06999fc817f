"""Sentences of the library speak of options in the shell."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import unrolled
from unrolled.cli import shell_words
from unrolled.cli.shell_words import in_shell_words, use_options, with_option_names


def test_every_line_that_begins_with_an_argument_names_its_option() -> None:
    """Words within a sentence, and names that are no option or those of typed files, stay."""
    sentences = "hidden_size: expected 1, got 0.\nrandom_state: got -1.\nflow.csv: horizon: is text."
    assert with_option_names(sentences) == (
        "--hidden-size: expected 1, got 0.\n--seed: got -1.\nflow.csv: horizon: is text."
    )
    assert with_option_names("horizon: got 0.", ["data/horizon"]) == "horizon: got 0."
    of_stream = "Forecaster.stream hidden_size: got 0.\nForecaster.stream x: got NaN."
    assert with_option_names(of_stream) == "--hidden-size: got 0.\nForecaster.stream x: got NaN."


@pytest.mark.parametrize(
    ("sentence", "in_shell"),
    [
        ("Name it with id=.", "Name it with --id."),
        ("use past='a', or target='a b'", "use --past a, or --target 'a b'"),
        ("Bring them to UTC with utc=True.", "Bring them to UTC with --utc."),
        ("id=['store', 'my item'] names two", "--id store --id 'my item' names two"),
        ("Fill it with unrolled.read(..., fill='linear').", "Fill it with --fill linear."),
        ("Name them with unrolled.read(..., future=[...]).", "Name them with --future."),
        ("time='t', date_format='%d.%m.%Y'", "--time t, --date-format %d.%m.%Y"),
        ("-9999 in 2 rows; missing=-9999.5 reads it so", "-9999 in 2 rows; --missing -9999.5 reads it so"),
        (
            "missing='mask' fills a gap. Fit with missing='forward' or 'forward+mask'.",
            "--fill mask fills a gap. Fit with --fill forward or forward+mask.",
        ),
        ("Fit with missing='mask', 'forward' or 'linear', or", "Fit with --fill mask, forward or linear, or"),
        ('forecast it with target="o\'clock"', "forecast it with --target 'o'\"'\"'clock'"),
        ("Or use origins=4 at most.", "Or use --origins 4 at most."),
        ("Use transform='scale'.", "Use --transform scale."),
        (
            "Leave it out, or pass test=(X_test, y_test).",
            "Leave it out, or name other sequences with --test FILE.",
        ),
        ("Load it with TextTagger.load(folder).", "Read it with unrolled tag --model."),
        ("Load it with FrameForecaster.load(folder).", "Load it with FrameForecaster.load(folder)."),
        ("Rebuild with input_size=5.", "Rebuild with input_size=5."),  # no option
        ("column 'origins=4' or more", "column 'origins=4' or more"),
    ],
)
def test_a_way_out_is_named_as_the_shell_has_it(sentence: str, in_shell: str) -> None:
    """Options in place of arguments and calls; the rest stays."""
    assert in_shell_words(sentence) == in_shell


def test_the_command_that_runs_names_its_own_options() -> None:
    """An argument has other options in other commands: `target` is one of forecast and of translate."""
    use_options({"target": "--target-column"})
    try:
        assert with_option_names("target: got 'x'.") == "--target-column: got 'x'."
        assert in_shell_words("Name it with target=.") == "Name it with --target-column."
    finally:
        use_options({})
    assert with_option_names("target: got 'x'.") == "--target: got 'x'."


def test_a_run_leaves_no_options_behind(unrolled: Callable[..., Any]) -> None:
    """Each command names those of its own, whichever ran before it."""
    Path("a.csv").write_text("ds,y\n2020-01-01,1\n2020-01-02,2\n")
    answers = [unrolled(*words) for words in (("translate", "a.csv"), ("forecast", "a.csv", "--target", "z"))]
    assert "--target-column" in answers[0].err
    assert answers[1].status == 2
    assert "--target-column" not in answers[1].err
    assert in_shell_words("target='y'") == "--target y"


def test_sentences_of_the_library_name_no_options() -> None:
    """It speaks of arguments; the shell names its options in their place."""
    sources = Path(unrolled.__file__).parent
    paths = [path for path in sources.rglob("*.py") if "cli" not in path.relative_to(sources).parts]
    texts = {path: path.read_text("utf-8") for path in paths}
    options = {option for option in shell_words._OPTIONS.values() if option.startswith("--")}
    assert "--fill" in options
    named = [
        f"{path.name}: {match[0]}"
        for path, text in texts.items()
        for match in re.finditer(r"(?<![\w-])--[a-z][\w-]+", text)
        if match[0] in options
    ]
    assert named == []
