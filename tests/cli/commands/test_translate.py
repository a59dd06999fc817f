"""`unrolled translate`: pairs in, a translator out; texts in, translations out."""

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from unrolled.models.text.translation.translator import Translator

Run = Callable[..., Any]
TINY = ("--unit", "word", "--hidden-size", 8, "--max-epochs", 1)
WORDS = {"ein": "one", "zwei": "two", "drei": "three", "Hund": "dog", "rennt": "runs"}


def _rows(count: int, seed: int = 0) -> list[tuple[str, str]]:
    rng = np.random.default_rng(seed)
    rows = [[str(word) for word in rng.choice(list(WORDS), 4)] for _ in range(count)]
    return [(" ".join(row), " ".join(WORDS[word] for word in row)) for row in rows]


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """Sixty pairs in a table."""
    pd.DataFrame(_rows(60), columns=["de", "en"]).to_csv(tmp_path / "pairs.csv", index=False)
    return tmp_path / "pairs.csv"


@pytest.fixture
def saved(unrolled: Run, pairs: Path, tmp_path: Path) -> Path:
    """A model of these, by the command itself."""
    answer = unrolled("translate", pairs, *TINY, "--save", tmp_path / "model")
    assert answer.status == 0, answer.err
    assert "Pairs: 60" in answer.out
    assert "Nothing was tested" in answer.err
    return tmp_path / "model"


def test_lines_of_a_text_are_translated(unrolled: Run, saved: Path, tmp_path: Path) -> None:
    """A line each, empty ones too; as JSON and to a file."""
    (tmp_path / "letter.txt").write_text("ein Hund rennt\n\nzwei\n", encoding="utf-8")
    answer = unrolled("translate", "letter.txt", "--model", saved, "--beam", 2)
    assert answer.status == 0, answer.err
    lines = answer.out.splitlines()
    assert len(lines) == 3
    assert not lines[1]
    record = json.loads(unrolled("translate", "letter.txt", "--model", saved, "--beam", 2, "--json").out)
    assert [each["translation"] for each in record["answers"]] == lines
    answer = unrolled("translate", "letter.txt", "--model", saved, "--output", "out.csv")
    assert answer.status == 0, answer.err
    assert pd.read_csv("out.csv")["source"].fillna("").tolist() == ["ein Hund rennt", "", "zwei"]


def test_a_text_and_standard_input_are_translated(
    unrolled: Run, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the lines of a file are."""
    alone = unrolled("translate", "--model", saved, "--text", "ein Hund")
    assert alone.status == 0, alone.err
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(b"ein Hund\n")))
    assert unrolled("translate", "-", "--model", saved).out == alone.out


def test_a_column_of_a_table_is_translated(unrolled: Run, saved: Path, pairs: Path) -> None:
    """The one that is named, or the one with the most words."""
    answer = unrolled("translate", pairs, "--model", saved, "--source-column", "de")
    assert answer.status == 0, answer.err
    assert len(answer.out.splitlines()) == 60


def test_a_translator_is_compared_on_a_test_set(unrolled: Run, tmp_path: Path) -> None:
    """Two files of lines, and two to test on; translations and the model are written."""
    pytest.importorskip("sacrebleu", reason="translations are compared by BLEU")
    for name, seed in (("train", 0), ("val", 1)):
        for suffix, side in zip(("de", "en"), zip(*_rows(40, seed), strict=True), strict=True):
            (tmp_path / f"{name}.{suffix}").write_text("\n".join(side) + "\n")
    answer = unrolled(
        "translate", "train.de", "train.en", "--test", "val.de", "--test-targets", "val.en", *TINY,
        "--save", "model", "--output", "answers.csv", "--json",
    )  # fmt: skip
    assert answer.status == 0, answer.err
    record = json.loads(answer.out)
    assert [row["name"] for row in record["rows"]][:2] == ["gru", "word by word"]
    assert record["outcome"] == "worse"
    assert record["written"] == ["answers.csv", "model"]
    assert len(pd.read_csv("answers.csv")) == 40


def test_without_a_test_set_a_part_is_held_out(unrolled: Run, pairs: Path) -> None:
    """And the table is printed."""
    pytest.importorskip("sacrebleu", reason="translations are compared by BLEU")
    answer = unrolled("translate", pairs, *TINY)
    assert answer.status == 0, answer.err
    assert "One part in 5 was held out" in answer.out
    assert "nearest sentence" in answer.out


def test_a_missing_package_is_named_before_the_training(
    unrolled: Run, pairs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not after it, when the model would be lost; without a test nothing is scored."""
    monkeypatch.setitem(sys.modules, "sacrebleu", None)
    trained: list[str] = []
    with monkeypatch.context() as patched:
        patched.setattr(Translator, "fit", lambda *_, **__: trained.append("fit"))
        answer = unrolled("translate", pairs, "--test", pairs, "--save", "model", *TINY)
    assert (answer.status, trained) == (2, [])
    assert 'pip install "unrolled[text]"' in answer.err
    assert unrolled("translate", pairs, "--save", "model", *TINY).status == 0


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "FILE: expected pairs to learn from, got none"),
        (("absent.csv",), "absent.csv"),
        (("pairs.csv", "--text", "ein"), "--text: expected --model beside it"),
        (("pairs.csv", "--test-targets", "pairs.csv"), "--test-targets: expected --test beside it"),
        (("pairs.csv", "--beam", 0), "--beam"),
        (("pairs.csv", "--source-column", "d"), "pairs.csv: expected a column 'd' as source"),
        (("pairs.csv", "--unit", "words"), "--unit: expected one of subword, word, char; got 'words'"),
        (
            ("pairs.csv", "--unit", "word", "--vocabulary", 900, "--save", "m"),
            "--vocabulary: expected at most",
        ),
        (("pairs.csv", "--model", "absent", "--cell", "lstm"), "--model: a saved model takes no options of"),
        (("--model", "absent"), "--model: expected FILE or --text, got neither"),
        (("--model", "absent", "--text", "a"), "absent: expected the folder of a saved model"),
        (("pairs.csv", "--save", "m", "--output", "o.csv"), "--output: expected --test"),
    ],
)
def test_wrong_options_are_refused(words: tuple[Any, ...], sentence: str, unrolled: Run, pairs: Path) -> None:
    """One sentence each, on stderr."""
    answer = unrolled("translate", *words)
    assert answer.status == 2
    assert answer.err.splitlines()[-1].startswith(sentence), answer.err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--text", ""), "Translator X, position 0: expected a text, got an empty one"),
        (("--text", "ein", "--beam", 0), "--beam: expected a whole number from 1 to 1000, got 0"),
    ],
)
def test_texts_that_cannot_be_translated_are_refused(
    words: tuple[Any, ...], sentence: str, unrolled: Run, saved: Path
) -> None:
    """One sentence each, on stderr."""
    answer = unrolled("translate", "--model", saved, *words)
    assert answer.status == 2
    assert answer.err.splitlines()[-1].startswith(sentence), answer.err
