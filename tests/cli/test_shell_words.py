"""Sentences of the library speak of options in the shell."""

import re
from pathlib import Path

import pytest

import unrolled
from unrolled.cli import shell_words
from unrolled.cli.shell_words import in_shell_words, with_option_names


def test_every_line_that_begins_with_an_argument_names_its_option() -> None:
    """Words within a sentence, and names that are no option, stay."""
    sentences = "hidden_size: expected 1, got 0.\nrandom_state: got -1.\nflow.csv: horizon: is text."
    assert with_option_names(sentences) == (
        "--hidden-size: expected 1, got 0.\n--seed: got -1.\nflow.csv: horizon: is text."
    )


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
        ('forecast it with target="o\'clock"', "forecast it with --target 'o'\"'\"'clock'"),
        ("Or use origins=4 at most.", "Or use --origins 4 at most."),
        ("Use transform='scale'.", "Use --transform scale."),
        (
            "Leave it out, or pass test=(X_test, y_test).",
            "Leave it out, or name other sequences with --test FILE.",
        ),
        ("Rebuild with input_size=5.", "Rebuild with input_size=5."),  # no option
        ("column 'origins=4' or more", "column 'origins=4' or more"),
    ],
)
def test_a_way_out_is_named_as_the_shell_has_it(sentence: str, in_shell: str) -> None:
    """Options in place of arguments and calls; the rest stays."""
    assert in_shell_words(sentence) == in_shell


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
