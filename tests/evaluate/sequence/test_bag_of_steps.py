"""The bag of steps: no order is left, and nothing else is lost."""

from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.neighbors import KNeighborsClassifier

from unrolled.evaluate.sequence.bag_of_steps import BagOfSteps


class Keeps(ClassifierMixin, BaseEstimator):
    """Remembers what it was given."""

    def fit(self, X: Any, y: Any, groups: Any = None) -> "Keeps":
        self.X_, self.groups_ = X, groups
        return self

    def predict(self, X: Any) -> Any:
        self.asked_ = X
        return np.zeros(len(X), dtype=int)


def ragged(rng: np.random.Generator) -> list[np.ndarray]:
    """Six sequences with ties and features of different size."""
    return [rng.integers(-3, 4, size=(t, 2)) * [1.0, 0.1] for t in (5, 1, 8, 13, 2, 7)]


def test_every_permutation_becomes_the_same_sequence() -> None:
    """To the bit, ties and features of another size included."""
    rng = np.random.default_rng(0)
    X = ragged(rng)
    bag = BagOfSteps(Keeps()).fit(X, np.arange(6))
    bag.predict(X)
    first = bag.model.asked_
    bag.predict([rng.permutation(x, axis=0) for x in X])
    for before, after in zip(first, bag.model.asked_, strict=True):
        np.testing.assert_array_equal(before, after)


def test_every_step_is_kept_whole() -> None:
    """The same rows, in another order, on the scale they came in."""
    X = ragged(np.random.default_rng(1))
    bag = BagOfSteps(Keeps()).fit(X, np.arange(6))
    for inputs, outputs in zip(X, bag.model.X_, strict=True):
        np.testing.assert_array_equal(inputs[np.lexsort(inputs.T)], outputs[np.lexsort(outputs.T)])


@pytest.mark.parametrize("shape", [(4, 9), (4, 9, 3)])
def test_an_array_stays_an_array(shape: tuple[int, ...]) -> None:
    """Of the same shape, for estimators that know no lists; one feature is sorted by itself."""
    X = np.random.default_rng(2).normal(size=shape)
    bag = BagOfSteps(Keeps()).fit(X, np.arange(4))
    assert isinstance(bag.model.X_, np.ndarray)
    assert bag.model.X_.shape == shape
    if X.ndim == 2:
        np.testing.assert_array_equal(np.abs(np.diff(bag.model.X_)), np.diff(np.sort(X)))


def test_fit_arguments_reach_the_model() -> None:
    """Such as groups."""
    groups = np.arange(6)
    assert (
        BagOfSteps(Keeps()).fit(ragged(np.random.default_rng(3)), groups, groups=groups).model.groups_
        is groups
    )


def test_only_what_order_tells_is_lost() -> None:
    """Up or down: a model of positions knows, its bag cannot; high or low: both know."""
    rng = np.random.default_rng(4)
    slopes = np.repeat([-1.0, 1.0], 60)
    X = np.linspace(-1, 1, 9) * slopes[:, None] + 0.1 * rng.normal(size=(120, 9))
    up, high = (slopes > 0).astype(int), rng.permutation(120) % 2
    model = KNeighborsClassifier(1)
    assert model.fit(X[::2], up[::2]).score(X[1::2], up[1::2]) == 1.0
    order_lost = BagOfSteps(KNeighborsClassifier(1)).fit(X[::2], up[::2])
    assert 0.25 < (order_lost.predict(X[1::2]) == up[1::2]).mean() < 0.75
    X = X + 3.0 * high[:, None]
    level_kept = BagOfSteps(KNeighborsClassifier(1)).fit(X[::2], high[::2])
    assert (level_kept.predict(X[1::2]) == high[1::2]).all()
