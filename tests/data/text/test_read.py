"""Texts and their labels are read from files of lines and from tables."""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from unrolled.data.io import text_tables as module
from unrolled.data.text.read import holds_texts, read_running_text, read_texts
from unrolled.errors import DataError

CSV = 'id,review,stars\n1,"warm, funny",5\n2,"dull\nand long",1\n3,né 👍🏽 so nice,5\n'


def test_a_table_is_read_with_its_texts_and_labels(tmp_path: Path) -> None:
    """Quoted line breaks and commas are part of a text; whole numbers are labels of their own type."""
    (tmp_path / "reviews.csv").write_text(CSV)
    read = read_texts(tmp_path / "reviews.csv")
    assert read.texts == ["warm, funny", "dull\nand long", "né 👍🏽 so nice"]
    assert read.labels is not None
    assert read.labels.tolist() == [5, 1, 5]
    assert (read.column, read.source) == ("review", "reviews.csv")


def test_parquet_is_read_alike(tmp_path: Path) -> None:
    """Labels of text among other columns are found by name or named."""
    frame = pd.DataFrame(
        {"n": [1, 2], "sentiment": ["good", "bad"], "said": ["so warm and funny", "dull and far too long"]}
    )
    frame.to_parquet(tmp_path / "r.parquet")
    read = read_texts(tmp_path / "r.parquet")
    assert read.labels is not None
    assert (read.texts, read.labels.tolist()) == (frame["said"].tolist(), ["good", "bad"])
    named = read_texts(tmp_path / "r.parquet", text="said", label="n")
    assert named.labels is not None
    assert named.labels.tolist() == [1, 2]


def test_a_line_is_a_document_of_a_text_file(tmp_path: Path) -> None:
    """Empty lines are left out; the file may be gzipped."""
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress("one, two\n\nthree né\n".encode()))
    read = read_texts(tmp_path / "a.txt.gz")
    assert (read.texts, read.labels) == (["one, two", "three né"], None)


def test_tables_of_numbers_hold_no_texts(tmp_path: Path) -> None:
    """Neither do columns of short labels, whatever they are called."""
    (tmp_path / "steps.csv").write_text("t0,t1,t2,class\n1,2,3,up\n3,2,1,down\n1,2,4,up\n")
    (tmp_path / "rooms.csv").write_text("x,kind\n" + "1,the big old room\n2,the big old room\n" * 5)
    (tmp_path / "reviews.csv").write_text(CSV)
    held = {name: holds_texts(tmp_path / f"{name}.csv") for name in ("steps", "rooms", "reviews")}
    assert held == {"steps": False, "rooms": False, "reviews": True}


def test_what_is_no_table_holds_no_texts(tmp_path: Path) -> None:
    """Archives of arrays, missing files and standard input are for others to read."""
    np.savez(tmp_path / "both.npz", X=np.ones((2, 3)))
    assert not holds_texts(tmp_path / "both.npz")
    assert not holds_texts(tmp_path / "absent.csv")
    assert not holds_texts("-")


def test_the_beginning_of_a_large_file_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest is not parsed twice."""
    monkeypatch.setattr(module, "_HEAD", 200)
    (tmp_path / "large.csv").write_text("review,label\n" + "so warm and funny,1\nso dull and flat,0\n" * 40)
    parsed = []
    parse_table = module.files.parse_table
    monkeypatch.setattr(
        module.files,
        "parse_table",
        lambda content, path: parsed.append(len(content)) or parse_table(content, path),
    )
    assert holds_texts(tmp_path / "large.csv")
    assert 0 < parsed[0] <= 200


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"text,label\nso caf\xe9,1\nb,0\n", "t.csv line 2: expected UTF-8, got byte 0xe9"),
        (
            b"text,label\nso nice,1\n,0\nno way,1\n",
            "t.csv row 3, column 'text': expected a text, got nothing",
        ),
        (b"text,label\nso nice,1\nno way,\n", "t.csv row 3, column 'label': expected a label, got nothing"),
        (b"a,b\n1,2\n3,4\n", "t.csv: expected a column of texts, got 'a' and 'b'. Name it with text="),
    ],
)
def test_what_is_missing_is_named_by_its_row(content: bytes, sentence: str, tmp_path: Path) -> None:
    """One sentence each."""
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(DataError) as fault:
        read_texts(tmp_path / "t.csv")
    assert str(fault.value).startswith(sentence)


@pytest.mark.parametrize("read", [read_texts, read_running_text])
def test_an_empty_file_lacks_text_not_a_header(read: Any, tmp_path: Path) -> None:
    """Also one of white space."""
    for content in ("", " \n\n"):
        (tmp_path / "t.txt").write_text(content)
        with pytest.raises(DataError, match=r"t\.txt: expected some text, got an empty file"):
            read(tmp_path / "t.txt")


def test_missing_texts_of_frames_are_named(tmp_path: Path) -> None:
    """NaN in a column of Parquet."""
    frame = pd.DataFrame({"text": ["so nice", None, np.nan], "label": [0, 1, 0]})
    frame.to_parquet(tmp_path / "t.parquet")
    with pytest.raises(DataError, match=r"row 1 .*, column 'text': expected a text, got nothing"):
        read_texts(tmp_path / "t.parquet")


def test_a_column_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """The nearest spelling is offered."""
    (tmp_path / "reviews.csv").write_text(CSV)
    with pytest.raises(DataError, match=r"expected a column 'reviews' as text.* Did you mean 'review'"):
        read_texts(tmp_path / "reviews.csv", text="reviews")
