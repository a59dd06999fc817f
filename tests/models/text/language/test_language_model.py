"""LanguageModel learns text of any unit, is saved without code, and keeps the estimators' contract."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

import unrolled as ur
from unrolled.errors import ArgumentError, DataError, ModelLoadError, NotFittedError, TrainingError
from unrolled.models.text.language.language_model import LanguageModel

QUICK: dict[str, Any] = {"hidden_size": 6, "embedding_size": 4, "max_epochs": 2}


def test_the_next_character_is_learned(model: LanguageModel, text: str, unseen: str) -> None:
    """Far below the entropy of single characters, near that of the words; of documents too."""
    shares = np.array(list(Counter(unseen).values())) / len(unseen)
    entropy = float(-(shares * np.log2(shares)).sum())
    assert entropy > 3.5
    assert model.evaluate(unseen).bits_per_character < 1.6
    assert model.score(unseen) > model.score(unseen[::-1])
    assert set(model.tokens_[2:]) == set(text)


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_every_cell_and_option_trains(cell: str, text: str) -> None:
    """With dropout of every kind, penalties, two layers, tied weights of the size of the layers."""
    settings = {
        "cell": cell, "num_layers": 2, "tied_weights": True, "embedding_size": 6, "dropout": 0.1,
        "embedding_dropout": 0.1, "weight_dropout": 0.1, "activation_penalty": 0.5, "slowness_penalty": 0.5,
        "window": 20, "batch_size": 5, "patience": 3, "validation_fraction": 0.2,
    }  # fmt: skip
    model = LanguageModel(**QUICK | settings).fit(text)
    first, last = model.history_.records[0], model.history_.records[-1]
    assert last.validation_loss < first.validation_loss
    assert model.network_config_.cell == cell
    assert len(model.generate("the", 10)) == 10


@pytest.mark.parametrize("unit", ["char", "word", 260])
def test_small_texts_are_learned_in_every_unit(unit: str | int, text: str) -> None:
    """One running text, and documents: as a list, a column, and as read from a file."""
    if isinstance(unit, int):
        pytest.importorskip("tokenizers", reason="the extra text is not installed")
    lines = text.split(". ")[:50]
    Path("lines.txt").write_text("\n".join(lines))
    for X in (text[:1000], lines, pd.Series(lines), ur.read_texts("lines.txt")):
        model = LanguageModel(unit=unit, **QUICK).fit(X)
        assert model.has_ends_ is not isinstance(X, str)
        assert np.isfinite(model.score(lines[0]))


def test_equal_seeds_give_equal_models(text: str) -> None:
    """To the bit; other seeds others, and a generator of NumPy is drawn from."""
    scores = [LanguageModel(**QUICK, random_state=seed).fit(text).score(text[:200]) for seed in (0, 0, 1)]
    assert scores[0] == scores[1] != scores[2]
    model = LanguageModel(**QUICK, random_state=np.random.default_rng(0)).fit(text)
    assert model.score(text[:200]) == LanguageModel(**QUICK, random_state=model.seed_).fit(text).score(
        text[:200]
    )


def test_it_is_saved_with_its_vocabulary_and_without_code(
    documents_model: LanguageModel, unseen: str, tmp_path: Path
) -> None:
    """Loaded it scores and writes the same; the folder holds safetensors, JSON and a card."""
    folder = documents_model.save(tmp_path / "model")
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "config.json", "model.safetensors"]
    again = LanguageModel.load(folder)
    assert again.score(unseen) == documents_model.score(unseen)
    assert again.tokens_ == documents_model.tokens_
    assert again.generate("the", 30, random_state=0) == documents_model.generate("the", 30, random_state=0)
    assert again.get_params() == documents_model.get_params()
    card = (folder / "README.md").read_text()
    assert "GRU, 2 layers of 24 units" in card
    assert "ur.compare" in card or "unrolled.compare" in card
    assert "documents, each from a state of zeros" in card
    config = json.loads((folder / "config.json").read_text())
    config["learned"]["codec_"]["vocabulary"]["tokens"].pop()
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelLoadError, match="cut or altered"):
        LanguageModel.load(folder)


def test_it_keeps_the_contract_of_estimators(text: str) -> None:
    """Clone, parameters, not fitted, and a fit that fails leaves the model as it was."""
    model = LanguageModel(unit="word", dropout=0.3)
    assert clone(model).get_params() == model.get_params()
    assert repr(model) == "LanguageModel(unit='word', dropout=0.3)"
    for call in (
        model.evaluate,
        model.score,
        model.generate,
        model.complete,
        model.predict_proba,
        model.costs,
    ):
        with pytest.raises(NotFittedError, match=r"Call fit\(text\) first"):
            call("the")
    with pytest.raises(NotFittedError):
        model.stream()
    fitted = LanguageModel(**QUICK).fit(text)
    before = fitted.score(text)
    with pytest.raises(DataError):
        fitted.fit("")
    assert fitted.score(text) == before


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"unit": "letters"}, "unit: expected 'word', 'char' or a number of subwords"),
        ({"unit": 20}, "unit: expected a whole number at least 256, got 20"),
        ({"cell": "transformer"}, "cell: expected one of"),
        ({"dropout": 1.0}, "dropout: expected a number"),
        ({"weight_dropout": -0.1}, "weight_dropout: expected a number"),
        ({"window": 2}, "window: expected a whole number at least 4, got 2"),
        ({"tied_weights": "yes"}, r"tied_weights: expected True or False.* Did you mean tied_weights=True"),
        ({"validation_fraction": 0.9}, "validation_fraction: expected"),
        ({"max_epochs": 0}, "max_epochs: expected a whole number at least 1"),
    ],
)
def test_parameters_out_of_range_are_refused(parameters: dict[str, Any], sentence: str) -> None:
    """One sentence each, before anything is read."""
    with pytest.raises(ArgumentError, match=sentence):
        LanguageModel(**parameters).fit("the cat")


@pytest.mark.parametrize("X", ["", None, b"the", [], [""], 3])
def test_what_is_no_text_is_refused(model: LanguageModel, X: object) -> None:
    """In fit and in every score, in a sentence that names the estimator."""
    for call in (LanguageModel(**QUICK).fit, model.evaluate, model.score, model.costs):
        with pytest.raises(DataError, match=r"LanguageModel X.*: expected"):
            call(X)


def test_more_subwords_than_the_text_has_are_refused() -> None:
    """With the number that it has; a vocabulary of at most so many words is what there is."""
    pytest.importorskip("tokenizers", reason="the extra text is not installed")
    with pytest.raises(DataError, match=r"unit: expected at most \d+ subwords"):
        LanguageModel(unit=4000, **QUICK).fit("to be or not to be")
    model = LanguageModel(unit="word", vocabulary_size=1000, min_count=1, **QUICK).fit("to be or not to be")
    assert model.tokens_[2:] == (" be", "to", " or", " not", " to")


@pytest.mark.parametrize("X", ["a", "ab", "to be or not", ["a"], ["a", "b"]])
def test_texts_of_a_few_characters_are_learned(X: Any) -> None:
    """Shorter than a window, without anything to hold out."""
    model = LanguageModel(**QUICK).fit(X)
    assert np.isfinite(model.score(X))
    assert "Nothing was held out" in model.stopping_reason_


def test_a_checkpoint_resumes_to_the_same_result(text: str, tmp_path: Path) -> None:
    """After an epoch that Ctrl-C followed, whose best weights were kept; other data are refused."""

    def stop(record: dict[str, Any]) -> None:
        if record["epoch"] == 2:
            raise KeyboardInterrupt

    settings = QUICK | {"max_epochs": 4}
    whole = LanguageModel(**settings).fit(text)
    half = LanguageModel(**settings).fit(text, checkpoint=tmp_path / "c", callbacks=[stop])
    assert "Interrupted by Ctrl-C after 2 epochs" in half.stopping_reason_
    assert half.history_.stopped == "interrupted"
    resumed = LanguageModel(**settings).fit(text, checkpoint=tmp_path / "c")
    assert resumed.score(text) == whole.score(text) != half.score(text)
    with pytest.raises(ModelLoadError, match="other settings or data"):
        LanguageModel(**settings).fit(text[:-7] + "another", checkpoint=tmp_path / "c")


def test_a_loss_that_is_not_finite_ends_the_training(text: str) -> None:
    """With the way out."""
    with pytest.raises(TrainingError, match="Lower learning_rate"):
        LanguageModel(**QUICK | {"learning_rate": 1e30}).fit(text)


def test_validation_is_the_end_of_the_text_alone(text: str) -> None:
    """No character of it is in the vocabulary, unless the training text has it."""
    model = LanguageModel(**QUICK, validation_fraction=0.1, min_count=1).fit(text + "Ω" * 100)
    assert "Ω" not in model.tokens_
    assert "held-out tokens" in model.stopping_reason_
    assert "Ω" in LanguageModel(**QUICK, validation_fraction=0).fit(text + "Ω" * 100).tokens_


def test_the_size_follows_the_text(text: str) -> None:
    """A network of a short text has fewer units, one that the user chooses has these."""
    model = LanguageModel(max_epochs=1)
    sizes = [model._make_config(_codec(text), n).hidden_size for n in (1000, 100_000, 1_000_000)]
    assert sizes == [128, 256, 384]
    assert LanguageModel(hidden_size=5)._make_config(_codec(text), 1000).hidden_size == 5
    assert LanguageModel(unit="word")._make_config(_codec(text), 1000).embedding_size == 128


def _codec(text: str) -> Any:
    from unrolled.data.text.language.codec import LanguageCodec

    return LanguageCodec.learn([text], "char")
