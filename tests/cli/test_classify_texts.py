"""Texts in `unrolled classify`: seen as such, compared, reported, saved and used."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

Run = Callable[..., Any]
TINY = ("--hidden-size", 4, "--members", 1, "--max-epochs", 1)


@pytest.fixture
def reviews(tmp_path: Path) -> Path:
    """Thirty reviews of two classes."""
    texts = [f"{word} film , number {k}" for k in range(15) for word in ("a warm", "the dull")]
    path = tmp_path / "reviews.csv"
    pd.DataFrame({"review": texts, "mood": ["good", "bad"] * 15}).to_csv(path, index=False)
    return path


def test_a_column_of_texts_is_seen_as_one(unrolled: Run, reviews: Path) -> None:
    """No option says so; the baselines are those of texts."""
    answer = unrolled("classify", reviews, *TINY, "--folds", 2, "--json")
    assert answer.status == 0, answer.err
    payload = json.loads(answer.out)
    names = {row["name"] for row in payload["rows"]}
    assert names == {"gru", "majority class", "TF-IDF words", "TF-IDF words and characters"}
    assert (payload["n_sequences"], payload["unit"]) == (30, "texts")


def test_a_saved_model_reads_the_texts_of_a_file(unrolled: Run, reviews: Path, tmp_path: Path) -> None:
    """The report shows texts; answers go to a file, of a table without labels and of plain lines."""
    answer = unrolled(
        "classify", reviews, *TINY, "--test", reviews, "--save", "mood", "--report", "mood.html"
    )
    assert answer.status == 0, answer.err
    page = Path("mood.html").read_text()
    assert "Right on texts it never saw" in page
    assert "a warm film , number 0" in page
    (tmp_path / "new.txt").write_text("a warm film\na dull one\n")
    answer = unrolled("classify", "new.txt", "--model", "mood", "--output", "new.csv")
    assert answer.status == 0, answer.err
    assert "a dull one" in answer.out
    frame = pd.read_csv("new.csv")
    assert frame["text"].tolist() == ["a warm film", "a dull one"]
    assert set(frame["answer"]) <= {"good", "bad"}
    assert (frame["p-good"] + frame["p-bad"]).round(6).eq(1).all()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--activation", "relu"), "--activation: a classifier of texts has no use for it. Leave it out."),
        (("--id", "mood"), "--id: a row of reviews.csv is a text, which has no such column. Leave it out."),
        (("--text", "revue"), "reviews.csv: expected a column 'revue' as text, got none of that name."),
        (("--folds", 1), "--folds: expected a whole number at least 2, got 1."),
        (("--test", "reviews.csv", "--folds", 2), "--folds: there is a test set, nothing is cross-validated"),
    ],
)
def test_options_that_texts_have_no_use_for_are_refused(
    words: tuple[Any, ...], sentence: str, unrolled: Run, reviews: Path
) -> None:
    """One sentence each, on stderr."""
    answer = unrolled("classify", "reviews.csv", *words)
    assert answer.status == 2
    assert answer.err.startswith(sentence)


def test_broken_texts_are_named_by_their_line(unrolled: Run, tmp_path: Path) -> None:
    """No UTF-8, nothing there, no label."""
    cases = {
        b"review,mood\nso caf\xe9 here now,good\nso nice and warm,bad\n": "t.csv line 2: expected UTF-8",
        b"review,mood\nso nice and warm,good\n,bad\n": "t.csv row 3, column 'review': expected a text, got",
        b"review\nso nice and warm\nso dull and long\n": "t.csv: expected a label beside each text, got none",
    }
    for content, sentence in cases.items():
        (tmp_path / "t.csv").write_bytes(content)
        answer = unrolled("classify", "t.csv")
        assert answer.status == 2
        assert answer.err.splitlines()[-1].startswith(sentence), answer.err
