"""A comparison of sequences: every candidate on the same ones, scored by formulas, bad data refused."""

import sys
from typing import Any

import numpy as np
import pytest
from scipy import stats
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

from unrolled import ArgumentError, DataError, SequenceClassifier, TrainingError, compare
from unrolled.data.axes import InputWarning
from unrolled.stats.intervals import wilson_interval
from unrolled.stats.paired import mcnemar_p

SIMPLE = ["majority class", "1-NN Euclidean"]


class Cut(ClassifierMixin, BaseEstimator):
    """Says 1 where a step is above a height: what it knows, whatever it is fitted on."""

    def __init__(self, step: int = 0, height: float = 0.0) -> None:
        self.step = step
        self.height = height

    def fit(self, X: Any, y: Any) -> "Cut":
        self.classes_ = np.unique(y)
        return self

    def predict(self, X: Any) -> Any:
        return (np.array([np.ravel(x)[self.step] for x in X]) > self.height).astype(int)


@pytest.fixture(autouse=True)
def no_aeon(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests are about the others: whether it is installed makes no difference."""
    monkeypatch.setitem(sys.modules, "aeon", None)


@pytest.fixture(scope="module")
def data() -> tuple[np.ndarray, np.ndarray]:
    """Sixty sequences of six steps; the class is whether the first step is above 0, the others are noise."""
    X = np.random.default_rng(0).normal(size=(60, 6))
    return X, (X[:, 0] > 0).astype(int)


def test_rows_score_the_predictions(data: tuple[np.ndarray, np.ndarray]) -> None:
    """Accuracy, interval and p, from the answers in the order of X; baselines from the best on."""
    X, y = data
    result = compare(Cut(height=0.2), X, y, test=(X, y), baselines=SIMPLE, level=80)
    assert [row.name for row in result.rows] == ["Cut", "1-NN Euclidean", "majority class"]
    wrong = {name: column != y for name, column in result.columns.items() if name != "y"}
    np.testing.assert_array_equal(result.predictions["y"], y)
    for row in result.rows:
        assert row.accuracy == pytest.approx(1 - wrong[row.name].mean())
        right = int((~wrong[row.name]).sum())
        assert row.interval == pytest.approx(wilson_interval(right, 60, 80))
        assert (row.rmse, row.mae, row.r2) == (None, None, None)
    network, other = wrong["Cut"], wrong["majority class"]
    expected = mcnemar_p(int((other & ~network).sum()), int((network & ~other).sum()))
    assert [row.p_value for row in result.rows][::2] == [None, pytest.approx(expected)]
    assert (result.n_sequences, result.folds, result.groups, result.task) == (60, None, None, "labels")


def test_predictions_of_folds_are_in_the_order_of_x(data: tuple[np.ndarray, np.ndarray]) -> None:
    """A model whose answer needs no training answers as if there were no folds."""
    X, y = data
    result = compare(Cut(), X, y, folds=4, baselines="majority class")
    np.testing.assert_array_equal(result.columns["Cut"], y)
    assert (result.rows[0].accuracy, result.folds, result.n_sequences) == (1.0, 4, 60)


def test_no_candidate_is_tested_on_its_training_data() -> None:
    """Nearest neighbours of twins would know everything; in groups of twins they know nothing."""
    rng = np.random.default_rng(1)
    X, y = np.repeat(rng.normal(size=(40, 8)), 2, axis=0), np.repeat(rng.integers(0, 2, 40), 2)
    twins = np.arange(80) // 2
    apart = compare(KNeighborsClassifier(1), X, y, groups=twins, baselines=SIMPLE)
    assert all(row.accuracy < 0.8 for row in apart.rows)
    assert apart.groups == 40
    mixed = compare(KNeighborsClassifier(1), X, y, groups=np.arange(80), baselines=SIMPLE)
    assert mixed.rows[0].accuracy > 0.85


def test_folds_and_groups_widen_the_interval(data: tuple[np.ndarray, np.ndarray]) -> None:
    """Folds share their training; groups whose members are alike are as many as there are groups."""
    X, y = data
    model = Cut(height=0.5)
    test = compare(model, X, y, test=(X, y), baselines="majority class").rows[0]
    folds = compare(model, X, y, baselines="majority class").rows[0]
    right = 60 * test.accuracy
    assert folds.interval == pytest.approx(wilson_interval(right / 2.25, 60 / 2.25, 95))
    order = np.lexsort((X[:, 0] <= 0.5, y))  # those that are answered alike lie together
    alike = compare(model, X[order], y[order], groups=np.arange(60) // 5, baselines="majority class").rows[0]
    assert np.diff(alike.interval) > 1.2 * np.diff(folds.interval)
    single = compare(model, X, y, groups=np.arange(60), baselines="majority class").rows[0]
    assert single.interval == pytest.approx(folds.interval, rel=0.05)


def test_numbers_are_measured_as_scikit_learn_does() -> None:
    """RMSE, MAE and R² of the answers; the interval holds the RMSE."""
    rng = np.random.default_rng(2)
    X = rng.normal(size=(80, 5))
    y = X[:, -1] + 0.1 * rng.normal(size=80)
    result = compare(KNeighborsRegressor(3), X, y, baselines=["mean of y", "last step", "1-NN Euclidean"])
    assert result.rows[1].name == result.best_baseline == "last step"
    for row in result.rows:
        record = result.columns[row.name]
        assert row.accuracy is None
        assert row.rmse == pytest.approx(root_mean_squared_error(y, record))
        assert row.mae == pytest.approx(mean_absolute_error(y, record))
        assert row.r2 == pytest.approx(r2_score(y, record))
        assert row.interval[0] < row.rmse < row.interval[1]
    assert result.outcome == "worse"
    assert "(RMSE) over 80 sequences" in result.sentence
    assert "use the last step alone instead" in result.sentence


def test_a_y_that_never_changes_has_no_r2() -> None:
    """No division by zero; an exact answer has an interval of no width."""
    result = compare(KNeighborsRegressor(1), np.zeros((12, 3)), np.ones(12), folds=2, baselines="mean of y")
    assert [(row.r2, row.rmse, row.interval) for row in result.rows] == [(None, 0.0, (0.0, 0.0))] * 2
    assert result.outcome == "no difference"


def test_the_model_stays_as_it_is(data: tuple[np.ndarray, np.ndarray]) -> None:
    """Fitted or not."""
    X, y = data
    model = KNeighborsClassifier(1).fit(X[:9], y[:9])
    compare(model, X, y, folds=2, baselines="majority class")
    assert model.n_samples_fit_ == 9


def test_at_most_one_whole_comparison_in_twenty_is_a_false_win() -> None:
    """Labels by chance, a model that answers by chance, five folds: 5 % of 100, and what chance adds."""
    wins = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        X, y = rng.normal(size=(60, 4)), rng.integers(0, 2, size=60)
        wins += compare(KNeighborsClassifier(1), X[:, :2], y, baselines=SIMPLE[:1]).outcome == "better"
    assert wins <= stats.binom.ppf(0.999, 100, 0.05)


def test_skill_is_seen(data: tuple[np.ndarray, np.ndarray]) -> None:
    """A model that knows the answer, beside baselines that do not: better, with its sentence."""
    X, y = data
    result = compare(Cut(), X, y, baselines=[*SIMPLE, "bag of steps"])
    assert result.outcome == "better"
    assert result.sentence.startswith(
        "Cut is right on 100.0 % of 60 sequences, the best of the simple ones ("
    )
    assert result.sentence.endswith("it has skill here.")


def test_a_network_is_compared_with_all_baselines() -> None:
    """Every baseline takes part but those that cannot, each left out with its reason."""
    rng = np.random.default_rng(3)
    y = np.tile(["down", "up"], 10)
    X = [np.linspace(-1, 1, rng.integers(4, 7)) * (1 if up == "up" else -1) for up in y]
    model = SequenceClassifier(cell="rnn", hidden_size=4, max_epochs=2)
    result = compare(model, X, y, test=(X, y))
    scores = {row.name: row.accuracy for row in result.rows}
    assert set(scores) == {"rnn", "majority class", "1-NN Euclidean", "reservoir", "bag of steps"}
    assert scores["rnn"] == model.fit(X, y).score(X, y)
    assert (scores["1-NN Euclidean"], scores["majority class"]) == (1.0, 0.5)
    assert result.remarks == (
        "feedforward left out: sequences differ in length.",
        '1-NN DTW and MiniRocket left out: aeon is not installed (pip install "unrolled[aeon]").',
    )


def test_a_baseline_that_fails_is_left_out(
    data: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its own sentence; where none is left there is no comparison."""

    def fail(self: Any, sequences: Any, y: Any) -> None:
        raise TrainingError("the loss is no longer finite.")

    monkeypatch.setattr("unrolled.evaluate.sequence.baselines.NearestEuclidean.fit", fail)
    X, y = data
    result = compare(Cut(), X, y, baselines=SIMPLE)
    assert result.remarks == ("1-NN Euclidean left out: the loss is no longer finite.",)
    with pytest.raises(
        ArgumentError, match=r"baselines: expected one at least that can take part; 1-NN Euclidean"
    ):
        compare(Cut(), X, y, baselines="1-NN Euclidean")


def test_unknown_classes_are_remarked(data: tuple[np.ndarray, np.ndarray]) -> None:
    """They count as wrong for everyone."""
    X, y = data
    result = compare(Cut(), X, y, test=(X, np.where(X[:, 1] > 1, 7, y)), baselines=SIMPLE)
    assert "have a class that is not in X" in result.remarks[-1]
    assert result.rows[0].accuracy == pytest.approx((X[:, 1] <= 1).mean())


def test_a_class_of_one_cannot_be_cross_validated() -> None:
    """Nothing is left to learn it from; the way out is said."""
    with pytest.raises(DataError, match=r"class 2 in one sequence only: .* or pass test="):
        compare(Cut(), np.zeros((21, 3)), [*(np.arange(20) % 2), 2])
    with pytest.raises(DataError, match="folds: expected at most 4, as there are 4 sequences; got 5"):
        compare(Cut(), np.zeros((4, 3)), [0, 1, 0, 1], folds=5)


class Regressor(RegressorMixin, BaseEstimator):
    """Only its tags matter."""


def test_texts_as_numbers_are_refused() -> None:
    """A regressor is given numbers."""
    with pytest.raises(DataError, match="compare y: expected numbers, got 'a'"):
        compare(Regressor(), np.zeros((4, 3)), ["a", "b", "a", "b"])


def test_axes_and_padding_are_warned_of_once(data: tuple[np.ndarray, np.ndarray]) -> None:
    """By the comparison, not by each fit in it; a layout holds for every candidate and for the test set."""
    X, y = data
    block = np.stack([X, X**2], axis=1)  # (N, F, T) with F < T
    model = SequenceClassifier(hidden_size=2, max_epochs=1, n_members=1, layout="nct")
    first = compare(model, block, y, test=(block, y), baselines=SIMPLE)
    last = compare(
        SequenceClassifier(hidden_size=2, max_epochs=1, n_members=1), block.swapaxes(1, 2), y,
        test=(block.swapaxes(1, 2), y), baselines=SIMPLE,
    )  # fmt: skip
    assert [row.accuracy for row in first.rows] == [row.accuracy for row in last.rows]
    padded = np.where(np.arange(12) < 3 + np.arange(60)[:, None] % 6, np.tile(X, 2), 0.0)
    with pytest.warns(InputWarning) as caught:
        compare(model.set_params(layout=None), padded, y, folds=2, baselines=SIMPLE)
    assert [str(one.message)[:25] for one in caught] == ["compare X: 60 of 60 seque"]
    assert caught[0].filename == __file__


def test_a_model_that_reads_gaps_is_compared_on_them() -> None:
    """Baselines that read none are given lines between known values; all are tested on the same sequences."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 30)
    gaps = (rng.random((60, 8)) < 0.3) & (np.arange(8) < 7)  # a gap at the end is padding
    X = np.where(gaps, np.nan, rng.normal(size=(60, 8)) + 2.0 * y[:, None])
    model = SequenceClassifier(hidden_size=4, max_epochs=8, n_members=1, missing="mask")
    names = ["1-NN Euclidean", "bag of steps", "reservoir", "feedforward"]
    result = compare(model, X, y, folds=2, baselines=names)
    assert {row.name for row in result.rows} == {"gru", *names}
    assert all(row.accuracy > 0.8 for row in result.rows)
    held_out = compare(model, X[::2], y[::2], test=(X[1::2], y[1::2]), baselines=names[:1])
    assert held_out.n_sequences == 30


def test_padded_arrays_are_compared_as_ragged_lists_are() -> None:
    """With lengths for the training and the test part: the same answers, to the bit."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(4, 9, 60)
    y = np.arange(60) % 2
    padded = rng.normal(size=(60, 8, 2)) + y[:, None, None]
    padded[np.arange(8) >= lengths[:, None]] = 0
    ragged = [row[:n] for row, n in zip(padded, lengths, strict=True)]
    model = SequenceClassifier(hidden_size=4, max_epochs=2, n_members=1)
    names = ["majority class", "1-NN Euclidean", "bag of steps"]
    by_lengths = compare(model, padded, y, lengths=lengths, folds=2, baselines=names)
    assert by_lengths.predictions.equals(compare(model, ragged, y, folds=2, baselines=names).predictions)
    test = (padded[40:], y[40:], lengths[40:])
    held_out = compare(model, padded[:40], y[:40], test=test, lengths=lengths[:40], baselines=names)
    plain = compare(model, ragged[:40], y[:40], test=(ragged[40:], y[40:]), baselines=names)
    assert held_out.predictions.equals(plain.predictions)


def test_without_folds_there_are_as_many_as_groups_up_to_five() -> None:
    """Three speakers are three folds, and a remark says so; two sequences a class are enough for four."""
    X, y = np.random.default_rng(0).normal(size=(24, 3)), np.arange(24) % 2
    by_speaker = compare(Cut(), X, y, groups=np.arange(24) // 8, baselines="majority class")
    assert (by_speaker.folds, by_speaker.groups) == (3, 3)
    assert "3 folds, one a group." in by_speaker.remarks
    assert compare(Cut(), X[:4], y[:4], baselines="majority class").folds == 4
    usual = compare(Cut(), X, y, baselines="majority class")
    assert (usual.folds, usual.remarks) == (5, ())
    with pytest.raises(DataError, match="folds: expected at most 3, as there are 3 groups; got 5"):
        compare(Cut(), X, y, groups=np.arange(24) // 8, folds=5, baselines="majority class")
    with pytest.raises(DataError, match="groups: expected two at least, got one: "):
        compare(Cut(), X, y, groups=np.zeros(24), baselines="majority class")
