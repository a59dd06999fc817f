"""What the three share: one way to fit, tensors, a folder on disk; and what each refuses."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from unrolled.errors import ArgumentError, DataError, ModelLoadError, NotFittedError
from unrolled.models.persistence import load_model
from unrolled.models.sequence.base import SequenceEstimator
from unrolled.models.sequence.classifier import SequenceClassifier
from unrolled.models.sequence.regressor import SequenceRegressor
from unrolled.models.sequence.tagger import SequenceTagger

QUICK = {"hidden_size": 4, "max_epochs": 2, "n_members": 1}
RNG = np.random.default_rng(0)
X = [RNG.normal(5, 3, size=(steps, 2)) for steps in (3, 7, 2, 5, 4, 3)]
ALL = [
    (SequenceClassifier, ["a", "b"] * 3),
    (SequenceRegressor, [0.5, 1, 2, 3, 4, 5]),
    (SequenceTagger, [(x[:, 0] > 5).astype(int) for x in X]),
]
each = pytest.mark.parametrize(("kind", "y"), ALL, ids=[kind.__name__ for kind, _ in ALL])


def _answers(model: Any, data: Any) -> Any:
    """Everything that the model answers, as one array."""
    proba = getattr(model, "predict_proba", model.predict)(data)
    return np.concatenate(proba) if isinstance(proba, list) else proba


@each
def test_saved_and_loaded_is_identical(kind: Any, y: Any, tmp_path: Path) -> None:
    """The same answers to the bit, the same facts, and whatever was learned."""
    model = kind(**QUICK | {"n_members": 2}, cell="rnn", activation="prelu").fit(X, y)
    loaded = kind.load(model.save(tmp_path / "model"))
    np.testing.assert_array_equal(_answers(loaded, X), _answers(model, X))
    assert loaded.get_params() == model.get_params()
    facts = {name for name in vars(model) if name.endswith("_")} - {"networks_"}
    assert facts == {name for name in vars(loaded) if name.endswith("_")} - {"networks_"}
    for name in facts:
        one, other = getattr(model, name), getattr(loaded, name)
        assert type(one) is type(other), name
        if name == "scaler_":
            assert all((a == b).all() for a, b in zip(one, other, strict=True))
        else:
            assert np.all(one == other), name
    assert len(loaded.networks_) == 2
    assert not loaded.networks_[0].training


@pytest.mark.parametrize(
    "y", [[3, 7, 7] * 2, [True, False, True] * 2, ["ä", "b", "c"] * 2, [1.0, 2.0, 2.0] * 2]
)
def test_labels_of_every_kind_survive(y: Any, tmp_path: Path) -> None:
    """With their type: a model of whole numbers does not answer with texts."""
    model = SequenceClassifier(**QUICK).fit(X, y)
    loaded = SequenceClassifier.load(model.save(tmp_path / "model"))
    assert loaded.classes_.dtype == model.classes_.dtype
    assert loaded.predict(X).tolist() == model.predict(X).tolist()


def test_a_saved_model_is_data_and_a_card(tmp_path: Path) -> None:
    """Three files; the card says what it is and holds no score."""
    path = SequenceClassifier(**QUICK).fit(X, ALL[0][1]).save(tmp_path / "model")
    assert sorted(file.name for file in path.iterdir()) == ["README.md", "config.json", "model.safetensors"]
    card = (path / "README.md").read_text()
    assert "# A SequenceClassifier of unrolled" in card
    assert "| Network | GRU, 1 layer of 4 units |" in card
    assert "| Reads | 2 features a step, as " in card
    assert "| Epochs | 6 sequences are too few to hold some out" in card
    assert "This card holds no score" in card
    assert json.loads((path / "config.json").read_text())["estimator"] == "SequenceClassifier"


def test_another_estimators_folder_is_refused(tmp_path: Path) -> None:
    """Both are named."""
    path = SequenceClassifier(**QUICK).fit(X, ALL[0][1]).save(tmp_path / "model")
    with pytest.raises(ModelLoadError, match=r"expected a SequenceRegressor, .* found SequenceClassifier"):
        SequenceRegressor.load(path)


def test_weights_that_do_not_fit_are_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As from another version: whole files that this one cannot read."""
    path = SequenceClassifier(**QUICK).fit(X, ALL[0][1]).save(tmp_path / "model")
    tensors, config = load_model(path, "SequenceClassifier")
    config["network_config"]["hidden_size"] = 5
    monkeypatch.setattr("unrolled.models.estimator.load_model", lambda *_: (tensors, config))
    with pytest.raises(ModelLoadError, match=r"the files are whole, but not what unrolled .* reads"):
        SequenceClassifier.load(path)


def test_no_device_like_that_is_an_argument_error(tmp_path: Path) -> None:
    """When loading, too."""
    path = SequenceClassifier(**QUICK).fit(X, ALL[0][1]).save(tmp_path / "model")
    assert SequenceClassifier.load(path, device="cpu").device == "cpu"
    with pytest.raises(ArgumentError, match="device: expected the name of one that torch can use here"):
        SequenceClassifier.load(path, device="cdua")


@each
def test_tensors_are_what_the_networks_read(kind: Any, y: Any) -> None:
    """Scaled by what was fitted on, zero beyond a length, in the order of X."""
    model = kind(**QUICK).fit(X, y)
    values, lengths = model.tensors(X)
    assert values.shape == (6, 7, 2)
    assert values.dtype == torch.float32
    assert lengths.tolist() == [3, 7, 2, 5, 4, 3]
    flat = np.concatenate(X)
    np.testing.assert_allclose(model.scaler_.mean, flat.mean(0))
    np.testing.assert_allclose(model.scaler_.scale, flat.std(0))
    for x, own, steps in zip(X, values.numpy(), lengths, strict=True):
        np.testing.assert_allclose(own[:steps], (x - flat.mean(0)) / flat.std(0), rtol=1e-5, atol=1e-6)
        assert not own[steps:].any()
    model.networks_[0](values, lengths)


@each
def test_facts_of_a_fit(kind: Any, y: Any) -> None:
    """How many weights, how long, of what shape."""
    model = kind(**QUICK).fit(X, y)
    assert model.n_parameters_ == sum(p.numel() for p in model.networks_[0].parameters())
    assert 0 < model.history_.seconds <= model.seconds_
    config = model.network_config_
    assert (config.input_size, config.hidden_size, model.n_features_in_) == (2, 4, 2)
    assert len(model.history_.records) == 2


@each
def test_not_fitted_yet(kind: Any, y: Any, tmp_path: Path) -> None:
    """Whatever is asked of it."""
    model = kind()
    calls = [
        lambda: model.predict(X),
        lambda: model.score(X, y),
        lambda: model.tensors(X),
        lambda: model.save(tmp_path / "model"),
    ]
    for call in calls:
        with pytest.raises(NotFittedError, match=rf"{kind.__name__}: not fitted yet. Call fit\(X, y\) first"):
            call()


@each
def test_all_arguments_are_told_at_once(kind: Any, y: Any) -> None:
    """A line each; nothing is learned."""
    wrong = {
        "cell": "gro", "activation": "tahn", "solver": "gradiant", "num_layers": 0, "n_members": True,
        "max_epochs": 2.5, "hidden_size": -1, "batch_size": 0, "random_state": None, "device": "cdua",
        "dropout": 1, "learning_rate": 0, "validation_fraction": 0.6, "stem": "conv",
    }  # fmt: skip
    if kind is not SequenceTagger:
        wrong["pooling"] = "last+maen"
    model = kind(**wrong)
    with pytest.raises(ArgumentError) as fault:
        model.fit(X, y)
    lines = {line.split(":")[0]: line for line in str(fault.value).splitlines()}
    assert set(lines) == set(wrong)
    assert (
        lines["cell"] == "cell: expected one of rnn, gru, lstm, feedforward; got 'gro'. Did you mean 'gru'?"
    )
    assert lines["solver"].endswith("Did you mean 'gradient'?")
    assert lines.get("pooling", "mean").endswith("mean'?") or kind is SequenceTagger
    assert not model.__sklearn_is_fitted__()


@pytest.mark.parametrize(
    ("kind", "settings", "said"),
    [
        (SequenceClassifier, {"cell": "feedforward", "num_layers": 2},
         "num_layers: cell='feedforward' is one layer without recurrence; got 2. Leave it out."),
        (SequenceTagger, {"cell": "feedforward", "bidirectional": True},
         "bidirectional: cell='feedforward' is one layer without recurrence; got True. Leave it out."),
        (SequenceRegressor, {"cell": "feedforward", "pooling": "mean"},
         "pooling: cell='feedforward' is one layer without recurrence; got 'mean'. Leave it out."),
        (SequenceClassifier, {"solver": "reservoir", "max_epochs": 5},
         "max_epochs: solver='reservoir' is solved at once, without epochs; got 5. Leave it out."),
        (SequenceRegressor, {"solver": "reservoir", "learning_rate": 0.1},
         "learning_rate: solver='reservoir' is solved at once, without epochs; got 0.1. Leave it out."),
    ],
)  # fmt: skip
def test_what_would_do_nothing_is_refused(kind: Any, settings: Any, said: str) -> None:
    """An argument that is ignored without a word is believed to matter."""
    with pytest.raises(ArgumentError) as caught:
        kind(**settings)._check_parameters()
    assert str(caught.value) == said
    kind(**{name: settings[name] for name in list(settings)[:1]})._check_parameters()


def test_either_word_for_true_is_one() -> None:
    """An array of them, as a grid is made of, holds numpy's."""
    model = SequenceClassifier(**QUICK, bidirectional=np.True_).fit(X, ["a", "b"] * 3)
    assert model.network_config_.bidirectional is True
    for given in (pd.NA, "yes", 1):
        with pytest.raises(ArgumentError, match="bidirectional: expected True or False, got"):
            SequenceClassifier(cell="feedforward", bidirectional=given)._check_parameters()


@pytest.mark.parametrize("checkpoint", [5, "a\0b", "x" * 300])
def test_a_checkpoint_that_is_no_path_is_refused(checkpoint: Any) -> None:
    """Before anything is trained."""
    with pytest.raises(ArgumentError, match="checkpoint: expected"):
        SequenceClassifier(**QUICK).fit(X, ["a", "b"] * 3, checkpoint=checkpoint)


@pytest.mark.parametrize(("key", "value"), [("params", []), ("learned", []), ("networks", "2")])
def test_settings_of_another_kind_are_one_sentence(key: str, value: Any, tmp_path: Path) -> None:
    """With a seal that fits, as another version would write it."""
    folder = SequenceClassifier(**QUICK).fit(X, ["a", "b"] * 3).save(tmp_path / "model")
    config = json.loads((folder / "config.json").read_text()) | {key: value}
    del config["sha256"]
    seal = hashlib.sha256(json.dumps(config).encode()).hexdigest()
    (folder / "config.json").write_text(json.dumps({"sha256": seal, **config}))
    with pytest.raises(ModelLoadError, match="the files are whole, but not what unrolled"):
        SequenceClassifier.load(folder)


def test_the_longest_sequence_of_the_training_is_known(tmp_path: Path) -> None:
    """Whoever asks about longer ones needs it; it is saved with the model."""
    model = SequenceClassifier(**QUICK).fit(X, ["a", "b"] * 3)
    assert model.max_length_ == 7
    assert SequenceClassifier.load(model.save(tmp_path / "model")).max_length_ == 7


def test_an_activation_is_for_the_plain_rnn() -> None:
    """The others have their own, and ignore none silently."""
    with pytest.raises(ArgumentError, match="only cell='rnn' takes another than 'tanh'; got 'relu'"):
        SequenceClassifier(activation="relu").fit(X, ALL[0][1])


@each
@pytest.mark.parametrize(
    ("data", "said"),
    [
        ([], "expected at least one sequence, got none"),
        ([*X[:5], np.zeros((0, 2))], "sequence 5: expected at least one step, got a sequence of length 0"),
        ([*X[:5], np.zeros((3, 3))], "sequence 5: expected 2 features as in sequence 0, got 3"),
        ([*X[:5], [[1.0, np.nan]]], "sequence 5, step 0, feature 'x2': expected a number, got NaN"),
        ([*X[:5], [[np.inf, 1.0]]], "sequence 5, step 0, feature 'x1': expected a number, got inf"),
        ([*X[:5], [["1", "2"]]], "sequence 5: expected numbers, got strings such as '1'"),
        (np.arange(6.0), r"expected a list of sequences, got one sequence of 6 steps. .*\[x\].*x\[None\]"),
        (["abc", "def"], "expected sequences of numbers, got texts"),
        (np.array([{}, {}], dtype=object), "expected numbers"),
        (None, "got NoneType"),
        (pd.DataFrame({"a": ["x", "y"]}), "column 'a': expected numbers, got texts such as 'x'"),
    ],
    ids=["none", "length 0", "features", "NaN", "inf", "strings", "one", "texts", "objects", "None", "frame"],
)
def test_sequences_that_are_none_are_one_sentence(kind: Any, y: Any, data: Any, said: str) -> None:
    """In fit, which leaves the model as it was, and in predict."""
    model = kind(**QUICK).fit(X, y)
    before = dict(vars(model))
    for call in (lambda: model.fit(data, y), lambda: model.predict(data)):
        with pytest.raises((DataError, TypeError), match=f"^{kind.__name__} X.*{said}") as fault:
            call()
        assert "\n" not in str(fault.value)
    assert vars(model) == before


@each
def test_another_number_of_features_is_refused(kind: Any, y: Any) -> None:
    """The way out is said."""
    model = kind(**QUICK).fit(X, y)
    for data, got in ((np.zeros((3, 4, 5)), 5), (np.zeros((3, 4)), 1)):
        with pytest.raises(DataError) as fault:
            model.predict(data)
        assert str(fault.value) == (
            f"{kind.__name__} X: expected 2 features a step, as in fit, got {got}. Select the columns that "
            "were fitted on, or fit a model on these."
        )


@pytest.mark.parametrize(
    ("y", "said"),
    [
        (["a", "b"], "expected 6 as X has 6 sequences, got 2"),
        (["a"] * 6, r"expected at least two classes, got one class \('a'\) in all 6 labels"),
        (["a", 1] * 3, "expected labels of one type, got 'a' .str. and, at position 1, 1 .int."),
        (["a", None] * 3, "position 1: expected a label or a number, got None or NaN, and 2 more"),
        ([0.5, 1.5] * 3, "expected classes, got numbers such as 0.5"),
        (np.zeros((6, 2)), r"expected one a sequence, shape \(6,\), got shape \(6, 2\)"),
        (None, "requires y to be passed, but the target y is None"),
    ],
)
def test_labels_that_are_none_are_one_sentence(y: Any, said: str) -> None:
    """In fit, which leaves the model as it was."""
    model = SequenceClassifier(**QUICK).fit(X, ALL[0][1])
    before = dict(vars(model))
    with pytest.raises((DataError, TypeError), match=f"^SequenceClassifier y.*{said}"):
        model.fit(X, y)
    assert vars(model) == before


def test_a_subclass_says_what_y_becomes() -> None:
    """The common part alone fits nothing."""
    with pytest.raises(NotImplementedError):
        SequenceEstimator().fit(X, ALL[0][1])


@pytest.mark.parametrize("solver", ["gradient", "reservoir"])
@pytest.mark.parametrize("kind", [np.int64, np.uint64, np.int8])
def test_numpys_whole_numbers_are_whole_numbers(kind: Any, solver: str) -> None:
    """A grid such as np.arange(2, 9) makes them, and small ones must not overflow on the way."""
    plain = {
        "hidden_size": 3,
        "num_layers": 1,
        "n_members": 2,
        "max_epochs": 2,
        "batch_size": 2,
        "random_state": 1,
    }
    if solver == "reservoir":
        plain = {name: plain[name] for name in plain if name not in {"max_epochs", "batch_size"}}
    X, y = np.arange(24.0).reshape(4, 6) % 7, [0, 1, 0, 1]
    own = SequenceClassifier(solver=solver, **{name: kind(value) for name, value in plain.items()}).fit(X, y)
    same = SequenceClassifier(solver=solver, **plain).fit(X, y)
    assert np.array_equal(own.predict_proba(X), same.predict_proba(X))


@pytest.mark.parametrize("name", ["cell", "activation", "solver", "pooling"])
def test_an_array_is_no_word(name: str) -> None:
    """Compared with a word it would be many answers at once."""
    with pytest.raises(ArgumentError, match=f"{name}: expected one of"):
        SequenceClassifier(**{name: np.array(["gru", "lstm"])}).fit([[1.0, 2.0], [2.0, 1.0]], [0, 1])


def test_weights_of_classes_that_are_numbers_survive(tmp_path: Path) -> None:
    """They stay numbers, so that what was loaded can be fitted again; numpy's are numbers too."""
    X, y = np.arange(24.0).reshape(4, 6) % 7, [0, 1, 0, 1]
    model = SequenceClassifier(hidden_size=2, max_epochs=1, class_weight={np.int64(0): 2.0, 1: np.float32(1)})
    loaded = SequenceClassifier.load(model.fit(X, y).save(tmp_path / "model"))
    assert loaded.class_weight == {0: 2.0, 1: 1.0}
    assert np.array_equal(loaded.fit(X, y).predict_proba(X), model.predict_proba(X))


def test_a_fit_needs_no_mode_of_torch() -> None:
    """Neither torch's default dtype nor a mode of inference changes what is learned."""
    X, y = [[1.0, 2.0], [2.0, 1.0, 0.0]], [0, 1]
    usual = SequenceClassifier(**QUICK).fit(X, y).predict_proba(X)
    with torch.inference_mode():
        np.testing.assert_array_equal(SequenceClassifier(**QUICK).fit(X, y).predict_proba(X), usual)
    torch.set_default_dtype(torch.float64)
    try:
        SequenceClassifier(**QUICK).fit(X, y)
    finally:
        torch.set_default_dtype(torch.float32)


def test_sizes_that_no_machine_has_are_refused() -> None:
    """In a sentence, before anything is made."""
    with pytest.raises(ArgumentError, match=r"hidden_size: .* from 1 to 16384, got 200000"):
        SequenceClassifier(hidden_size=200_000).fit([[1.0], [2.0]], [0, 1])
