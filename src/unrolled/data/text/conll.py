"""Read tagged sentences: CoNLL-U, and the older tables with a word and its tags a line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from unrolled.data.io import files
from unrolled.data.text.decode import decode_lines
from unrolled.errors import ArgumentError, DataError
from unrolled.formatting import quoted_list
from unrolled.validation import check_path, suggest_spelling

CONLLU_COLUMNS = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")


@dataclass(frozen=True, eq=False)
class TaggedSentences:
    """Sentences with a tag a word.

    Args:
        words: N lists.
        tags: N lists, as long.
        source: the file.
    """

    words: list[list[str]]
    tags: list[list[str]]
    source: str

    def __len__(self) -> int:
        return len(self.words)


def read_tagged(path: str | Path, *, column: str = "upos") -> TaggedSentences:
    r"""Read sentences whose words have tags, a word a line, sentences apart by empty lines.

    Args:
        path: CoNLL-U, ten columns between tabs; words of a contraction are read, the contraction ("1-2") and
            words that are not written ("1.1") are not. Or fewer columns between tabs or spaces, as CoNLL-2003
            has them: the word first, its tag last; "-DOCSTART-" lines are left out. May be gzipped.
        column: of CoNLL-U, the one with the tags: "upos", "xpos", "deprel" and so on.

    Raises:
        ArgumentError: there is no such column.
        DataError: there is no such file, it is no UTF-8, or a line lacks columns; the message names it.

    >>> _ = Path("two.conll").write_text("Ann B-PER\nruns O\n\nHello O\n")
    >>> sentences = read_tagged("two.conll")
    >>> sentences.words, sentences.tags
    ([['Ann', 'runs'], ['Hello']], [['B-PER', 'O'], ['O']])
    """
    if column not in CONLLU_COLUMNS:
        offer = suggest_spelling(str(column), CONLLU_COLUMNS)
        raise ArgumentError(f"column: expected one of {quoted_list(CONLLU_COLUMNS)}, got {column!r}.{offer}")
    path = check_path("read_tagged path", path)
    words: list[list[str]] = [[]]
    tags: list[list[str]] = [[]]
    width = 0
    content = files.read_decompressed(path, expected="some text")
    for number, line in enumerate(decode_lines(content, path), start=1):
        if not line.strip():
            if words[-1]:
                words.append([])
                tags.append([])
            continue
        if line.startswith(("# ", "#\t", "-DOCSTART-")) or (line[0] == "#" and "\t" not in line):
            continue
        cells = line.split("\t") if "\t" in line else line.split()
        width = width or len(cells)
        if len(cells) != width or width < 2:
            raise DataError(
                f"{path.name} line {number}: expected {max(2, width)} columns, a word and its tags, got "
                f"{len(cells)}. Sentences are apart by empty lines."
            )
        if width == len(CONLLU_COLUMNS):
            if not cells[0].isdigit():  # 1-2 is a contraction, 1.1 is not written
                continue
            word, tag = cells[1], cells[CONLLU_COLUMNS.index(column)]
        else:
            word, tag = cells[0], cells[-1]
        words[-1].append(word)
        tags[-1].append(tag)
    if not words[-1]:
        words.pop()
        tags.pop()
    if not words:
        raise DataError(f"{path.name}: expected sentences, a word and its tag a line, got none.")
    return TaggedSentences(words, tags, path.name)
