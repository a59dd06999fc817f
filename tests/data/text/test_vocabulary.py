"""Vocabularies hold the tokens of the training text; all others are unknown."""

import json

import numpy as np
import pytest

from unrolled.data.sequences import Sequences
from unrolled.data.text.documents import as_documents
from unrolled.data.text.tokenizer import Tokenizer
from unrolled.data.text.vocabulary import Vocabulary
from unrolled.errors import DataError

TEXT = as_documents(["b a A c a", "C c c"], Tokenizer("word")).sequences


def test_frequent_tokens_come_first_and_ties_in_order_of_the_text() -> None:
    """Case counts unless it is folded."""
    assert Vocabulary.learn(TEXT).tokens == ("c", "a", "b", "A", "C")
    assert Vocabulary.learn(TEXT, lowercase=True).tokens == ("c", "a", "b")
    assert Vocabulary.learn(TEXT, min_count=2, max_size=1).tokens == ("c",)


def test_unknown_tokens_are_zero() -> None:
    """And no token of the vocabulary is."""
    vocabulary = Vocabulary.learn(TEXT, lowercase=True)
    assert vocabulary.positions(["A", "x", "c"]).tolist() == [2, 0, 1]
    assert len(vocabulary) == 4


def test_a_part_of_the_sequences_counts_alone() -> None:
    """The table of tokens may hold those of texts that are held out: they are not learned."""
    assert set(Vocabulary.learn(TEXT.select(np.array([1]))).tokens) == {"C", "c"}


def test_json_holds_all_of_it() -> None:
    """Saved models hold no code."""
    vocabulary = Vocabulary.learn(TEXT, lowercase=True)
    assert Vocabulary.from_dict(json.loads(json.dumps(vocabulary.to_dict()))) == vocabulary


def test_nothing_frequent_enough_and_numbers_are_refused() -> None:
    """One sentence each."""
    with pytest.raises(DataError, match="expected a token that occurs at least 9 times"):
        Vocabulary.learn(TEXT, min_count=9)
    with pytest.raises(DataError, match="expected sequences of tokens, got numbers"):
        Vocabulary.learn(Sequences.from_arrays([[1.0]]))
