"""`unrolled tag`: a tag for every word, beside what is simpler."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]
TINY = ("--hidden-size", 6, "--members", 1, "--max-epochs", 8)


@pytest.fixture
def names(tmp_path: Path) -> Path:
    """Forty sentences with a person each."""
    lines = []
    for k in range(40):
        person = ("Ann", "Bob Lee", "Tom")[k % 3].split()
        tags = ["B-PER", *["I-PER"] * (len(person) - 1)]
        pairs = [("Ms", "O"), *zip(person, tags, strict=True), ("ran", "O"), ("home", "O")]
        lines.append("\n".join(f"{word} {tag}" for word, tag in pairs))
    path = tmp_path / "names.txt"
    path.write_text("\n\n".join(lines) + "\n")
    return path


def test_a_tagger_is_compared_saved_and_used(unrolled: Run, names: Path, tmp_path: Path) -> None:
    """Tags B-X and I-X are seen as a scheme; a text is tagged line by line."""
    answer = unrolled("tag", names, "--test", names, *TINY, "--save", "tagger", "--json")
    assert answer.status == 0, answer.err
    payload = json.loads(answer.out)
    assert {row["name"] for row in payload["rows"]} == {"gru", "most frequent tag", "logistic regression"}
    assert (payload["unit"], payload["groups"]) == ("words", 40)
    (tmp_path / "letter.txt").write_text("Ms Bob Lee ran home\n")
    answer = unrolled("tag", "letter.txt", "--model", "tagger", "--json")
    assert answer.status == 0, answer.err
    (one,) = json.loads(answer.out)["answers"]
    for span in one["spans"]:
        assert span["label"] == "PER"
        assert one["text"][span["start"] : span["end"]]
    printed = unrolled("tag", "letter.txt", "--model", "tagger").out
    assert printed.replace("/PER", "") == "Ms Bob Lee ran home\n"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--column", "pos"), "--column: expected one of"),
        (("--folds", 1), "--folds: expected a whole number at least 2, got 1."),
        (("--folds", 2, "--test", "names.txt"), "--folds: there is a test set, nothing is cross-validated"),
        (("--model", "absent", "--cell", "lstm"), "--model: a saved model takes no options of training"),
        (("--cell", "tree"), "--cell: expected one of"),
    ],
)
def test_wrong_options_are_refused(words: tuple[Any, ...], sentence: str, unrolled: Run, names: Path) -> None:
    """One sentence each, on stderr."""
    answer = unrolled("tag", "names.txt", *words)
    assert answer.status == 2
    assert answer.err.splitlines()[-1].startswith(sentence), answer.err


def test_a_file_that_breaks_is_named_by_its_line(unrolled: Run, tmp_path: Path) -> None:
    """A line without a tag."""
    (tmp_path / "t.txt").write_text("Ann B-PER\nran\n")
    answer = unrolled("tag", "t.txt")
    assert answer.status == 2
    assert answer.err.splitlines()[-1].startswith(
        "t.txt line 2: expected 2 columns, a word and its tags, got 1"
    )
