"""Pairs of texts come from lists, tables and two files; what is missing is named by its place."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from unrolled.data.text.pairs import as_pairs, as_sources, read_pairs, read_sources
from unrolled.errors import DataError


@pytest.mark.parametrize("kind", ["csv", "tsv"])
def test_two_columns_of_texts_are_source_and_target(kind: str, tmp_path: Path) -> None:
    """In the order of the table; the number of a row is neither."""
    mark = "," if kind == "csv" else "\t"
    rows = [("id", "de", "en"), ("1", "ein Hund rennt", "a dog runs"), ("2", "eine Katze", "a cat")]
    path = tmp_path / f"pairs.{kind}"
    path.write_text("\n".join(mark.join(row) for row in rows) + "\n")
    pairs = read_pairs(path)
    assert (pairs.sources, pairs.targets) == (["ein Hund rennt", "eine Katze"], ["a dog runs", "a cat"])
    assert pairs.columns == ("de", "en")
    turned = read_pairs(path, source="en", target="de")
    assert turned.sources == pairs.targets
    assert read_pairs(path, source="en").columns == ("en", "de")


def test_columns_are_known_by_their_names(tmp_path: Path) -> None:
    """Wherever they stand, and whatever else is text."""
    path = tmp_path / "pairs.csv"
    path.write_text("translation,remark,src\na dog,seen in a long long remark,ein Hund\na,b c d e f,ein\n")
    assert read_pairs(path).columns == ("src", "translation")


def test_two_files_are_pairs_line_by_line(tmp_path: Path) -> None:
    """Of any suffix."""
    (tmp_path / "t.de").write_text("ein Hund\neine Katze\n")
    (tmp_path / "t.en").write_text("a dog\na cat\n")
    pairs = read_pairs(tmp_path / "t.de", tmp_path / "t.en")
    assert (pairs.sources, pairs.targets) == (["ein Hund", "eine Katze"], ["a dog", "a cat"])


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ("a dog\n", "t.en: expected 2 lines, as many as t.de has, got 1"),
        ("a dog\n\n", "t.en line 2: expected a text, got nothing"),
    ],
)
def test_files_that_do_not_fit_are_refused(lines: str, sentence: str, tmp_path: Path) -> None:
    """By their number of lines, or the line."""
    (tmp_path / "t.de").write_text("ein Hund\neine Katze\n")
    (tmp_path / "t.en").write_text(lines)
    with pytest.raises(DataError, match=sentence):
        read_pairs(tmp_path / "t.de", tmp_path / "t.en")


@pytest.mark.parametrize(
    ("text", "named", "sentence"),
    [
        ("a,b\n1,2\n3,4\n", {}, "p.csv: expected two columns of texts, sources and targets, got"),
        ("de,en\nein Hund,a dog\nzwei,\n", {}, "p.csv row 3, column 'en': expected a text, got nothing"),
        ("de,en\nein Hund,a dog\n", {"source": "dee"}, "p.csv: expected a column 'dee' as source"),
        ("de,en\nein Hund,a dog\n", {"source": "de", "target": "de"}, "expected two columns, got 'de' twice"),
    ],
)
def test_tables_that_hold_no_pairs_are_refused(
    text: str, named: dict[str, str], sentence: str, tmp_path: Path
) -> None:
    """The row or column is named."""
    (tmp_path / "p.csv").write_text(text)
    with pytest.raises(DataError, match=sentence):
        read_pairs(tmp_path / "p.csv", **named)


def test_lines_of_words_are_no_table(tmp_path: Path) -> None:
    """Two words a line would be a source and a target each, where the targets' file was left out."""
    (tmp_path / "a.de").write_text("ein Hund\neine Katze\n")
    with pytest.raises(
        DataError, match=r"a\.de: expected a table .*, got lines of text\. Name the file with"
    ):
        read_pairs(tmp_path / "a.de")


def test_two_files_have_no_columns(tmp_path: Path) -> None:
    """Their names are refused."""
    with pytest.raises(DataError, match="two files of lines have no columns, got 'de'"):
        read_pairs(tmp_path / "t.de", tmp_path / "t.en", source="de")


@pytest.mark.parametrize(
    ("X", "y", "sentence"),
    [
        (["a", ""], ["b", "c"], "m X, position 1: expected a text, got an empty one"),
        (["a", "b"], ["b", "  "], "m y, position 1: expected a text, got '  ', which has no word"),
        (["a", None], ["b", "c"], "m X, position 1: expected a text, got None"),
        (pd.Series(["a", np.nan]), ["b", "c"], "m X, position 1: expected a text, got NaN"),
        (["a", "b"], ["c"], "m y: expected 2 texts, as many as X has, got 1"),
        (["a"], [7], "m y, position 0: expected a text, got 7"),
        ([["a", "b"]], ["c"], "m X, position 0: expected a string, got a list of words. Join them"),
        ("a", ["c"], "m X: expected a list of texts, got one text"),
        ([], [], "m X: expected at least one text, got none"),
    ],
)
def test_lists_that_are_no_pairs_are_refused(X: Any, y: Any, sentence: str) -> None:
    """With the position."""
    with pytest.raises(DataError, match=sentence):
        as_pairs(X, y, who="m")


def test_columns_of_frames_are_texts() -> None:
    """Of pandas, or a frame of one column."""
    frame = pd.DataFrame({"de": ["ein", "zwei"]})
    assert as_sources(frame) == as_sources(frame["de"]) == ["ein", "zwei"]


def test_texts_to_translate_are_lines_or_a_column(tmp_path: Path) -> None:
    """Empty lines stay, so that lines of the translation are those of the text."""
    (tmp_path / "t.de").write_text("ein Hund\n\neine Katze\n")
    assert read_sources(tmp_path / "t.de") == ["ein Hund", "", "eine Katze"]
    (tmp_path / "t.csv").write_text("n,de\n1,ein Hund rennt\n2,eine Katze im Park\n")
    assert read_sources(tmp_path / "t.csv") == ["ein Hund rennt", "eine Katze im Park"]
    (tmp_path / "two.csv").write_text("de,en\nein Hund rennt,a dog\nzwei Katzen hier,two cats\n")
    assert read_sources(tmp_path / "two.csv", source="en") == ["a dog", "two cats"]
    (tmp_path / "n.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="expected a column of texts"):
        read_sources(tmp_path / "n.csv")
