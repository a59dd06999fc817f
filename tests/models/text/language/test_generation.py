"""Sampling equals its formula, texts are reproducible, completions have the probabilities of their tokens."""

import itertools

import numpy as np
import pytest

from unrolled.data.text.language.codec import END
from unrolled.errors import ArgumentError, NotFittedError
from unrolled.models.text.language.generation import Sampling
from unrolled.models.text.language.language_model import LanguageModel


def test_sampling_equals_its_formula() -> None:
    """Temperature, the likeliest k, the fewest that hold p; the largest stays in any case."""
    p = np.array([0.1, 0.4, 0.2, 0.3])
    assert Sampling(0.5, None, None).distribution(p) == pytest.approx(p**2 / (p**2).sum())
    assert Sampling(2.0, None, None).distribution(p) == pytest.approx(np.sqrt(p) / np.sqrt(p).sum())
    assert Sampling(1.0, 2, None).distribution(p) == pytest.approx([0, 4 / 7, 0, 3 / 7])
    assert Sampling(1.0, 99, None).distribution(p) == pytest.approx(p)
    assert Sampling(1.0, None, 0.7).distribution(p) == pytest.approx([0, 4 / 7, 0, 3 / 7])
    assert Sampling(1.0, None, 0.71).distribution(p) == pytest.approx([0, 4 / 9, 2 / 9, 3 / 9])
    assert Sampling(1.0, None, 1.0).distribution(p) == pytest.approx(p)
    assert Sampling(1e-3, None, None).distribution(p) == pytest.approx([0, 1, 0, 0])
    assert Sampling(1.0, 3, 0.1).distribution(p) == pytest.approx([0, 1, 0, 0])


def test_tokens_are_drawn_as_often_as_they_are_likely(model: LanguageModel) -> None:
    """First characters of 400 texts, beside the distribution of the stream."""
    p = model.stream().peek()
    p[:2] = 0
    p /= p.sum()
    drawn = [model.generate("", 1, random_state=seed) for seed in range(400)]
    counts = np.array([drawn.count(token) for token in model.tokens_])
    assert np.abs(counts / 400 - p).max() < 4 * np.sqrt(0.25 / 400)


def test_a_text_is_reproducible(model: LanguageModel) -> None:
    """By its seed, with as many tokens as were asked for; another seed gives another."""
    one = model.generate("the", 60, random_state=0)
    assert len(one) == 60
    assert model.generate("the", 60, random_state=0) == one
    assert model.generate("the", 60, random_state=1) != one
    assert model.generate("the", 60) != model.generate("the", 60)
    greedy = [model.generate("the", 40, top_k=1) for _ in range(2)]
    assert greedy[0] == greedy[1] == model.generate("the", 40, temperature=1e-4)


def test_a_text_goes_on_in_pieces_as_a_whole(model: LanguageModel) -> None:
    """Greedily: what was written is read as a prompt."""
    whole = model.generate("the", 30, top_k=1)
    first = model.generate("the", 12, top_k=1)
    assert first + model.generate("the" + first, 18, top_k=1) == whole


def test_documents_end(documents_model: LanguageModel) -> None:
    """A model of documents stops where one ends; a model of a running text never does."""
    texts = [documents_model.generate("", 200, random_state=seed) for seed in range(5)]
    assert min(map(len, texts)) < 200
    assert documents_model.stream().peek()[END] < 0.1


def test_completions_are_the_likeliest_words(model: LanguageModel) -> None:
    """Beside an exhaustive search over all words of the text."""
    completions = model.complete("the quick", n=3)
    assert completions[0].text == "ly"
    assert completions[0].probability > 0.5
    words = ["the", "cat", "dog", "sat", "ran", "on", "mat", "lazy", "quickly"]
    expected = sorted(((_word_probability(model, "the ", word), word) for word in words), reverse=True)[:3]
    found = model.complete("the ", n=3)
    assert [each.text for each in found] == [word for _, word in expected]
    assert [each.probability for each in found] == pytest.approx([p for p, _ in expected])
    probabilities = [each.probability for each in model.complete("", n=20)]
    assert probabilities == sorted(probabilities, reverse=True)
    assert sum(probabilities) <= 1


def _word_probability(model: LanguageModel, prompt: str, word: str) -> float:
    stream, position_of = model.stream(), {token: k for k, token in enumerate(model.tokens_)}
    p = stream.steps(prompt)[-1]
    total = 1.0
    for letter in word:
        total *= p[position_of[letter]]
        p = stream.step(letter)
    is_letter = [token.isalnum() or token == "'" for token in model.tokens_]
    return total * float(p[~np.array(is_letter)].sum())


def test_word_models_complete_with_the_next_word(text: str) -> None:
    """With the space before it, and its probability."""
    model = LanguageModel(unit="word", hidden_size=16, max_epochs=20, learning_rate=2e-2).fit(text)
    completions = model.complete("the cat", n=4)
    assert len(completions) == 4
    p = model.stream().steps(" the cat")[-1]
    position_of = {token: k for k, token in enumerate(model.tokens_)}
    for completion in completions:
        assert completion.probability == p[position_of[completion.text]]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"n": 0}, "n: expected a whole number at least 1, got 0"),
        ({"n": 2.5}, "n: expected a whole number"),
        ({"temperature": 0}, "temperature: expected a number above 0, got 0"),
        ({"temperature": -1.0}, "temperature: expected a number above 0"),
        ({"temperature": "hot"}, "temperature: expected a number"),
        ({"top_k": 0}, "top_k: expected a whole number at least 1, got 0"),
        ({"top_p": 0.0}, "top_p: expected a number above 0"),
        ({"top_p": 1.5}, "top_p: expected a number"),
        ({"random_state": "x"}, "random_state: expected"),
    ],
)
def test_arguments_out_of_range_are_refused(
    model: LanguageModel, arguments: dict[str, object], sentence: str
) -> None:
    """One sentence each."""
    with pytest.raises(ArgumentError, match=sentence):
        model.generate("the", **arguments)


def test_all_faults_are_named_together(model: LanguageModel) -> None:
    """A line each."""
    with pytest.raises(ArgumentError) as fault:
        model.generate("the", temperature=0, top_k=0)
    assert len(str(fault.value).splitlines()) == 2


def test_completions_want_whole_numbers(model: LanguageModel) -> None:
    """And a fitted model."""
    for arguments, name in itertools.product(({"n": 0}, {"max_length": 0}), ("whole number at least 1",)):
        with pytest.raises(ArgumentError, match=name):
            model.complete("the", **arguments)
    with pytest.raises(NotFittedError, match="Call fit"):
        LanguageModel().complete("the")
