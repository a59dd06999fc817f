"""Who takes part, who is left out and why, and that each is fitted anew on the same sequences."""

import sys
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from unrolled import SequenceClassifier, SequenceRegressor
from unrolled.errors import MissingDependencyError
from unrolled.evaluate.sequence.candidates import (
    NOTES,
    SEQUENCE_BASELINES,
    Candidate,
    baseline_candidates,
    excluded_baselines,
    fit_and_predict,
    model_candidate,
    warm_up,
)
from unrolled.evaluate.sequence.split import TrainTestSplit, evaluation_data, partition_by_folds
from unrolled.evaluate.text.classification import TAG_BASELINES, TEXT_BASELINES
from unrolled.evaluate.video.classification import VIDEO_BASELINES
from unrolled.train.history import History


class Watched(ClassifierMixin, BaseEstimator):
    """Tells what every copy of it was fitted on and asked."""

    seen: ClassVar[list[tuple[str, Any]]] = []

    def fit(self, X: Any, y: Any) -> "Watched":
        self.seen.append(("fit", X))
        return self

    def predict(self, X: Any) -> Any:
        self.seen.append(("ask", X))
        return np.zeros(len(X), dtype=int)


def parts_of(X: Any, folds: int = 3, groups: Any = None) -> list[TrainTestSplit]:
    """X in folds, its classes 0 and 1 in turn."""
    data, _ = evaluation_data(X, np.arange(len(X)) % 2, "labels", groups)
    return partition_by_folds(data, folds, stratified=True).splits


@pytest.fixture
def aeon(monkeypatch: pytest.MonkeyPatch) -> None:
    """It seems that aeon is installed."""
    monkeypatch.setitem(sys.modules, "aeon", ModuleType("aeon"))


@pytest.fixture
def no_aeon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without aeon, whatever is installed."""
    monkeypatch.setitem(sys.modules, "aeon", None)


def test_each_is_fitted_on_each_part_anew() -> None:
    """A fresh one a fold, its training first, then what it is judged on; answers part after part."""
    parts = parts_of(np.arange(24.0).reshape(12, 2))
    Watched.seen = []
    result = fit_and_predict(Candidate("watched", Watched), parts)
    assert [what for what, _ in Watched.seen] == ["fit", "ask"] * 3
    for k, (train, test) in enumerate(parts):
        np.testing.assert_array_equal(Watched.seen[2 * k][1], train.X)
        np.testing.assert_array_equal(Watched.seen[2 * k + 1][1], test.X)
    assert result.predictions.shape == (12,)
    assert min(result.fit_seconds, result.predict_seconds) > 0


def test_seconds_are_those_of_one_fold(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mean over the parts: a clock that ticks once a look."""
    ticks = iter(range(100))
    monkeypatch.setattr("unrolled.evaluate.sequence.candidates.time.perf_counter", lambda: next(ticks))
    result = fit_and_predict(Candidate("watched", Watched), parts_of(np.zeros((12, 2))))
    assert (result.fit_seconds, result.predict_seconds) == (1.0, 1.0)


def test_groups_are_passed_to_models_that_take_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Our estimators hold whole groups out; others are not asked to."""
    fit_arguments = []
    monkeypatch.setattr(
        SequenceClassifier, "fit", lambda self, X, y, groups=None: fit_arguments.append(groups) or self
    )
    monkeypatch.setattr(SequenceClassifier, "predict", lambda self, X: np.zeros(len(X), dtype=int))
    parts = parts_of(np.random.default_rng(0).normal(size=(12, 4)), groups=np.arange(12) // 2)
    for candidate in (
        model_candidate(SequenceClassifier()),
        baseline_candidates(SequenceClassifier(), "labels", ["bag of steps"])[0],
    ):
        fit_and_predict(candidate, parts)
    assert [groups.tolist() for groups in fit_arguments] == [part.train.groups.tolist() for part in parts] * 2
    fit_and_predict(model_candidate(KNeighborsClassifier(1)), parts)


def test_warm_up_precedes_the_timing(monkeypatch: pytest.MonkeyPatch, aeon: None) -> None:
    """Torch where a network takes part; aeon's two, on a few sequences of different classes."""
    loaded, calls = [], []
    monkeypatch.setattr("unrolled.evaluate.sequence.candidates._load_torch", lambda: loaded.append("torch"))
    monkeypatch.setattr(
        "unrolled.evaluate.sequence.candidates.fit_and_predict",
        lambda candidate, parts: calls.append((candidate, parts)),
    )
    parts = parts_of(np.zeros((12, 4)))
    simple = baseline_candidates(
        KNeighborsClassifier(), "labels", ["1-NN Euclidean", "1-NN DTW", "MiniRocket"]
    )
    warm_up([model_candidate(KNeighborsClassifier()), *simple], parts[0])
    assert loaded == []
    assert [candidate.name for candidate, _ in calls] == ["1-NN DTW", "MiniRocket"]
    assert [part.train.y.tolist() for _, (part,) in calls] == [[0, 1, 2, 3]] * 2
    warm_up([model_candidate(SequenceClassifier())], parts[0])
    assert loaded == ["torch"]


def test_the_network_is_copied() -> None:
    """With its settings, fitted or not; what came in stays as it is."""
    model = SequenceClassifier(cell="lstm", hidden_size=3)
    candidate = model_candidate(model)
    assert candidate.name == "lstm"
    assert candidate.make() is not model
    assert candidate.make().get_params() == model.get_params()
    pipeline = make_pipeline(StandardScaler(), KNeighborsClassifier())
    assert model_candidate(pipeline).name == "KNeighborsClassifier"


def test_baselines_of_a_network_have_its_settings() -> None:
    """As a reservoir of the usual size, and as a feed-forward net that reads a flat vector."""
    model = SequenceClassifier(
        cell="rnn", hidden_size=3, activation="relu", bidirectional=True, num_layers=2, pooling="mean",
        max_epochs=3, batch_size=4, validation_fraction=0.2, dropout=0.1, learning_rate=1e-3, random_state=5,
    )  # fmt: skip
    made = {
        candidate.name: candidate.make()
        for candidate in baseline_candidates(model, "labels", SEQUENCE_BASELINES["labels"])
    }
    assert list(made) == list(SEQUENCE_BASELINES["labels"])
    assert (made["reservoir"].solver, made["reservoir"].hidden_size) == ("reservoir", None)
    assert (made["reservoir"].cell, made["reservoir"].random_state) == ("rnn", 5)
    flat = made["feedforward"]
    assert (flat.cell, flat.solver, flat.activation, flat.random_state) == (
        "feedforward",
        "gradient",
        "tanh",
        5,
    )
    assert made["bag of steps"].model.get_params() == model.get_params()
    flat.check_parameters()
    made["reservoir"].check_parameters()
    flat_baseline = baseline_candidates(SequenceClassifier(cell="feedforward"), "labels", ["reservoir"])[
        0
    ].make()
    assert (flat_baseline.cell, flat_baseline.solver) == ("gru", "reservoir")


@pytest.mark.parametrize(
    ("model", "missing"),
    [
        (SequenceClassifier(solver="reservoir"), "reservoir"),
        (SequenceClassifier(cell="feedforward"), "feedforward"),
        (SequenceRegressor(cell="feedforward"), "feedforward"),
    ],
)
def test_a_model_is_not_its_own_baseline(model: Any, missing: str) -> None:
    """A reservoir is not compared with itself, nor a feed-forward net."""
    task = "numbers" if isinstance(model, SequenceRegressor) else "labels"
    names = [candidate.name for candidate in baseline_candidates(model, task, SEQUENCE_BASELINES[task])]
    assert names == [name for name in SEQUENCE_BASELINES[task] if name != missing]


def test_a_foreign_estimator_is_compared_with_default_networks() -> None:
    """A reservoir and a feed-forward net with their default settings, which read sequences."""
    made = baseline_candidates(KNeighborsClassifier(), "labels", ["reservoir", "feedforward", "bag of steps"])
    assert [type(candidate.make()).__name__ for candidate in made] == ["SequenceClassifier"] * 2 + [
        "BagOfSteps"
    ]
    assert [candidate.reads_x for candidate in made] == [False, False, True]


def test_without_aeon_two_are_left_out(no_aeon: None) -> None:
    """How to have them is said; who names one is refused."""
    parts = parts_of(np.zeros((12, 4)))
    why = 'aeon is not installed (pip install "unrolled[aeon]")'
    assert excluded_baselines(parts, SEQUENCE_BASELINES["labels"], is_explicit=False) == {
        "1-NN DTW": why,
        "MiniRocket": why,
    }
    assert excluded_baselines(parts, ["majority class"], is_explicit=True) == {}
    with pytest.raises(MissingDependencyError, match=r"MiniRocket needs aeon, .* pip install \"unrolled"):
        excluded_baselines(parts, ["MiniRocket"], is_explicit=True)


def test_ragged_sequences_have_no_flat_vector(aeon: None) -> None:
    """Also where only those that are judged have another length."""
    ragged = parts_of([np.zeros(3 + k % 2) for k in range(12)])
    assert excluded_baselines(ragged, SEQUENCE_BASELINES["labels"], is_explicit=True) == {
        "feedforward": "sequences differ in length"
    }
    train, _ = evaluation_data(np.zeros((4, 5)), [0, 1, 0, 1], "labels")
    test, _ = evaluation_data(np.zeros((2, 6)), [0, 1], "labels")
    assert "feedforward" in excluded_baselines(
        [TrainTestSplit(train, test)], SEQUENCE_BASELINES["labels"], is_explicit=False
    )
    assert (
        excluded_baselines([TrainTestSplit(train, train)], SEQUENCE_BASELINES["labels"], is_explicit=False)
        == {}
    )


def test_what_takes_too_long_is_left_out_unless_named(aeon: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Warping every pair of steps, and a ridge on many sequences."""
    parts = parts_of(np.zeros((12, 4)))
    monkeypatch.setattr("unrolled.evaluate.sequence.candidates._MAX_DTW_PAIRS", 3 * 32 * 16 - 1)
    monkeypatch.setattr("unrolled.evaluate.sequence.candidates._MAX_MINIROCKET_SEQUENCES", 7)
    out = excluded_baselines(parts, SEQUENCE_BASELINES["labels"], is_explicit=False)
    assert out["1-NN DTW"] == "it would compare 2e+03 pairs of steps; name it in baselines to have it"
    assert out["MiniRocket"] == "its ridge on more than 7 sequences is slow; name it to have it"
    assert excluded_baselines(parts, SEQUENCE_BASELINES["labels"], is_explicit=True) == {}
    monkeypatch.setattr("unrolled.evaluate.sequence.candidates._MAX_DTW_PAIRS", 3 * 32 * 16)
    monkeypatch.setattr("unrolled.evaluate.sequence.candidates._MAX_MINIROCKET_SEQUENCES", 8)
    assert excluded_baselines(parts, SEQUENCE_BASELINES["labels"], is_explicit=False) == {}


def test_every_baseline_has_a_note() -> None:
    """A note each, and no note without its baseline."""
    tables = (*SEQUENCE_BASELINES.values(), *VIDEO_BASELINES.values())
    names = {name for names in tables for name in names}
    assert set(NOTES) == names | {*TEXT_BASELINES} | {*TAG_BASELINES}


def test_ctrl_c_in_a_training_is_ctrl_c_of_the_comparison() -> None:
    """The model keeps what it has; its half-trained answers are never scored."""

    class Interrupted:
        history_ = History((), 0, "interrupted", 0.0)

        def fit(self, X: object, y: object) -> None:
            """Cut short."""

        def predict(self, X: object) -> None:
            raise AssertionError("asked for answers")

    part = SimpleNamespace(X=None, y=None, groups=None, sequences=None)
    with pytest.raises(KeyboardInterrupt):
        fit_and_predict(Candidate("gru", Interrupted), [(part, part)])
