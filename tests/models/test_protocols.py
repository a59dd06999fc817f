"""Estimators are recognised by what they can do, not by their class."""

from typing import Any, Self

import numpy as np
import pytest

import unrolled as ur
from unrolled.models.protocols import (
    SupportsBounds,
    SupportsFitCheck,
    SupportsForecast,
    SupportsForecastWindows,
    SupportsHistory,
    SupportsSequenceTensors,
    was_interrupted,
)
from unrolled.train.history import History

SEQUENCE_ESTIMATORS = (ur.SequenceClassifier, ur.SequenceRegressor, ur.SequenceTagger)


class Delegating:
    """An estimator of another package: no base class of ours."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def fit(self, X: Any, y: Any) -> Self:
        """Fit the model inside."""
        self._model.fit(X, y)
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return self._model.__sklearn_is_fitted__()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def output_classes(self) -> Any:
        """As the model inside."""
        return self._model.output_classes()

    def output_scale(self) -> Any:
        """As the model inside."""
        return self._model.output_scale()

    def tensors(self, X: Any) -> Any:
        """As the model inside."""
        return self._model.tensors(X)


def test_a_forecaster_supports_forecasts_and_windows() -> None:
    """It is no estimator of whole sequences."""
    model = ur.Forecaster()
    assert isinstance(model, SupportsForecast)
    assert isinstance(model, SupportsForecastWindows)
    assert not isinstance(model, SupportsSequenceTensors)


@pytest.mark.parametrize("estimator", SEQUENCE_ESTIMATORS)
def test_a_sequence_estimator_supports_tensors_alone(estimator: Any) -> None:
    """Fitted or not: what counts is the methods."""
    model = estimator()
    assert isinstance(model, SupportsSequenceTensors)
    assert not isinstance(model, SupportsForecast | SupportsForecastWindows)


def test_outputs_are_described_without_a_look_at_the_class() -> None:
    """A classifier names the classes of its logits, a regressor the scale of its numbers."""
    X = np.random.default_rng(0).normal(size=(30, 6))
    quick = {"hidden_size": 4, "max_epochs": 2}
    classifier = ur.SequenceClassifier(**quick).fit(X, np.where(X[:, 0] > 0, "up", "down"))
    regressor = ur.SequenceRegressor(**quick).fit(X, 7 + 3 * X[:, 0])
    assert classifier.output_classes().tolist() == ["down", "up"]
    assert classifier.output_scale() == (0.0, 1.0)
    assert regressor.output_classes() is None
    assert regressor.output_scale() == (regressor.y_mean_, regressor.y_scale_)
    for model, ask in ((ur.SequenceTagger(), "output_classes"), (ur.SequenceRegressor(), "output_scale")):
        with pytest.raises(ur.NotFittedError):
            getattr(model, ask)()


def test_an_estimator_of_another_class_is_probed() -> None:
    """Having the methods is enough: the numbers are those of the estimator inside."""
    X = np.random.default_rng(0).normal(size=(30, 6))
    model = Delegating(ur.SequenceClassifier(hidden_size=4, max_epochs=2)).fit(X, X[:, 0] > 0)
    ours = ur.probe.memory(model._model, X)
    np.testing.assert_array_equal(ur.probe.memory(model, X).gradient, ours.gradient)


def test_an_estimator_with_fit_alone_is_refused() -> None:
    """It is told that it is no model of this kind, not that it is not fitted."""

    class FitOnly:
        def fit(self) -> None:
            """Do nothing."""

    with pytest.raises(ur.ArgumentError, match="memory: expected a fitted model of unrolled"):
        ur.probe.memory(FitOnly(), [[1.0, 2.0]])


def test_a_fit_is_checked_without_training() -> None:
    """`check_fit` raises what `fit` would, and leaves the model unfitted."""
    model = ur.Forecaster(horizon=2, bounds=(0, 2))
    assert isinstance(model, SupportsFitCheck)
    model.check_fit([0.5, 1.0, 0.7, 1.2, 0.9, 1.1, 0.8])
    assert not model.__sklearn_is_fitted__()
    for data, sentence in (
        ([0.5, 1.0, 0.7, 1.2, 0.9, 1.1, 3.0], "as the bounds say"),
        ([1.0] * 9, "a constant series"),
    ):
        with pytest.raises(ur.DataError, match=sentence):
            model.check_fit(data)
    with pytest.raises(ur.ArgumentError, match="horizon"):
        ur.Forecaster(horizon=0).check_fit([1.0, 2.0])


def test_bounds_are_those_of_a_fitted_model() -> None:
    """A backtest names them where a model has some."""
    assert not isinstance(ur.Forecaster(), SupportsBounds)
    fitted = ur.Forecaster(horizon=2, max_steps=2, hidden_size=4).fit(np.arange(40.0) % 3)
    assert isinstance(fitted, SupportsBounds)


def test_an_interrupted_training_is_known_by_the_history_of_the_model() -> None:
    """A `history_` of another kind, as other packages have one, tells nothing."""

    class Trained:
        def __init__(self, history: Any) -> None:
            self.history_ = history

    assert not isinstance(ur.Forecaster(), SupportsHistory)
    assert was_interrupted(Trained(History((), 0, "interrupted", 0.0)))
    for history in (History((), 0, "finished", 0.0), [{"epoch": 1}], None):
        assert not was_interrupted(Trained(history))
