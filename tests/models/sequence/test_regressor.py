"""Sequences of any length go to a number."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import r2_score

from unrolled.errors import DataError
from unrolled.models.sequence.regressor import SequenceRegressor
from unrolled.train.loop import member_seed

QUICK = {"hidden_size": 8, "max_epochs": 30, "learning_rate": 0.02, "n_members": 1}


def _slopes(count: int, seed: int = 0) -> tuple[list[Any], Any]:
    """Ragged ramps and how steep each is, far from 0 and in small units."""
    rng = np.random.default_rng(seed)
    slopes = rng.uniform(-1, 1, count)
    X = [
        slope * np.arange(steps) + rng.normal(0, 0.05, steps)
        for slope, steps in zip(slopes, rng.integers(5, 9, count), strict=True)
    ]
    return X, 1000 + slopes / 10


@pytest.fixture(scope="module")
def fitted() -> SequenceRegressor:
    """A model of the slopes; tests must not change it."""
    return SequenceRegressor(**QUICK).fit(*_slopes(80))


def test_a_slope_is_learned_from_ragged_sequences(fitted: SequenceRegressor) -> None:
    """Of sequences that it has not seen, in the units of y."""
    X, y = _slopes(40, seed=1)
    assert fitted.predict(X).shape == (40,)
    assert fitted.score(X, y) > 0.9
    assert fitted.score(X, y) == pytest.approx(r2_score(y, fitted.predict(X)))


def test_units_of_y_change_nothing(fitted: SequenceRegressor) -> None:
    """It is scaled to mean 0 and variance 1 for the training, and back for the answer."""
    X, y = _slopes(80)
    twin = SequenceRegressor(**QUICK).fit(X, (y - 1000) * 1e6)
    np.testing.assert_allclose(twin.predict(X) / 1e6 + 1000, fitted.predict(X), atol=1e-4)


def test_an_ensemble_is_the_mean_of_its_members() -> None:
    """Of the numbers they answer."""
    X, y = _slopes(20)
    quick = QUICK | {"max_epochs": 3}
    model = SequenceRegressor(**quick | {"n_members": 2}).fit(X, y)
    alone = [SequenceRegressor(**quick, random_state=member_seed(0, k)).fit(X, y).predict(X) for k in (0, 1)]
    np.testing.assert_allclose(model.predict(X), np.mean(alone, axis=0), rtol=1e-9)


def test_a_constant_y_is_answered_with_itself() -> None:
    """There is no spread to scale by, whatever X is asked about."""
    model = SequenceRegressor(**QUICK).fit([[1, 2], [2, 3, 4]], [5, 5])
    assert model.predict([[1, 2], [700, 800]]).tolist() == [5, 5]
    assert np.isnan(model.score([[1, 2]], [5]))


@pytest.mark.parametrize("y", [[1, 2], [True, False], np.float32([1, 2]), pd.Series([1, 2], index=[8, 9])])
def test_numbers_of_any_kind_are_learned(y: Any) -> None:
    """Whole numbers, truths, float32, a series."""
    model = SequenceRegressor(hidden_size=4, max_epochs=2).fit([[1, 2], [2, 1, 0]], y)
    assert model.predict([[1.0, 2.0]]).dtype == np.float64


@pytest.mark.parametrize(
    ("y", "said"),
    [
        (["1.5", "2"], "expected numbers, got '1.5'"),
        ([1.0, np.nan], "position 1: expected a label or a number, got None or NaN"),
        ([1.0, np.inf], "position 1: expected a label or a number, got inf"),
        ([1.0], "expected 2 as X has 2 sequences, got 1"),
        ([[1.0, 2.0], [3.0, 4.0]], r"expected one a sequence, shape \(2,\), got shape \(2, 2\)"),
        (None, "requires y to be passed"),
    ],
)
def test_what_is_no_number_a_sequence_is_refused(y: Any, said: str) -> None:
    """In fit and in score alike."""
    X = [[1.0, 2.0], [2.0, 1.0]]
    with pytest.raises((DataError, TypeError), match=f"^SequenceRegressor y.*{said}"):
        SequenceRegressor(hidden_size=2, max_epochs=1).fit(X, y)
    model = SequenceRegressor(hidden_size=2, max_epochs=1).fit(X, [1, 2])
    with pytest.raises((DataError, TypeError), match=f"^SequenceRegressor y.*{said}"):
        model.score(X, y)
