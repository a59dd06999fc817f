"""The rules that need no training: against slow loops, and against published errors."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from unrolled.evaluate.sequence.baselines import (
    LastStepRegression,
    MajorityClass,
    MeanTarget,
    MiniRocket,
    NearestDTW,
    NearestEuclidean,
    has_aeon,
    resampled,
)

needs_aeon = pytest.mark.skipif(
    importlib.util.find_spec("aeon") is None, reason="aeon is not installed: pip install aeon"
)


def ragged(count: int, rng: np.random.Generator, features: int = 2) -> list[np.ndarray]:
    """Sequences of 1 to 13 steps, the second feature thirty times as large."""
    return [rng.normal(size=(rng.integers(1, 14), features)) * [1.0, 30.0][:features] for _ in range(count)]


def slow_dtw(x: np.ndarray, y: np.ndarray) -> float:
    """Dynamic time warping of (F, T) sequences, from its recurrence."""
    cost = np.full((x.shape[1] + 1, y.shape[1] + 1), np.inf)
    cost[0, 0] = 0.0
    for i, j in np.ndindex(x.shape[1], y.shape[1]):
        best = min(cost[i, j], cost[i, j + 1], cost[i + 1, j])
        cost[i + 1, j + 1] = best + ((x[:, i] - y[:, j]) ** 2).sum()
    return float(cost[-1, -1])


@pytest.fixture
def standing_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules called aeon, with a slow warping and features that are no convolutions."""
    from sklearn.base import BaseEstimator, TransformerMixin

    class Features(TransformerMixin, BaseEstimator):
        def __init__(self, random_state: int | None = None) -> None:
            self.random_state = random_state

        def fit(self, X: np.ndarray, y: object = None) -> "Features":
            self.shape_ = X.shape[1:]
            return self

        def transform(self, X: np.ndarray) -> np.ndarray:
            assert (X.dtype, X.shape[1:]) == (np.float32, self.shape_)
            return np.concatenate([X, X**2], axis=1).reshape(len(X), -1)

    def pairwise(x: list[np.ndarray], y: list[np.ndarray]) -> np.ndarray:
        return np.array([[slow_dtw(a, b) for b in y] for a in x])

    whole, parts = ModuleType("aeon"), ["transformations", "transformations.collection"]
    distances = ModuleType("aeon.distances")
    distances.dtw_pairwise_distance = pairwise
    convolutions = ModuleType("aeon.transformations.collection.convolution_based")
    convolutions.MiniRocket = Features
    made = {"aeon": whole, "aeon.distances": distances, convolutions.__name__: convolutions}
    made |= {f"aeon.{part}": ModuleType(f"aeon.{part}") for part in parts}
    for name, module in made.items():
        monkeypatch.setitem(sys.modules, name, module)


def test_the_majority_is_counted() -> None:
    """Ties go to the first in order; labels keep their type."""
    baseline = MajorityClass().fit([np.zeros((1, 1))] * 4, np.array([3, 1, 1, 3]))
    assert baseline.predict([np.zeros((2, 1))] * 2).tolist() == [1, 1]
    assert MeanTarget().fit([np.zeros((1, 1))] * 3, np.array([1.0, 2.0, 6.0])).predict([np.ones((1, 1))]) == [
        3.0
    ]


def test_the_last_step_is_a_straight_line() -> None:
    """Least squares on the last values, whatever came before; a single sequence does not break it."""
    rng = np.random.default_rng(0)
    X = ragged(40, rng)
    y = np.array([2 - 3 * x[-1, 0] + 0.5 * x[-1, 1] for x in X])
    np.testing.assert_allclose(LastStepRegression().fit(X[:30], y[:30]).predict(X[30:]), y[30:])
    assert np.isfinite(LastStepRegression().fit(X[:1], y[:1]).predict(X)).all()


def test_the_nearest_is_the_one_of_a_slow_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ragged, two features of different size, and in pieces of a few distances."""
    monkeypatch.setattr("unrolled.evaluate.sequence.baselines._MAX_DISTANCES", 50)
    rng = np.random.default_rng(1)
    X, queries = ragged(23, rng), ragged(11, rng)
    y = rng.normal(size=23)
    steps = np.concatenate(X)
    T = max(map(len, X))

    def scaled(x: np.ndarray) -> np.ndarray:
        x = (x - steps.mean(axis=0)) / steps.std(axis=0)
        places = np.linspace(0, len(x) - 1, T)
        return np.stack([np.interp(places, np.arange(len(x)), column) for column in x.T], axis=1)

    far = [[((scaled(a) - scaled(x)) ** 2).sum() for x in X] for a in queries]
    expected = y[np.argmin(far, axis=1)]
    np.testing.assert_array_equal(NearestEuclidean().fit(X, y).predict(queries), expected)


def test_features_count_alike_whatever_their_unit() -> None:
    """A feature in millimetres does not drown one in metres."""
    rng = np.random.default_rng(2)
    X, queries = ragged(20, rng), ragged(20, rng)
    y = np.arange(20)
    other = [[x * [1.0, 1e6] + [5.0, -7.0] for x in part] for part in (X, queries)]
    first, second = (NearestEuclidean().fit(a, y).predict(b) for a, b in ((X, queries), other))
    np.testing.assert_array_equal(first, second)


def test_a_constant_feature_is_no_division_by_zero() -> None:
    """Its scale is 1."""
    X = [np.array([[1.0, 4.0], [2.0, 4.0]]), np.array([[5.0, 4.0], [6.0, 4.0]])]
    assert NearestEuclidean().fit(X, np.array([0, 1])).predict(X).tolist() == [0, 1]


def test_stretching_keeps_ends_and_straight_lines() -> None:
    """One step is repeated; shrinking keeps the ends; its own length is left as it is."""
    line = np.linspace(2.0, 9.0, 5)[:, None]
    np.testing.assert_allclose(resampled([line], 11)[0], np.linspace(2.0, 9.0, 11)[:, None])
    np.testing.assert_allclose(resampled([line], 2)[0], [[2.0], [9.0]])
    np.testing.assert_array_equal(resampled([line], 5)[0], line)
    assert resampled([line], 1).shape == (1, 1, 1)
    assert resampled([np.array([[3.0, 1.0]])], 4)[0].tolist() == [[3.0, 1.0]] * 4


@pytest.mark.parametrize(("name", "error"), [("ECG200", 0.12), ("SyntheticControl", 0.12), ("CBF", 0.148)])
def test_one_nearest_neighbour_errs_as_published(name: str, error: float, data_dir: Path) -> None:
    """The archive's own table, to its last digit."""
    with np.load(data_dir / "classification" / f"{name}.npz", allow_pickle=False) as test:
        X, y, queries, train = (test[key] for key in ("X_train", "y_train", "X_test", "y_test"))
    baseline = NearestEuclidean().fit([x.reshape(x.shape[0], -1) for x in X], y)
    wrong = (baseline.predict([x.reshape(x.shape[0], -1) for x in queries]) != train).mean()
    assert round(float(wrong), 3) == pytest.approx(error, abs=5e-4)


def test_without_aeon_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `import aeon` says."""
    monkeypatch.setitem(sys.modules, "aeon", None)
    assert not has_aeon()
    monkeypatch.setitem(sys.modules, "aeon", ModuleType("aeon"))
    assert has_aeon()


def check_warped() -> None:
    """The nearest of `NearestDTW` is that of a slow loop."""
    rng = np.random.default_rng(3)
    X, queries = ragged(9, rng), ragged(7, rng)
    steps = np.concatenate(X)

    def scaled(x: np.ndarray) -> np.ndarray:
        return ((x - steps.mean(axis=0)) / steps.std(axis=0)).T

    far = [[slow_dtw(scaled(a), scaled(x)) for x in X] for a in queries]
    expected = np.argmin(far, axis=1)
    np.testing.assert_array_equal(NearestDTW().fit(X, np.arange(9)).predict(queries), expected)


def check_rocket() -> None:
    """`MiniRocket` learns labels and numbers from ragged sequences, and reads longer ones."""
    rng = np.random.default_rng(4)
    y = np.repeat(["flat", "up"], 15)
    X = [x + np.linspace(0, 9 * (k >= 15), len(x))[:, None] for k, x in enumerate(ragged(30, rng))]
    model = MiniRocket(labels=True).fit(X, y)
    assert (model.predict(X) == y).mean() > 0.8
    numbers = np.array([x[-1, 0] for x in X])
    assert np.corrcoef(MiniRocket(labels=False).fit(X, numbers).predict(X), numbers)[0, 1] > 0.8
    assert model.predict([np.ones((40, 2))]).shape == (1,)  # longer than any in training


def test_dtw_is_computed_by_aeon(standing_in: None) -> None:
    """Scaled, as (F, T), and the nearest taken."""
    check_warped()


def test_minirocket_is_computed_by_aeon(standing_in: None) -> None:
    """Stretched to one length of at least nine steps, as (N, F, T) in float32; labels or numbers."""
    check_rocket()


@needs_aeon
def test_aeons_warping_is_the_slow_loops() -> None:
    """With aeon itself."""
    check_warped()


@needs_aeon
def test_aeons_rocket_learns() -> None:
    """With aeon itself."""
    check_rocket()
