"""With and without recurrence: as many parameters, the same folds, an honest sentence."""

import json

import numpy as np
import pytest
from torch import Tensor, nn

import unrolled as ur
from unrolled import ArgumentError, DataError
from unrolled.probe.feedforward_probe import feedforward
from unrolled.probe.measure.retrain import PairedScores

SETTINGS = {"stem": False, "pooling": "last", "dropout": 0.0, "max_epochs": 15, "learning_rate": 2e-2}


def marked(count: int, seed: int = 0) -> tuple[list[np.ndarray], np.ndarray]:
    """Noise and, beside it, a mark at one step: the sign of the noise there is the label."""
    rng = np.random.default_rng(seed)
    X = [np.column_stack([rng.normal(size=n), np.zeros(n)]) for n in rng.integers(6, 12, size=count)]
    for sequence in X:
        sequence[rng.integers(len(sequence)), 1] = 3.0
    return X, np.array([int(sequence[sequence[:, 1].argmax(), 0] > 0) for sequence in X])


def test_recurrence_helps_where_a_place_means_nothing() -> None:
    """With as many parameters, as nearly as units allow; the model stays as it was."""
    X, y = marked(150)
    net = ur.SequenceClassifier(hidden_size=8, **SETTINGS | {"max_epochs": 40}).fit(X, y)
    before = net.predict_proba(X)
    result = feedforward(net, X, y, folds=4)
    assert result.outcome == "recurrence helps"
    assert result.sentence.startswith("Recurrence helps here: on held-out sequences the GRU with")
    assert result.recurrent.score > result.feedforward.score
    assert result.feedforward.parameters == pytest.approx(result.recurrent.parameters, rel=0.05)
    assert result.recurrent.parameters == net.n_parameters_
    assert result.sequences == 150
    assert (net.predict_proba(X) == before).all()


def test_the_feedforward_network_has_the_computed_number_of_parameters() -> None:
    """The formula counts what a fitted feed-forward model has."""
    X = np.random.default_rng(0).normal(size=(40, 7, 2))
    y = np.arange(40) % 3
    net = ur.SequenceClassifier(hidden_size=6, max_epochs=1).fit(X, y)
    result = feedforward(net, X, y, folds=3)
    twin = ur.SequenceClassifier(
        cell="feedforward", hidden_size=result.feedforward.hidden_size, max_epochs=1, stem=False
    ).fit(X, y)
    assert result.feedforward.parameters == twin.n_parameters_


def test_without_a_difference_the_faster_one_is_named() -> None:
    """Labels that nothing tells."""
    X = np.random.default_rng(0).normal(size=(40, 6))
    y = np.random.default_rng(1).integers(0, 2, size=40)
    net = ur.SequenceClassifier(hidden_size=4, **SETTINGS | {"max_epochs": 2}).fit(X, y)
    result = feedforward(net, X, y, folds=4)
    assert result.outcome == "no difference"
    assert result.p_value > 0.05
    faster = result.recurrent.seconds < result.feedforward.seconds
    trains = f"{'the GRU' if faster else 'the feed-forward network'} trains"
    assert f"; {trains}" in result.sentence or "; both train as fast" in result.sentence


@pytest.mark.parametrize(
    ("p_value", "result", "outcome"),
    [
        (0.02, 0.04, "recurrence helps"),
        (0.98, 0.04, "recurrence harms"),
        (0.03, 0.06, "no difference"),
        (0.97, 0.06, "no difference"),
        (0.5, 1.0, "no difference"),  # alike in every fold
    ],
)
def test_either_may_be_the_better_one(
    monkeypatch: pytest.MonkeyPatch, p_value: float, result: float, outcome: str
) -> None:
    """So the p-value counts both directions: one of 0.05 in each would be wrong once in ten."""
    losses = np.ones((2, 24))
    paired = PairedScores(losses, losses, (1.0, 2.0), p_value, (1.0 - 0.001 * (0.5 - p_value), 1.0))
    monkeypatch.setattr("unrolled.probe.feedforward_probe.cross_validate_pair", lambda *_: paired)
    X = np.random.default_rng(0).normal(size=(24, 6, 1))
    record = feedforward(Last(), X, (X[:, -1, 0] > 0).astype(int), folds=3)
    assert (round(record.p_value, 9), record.outcome) == (result, outcome)
    assert "right in 100 % and in 100 %" in record.sentence
    if outcome != "no difference":
        assert "not in how often the networks are right but in how sure: " in record.sentence


class Last(nn.Module):
    """A module of torch's."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.head = nn.GRU(1, 6, batch_first=True), nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.rnn(x)[0][:, -1])


def test_a_module_is_compared_with_a_network_of_the_same_outputs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both trained by the same loop, from new weights."""
    monkeypatch.setattr("unrolled.probe.measure.retrain._STEPS", 150)
    X = np.random.default_rng(0).normal(size=(24, 6, 1))
    result = feedforward(Last(), X, (X[:, -1, 0] > 0).astype(int), folds=3)
    assert result.recurrent.name == "the Last"
    assert result.recurrent.hidden_size == 6
    assert result.feedforward.parameters == pytest.approx(result.recurrent.parameters, rel=0.05)
    assert result.recurrent.score > 0.8
    assert json.loads(json.dumps(result.to_dict()))["recurrent"]["hidden_size"] == 6
    assert result.to_frame()["accuracy"].tolist() == [result.recurrent.score, result.feedforward.score]
    assert str(result).endswith(result.sentence)
    assert result.kind == "feedforward"


def test_models_that_cannot_be_compared_are_refused() -> None:
    """Without recurrence, with an answer a step, with too few sequences."""
    X = np.random.default_rng(0).normal(size=(24, 5))
    y = np.arange(24) % 2
    flat = ur.SequenceClassifier(cell="feedforward", max_epochs=1).fit(X, y)
    with pytest.raises(ArgumentError, match="the feed-forward network has none"):
        feedforward(flat, X, y)
    steps = ur.SequenceTagger(hidden_size=2, max_epochs=1).fit(X, [np.arange(5) % 2] * 24)
    with pytest.raises(ArgumentError, match="one output a sequence, got one with an output a step"):
        feedforward(steps, X, [np.arange(5) % 2] * 24)
    with pytest.raises(DataError, match="at least 20 sequences, 4 a fold, got 10"):
        feedforward(Last(), X[:10, :, None], y[:10])
