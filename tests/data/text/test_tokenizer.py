"""Texts are cut into words, characters or subwords, and every token knows its place in the raw text."""

import json
import re
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unrolled.data.text.tokenizer import Tokenizer
from unrolled.errors import ArgumentError, DataError, MissingDependencyError


def _words(text: str) -> list[str]:
    return [token.text for token in Tokenizer("word").split(text)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("It isn't so, is it?", ["It", "isn't", "so", ",", "is", "it", "?"]),
        ("Où est l’hôtel", ["Où", "est", "l’hôtel"]),
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),  # vowel signs and virama are marks, no letters
        ("Привет, мир", ["Привет", ",", "мир"]),
        ("مرحبا بالعالم", ["مرحبا", "بالعالم"]),
        ("私は学生", ["私", "は", "学", "生"]),  # without spaces each letter is a word
        ("ok 👍🏽👨‍👩‍👧 🇩🇪🇫🇷!", ["ok", "👍🏽", "👨‍👩‍👧", "🇩🇪", "🇫🇷", "!"]),
        ("a\u00a0b\u2003c\td", ["a", "b", "c", "d"]),
        ("3.14 x_1 e\u0301te\u0301", ["3", ".", "14", "x_1", "été"]),
    ],
)
def test_words_of_any_script(text: str, words: list[str]) -> None:
    """Marks stay with their letters, signs stand alone, emoji with their modifiers are one."""
    assert _words(text) == words


@pytest.mark.parametrize("unit", ["word", "char"])
@given(text=st.text())
def test_every_token_is_its_place_in_composed_form(unit: str, text: str) -> None:
    """Whatever the text: spans rise, do not overlap, and hold all but white space."""
    tokens = Tokenizer(unit).split(text)
    for token in tokens:
        assert token.text == unicodedata.normalize("NFC", text[token.start : token.end])
    ends = [0, *(token.end for token in tokens)]
    starts = [*(token.start for token in tokens), len(text)]
    left_out = "".join(text[end:start] for end, start in zip(ends, starts, strict=True))
    assert left_out == "" if unit == "char" else left_out.isspace() or not left_out


def test_two_spellings_of_a_character_are_one_token() -> None:
    """é is one character or two code points; the token is the same, the place is where it stands."""
    composed, decomposed = (Tokenizer("char").split(text) for text in ("né", "ne\u0301"))
    assert [token.text for token in composed] == [token.text for token in decomposed] == ["n", "é"]
    assert decomposed[1].end == 3


def test_subwords_have_the_size_asked_for_and_rebuild_the_text() -> None:
    """Learned once; the JSON holds all of it, and every text can be cut, one never seen too."""
    pytest.importorskip("tokenizers")
    texts = [f"the {animal}s were running and jumping" for animal in ("cat", "dog", "horse")] * 4
    learned = Tokenizer.learn(280, texts)
    record = json.loads(json.dumps(learned.to_dict()))
    again = Tokenizer.from_dict(record)
    text = "the dogs 跑 né"
    tokens = again.split(text)
    assert tokens == learned.split(text)
    assert len(tokens) < len(text.encode())
    assert text[tokens[1].start : tokens[1].end].strip() in "dogs"
    assert tokens[-1].end == len(text)


def test_more_subwords_than_the_text_has_are_refused() -> None:
    """The sentence says how many there are."""
    pytest.importorskip("tokenizers")
    with pytest.raises(DataError, match=r"unit: expected at most \d+ subwords.* got 4,000. Give a smaller"):
        Tokenizer.learn(4000, ["a short text"])


def test_a_unit_that_is_none_is_refused() -> None:
    """Words, characters, or 256 subwords and more."""
    with pytest.raises(ArgumentError, match="unit: expected 'word', 'char' or a number of subwords"):
        Tokenizer.learn("sentence", ["a"])
    with pytest.raises(ArgumentError, match=r"unit: expected at least 256 subwords.* got 100"):
        Tokenizer.learn(100, ["a"])


def test_subwords_without_the_library_name_the_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """An extra that is missing is an error with the exact command."""
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "unrolled\[text\]"'):
        Tokenizer.learn(300, ["a"])


@pytest.mark.parametrize("unit", ["word", "char"])
@given(text=st.text())
def test_pieces_give_the_text_back(unit: str, text: str) -> None:
    """White space included, in composed form."""
    tokenizer = Tokenizer(unit)
    assert tokenizer.join(tokenizer.pieces(text)) == unicodedata.normalize("NFC", text)


def test_one_space_belongs_to_the_word_behind_it() -> None:
    """Every other character of white space is a piece."""
    pieces = Tokenizer("word").pieces(" a  b\n\t c ")
    assert pieces == [" a", " ", " b", "\n", "\t", " c", " "]


def test_subwords_give_any_text_back() -> None:
    """A cut in the middle of a letter becomes a replacement character."""
    pytest.importorskip("tokenizers", reason="the extra text is not installed")
    tokenizer = Tokenizer.learn(258, ["to be or not to be"])
    text = " être\r\n  或 👍🏽 "
    assert tokenizer.join(tokenizer.pieces(text)) == text
    assert len(tokenizer.subwords) == 258
    assert set(tokenizer.pieces("或 be")) <= set(tokenizer.subwords)
    assert tokenizer.join(tokenizer.pieces("或")[:2]) == "\ufffd"
    assert Tokenizer("char").subwords == ()


@pytest.mark.parametrize("text", ["be \ud800 be", "\udc00"])
def test_half_of_a_surrogate_pair_has_no_subwords(text: str) -> None:
    """The sentence says where it stands, and its way out works; halves that meet become one character."""
    pytest.importorskip("tokenizers", reason="the extra text is not installed")
    tokenizer = Tokenizer.learn(258, ["to be or not to be"])
    place = f"at character {3 if 'be' in text else 0}, half of a surrogate pair"
    for cut in (tokenizer.split, tokenizer.pieces, lambda text: Tokenizer.learn(258, [text])):
        with pytest.raises(DataError, match=place):
            cut(text)
    repaired = (text + "\ud83d\ude00").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert (
        tokenizer.join(tokenizer.pieces(repaired)) == re.sub("[\ud800\udc00]", "\ufffd", text) + "\U0001f600"
    )


@pytest.mark.parametrize("unit", ["word", "char"])
@pytest.mark.parametrize("text", ["To be,\n or  not", " ne\u0301 ", "👍🏽 !", "\t"])
def test_tokens_that_keep_their_space_are_the_pieces(unit: str, text: str) -> None:
    """Each at its place in the raw text, and saved as such."""
    tokenizer = Tokenizer(unit, keeps_space=True)
    tokens = tokenizer.split(text)
    assert [token.text for token in tokens] == tokenizer.pieces(text)
    assert "".join(text[token.start : token.end] for token in tokens) == text
    assert Tokenizer.from_dict(tokenizer.to_dict()) == tokenizer
