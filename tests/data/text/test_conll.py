"""Tagged sentences are read from CoNLL-U and from older tables with a word and its tags a line."""

import gzip
import os
from pathlib import Path

import pytest

from unrolled.data.text.conll import read_tagged
from unrolled.errors import ArgumentError, DataError

CONLLU = """# sent_id = 1
# text = I can't, Ann.
1\tI\tI\tPRON\tPRP\t_\t2\tnsubj\t_\t_
2-3\tcan't\t_\t_\t_\t_\t_\t_\t_\tSpaceAfter=No
2\tca\tcan\tAUX\tMD\t_\t0\troot\t_\t_
3\tn't\tnot\tPART\tRB\t_\t2\tadvmod\t_\t_
3.1\tgo\tgo\tVERB\tVB\t_\t_\t_\t_\t_
4\t#\t#\tSYM\tNN\t_\t2\tdep\t_\t_

# sent_id = 2
1\tYes\tyes\tINTJ\tUH\t_\t0\troot\t_\t_
"""


def test_contractions_and_unwritten_words_are_left_out(tmp_path: Path) -> None:
    """The words of a contraction are read; a word may be a number sign."""
    (tmp_path / "two.conllu").write_text(CONLLU)
    sentences = read_tagged(tmp_path / "two.conllu")
    assert sentences.words == [["I", "ca", "n't", "#"], ["Yes"]]
    assert sentences.tags == [["PRON", "AUX", "PART", "SYM"], ["INTJ"]]
    assert read_tagged(tmp_path / "two.conllu", column="xpos").tags[1] == ["UH"]


def test_tables_of_two_columns_are_read(tmp_path: Path) -> None:
    """As CoNLL-2003 has them, several empty lines and a line of documents among them."""
    path = tmp_path / "ner.txt.gz"
    path.write_bytes(
        gzip.compress(b"-DOCSTART- -X- O O\n\nAnn NNP B-NP B-PER\nran VBD B-VP O\n\n\nOk UH O O\n")
    )
    sentences = read_tagged(path)
    assert sentences.words == [["Ann", "ran"], ["Ok"]]
    assert sentences.tags == [["B-PER", "O"], ["O"]]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"a X\nb\n", "t.txt line 2: expected 2 columns, a word and its tags, got 1"),
        (b"a\n", "t.txt line 1: expected 2 columns"),
        (b"# only a remark\n\n", "t.txt: expected sentences, a word and its tag a line, got none"),
        (b"a X\n\xe9 X\n", "t.txt line 2: expected UTF-8"),
    ],
)
def test_broken_files_are_named_by_their_line(content: bytes, sentence: str, tmp_path: Path) -> None:
    """One sentence each."""
    (tmp_path / "t.txt").write_bytes(content)
    with pytest.raises(DataError, match=sentence):
        read_tagged(tmp_path / "t.txt")


def test_a_column_that_is_none_is_refused() -> None:
    """The nearest spelling is offered."""
    with pytest.raises(ArgumentError, match=r"column: expected one of .* got 'pos'. Did you mean '.pos'"):
        read_tagged("any.conllu", column="pos")


@pytest.mark.slow
@pytest.mark.skipif("UNROLLED_DATA" not in os.environ, reason="UNROLLED_DATA names no folder of real data")
def test_a_treebank_is_read_as_conllu_reads_it() -> None:
    """The development part of the English web treebank, word for word."""
    conllu = pytest.importorskip("conllu")
    path = Path(os.environ["UNROLLED_DATA"]) / "ud_ewt" / "en_ewt-ud-dev.conllu.gz"
    expected = [
        [(token["form"], token["upos"]) for token in sentence if isinstance(token["id"], int)]
        for sentence in conllu.parse(gzip.decompress(path.read_bytes()).decode())
    ]
    sentences = read_tagged(path)
    pairs = zip(sentences.words, sentences.tags, strict=True)
    assert [list(zip(words, tags, strict=True)) for words, tags in pairs] == expected
