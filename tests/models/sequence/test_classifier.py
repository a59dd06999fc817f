"""Sequences of any length go to a class; the second lesson's toy is learned with every seed."""

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch

from unrolled.data.io.arrays import as_sequences
from unrolled.errors import DataError
from unrolled.models.sequence.classifier import SequenceClassifier
from unrolled.train.loop import member_seed

TOY = np.array([[1.0, 2, 3, 4, 5], [5, 4, 3, 2, 1]])[:, :, None]
TOY_CLASSES = np.array([1, 0])
QUICK = {"hidden_size": 8, "max_epochs": 20, "learning_rate": 0.02, "n_members": 1}


def _slopes(count: int, seed: int = 0) -> tuple[list[Any], list[str]]:
    """Noisy ramps of 4 to 19 steps and two features; the first feature rises or falls."""
    rng = np.random.default_rng(seed)
    X, y = [], []
    for _ in range(count):
        steps, up = rng.integers(4, 20), rng.random() < 0.5
        ramp = np.linspace(-1, 1, steps) * (1 if up else -1)
        X.append(np.column_stack([ramp + rng.normal(0, 0.1, steps), rng.normal(100, 7, steps)]))
        y.append("up" if up else "down")
    return X, y


@pytest.fixture(scope="module")
def fitted() -> SequenceClassifier:
    """A model of the slopes; tests must not change it."""
    return SequenceClassifier(**QUICK).fit(*_slopes(60))


@pytest.mark.parametrize(("cell", "steps"), [("rnn", 200), ("gru", 200), ("lstm", 400), ("feedforward", 400)])
def test_few_sequences_are_learned_for_as_many_steps_as_a_cell_needs(cell: str, steps: int) -> None:
    """One a pass over two sequences."""
    model = SequenceClassifier(cell=cell, hidden_size=2, n_members=1).fit(TOY, TOY_CLASSES)
    assert model.n_epochs_ == steps


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_the_toy_is_learned_and_reversed_it_is_the_other_class(cell: str) -> None:
    """Two sequences, a class each: right on both, and their reverses flip."""
    model = SequenceClassifier(cell=cell).fit(TOY, TOY_CLASSES)
    assert model.score(TOY, TOY_CLASSES) == 1.0
    assert model.predict(TOY[:, ::-1]).tolist() == [0, 1]
    assert model.history_.records[-1].train_loss < 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_the_toy_is_learned_with_every_seed_of_twenty(cell: str) -> None:
    """Not by luck."""
    for seed in range(20):
        model = SequenceClassifier(cell=cell, random_state=seed).fit(TOY, TOY_CLASSES)
        assert model.score(TOY, TOY_CLASSES) == 1.0, seed
        assert model.predict(TOY[:, ::-1]).tolist() == [0, 1], seed


def test_ragged_sequences_are_learned_and_longer_ones_are_taken(fitted: SequenceClassifier) -> None:
    """Of sequences that it has not seen, some ten times as long as any in training."""
    X, y = _slopes(80, seed=1)
    assert fitted.score(X, y) >= 0.95
    ramp = np.linspace(-1, 1, 200)
    long = [np.column_stack([sign * ramp, np.full(200, 100.0)]) for sign in (1, -1)]
    assert fitted.predict(long).shape == (2,)
    assert fitted.classes_.tolist() == ["down", "up"]
    assert fitted.n_features_in_ == 2


def test_probabilities_sum_to_one_and_predict_takes_the_largest(fitted: SequenceClassifier) -> None:
    """One row a sequence, one column a class."""
    X, _ = _slopes(30, seed=2)
    shares = fitted.predict_proba(X)
    assert shares.shape == (30, 2)
    np.testing.assert_allclose(shares.sum(1), 1.0)
    assert (shares >= 0).all()
    assert fitted.predict(X).tolist() == fitted.classes_[shares.argmax(1)].tolist()


def test_other_sequences_change_no_prediction(fitted: SequenceClassifier) -> None:
    """A sequence alone, among shorter and longer ones, and in another order."""
    X, _ = _slopes(40, seed=3)
    shares = fitted.predict_proba(X)
    np.testing.assert_allclose(np.concatenate([fitted.predict_proba([x]) for x in X]), shares, atol=1e-6)
    np.testing.assert_allclose(fitted.predict_proba(X[::-1])[::-1], shares, atol=1e-6)


def test_batching_changes_no_prediction(fitted: SequenceClassifier, monkeypatch: pytest.MonkeyPatch) -> None:
    """However few steps a chunk holds; a sequence longer than that is a chunk of its own."""
    X, _ = _slopes(40, seed=4)
    shares = fitted.predict_proba(X)
    monkeypatch.setattr("unrolled.models.sequence.dataset._BATCH_STEPS", 50)
    np.testing.assert_allclose(fitted.predict_proba(X), shares, atol=1e-6)
    monkeypatch.setattr("unrolled.models.sequence.dataset._BATCH_STEPS", 1)
    np.testing.assert_allclose(fitted.predict_proba(X), shares, atol=1e-6)


def test_the_same_seed_gives_the_same_model_to_the_bit(fitted: SequenceClassifier) -> None:
    """Another seed another one; and the caller's random state is left alone."""
    X, y = _slopes(60)
    torch.manual_seed(3)
    before = torch.get_rng_state()
    twin = SequenceClassifier(**QUICK).fit(X, y)
    assert torch.equal(before, torch.get_rng_state())
    for one, other in zip(
        fitted.networks_[0].state_dict().values(), twin.networks_[0].state_dict().values(), strict=True
    ):
        assert torch.equal(one, other)
    other = SequenceClassifier(**QUICK, random_state=1).fit(X, y)
    assert not np.allclose(other.predict_proba(X), fitted.predict_proba(X), rtol=1e-3, atol=0)


def test_an_ensemble_is_the_mean_of_its_members() -> None:
    """Each with a seed of its own: the first is the model of that seed alone."""
    X, y = _slopes(30)
    quick = QUICK | {"max_epochs": 4}
    model = SequenceClassifier(**quick | {"n_members": 3}, random_state=5).fit(X, y)
    seeds = [member_seed(5, k) for k in range(3)]
    alone = [SequenceClassifier(**quick, random_state=seed).fit(X, y).predict_proba(X) for seed in seeds]
    assert len(model.networks_) == 3
    np.testing.assert_allclose(model.predict_proba(X), np.mean(alone, axis=0), atol=1e-7)


@pytest.mark.parametrize(
    "y",
    [
        [3, 7],
        [True, False],
        ["b", "a"],
        [2.0, -1.0],
        np.array(["x", "y"], dtype=object),
        pd.Series(["u", "v"], index=[5, 9]),
        pl.Series(["u", "v"]),
        pd.Series(["u", "v"], dtype="category"),
    ],
)
def test_predictions_have_the_type_of_the_labels(y: Any) -> None:
    """Numbers, truths, texts, in lists, arrays and series."""
    model = SequenceClassifier(**QUICK | {"max_epochs": 60}).fit(TOY, y)
    assert model.predict(TOY).tolist() == list(y)
    assert model.score(TOY, y) == 1.0


@pytest.mark.parametrize(
    "form",
    [
        lambda X: X,
        lambda X: X[:, :, 0],
        list,
        lambda X: [x[:, 0] for x in X],
        lambda X: X[:, :, 0].tolist(),
        lambda X: pd.DataFrame(X[:, :, 0], columns=list("abcde")),
        lambda X: pl.DataFrame(X[:, :, 0], schema=list("abcde")),
        lambda X: pd.DataFrame({"x": list(X[:, :, 0])}),
        torch.from_numpy,
        as_sequences,
    ],
    ids=["(N,T,1)", "(N,T)", "list", "1-D", "lists", "pandas", "polars", "nested", "torch", "Sequences"],
)
def test_every_form_of_the_same_sequences_gives_the_same_model(form: Any) -> None:
    """What is fitted is the numbers, not their wrapping; and any other form can be predicted."""
    quick = {"hidden_size": 4, "max_epochs": 3}
    expected = SequenceClassifier(**quick).fit(TOY, TOY_CLASSES).predict_proba(TOY)
    model = SequenceClassifier(**quick).fit(form(TOY), TOY_CLASSES)
    np.testing.assert_array_equal(model.predict_proba(form(TOY)), expected)
    np.testing.assert_array_equal(model.predict_proba(TOY), expected)


def test_balanced_weights_make_a_rare_class_count() -> None:
    """One in twenty, and hard to tell: without weights it is hardly predicted, with them it is."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], [190, 10])
    X = rng.normal(0.5 * y[:, None], 1.0, (200, 6))
    quick = {"hidden_size": 4, "max_epochs": 8}
    plain = SequenceClassifier(**quick).fit(X, y).predict_proba(X)[:, 1].mean()
    balanced = SequenceClassifier(**quick, class_weight="balanced").fit(X, y).predict_proba(X)[:, 1].mean()
    heavy = SequenceClassifier(**quick, class_weight={1: 1000.0}).fit(X, y).predict(X)
    assert plain < 0.15
    assert plain + 0.15 < balanced < 0.65
    assert (heavy == 1).mean() > 0.8


@pytest.mark.parametrize(
    "setting",
    [
        {"cell": "lstm"},
        {"cell": "rnn"},
        {"cell": "rnn", "activation": "relu"},
        {"cell": "feedforward"},
        {"hidden_size": 5},
        {"num_layers": 2},
        {"bidirectional": True},
        {"pooling": "mean"},
        {"pooling": "last+max"},
        {"pooling": "attention"},
        {"dropout": 0.5},
        {"class_weight": {"up": 3.0}},
        {"n_members": 2},
        {"max_epochs": 3},
        {"batch_size": 2},
        {"learning_rate": 0.1},
        {"random_state": 1},
    ],
    ids=str,
)
def test_every_argument_matters(setting: dict[str, Any]) -> None:
    """Changed alone, the probabilities change; and they are finite."""
    X, y = _slopes(12)
    quick = {"hidden_size": 4, "max_epochs": 2}
    plain = SequenceClassifier(**quick).fit(X, y).predict_proba(X)
    other = SequenceClassifier(**quick | setting).fit(X, y).predict_proba(X)
    assert np.isfinite(other).all()
    assert not np.allclose(plain, other, atol=1e-6)


def test_a_scale_of_one_feature_changes_nothing() -> None:
    """Metres or millimetres, from sea level or from the floor: each feature is scaled by itself."""
    X, y = _slopes(20)
    quick = {"hidden_size": 4, "max_epochs": 3}
    plain = SequenceClassifier(**quick).fit(X, y)
    moved = SequenceClassifier(**quick).fit([x * [1000, 1] + [5, 0] for x in X], y)
    np.testing.assert_allclose(
        moved.predict_proba([x * [1000, 1] + [5, 0] for x in X]), plain.predict_proba(X), atol=1e-4
    )


def test_a_feature_that_never_changes_is_harmless() -> None:
    """It cannot be scaled to variance 1."""
    X = np.concatenate([TOY, np.full_like(TOY, 7.0)], axis=2)
    model = SequenceClassifier(hidden_size=8).fit(X, TOY_CLASSES)
    assert model.scaler_.scale[1] == 1.0
    assert model.score(X, TOY_CLASSES) == 1.0


@pytest.mark.parametrize("size", [1e-60, 1e60])
def test_values_of_any_size_are_scaled(size: float) -> None:
    """Float32 would not hold it before it is scaled."""
    quick = {"hidden_size": 8, "max_epochs": 3}
    plain, sized = (SequenceClassifier(**quick).fit(X, TOY_CLASSES) for X in (TOY, TOY * size))
    np.testing.assert_allclose(sized.predict_proba(TOY * size), plain.predict_proba(TOY), atol=1e-5)


def test_rounding_is_no_change_of_a_feature() -> None:
    """The mean of 0.1, 0.1, ... is not 0.1; a later 0.11 is no million."""
    X = np.random.default_rng(0).normal(size=(20, 12, 2))
    X[..., 1] = 0.1
    model = SequenceClassifier(hidden_size=4, max_epochs=2).fit(X, np.arange(20) % 2)
    X[..., 1] = 0.11
    assert model.tensors(X)[0][..., 1].abs().max() < 0.02


def test_huge_values_give_finite_probabilities(fitted: SequenceClassifier) -> None:
    """A sensor that went wild."""
    assert np.isfinite(fitted.predict_proba([np.full((5, 2), 1e30), np.full((3, 2), -1e30)])).all()


def test_score_counts_an_unseen_class_as_wrong(fitted: SequenceClassifier) -> None:
    """So that a class in one fold only does not make a search of parameters NaN; numbers are another type."""
    X, y = _slopes(4)
    assert fitted.score(X, [*y[:3], "Up"]) == 0.75 * fitted.score(X[:3], y[:3])
    with pytest.raises(
        DataError, match="SequenceClassifier y: expected labels like 'down', as in fit, got 1"
    ):
        fitted.score(X, [1, 0, 1, 0])
