"""Word vectors are read from text files of GloVe's and fastText's kind."""

import gzip
from pathlib import Path

import pytest

from unrolled.data.text.vectors import read_vectors
from unrolled.errors import DataError

LINES = "the 0.5 -1\ncat 1e-2 2\nné 3 4\n"


@pytest.mark.parametrize("header", ["", "3 2\n"])
def test_words_and_numbers_are_read_with_and_without_a_header(header: str, tmp_path: Path) -> None:
    """word2vec writes one; a gzipped file is one too."""
    path = tmp_path / "vectors.txt.gz"
    path.write_bytes(gzip.compress((header + LINES).encode()))
    words, vectors = read_vectors(path)
    assert words == ("the", "cat", "né")
    assert vectors.tolist() == [[0.5, -1.0], [pytest.approx(0.01), 2.0], [3.0, 4.0]]


def test_the_top_of_the_file_and_needed_words_are_kept(tmp_path: Path) -> None:
    """A file of millions of words does not fill the memory."""
    (tmp_path / "v.txt").write_text(LINES)
    assert read_vectors(tmp_path / "v.txt", needed={"né"}, most=1).words == ("the", "né")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"the 1 2\ncat 1 2 3\n", r"v.txt line 2: expected 2 numbers after the word, as in line 1, got 3"),
        (b"2 2\nthe 1 2\ncat 1\n", r"v.txt line 3: expected 2 numbers after the word, as in line 2, got 1"),
        (b"the 1 x\n", r"v.txt line 1: expected numbers after the word"),
        (b"the 1 nan\n", r"v.txt line 1: expected finite numbers"),
        (b"the\ncat\n", r"v.txt: expected a word and its numbers a line, got words alone"),
        (b"3 2\n", r"v.txt: expected a word and its numbers a line, got none"),
        (b"", r"v.txt: expected a word and its numbers a line, got an empty file"),
        (b"the 1 2\nn\xe9 1 2\n", r"v.txt line 2: expected UTF-8, got byte 0xe9"),
    ],
)
def test_what_is_no_vector_is_named_by_its_line(content: bytes, sentence: str, tmp_path: Path) -> None:
    """One sentence each."""
    (tmp_path / "v.txt").write_bytes(content)
    with pytest.raises(DataError, match=sentence):
        read_vectors(tmp_path / "v.txt")
