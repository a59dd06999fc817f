"""Text for sessions: what a message may hold, and the likeliest tokens behind each."""

from typing import Any

import numpy as np
import pytest

from unrolled.errors import DataError, StreamError
from unrolled.models.streaming.streams import Streams
from unrolled.stream.serving import text
from unrolled.stream.serving.text import MOST_CHARACTERS, LanguageStreams, NextTokens, text_reader


def test_texts_and_positions_are_read(language_model: Any, text_classifier: Any) -> None:
    """As the streams of the library read them."""
    read = text_reader(Streams(language_model, 1))
    positions = language_model.codec_.encode("to be").positions
    assert np.array_equal(read("to be"), read(positions.tolist()))
    words = text_reader(Streams(text_classifier, 1))
    assert np.array_equal(words("so funny"), words(["so", "funny"]))


@pytest.mark.parametrize(
    ("x", "sentence"),
    [
        ("", "at least one token, got none"),
        ("a" * (MOST_CHARACTERS + 1), "at most 16,384 characters in a message, got 16,385"),
        (["a" * 10_000] * 2, "got 20,000"),
        ([-1], "expected positions from 0 to"),
        ([0.5], "expected positions from 0 to"),
        ([None], "expected numbers"),
        (["a"], "expected a text or positions of tokens, got a list of texts"),
        (None, "expected a text"),
    ],
)
def test_what_is_no_text_is_refused(language_model: Any, x: Any, sentence: str) -> None:
    """With the code of a bad input."""
    with pytest.raises(StreamError, match=sentence) as caught:
        text_reader(Streams(language_model, 1))(x)
    assert caught.value.code == "bad_input"


@pytest.mark.parametrize("most", [1, 3, 5, 9])
def test_the_likeliest_come_first_and_of_equal_ones_the_earlier(most: int) -> None:
    """As a stable sort of each row has them."""
    p = np.random.default_rng(0).integers(1, 4, size=(40, 5)) / 10
    got = NextTokens.of(p, most, tuple("abcde"))
    expected = np.argsort(-p, axis=1, kind="stable")[:, :most]
    if most >= 5:
        assert np.array_equal(got.tokens, expected)
    assert np.array_equal(got.probabilities, np.take_along_axis(p, expected, 1))
    assert got.tolist()[0][0] == ["abcde"[expected[0, 0]], p[0].max()]


def test_streams_answer_with_the_bits_of_the_model(
    language_model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many distributions are computed at a time."""
    texts = {"a": "to be or", "b": "not", "c": "t"}
    whole = LanguageStreams(language_model, 3, likeliest=4).steps(texts)
    monkeypatch.setattr(text, "_MOST_NUMBERS", 3 * len(language_model.tokens_))
    pieces = LanguageStreams(language_model, 3, likeliest=4).steps(texts)
    for name, each in texts.items():
        p = language_model.predict_proba(each)
        best = np.sort(p, axis=1)[:, ::-1][:, :4]
        assert whole[name].probabilities.tolist() == pieces[name].probabilities.tolist() == best.tolist()
        assert whole[name].tolist()[-1][0][0] == language_model.tokens_[p[-1].argmax()]


def test_a_bad_token_of_one_stream_moves_none(language_model: Any) -> None:
    """Whichever piece it would be in."""
    streams = LanguageStreams(language_model, 2, likeliest=1)
    streams.steps({"a": "to"})
    before = streams.snapshot("a")
    with pytest.raises(DataError, match="expected positions"):
        streams.steps({"a": " be", "b": [1.0, 2.0, 1e6]})
    assert streams.snapshot("a") == before
    assert "b" not in streams
