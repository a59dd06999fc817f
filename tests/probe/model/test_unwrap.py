"""Pipelines, searches and nets of skorch: the model inside, and X as it reads it."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from torch import Tensor, nn

import unrolled as ur
from unrolled import NotFittedError, probe
from unrolled.probe.model.unwrap import unwrap_model

X = np.random.default_rng(0).normal(size=(24, 6, 1))
Y = np.where(X[:, -1, 0] > 0, "up", "down")
SMALL = {"hidden_size": 4, "max_epochs": 1, "n_members": 1}


class Halve(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Halves numbers."""

    def fit(self, X: Any, y: Any = None) -> "Halve":
        self.fitted_ = True
        return self

    def transform(self, X: Any) -> Any:
        return np.asarray(X) / 2


def test_every_probe_takes_a_pipeline_and_a_search() -> None:
    """A search of a pipeline: X goes through the transformer, once."""
    pipeline = make_pipeline(Halve(), ur.SequenceClassifier(**SMALL))
    search = GridSearchCV(pipeline, {"sequenceclassifier__hidden_size": [4]}, cv=2).fit(X, Y)
    inside, halved = unwrap_model(search, X)
    assert inside is search.best_estimator_[-1]
    assert (halved == X / 2).all()
    direct = probe.memory(inside, X / 2)
    assert (probe.memory(search, X).gradient == direct.gradient).all()
    assert probe.states(search, X).state.shape == probe.states(inside, X / 2).state.shape
    assert probe.gradients(search, X, Y).growth == probe.gradients(inside, X / 2, Y).growth
    assert probe.length(search, X, Y).trained_length == 6
    assert probe.order(search, X, Y, repeats=19, folds=3).retrained is not None
    assert probe.feedforward(search, X, Y, folds=3).recurrent.name == "the GRU"


class Net(nn.Module):
    """A module that a net of skorch holds."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.head = nn.GRU(1, 4, batch_first=True), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.rnn(x)[0][:, -1])


def test_a_net_of_skorch_is_its_module() -> None:
    """Which `fit` makes, as `module_`."""
    net = SimpleNamespace(module=Net, criterion=nn.CrossEntropyLoss, module_=Net())
    assert unwrap_model(net)[0] is net.module_
    assert probe.memory(net, X).name == "the Net"
    assert probe.memory(Pipeline([("net", net)]), X).name == "the Net"
    assert probe.order(net, X, (X[:, -1, 0] > 0).astype(int), repeats=19, retrain=False).sequences == 24


@pytest.mark.parametrize(
    "model",
    [
        GridSearchCV(ur.SequenceClassifier(), {}),
        make_pipeline(Halve(), ur.SequenceClassifier()),
        make_pipeline(ur.SequenceClassifier()),
        SimpleNamespace(module=Net, criterion=nn.CrossEntropyLoss),
    ],
)
def test_what_is_not_fitted_is_refused(model: Any) -> None:
    """By its own name."""
    with pytest.raises(NotFittedError, match="not fitted yet"):
        probe.memory(model, torch.ones(3, 4, 1))


def test_a_search_without_its_best_estimator_is_refused() -> None:
    """`refit=False` keeps none; the way out is named."""
    search = GridSearchCV(ur.SequenceClassifier(**SMALL), {"hidden_size": [4]}, cv=2, refit=False).fit(X, Y)
    with pytest.raises(NotFittedError, match="refit=True"):
        probe.memory(search, X)
