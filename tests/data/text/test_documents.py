"""Texts become integer tokens with places in the raw text; what is no text is named."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from unrolled.data.text.documents import as_documents, as_running_texts, as_texts
from unrolled.data.text.read import LabelledTexts
from unrolled.data.text.tokenizer import Tokenizer
from unrolled.errors import DataError, DataTypeError

WORDS = Tokenizer("word")
TEXTS = ["To be, or not", "not né", "x"]


def test_tokens_are_small_integers_among_the_distinct_tokens() -> None:
    """Of these very texts, in the order in which they first occur."""
    documents = as_documents(TEXTS, WORDS)
    sequences = documents.sequences
    assert sequences.values.dtype == np.int32
    assert sequences.tokens == ("To", "be", ",", "or", "not", "né", "x")
    assert sequences.lengths.tolist() == [5, 2, 1]
    assert documents.words(1) == ["not", "né"]


def test_spans_lead_back_into_the_raw_text() -> None:
    """Of strings as they are, of lists of words as if joined by spaces."""
    for X in (TEXTS, [["To", "be"], ["né"]]):
        documents = as_documents(X, WORDS)
        for i, text in enumerate(documents.texts):
            start, end = documents.sequences.offsets[i : i + 2]
            assert [text[a:b] for a, b in documents.spans[start:end]] == documents.words(i)


@pytest.mark.parametrize(
    "X",
    [
        tuple(TEXTS),
        np.array(TEXTS),
        np.array(TEXTS, dtype=object),
        np.array(TEXTS)[:, None],
        pd.Series(TEXTS),
        pd.DataFrame({"text": TEXTS}),
        pl.Series(TEXTS),
        pl.DataFrame({"text": TEXTS}),
        pa.array(TEXTS),
        pa.table({"text": TEXTS}),
        iter(TEXTS),
    ],
    ids=lambda X: f"{type(X).__module__.partition('.')[0]}-{type(X).__name__}",
)
def test_every_column_of_texts_is_read(X: Any) -> None:
    """Lists, arrays, series and frames of one column."""
    assert as_texts(X) == TEXTS


@pytest.mark.parametrize("tokenizer", [Tokenizer("char"), Tokenizer("word", keeps_space=True)])
def test_tokens_that_are_white_space_are_read_again_as_a_list(tokenizer: Tokenizer) -> None:
    """Such tokenizers make them: what a probe shuffles and fits a copy on."""
    words = as_documents(["a b\n\nc"], tokenizer).words(0)
    assert "\n" in words
    assert as_documents([words], tokenizer).words(0) == words


@pytest.mark.parametrize(
    ("X", "sentence"),
    [
        ("one text", "X: expected a list of texts, got one text. A single text is given as [text]."),
        ([], "X: expected at least one text, got none."),
        (["a", None], "X, position 1: expected a text, got None. Leave it out, or write one there."),
        (["a", np.nan], "X, position 1: expected a text, got NaN. Leave it out, or write one there."),
        (["a", pd.NA], "X, position 1: expected a text, got NaN. Leave it out, or write one there."),
        ([b"a"], "X, position 0: expected a text, got bytes. Decode them: item.decode('utf-8')."),
        ([3], "X, position 0: expected a text, got 3 (int). Write it as one: str(item)."),
        (["a", ["b"]], "X: expected either strings or lists of words, got both. Join the words"),
        ([["a", None]], "X, position 0, word 1: expected a word, got None. Leave it out."),
        ([["a", " "]], "X, position 0, word 1: expected a word, got ' '. Leave it out."),
        (["a", ""], "X, position 1: expected a text with at least one word, got an empty one. Leave it out"),
        (["a", " \n"], "X, position 1: expected a text with at least one word, got ' \\n', which has none."),
        ([["a"], []], "X, position 1: expected a text with at least one word, got an empty one."),
        (5, "X: expected a list of texts, got int."),
        (pd.DataFrame({"a": ["x"], "b": ["y"]}), "X: expected one column of texts, got 2 columns. Select"),
        ({"one": "a text"}, "X: expected a list of texts, got dict. Pass list(x.values())."),
        ({"a", "b"}, "X: expected a list of texts, got set. Pass sorted(x)."),
        (pl.LazyFrame({"a": ["x"]}), "X: expected texts in memory, got a lazy frame. Call its .collect()"),
    ],
)
def test_what_is_no_text_is_named_in_a_sentence(X: Any, sentence: str) -> None:
    """With its position."""
    with pytest.raises((DataError, DataTypeError)) as fault:
        as_documents(X, WORDS, who="X")
    assert str(fault.value).startswith(sentence)


@pytest.mark.parametrize(
    ("X", "sentence"),
    [
        ("", "expected a text, got an empty one"),
        (None, "expected a text or a list of documents, got None"),
        (b"abc", "expected a text, got bytes. Decode them"),
        (Path("book.txt"), r"got the path book.txt. Read it: path.read_text\(\)"),
        (7, "expected a list of texts, got int"),
        ([], "expected at least one text, got none"),
        (["to be", ""], "position 1: expected a text, got an empty one. Leave it out"),
        (["to be", None], "position 1: expected a text, got None"),
        (["to be", 3.5], "position 1: expected a text, got 3.5"),
        ([["to", "be"]], r"position 0: expected a string, got a list of words. Join them"),
    ],
)
def test_what_is_no_running_text_is_refused(X: object, sentence: str) -> None:
    """One sentence each, with the position and the way out."""
    with pytest.raises(DataError, match=sentence):
        as_running_texts(X)


def test_a_string_is_one_running_text_and_a_list_documents() -> None:
    """Columns, and what read_texts returned, are documents too."""
    assert as_running_texts("to be\nor not") == (["to be\nor not"], False)
    assert as_running_texts(pd.Series(["to be", " "])) == (["to be", " "], True)
    assert as_running_texts(LabelledTexts(["to be"], None, "t.txt")) == (["to be"], True)
