"""Estimators of texts are probed on the vectors of their words, every network of an ensemble on its own."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

import unrolled as ur
from unrolled.errors import ArgumentError, DataError
from unrolled.models.text.classifier import TextClassifier
from unrolled.models.text.language.language_model import LanguageModel
from unrolled.models.text.tagger import TextTagger
from unrolled.probe.model.adapter import as_probed_model
from unrolled.probe.model.texts import TextCall

QUICK: dict[str, Any] = {
    "hidden_size": 6,
    "embedding_size": 8,
    "n_buckets": 64,
    "n_members": 2,
    "max_epochs": 6,
}
TEXTS = ["not good at all", "good", "a good film", "not a good film", "so good", "it is not good"] * 8
LABELS = ["bad", "fine", "fine", "bad", "fine", "bad"] * 8


@pytest.fixture(scope="module")
def fitted() -> TextClassifier:
    """Tests must not change it."""
    return TextClassifier(**QUICK, learning_rate=1e-2).fit(TEXTS, LABELS)


def test_outputs_are_the_models_own(fitted: TextClassifier) -> None:
    """The mean of the networks' probabilities, and the accuracy of `score`."""
    probed = as_probed_model(fitted, TEXTS[:6], LABELS[:6])
    assert isinstance(probed.call, TextCall)
    assert probed.values.shape == (6, 4, 24)
    np.testing.assert_allclose(
        probed.outputs().exp().detach().numpy(), fitted.predict_proba(TEXTS[:6]), atol=1e-6
    )
    assert probed.score().accuracies.mean() == fitted.score(TEXTS[:6], LABELS[:6])


def test_gradients_reach_the_words_of_every_network(fitted: TextClassifier) -> None:
    """And none reaches the padding."""
    probed = as_probed_model(fitted, TEXTS[:6], LABELS[:6])
    values = probed.values.clone().requires_grad_()
    probed.outputs(values)[:, 0].sum().backward()
    assert values.grad is not None
    influence = values.grad.abs().sum(-1)
    assert (influence[0] > 0).all()
    assert (influence[1, 1:] == 0).all()
    assert (values.grad[0].abs().sum(0) > 0).sum() > 8


def test_a_step_that_only_one_text_has_is_replaced_by_a_word(
    fitted: TextClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mean of words would be the number of another one."""
    probed, seen = as_probed_model(fitted, ["good", "it is not good at all"]), []
    outputs = type(probed).outputs
    monkeypatch.setattr(
        type(probed), "outputs", lambda self, x=None, **kw: (seen.append(x), outputs(self, x, **kw))[1]
    )
    ur.probe.memory(fitted, ["good", "it is not good at all"])
    places = torch.cat([x[..., [-1]].flatten() for x in seen if x is not None])
    assert len(places)
    assert torch.equal(places, places.round())


def test_all_probes_take_texts(fitted: TextClassifier) -> None:
    """Order (retrained too), memory, states, gradients, length."""
    order = ur.probe.order(fitted, TEXTS, LABELS, repeats=19, folds=3)
    assert order.retrained is not None
    assert ur.probe.memory(fitted, TEXTS[:12]).sentence
    assert ur.probe.states(fitted, TEXTS[:12]).sentence
    assert ur.probe.gradients(fitted, TEXTS[:12], LABELS[:12]).sentence
    assert ur.probe.length(fitted, TEXTS, LABELS).sentence


def test_a_tagger_is_probed_word_by_word() -> None:
    """Targets beyond a sentence are none."""
    sentences, tags = [["a", "dog", "ran"], ["a", "cat"]] * 6, [["D", "N", "V"], ["D", "N"]] * 6
    model = TextTagger(**QUICK).fit(sentences, tags)
    probed = as_probed_model(model, sentences[:2], tags[:2])
    assert probed.per_step
    assert probed.targets is not None
    assert probed.targets.tolist() == [[0, 1, 2], [0, 1, -100]]
    assert probed.outputs().shape == torch.Size([2, 3, 3])


def test_labels_that_the_model_does_not_know_are_refused(fitted: TextClassifier) -> None:
    """As of other models."""
    with pytest.raises(DataError, match=r"expected the classes that the model knows .bad, fine., got 'good'"):
        as_probed_model(fitted, TEXTS[:1], ["good"])


@pytest.fixture(scope="module")
def writer() -> LanguageModel:
    """Tests must not change it."""
    return LanguageModel(hidden_size=8, embedding_size=6, max_epochs=3).fit("to be or not to be, " * 40)


def test_a_language_model_is_probed_on_how_it_predicts_the_next_token(writer: LanguageModel) -> None:
    """Its outputs are its distributions, its targets the text; a running text is cut into pieces."""
    probed = as_probed_model(writer, "not to be")
    assert probed.targets is not None
    assert [writer.tokens_[k] for k in probed.targets[0].tolist()] == list("not to be")
    expected = writer.predict_proba("not to be")[:-1]
    np.testing.assert_allclose(probed.outputs().exp().detach().numpy()[0, 1:], expected, atol=1e-5)
    assert as_probed_model(writer, "to be or not " * 20).lengths.tolist() == [128, 128, 4]
    documents = as_probed_model(writer, ["to", "or be"])
    assert documents.lengths.tolist() == [2, 5]
    assert documents.targets is not None
    assert (documents.targets[0, 2:] == -100).all()


def test_all_probes_take_a_language_model(writer: LanguageModel) -> None:
    """Without y; to retrain it is refused."""
    text = "to be or not to be, " * 40
    assert ur.probe.order(writer, text, None, retrain=False, repeats=19).sentence
    assert ur.probe.memory(writer, text).sentence
    assert ur.probe.states(writer, text[:100]).sentence
    assert ur.probe.gradients(writer, text, None).sentence
    assert ur.probe.length(writer, text, None).sentence
    with pytest.raises(ArgumentError, match="got a LanguageModel, which is trained on text alone"):
        ur.probe.order(writer, text, None)
    with pytest.raises(ArgumentError, match="memory y: a language model predicts the next token of X"):
        ur.probe.memory(writer, text, ["a"])


def test_batches_are_small_where_each_step_has_many_outputs(writer: LanguageModel) -> None:
    """A vocabulary of a million: no batch of 16 steps has more outputs than fit into 64 MB."""
    probed = as_probed_model(writer, ["to be", "or not to", "be"] * 10)
    rows = torch.arange(30)
    assert len(probed.batches(rows)) == 1
    batches = replace(probed, classes=np.arange(1 << 20)).batches(rows)
    assert max(len(batch) * int(probed.lengths[batch].max()) for batch in batches) <= 16
    assert sorted(torch.cat(batches).tolist()) == rows.tolist()
