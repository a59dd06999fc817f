"""Texts become numbers of tokens and texts again, whatever they hold."""

import json
import unicodedata

import pytest

from unrolled.data.text.codec import CODEC_UNITS, TextCodec
from unrolled.errors import ArgumentError, DataError, MissingDependencyError

TEXTS = ["Ein Hund, der rennt.", "Zwei Hunde rennen im Park!", "Où est l'école ?", "Hund und Hunde"]


@pytest.mark.parametrize("unit", CODEC_UNITS)
def test_decoding_gives_the_text_back(unit: str) -> None:
    """With single spaces, and none at the ends."""
    codec = TextCodec.learn(unit, TEXTS)
    for text in TEXTS:
        assert codec.decode(codec.encode(f"  {text}\t").tolist()) == text
        assert codec.encode(text).min() > 0
        assert codec.encode(text).max() < codec.end == len(codec) - 1


def test_subwords_spell_what_was_never_seen() -> None:
    """Letters, signs and scripts that the training text lacks."""
    codec = TextCodec.learn("subword", TEXTS, size=290)
    assert len(codec) == 292  # with the unknown token and the end
    for text in ("日本語 🙂", "Zwölf Äpfel", "x_y-z"):
        assert codec.decode(codec.encode(text).tolist()) == text


def test_a_word_seen_once_is_spelled() -> None:
    """Of subwords it gets none of its own, unless so many are asked for."""
    codec = TextCodec.learn("subword", ["zebra zebra", "quagga"])
    assert [len(codec.encode(text)) for text in ("zebra", "quagga")] == [1, 7]


@pytest.mark.parametrize("unit", ["word", "char"])
def test_what_is_not_in_the_vocabulary_is_unknown(unit: str) -> None:
    """At position 0, and left out of texts."""
    codec = TextCodec.learn(unit, ["a b"])
    positions = codec.encode("a q b").tolist()
    assert 0 in positions
    assert "q" not in codec.decode(positions)
    assert codec.readable([0]) == ["\ufffd"]


def test_a_word_is_one_token_wherever_it_stands() -> None:
    """At the beginning and after a space; signs keep to the word before them."""
    codec = TextCodec.learn("word", ["Hund und Hund."])
    first, _, second, dot = codec.encode("Hund und Hund.").tolist()
    assert first == second
    assert codec.decode([first, dot]) == "Hund."


def test_the_most_frequent_tokens_are_kept() -> None:
    """As many as asked for."""
    codec = TextCodec.learn("word", ["a a a b b c"], size=2)
    assert codec.vocabulary.tokens == (" a", " b")


@pytest.mark.parametrize("unit", CODEC_UNITS)
def test_a_codec_is_saved_as_json(unit: str) -> None:
    """And encodes the same afterwards."""
    codec = TextCodec.learn(unit, TEXTS)
    again = TextCodec.from_dict(json.loads(json.dumps(codec.to_dict())))
    assert again.encode(TEXTS[1]).tolist() == codec.encode(TEXTS[1]).tolist()
    assert again.end == codec.end


@pytest.mark.parametrize(
    ("unit", "size", "error", "sentence"),
    [
        ("subword", 9000, DataError, r"vocabulary: expected at most \d+ subwords, as many as .* got 9,000"),
        ("subword", 100, ArgumentError, "vocabulary: expected at least 256 subwords"),
        (
            "word",
            50,
            DataError,
            "vocabulary: expected at most 1. words, as many as the training text has, got",
        ),
        ("char", 99, DataError, "vocabulary: expected at most 2. chars"),
    ],
)
def test_a_vocabulary_beyond_the_text_is_refused(
    unit: str, size: int, error: type[Exception], sentence: str
) -> None:
    """With the number that it has."""
    with pytest.raises(error, match=sentence):
        TextCodec.learn(unit, TEXTS, size=size)


def test_subwords_without_their_library_name_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """That installs it."""
    monkeypatch.setitem(__import__("sys").modules, "tokenizers", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "unrolled\[text\]"'):
        TextCodec.learn("subword", TEXTS)


@pytest.mark.parametrize("unit", CODEC_UNITS)
def test_an_empty_text_has_no_tokens(unit: str) -> None:
    """Nor has white space alone; in any unit."""
    codec = TextCodec.learn(unit, TEXTS)
    for text in ("", " \n\t"):
        assert codec.split(text) == codec.encode(text).tolist() == []
    assert codec.decode([]) == ""


@pytest.mark.parametrize("unit", CODEC_UNITS)
@pytest.mark.parametrize("text", ["한국 말", "né à", "Ǻb", "각"])
def test_composed_and_decomposed_texts_have_the_same_tokens(unit: str, text: str) -> None:
    """Syllables of Hangul too, whose letters are no combining marks."""
    codec = TextCodec.learn(unit, TEXTS)
    composed, decomposed = (unicodedata.normalize(form, text) for form in ("NFC", "NFD"))
    assert codec.split(composed) == codec.split(decomposed)
    if unit != "subword":
        pieces = [token.text for token in codec.tokenizer.split(decomposed)]
        assert "".join(pieces).replace(" ", "") == composed.replace(" ", "")
        assert pieces == [token.text for token in codec.tokenizer.split(composed)]
