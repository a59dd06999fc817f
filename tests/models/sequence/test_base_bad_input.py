"""Parameters, sequences and targets that cannot be used are refused, a sentence each."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from unrolled.errors import ArgumentError, DataError, NotFittedError
from unrolled.models.forecasting.forecaster import Forecaster
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


@each
def test_calls_before_fit_are_refused(kind: Any, y: Any, tmp_path: Path) -> None:
    """Each of them."""
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
def test_all_wrong_parameters_are_named_at_once(kind: Any, y: Any) -> None:
    """A line each; nothing is learned."""
    wrong = {
        "cell": "gro", "activation": "tahn", "solver": "gradiant", "num_layers": 0, "n_members": True,
        "max_epochs": 2.5, "hidden_size": -1, "batch_size": 0, "random_state": "0", "device": "cdua",
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
    ("kind", "settings", "message"),
    [
        (SequenceClassifier, {"cell": "feedforward", "num_layers": 2},
         "num_layers: cell='feedforward' is one layer without recurrence; got 2. Leave it out."),
        (SequenceTagger, {"cell": "feedforward", "bidirectional": True},
         "bidirectional: cell='feedforward' is one layer without recurrence; got True. Leave it out."),
        (SequenceRegressor, {"cell": "feedforward", "pooling": "mean"},
         "pooling: cell='feedforward' is one layer without recurrence; got 'mean'. Leave it out."),
        (SequenceClassifier, {"solver": "reservoir", "max_epochs": 5},
         "max_epochs: solver='reservoir' is solved at once, without epochs; got 5. Leave it out."),
        (SequenceClassifier, {"validation_fraction": 0, "patience": 3},
         "patience: validation_fraction=0 holds nothing out; got 3. Leave it out."),
        (SequenceRegressor, {"solver": "reservoir", "learning_rate": 0.1},
         "learning_rate: solver='reservoir' is solved at once, without epochs; got 0.1. Leave it out."),
    ],
)  # fmt: skip
def test_parameters_without_effect_are_refused(kind: Any, settings: Any, message: str) -> None:
    """An argument that is ignored without a word is believed to matter."""
    with pytest.raises(ArgumentError) as caught:
        kind(**settings).check_parameters()
    assert str(caught.value) == message
    kind(**{name: settings[name] for name in list(settings)[:1]}).check_parameters()


def test_numpy_booleans_are_booleans() -> None:
    """An array of them, as a grid is made of, holds numpy's."""
    model = SequenceClassifier(**QUICK, bidirectional=np.True_).fit(X, ["a", "b"] * 3)
    assert model.network_config_.bidirectional is True
    for value in (pd.NA, "yes", 1):
        with pytest.raises(ArgumentError, match="bidirectional: expected True or False, got"):
            SequenceClassifier(cell="feedforward", bidirectional=value).check_parameters()


@pytest.mark.parametrize("checkpoint", [5, "a\0b", "x" * 300])
def test_a_checkpoint_that_is_no_path_is_refused(checkpoint: Any) -> None:
    """Before anything is trained."""
    with pytest.raises(ArgumentError, match="checkpoint: expected"):
        SequenceClassifier(**QUICK).fit(X, ["a", "b"] * 3, checkpoint=checkpoint)


def test_an_activation_is_for_the_plain_rnn() -> None:
    """The others have their own, and ignore none silently."""
    with pytest.raises(ArgumentError, match="only cell='rnn' takes another than 'tanh'; got 'relu'"):
        SequenceClassifier(activation="relu").fit(X, ALL[0][1])


@each
@pytest.mark.parametrize(
    ("data", "message"),
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
def test_invalid_sequences_are_refused_in_a_sentence(kind: Any, y: Any, data: Any, message: str) -> None:
    """In fit, which leaves the model as it was, and in predict."""
    model = kind(**QUICK).fit(X, y)
    before = dict(vars(model))
    for call in (lambda: model.fit(data, y), lambda: model.predict(data)):
        with pytest.raises((DataError, TypeError), match=f"^{kind.__name__} X.*{message}") as fault:
            call()
        assert "\n" not in str(fault.value)
    assert vars(model) == before


@each
def test_another_number_of_features_is_refused(kind: Any, y: Any) -> None:
    """The way out is message."""
    model = kind(**QUICK).fit(X, y)
    for data, got in ((np.zeros((3, 4, 5)), 5), (np.zeros((3, 4)), 1)):
        with pytest.raises(DataError) as fault:
            model.predict(data)
        assert str(fault.value) == (
            f"{kind.__name__} X: expected 2 features a step, as in fit, got {got}. Select the columns that "
            "were fitted on, or fit a model on these."
        )
    with pytest.raises(DataError, match=r"got 1\. A single sequence is given as \[x\]\.$"):
        model.predict(np.zeros((3, 2)))
    with pytest.raises(DataError, match=r"Turn its axes round: layout='ntc' is that of X"):
        model.predict(np.zeros((3, 4, 2)).swapaxes(1, 2))


def test_a_single_sequence_with_features_first_is_told_the_way_out() -> None:
    """It reads as as many sequences as it has features, of one feature each."""
    model = SequenceClassifier(layout="nct", **QUICK).fit(
        np.zeros((6, 2, 5)) + RNG.normal(size=(6, 1, 5)), [0, 1] * 3
    )
    with pytest.raises(DataError, match=r"got 1\. A single sequence is given as \[x\]\.$"):
        model.predict(np.zeros((2, 5)))
    with pytest.raises(DataError, match="layout='nct' is that of X in fit and here"):
        model.predict(np.zeros((6, 5, 2)))
    assert len(model.predict([np.zeros((2, 5))])) == 1


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (["a", "b"], "expected 6 as X has 6 sequences, got 2"),
        (["a"] * 6, r"expected at least two classes, got one class \('a'\) in all labels"),
        (["a", 1] * 3, "expected labels of one type, got 'a' .str. and, at position 1, 1 .int."),
        (["a", None] * 3, "position 1: expected a label or a number, got None or NaN, and 2 more"),
        ([0.5, 1.5] * 3, "expected classes, got numbers such as 0.5"),
        (np.zeros((6, 2)), r"expected one a sequence, shape \(6,\), got shape \(6, 2\)"),
        (None, "requires y to be passed, but the target y is None"),
    ],
)
def test_invalid_labels_are_refused_in_a_sentence(y: Any, message: str) -> None:
    """In fit, which leaves the model as it was."""
    model = SequenceClassifier(**QUICK).fit(X, ALL[0][1])
    before = dict(vars(model))
    with pytest.raises((DataError, TypeError), match=f"^SequenceClassifier y.*{message}"):
        model.fit(X, y)
    assert vars(model) == before


@pytest.mark.parametrize("solver", ["gradient", "reservoir"])
@pytest.mark.parametrize("kind", [np.int64, np.uint64, np.int8])
def test_numpy_integers_are_integers(kind: Any, solver: str) -> None:
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
    model = SequenceClassifier(solver=solver, **{name: kind(value) for name, value in plain.items()}).fit(
        X, y
    )
    plain_model = SequenceClassifier(solver=solver, **plain).fit(X, y)
    assert np.array_equal(model.predict_proba(X), plain_model.predict_proba(X))


@pytest.mark.parametrize("name", ["checkpoint", "callbacks"])
def test_a_reservoir_takes_no_checkpoint_and_no_callbacks(name: str, tmp_path: Path) -> None:
    """They would have no effect: it has no epochs. Nothing is written, and no callbacks are none."""
    given = {"checkpoint": tmp_path / "c", "callbacks": [print]}[name]
    model = SequenceClassifier(solver="reservoir", hidden_size=4)
    X, y = np.arange(24.0).reshape(4, 6) % 7, [0, 1, 0, 1]
    with pytest.raises(ArgumentError, match=f"solver='reservoir' is solved at once.*{name}=.*Leave both out"):
        model.fit(X, y, **{name: given})
    assert list(tmp_path.iterdir()) == []
    model.fit(X, y, checkpoint=None, callbacks=[])


@pytest.mark.parametrize("name", ["cell", "activation", "solver", "pooling"])
def test_an_array_is_no_choice(name: str) -> None:
    """Compared with a word it would be an array."""
    with pytest.raises(ArgumentError, match=f"{name}: expected one of"):
        SequenceClassifier(**{name: np.array(["gru", "lstm"])}).fit([[1.0, 2.0], [2.0, 1.0]], [0, 1])


def test_a_hidden_size_beyond_memory_is_refused() -> None:
    """In a sentence, before anything is made."""
    with pytest.raises(ArgumentError, match=r"hidden_size: .* from 1 to 16384, got 200000"):
        SequenceClassifier(hidden_size=200_000).fit([[1.0], [2.0]], [0, 1])
    with pytest.raises(ArgumentError, match=r"hidden_size: .* from 1 to 16384, got 200000"):
        Forecaster(hidden_size=200_000).fit(np.arange(50.0))
