"""Streams of text classifiers and taggers: the bits of the whole text, whatever is beside it."""

from typing import Any

import numpy as np
import pytest

import unrolled as ur
from unrolled import kernels
from unrolled.errors import ArgumentError, DataError
from unrolled.models.text import stream as module

pytestmark = pytest.mark.skipif(not kernels.available(), reason="the compiled kernels are not installed")

TEXT = "a warm FILM, an unseen zyzzyva was not dull"


@pytest.fixture(scope="module")
def classifier(reviews: Any) -> ur.TextClassifier:
    """Two networks, each with an embedding of its own."""
    texts, labels = reviews
    model = ur.TextClassifier(hidden_size=7, n_members=2, bidirectional=False, max_epochs=1)
    return model.fit(texts[:60], labels[:60])


@pytest.fixture(scope="module")
def tagger(reviews: Any) -> ur.TextTagger:
    """Of long and short words."""
    sentences = [text.split() for text in reviews[0][:40]]
    tags = [["long" if len(word) > 3 else "short" for word in words] for words in sentences]
    return ur.TextTagger(hidden_size=6, n_members=2, cell="lstm", bidirectional=False, max_epochs=1).fit(
        sentences, tags
    )


def words_of(model: Any, text: str) -> list[str]:
    """Return the words that the model reads."""
    return [token.text for token in model.tokenizer_.split(text)]


def test_a_classifier_answers_each_word_as_the_text_up_to_it(classifier: Any) -> None:
    """Words of the vocabulary and others, in capitals too."""
    words, stream = words_of(classifier, TEXT), classifier.stream()
    answers = stream.steps(TEXT)
    for n, answer in enumerate(answers, start=1):
        assert np.array_equal(answer, classifier.predict_proba([words[:n]])[0])
    assert np.array_equal(answers[-1], classifier.predict_proba(["so funny a plot", TEXT])[1])
    assert (stream.n_steps, len(answers)) == (len(words), 10)


def test_a_tagger_answers_each_word_as_in_its_sentence(tagger: Any) -> None:
    """A word's tag does not depend on those behind it."""
    assert np.array_equal(tagger.stream().steps(TEXT), tagger.predict_proba([TEXT])[0])


@pytest.mark.parametrize("name", ["classifier", "tagger"])
def test_cuts_and_company_change_no_bit(name: str, request: pytest.FixtureRequest) -> None:
    """Word by word, in two calls, beside another stream, and from a snapshot."""
    model = request.getfixturevalue(name)
    whole, words = model.stream().steps(TEXT), words_of(model, TEXT)
    stream, streams = model.stream(), ur.Streams(model, 3)
    assert np.array_equal([stream.step(word) for word in words], whole)
    first = streams.steps({"a": words[:4], "b": "so bright"})
    second = streams.steps({"b": streams.rows("a cast"), "a": words[4:]})
    assert np.array_equal(np.concatenate([first["a"], second["a"]]), whole)
    assert np.array_equal(second["b"][-1], model.stream().steps("so bright a cast")[-1])
    stream.reset()
    stream.steps(words[:3])
    assert np.array_equal(model.stream(stream.snapshot()).steps(words[3:]), whole[3:])


def test_a_text_without_words_moves_nothing(classifier: Any) -> None:
    """No step, no answer."""
    stream = classifier.stream()
    assert stream.steps("").shape == stream.steps(" \n").shape == (0, 2)
    assert stream.n_steps == 0


def test_vectors_of_many_words_are_looked_up_anew(classifier: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only so many are kept."""
    expected = classifier.stream().steps(TEXT)
    monkeypatch.setattr(module, "_MOST_WORDS", 4)
    assert np.array_equal(classifier.stream().steps(TEXT), expected)
    stream = classifier.stream()
    assert np.array_equal([stream.step(word) for word in words_of(classifier, TEXT)], expected)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (None, "expected numbers, got NoneType"),
        (["a", 3], r"word 1: expected a word, got 3"),
        (["a", " "], r"word 1: expected a word, got ' '"),
        ([[1.0, 2.0]], r"expected steps of 208 values, \(n, 208\), got shape \(1, 2\)"),
        (np.full((1, 208), np.nan), "expected vectors of finite numbers, got others in step 1"),
        (
            np.full((1, 208), 1e300),
            r"position of a word among \d+ at the end of each vector, got 1e.300",
        ),
    ],
)
def test_what_is_no_text_is_refused(classifier: Any, words: Any, sentence: str) -> None:
    """And the state has not moved."""
    stream = classifier.stream()
    with pytest.raises(DataError, match=sentence):
        stream.steps(words)
    assert stream.n_steps == 0


def test_a_step_is_one_word(classifier: Any) -> None:
    """Several are steps."""
    with pytest.raises(DataError, match="expected one token, got 'so dull', which is 2"):
        classifier.stream().step("so dull")


def test_a_run_from_the_end_cannot_stream(reviews: Any) -> None:
    """It is the default of texts."""
    texts, labels = reviews
    model = ur.TextClassifier(hidden_size=4, n_members=1, max_epochs=1).fit(texts[:20], labels[:20])
    with pytest.raises(ArgumentError, match="bidirectional=True reads from the end"):
        model.stream()
