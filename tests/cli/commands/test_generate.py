"""`unrolled generate`: learns a text beside n-grams and gzip, and writes with what it has learned."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Run = Callable[..., Any]
TINY = ("--hidden-size", 6, "--max-epochs", 1, "-n", 20)


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """Two thousand words, with line ends of another system."""
    words = np.random.default_rng(0).choice(["the", "cat", "sat", "on", "a", "mat.\r\n"], size=2000)
    path = tmp_path / "book.txt"
    path.write_text(" ".join(words), newline="")
    return path


def test_a_text_is_learned_saved_and_written_on(unrolled: Run, book: Path) -> None:
    """The last tenth is tested on; the saved model writes the same with the same seed."""
    answer = unrolled("generate", book, *TINY, "--save", "model", "--json")
    assert answer.status == 0, answer.err
    payload = json.loads(answer.out)
    assert {row["name"] for row in payload["rows"]} == {"lstm", "character n-gram", "gzip"}
    assert payload["n_characters"] == pytest.approx(len(book.read_text()) / 10, rel=0.02)
    assert (len(payload["sample"]), payload["written"]) == (20, ["model"])
    words = ("--model", "model", "--prompt", "the ", "-n", 30, "--seed", 3)
    answer = unrolled("generate", *words, "--json")
    assert answer.status == 0, answer.err
    written = json.loads(answer.out)
    assert (written["prompt"], len(written["text"])) == ("the ", 30)
    printed = unrolled("generate", *words, "--temperature", 0.8).out
    assert printed == f"the {written['text']}\n"
    greedy = {unrolled("generate", *words[:-1], seed, "--top-k", 1).out for seed in (1, 2)}
    assert len(greedy) == 1


def test_the_result_is_a_table_a_sentence_and_a_sample(unrolled: Run, book: Path) -> None:
    """Tested on another file, in words."""
    answer = unrolled("generate", book, "--test", book, "--unit", "word", *TINY)
    assert answer.status == 0, answer.err
    assert answer.out.startswith("model ")
    assert "bits a character" in answer.out
    assert "A sample:" in answer.out


def test_lines_and_rows_are_documents(unrolled: Run, tmp_path: Path) -> None:
    """Of a text with --lines, and of a table."""
    lines = [f"row {k} of the text" for k in range(60)]
    (tmp_path / "lines.txt").write_text("\n".join(lines))
    (tmp_path / "rows.csv").write_text(
        "text,label\n" + "\n".join(f"{line},{k}" for k, line in enumerate(lines))
    )
    for words in (("lines.txt", "--lines"), ("rows.csv",)):
        answer = unrolled("generate", *words, *TINY, "--json")
        assert answer.status == 0, answer.err
        payload = json.loads(answer.out)
        assert (payload["unit"], payload["n_units"]) == ("documents", 6)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "FILE: expected a text to learn from, got none. Name one, or a model with --model."),
        (
            ("book.txt", "--model", "m"),
            "--model: a saved model takes no options of training or testing, got FILE.",
        ),
        (
            ("--model", "m", "--cell", "gru"),
            "--model: a saved model takes no options of training or testing, got --cell",
        ),
        (("--model", "absent"), "absent: expected the folder of a saved model, found none."),
        (("absent.txt",), "absent.txt: expected a file, got none of that name."),
        (("book.txt", "-n", 0), "-n: expected a whole number at least 1, got 0."),
        (("book.txt", "--temperature", 0), "--temperature: expected a number above 0"),
        (("book.txt", "--top-k", 0), "--top-k: expected a whole number at least 1, got 0."),
        (("book.txt", "--top-p", 2), "--top-p: expected a number"),
        (("book.txt", "--unit", "letters"), "--unit: expected 'word', 'char' or a number of subwords"),
        (("book.txt", "--cell", "tree"), "--cell: expected one of"),
        (("latin.txt",), "latin.txt line 1: expected UTF-8, got byte 0xe9."),
        (("short.txt",), "--test: expected some text to test on"),
    ],
)
def test_wrong_options_and_files_are_refused(
    words: tuple[Any, ...], sentence: str, unrolled: Run, book: Path
) -> None:
    """One sentence each, on stderr, before anything is trained."""
    book.with_name("latin.txt").write_bytes(b"caf\xe9")
    book.with_name("short.txt").write_text("short")
    answer = unrolled("generate", *words)
    assert answer.status == 2
    assert answer.err.splitlines()[-1].startswith(sentence), answer.err


@pytest.mark.filterwarnings("always:prompt")
def test_unknown_characters_of_a_prompt_are_noted(unrolled: Run, book: Path) -> None:
    """On stderr; the text is written all the same."""
    unrolled("generate", book, *TINY, "--save", "model")
    answer = unrolled("generate", "--model", "model", "--prompt", "the Ω", "-n", 5)
    assert answer.status == 0
    assert "Note: " in answer.err
    assert "not in the vocabulary" in answer.err
