"""A classifier that a language model encodes: its weights are copied, and move layer by layer."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV

from unrolled.models.text.classifier import TextClassifier
from unrolled.models.text.fine_tuning import copy_language_weights, fine_tuning_groups, with_language_body
from unrolled.models.text.language.language_model import LanguageModel
from unrolled.models.text.network import TextNetwork, TextNetworkConfig

Corpus = tuple[list[str], list[str]]

QUICK = {"n_members": 1, "max_epochs": 1}


@pytest.fixture(scope="module", params=[("word", "lstm", 2), ("char", "gru", 1), (300, "lstm", 1)])
def language(request: pytest.FixtureRequest, reviews: Corpus) -> LanguageModel:
    """Tests must not change it."""
    unit, cell, num_layers = request.param
    return LanguageModel(
        unit=unit, cell=cell, num_layers=num_layers, hidden_size=12, embedding_size=8, max_epochs=1
    ).fit(reviews[0])


def test_the_network_reads_as_the_language_model_does(language: LanguageModel, reviews: Corpus) -> None:
    """Before it learns anything: the same states after the same tokens, unknown ones among them."""
    model = TextClassifier(encoder=language, **QUICK).fit(*reviews)
    network = TextNetwork(model.network_config_).eval()
    copy_language_weights(network, language.networks_[0])
    text = f"{reviews[0][0]} zebra §"
    positions = torch.from_numpy(language.codec_.encode(text).positions)
    table = model.token_encoder_.table(language.codec_.tokenizer.pieces(text))
    tokens = table.batch(torch.arange(len(positions))[None])
    with torch.no_grad():
        expected, _ = language.networks_[0](positions[:, None])
        states, _ = network.body.core(network.embedding(tokens))
    torch.testing.assert_close(states[0], expected[:, 0])


def test_the_language_model_stays_as_it_is(language: LanguageModel, reviews: Corpus) -> None:
    """Its weights are copied; those of the classifier have moved."""
    before = {name: weight.clone() for name, weight in language.networks_[0].state_dict().items()}
    model = TextClassifier(encoder=language, **QUICK).fit(*reviews)
    after = language.networks_[0].state_dict()
    assert all(torch.equal(after[name], weight) for name, weight in before.items())
    assert not torch.equal(model.networks_[0].embedding.words.weight, before["embedding.weight"])


def test_a_saved_classifier_holds_its_language_model(
    language: LanguageModel, reviews: Corpus, tmp_path: Path
) -> None:
    """The same answers, streams and clones, with no other folder beside it."""
    model = TextClassifier(encoder=language, **QUICK).fit(*reviews)
    again = TextClassifier.load(model.save(tmp_path / "model"))
    texts = ["a warm film", "zebra"]
    assert np.array_equal(again.predict_proba(texts), model.predict_proba(texts))
    stream = again.stream()
    assert stream.steps(texts[0])[-1] == pytest.approx(model.predict_proba(texts)[0], abs=1e-6)
    refitted = clone(again).fit(*reviews)
    assert np.array_equal(refitted.predict_proba(texts), model.predict_proba(texts))
    assert "of its language model" in dict(again.summary())["Reads"]


def test_clones_and_searches_keep_a_fitted_language_model(reviews: Corpus) -> None:
    """A clone of the language model alone would have learned nothing."""
    language = LanguageModel(unit="word", hidden_size=8, max_epochs=1).fit(reviews[0])
    model = TextClassifier(encoder=language, **QUICK)
    assert clone(model).encoder is language
    assert model.cell_name == "lstm"
    texts, labels = reviews[0][:40], reviews[1][:40]
    GridSearchCV(model, {"dropout": [0.0, 0.5]}, cv=2).fit(texts, labels)
    search = GridSearchCV(TextClassifier(**QUICK), {"encoder": [None, FrozenEstimator(language)]}, cv=2)
    search.fit(texts, labels)
    assert len(search.predict(["warm"])) == 1


def test_a_frozen_language_model_is_saved_as_itself(reviews: Corpus, tmp_path: Path) -> None:
    """scikit-learn's wrapper is not part of a model."""
    language = LanguageModel(unit="word", hidden_size=8, max_epochs=1).fit(reviews[0])
    model = TextClassifier(encoder=FrozenEstimator(language), **QUICK).fit(*reviews)
    again = TextClassifier.load(model.save(tmp_path / "model"))
    assert isinstance(again.encoder, LanguageModel)
    assert np.array_equal(again.predict_proba(["warm"]), model.predict_proba(["warm"]))


def test_layers_begin_one_after_the_other_and_the_lower_the_slower() -> None:
    """Readout, second layer, first layer, embedding; every weight in one of them."""
    config = TextNetworkConfig(n_words=5, embedding_size=3, hidden_size=4, num_layers=2, output_size=2)
    network = TextNetwork(config)
    groups = fine_tuning_groups(network, 0.5)
    names = {id(weight): name for name, weight in network.named_parameters()}
    parts = [sorted({names[id(weight)] for weight in group.parameters}) for group in groups]
    assert parts[0] == ["body.head.bias", "body.head.weight"]
    assert parts[1] == [f"body.core.{kind}_l1" for kind in ("bias_hh", "bias_ih", "weight_hh", "weight_ih")]
    assert parts[3] == ["embedding.words.weight"]
    assert sorted(name for part in parts for name in part) == sorted(names.values())
    starts, factors = [group.start for group in groups], [group.rate_factor for group in groups]
    assert starts == sorted(starts)
    assert starts[0] == 0
    assert factors == [1, 0.5, 0.25, 0.125]


def test_a_classifier_has_the_shape_of_its_language_model(language: LanguageModel) -> None:
    """Cell, units, layers and embedding; everything else is the classifier's."""
    theirs = language.networks_[0].config
    config = TextNetworkConfig(n_words=9, embedding_size=3, cell="rnn", output_size=2, pooling="max")
    config = with_language_body(config, theirs)
    assert (config.cell, config.num_layers, config.hidden_size) == (theirs.cell, theirs.num_layers, 12)
    assert (config.n_words, config.input_size, config.output_size, config.pooling) == (
        theirs.n_tokens, 8, 2, "max"
    )  # fmt: skip
    assert not config.bidirectional
