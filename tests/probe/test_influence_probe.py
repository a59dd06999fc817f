"""Influence of words: the change of the log odds where one is hidden, measured word by word."""

from typing import Any

import numpy as np
import pytest
import torch

import unrolled as ur
from unrolled.errors import ArgumentError
from unrolled.models.sequence.classifier import SequenceClassifier
from unrolled.models.text.classifier import TextClassifier
from unrolled.models.text.language.language_model import LanguageModel
from unrolled.models.text.tagger import TextTagger
from unrolled.probe.model.adapter import as_probed_model

QUICK: dict[str, Any] = {"hidden_size": 6, "embedding_size": 8, "n_buckets": 64, "n_members": 2}
TEXTS = ["not good at all", "good", "a good film", "it is not good", "it is good", "not a good film"] * 8
LABELS = ["bad", "fine", "fine", "bad", "fine", "bad"] * 8


@pytest.fixture(scope="module")
def fitted() -> TextClassifier:
    """Tests must not change it."""
    return TextClassifier(**QUICK, learning_rate=1e-2).fit(TEXTS, LABELS)


def log_odds(p: float) -> float:
    """Logit of a probability."""
    return float(np.log(p) - np.log1p(-p))


def test_influence_is_the_change_of_the_log_odds_of_the_answer(fitted: TextClassifier) -> None:
    """Of texts of unlike lengths, as a slow loop over words finds it."""
    texts = TEXTS[:3]
    result = ur.probe.influence(fitted, texts)
    assert [each.shape for each in result.influence] == [(1, 4), (1, 1), (1, 3)]
    assert result.words[0] == ("not", "good", "at", "all")
    for i, text in enumerate(texts):
        probed = as_probed_model(fitted, [text])
        p = probed.outputs().detach().exp()[0]
        k = int(p.argmax())
        assert result.answers[i] == (fitted.classes_[k],)
        before = log_odds(float(p[k]))
        for t in range(len(text.split())):
            values = probed.values.clone()
            values[0, t] = 0
            hidden = probed.outputs(values).detach().exp()[0]
            assert result.influence[i][0, t] == pytest.approx(before - log_odds(float(hidden[k])), abs=1e-4)
            assert result.turns[i][0, t] == (int(hidden.argmax()) != k)


def test_the_word_that_decides_speaks_most_for_the_answer(fitted: TextClassifier) -> None:
    """And the sentence names it, in the first text; y asks about the right class."""
    result = ur.probe.influence(fitted, ["it is not good", "so good"])
    assert result.words[0][result.influence[0][0].argmax()] == "not"
    assert "“not” speaks most for 'bad'" in result.sentence
    assert "answer of the GRU on " in result.sentence
    against = ur.probe.influence(fitted, ["it is not good"], ["fine"])
    assert against.answers == (("fine",),)
    np.testing.assert_allclose(against.influence[0], -result.influence[0], atol=1e-4)


def test_words_without_a_vector_speak_for_nothing() -> None:
    """Neither known nor spelled: all that is hidden is zero before."""
    model = TextClassifier(**QUICK | {"n_buckets": 0}, max_epochs=1).fit(TEXTS, LABELS)
    result = ur.probe.influence(model, ["日本 🙂"])
    assert not result.influence[0].any()
    assert "no word speaks for" in result.sentence


def test_the_frame_has_a_row_for_each_word(fitted: TextClassifier) -> None:
    """And of an answer to each word, a row for each pair."""
    frame = ur.probe.influence(fitted, TEXTS[:3]).to_frame()
    assert list(frame.columns) == ["text", "answer", "place", "word", "influence", "turns"]
    assert frame["text"].tolist() == [0] * 4 + [1] + [2] * 3
    sentences, tags = [["a", "dog", "ran"], ["a", "cat"]] * 6, [["D", "N", "V"], ["D", "N"]] * 6
    result = ur.probe.influence(TextTagger(**QUICK, max_epochs=2).fit(sentences, tags), sentences[:2])
    assert [each.shape for each in result.influence] == [(3, 3), (2, 2)]
    assert len(result.to_frame()) == 9 + 4
    assert result.to_frame()["answer_place"].tolist()[:4] == [0, 0, 0, 1]
    assert "answers of the GRU at 5 tokens" in result.sentence


def test_a_language_model_is_asked_about_the_next_character() -> None:
    """No character changes the odds of one before it."""
    model = LanguageModel(hidden_size=8, embedding_size=6, max_epochs=2).fit("abcabd" * 60)
    result = ur.probe.influence(model, "abcab")
    assert result.words == (("", "a", "b", "c", "a"),)
    assert result.answers == (("a", "b", "c", "a", "b"),)
    above = np.triu(np.ones((5, 5), dtype=bool), 1)
    assert (result.influence[0][above] == 0).all()
    assert (result.influence[0][~above] != 0).all()


def test_models_of_numbers_are_refused() -> None:
    """Hiding is of words."""
    X = torch.arange(40.0).view(8, 5, 1)
    model = SequenceClassifier(hidden_size=4, max_epochs=1).fit(X, ["a", "b"] * 4)
    with pytest.raises(ArgumentError, match="expected one that reads texts, got SequenceClassifier"):
        ur.probe.influence(model, X)
