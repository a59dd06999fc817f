"""LanguageCodec: texts to positions and back, unknown pieces spelled, every text with a probability."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unrolled.data.text.language.codec import CODE_POINTS, END, LanguageCodec, SpellingModel
from unrolled.errors import ArgumentError, DataError

TEXT = "the cat sat on the mat.\nthe dog sat on the cat, x\n"
WORDS = LanguageCodec.learn([TEXT], "word")


@pytest.mark.parametrize("unit", ["char", "word"])
def test_known_text_comes_back_whole(unit: str) -> None:
    """With every piece in the vocabulary."""
    codec = LanguageCodec.learn([TEXT], unit, min_count=1)
    encoded = codec.encode(TEXT)
    assert codec.decode(encoded.positions) == TEXT
    assert encoded.unknown == ()
    assert encoded.spelling_nats.sum() == 0
    assert encoded.n_characters == len(TEXT)


def test_subwords_know_every_text() -> None:
    """Bytes are among them: letters that the training text lacks come back, and count as characters."""
    pytest.importorskip("tokenizers", reason="the extra text is not installed")
    codec = LanguageCodec.learn([TEXT], 262)
    assert len(codec) == 264
    encoded = codec.encode("наш cat 👍🏽\r\n")
    assert codec.decode(encoded.positions) == "наш cat 👍🏽\r\n"
    assert (encoded.unknown, encoded.n_characters) == ((), 12)
    with pytest.raises(DataError, match=r"expected at most .* subwords, as many as the training text has"):
        LanguageCodec.learn([TEXT], 4000)


def test_pieces_that_occur_once_are_unknown() -> None:
    """They teach the network what to expect; position 1 is the end of a document."""
    codec = LanguageCodec.learn([TEXT], "word")
    assert codec.vocabulary.tokens[END - 1] == ""
    encoded = codec.encode(" cat x")
    assert encoded.unknown == (" x",)
    assert encoded.positions[0] > END
    assert codec.decode(encoded.positions) == " cat\ufffd"
    assert encoded.spelling_nats.tolist() == [0.0, codec.spelling.nats(" x")]


def test_a_text_of_single_pieces_is_learned_all_the_same() -> None:
    """The least count falls to 1 where nothing occurs twice; 2 that is asked for is refused."""
    assert len(LanguageCodec.learn(["abc"], "char")) == 5
    with pytest.raises(DataError, match=r"a char that occurs at least 2 times .* min_count=1"):
        LanguageCodec.learn(["abc"], "char", min_count=2)
    with pytest.raises(ArgumentError, match="expected 'word', 'char' or a number"):
        LanguageCodec.learn(["abc"], "letters")


def test_vocabulary_size_keeps_the_most_frequent() -> None:
    """More than there are is all of them."""
    assert set(LanguageCodec.learn([TEXT], "char", max_size=3).vocabulary.tokens) == {"", " ", "t", "a"}
    all_of_them = LanguageCodec.learn([TEXT], "char", min_count=1, max_size=9999)
    assert len(all_of_them) == len(set(TEXT)) + 2


def test_spelling_equals_its_formula_and_sums_to_one() -> None:
    """Known characters, the end, and what is left for all others together."""
    spelling = SpellingModel.learn(["ab", "b"])  # a 1, b 2, ends 2; N = 5, D = 3
    share = 3 / CODE_POINTS
    assert spelling.nats("b") == pytest.approx(-math.log((2 + share) / 8) - math.log((2 + share) / 8))
    assert spelling.nats("") == pytest.approx(-math.log((2 + share) / 8))
    one = {text: math.exp(spelling.nats("") - spelling.nats(text)) for text in ("a", "b", "\ufffd")}
    total = one["a"] + one["b"] + math.exp(-spelling.nats("")) + (CODE_POINTS - 3) * one["\ufffd"]
    assert total == pytest.approx(1)


@given(text=st.text(max_size=30))
def test_any_text_has_positions_and_a_finite_cost(text: str) -> None:
    """As many costs as positions, all finite; characters are those of the text in NFC."""
    encoded = WORDS.encode(text)
    assert len(encoded.positions) == len(encoded.spelling_nats)
    assert np.isfinite(encoded.spelling_nats).all()
    assert encoded.n_characters == len(WORDS.tokenizer.join(WORDS.tokenizer.pieces(text)))


def test_it_is_saved_as_json() -> None:
    """With vocabulary and spelling."""
    codec = LanguageCodec.learn([TEXT], "char")
    again = LanguageCodec.from_dict(codec.to_dict())
    assert again == codec
    assert again.encode("cät").spelling_nats.tolist() == codec.encode("cät").spelling_nats.tolist()
