"""Fresh copies, folds, and the p-value of two ways of training."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

import unrolled as ur
from unrolled import ArgumentError
from unrolled.models.audio.classifier import AudioClassifier
from unrolled.probe import activations, feedforward, order
from unrolled.probe.measure.retrain import (
    cross_validate_pair,
    require_trainable,
    reset_weights,
    retrain,
    select_rows,
)
from unrolled.probe.model.adapter import as_probed_model
from unrolled.probe.model.probed_model import SequenceScores

SIMULATIONS = 400


class Net(nn.Module):
    """A plain recurrent network."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.head = ur.nn.RNN(1, 6, batch_first=True), nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.rnn(x)[0][:, -1])


class Own(Net):
    """With a weight that nothing resets."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))


def test_cross_validation_never_scores_a_training_sequence() -> None:
    """Each sequence is judged once, by models that did not see it, and both sides share the folds."""
    seen: list[list[tuple[list[int], list[int], int]]] = [[], []]

    def trainer(side: int) -> object:
        def fit_and_score(
            train_rows: np.ndarray, test: np.ndarray, seed: int
        ) -> tuple[SequenceScores, float]:
            seen[side].append((train_rows.tolist(), test.tolist(), seed))
            losses = test + 10.0 * side
            return SequenceScores(losses, np.zeros(len(test)), np.ones(len(test))), side + 1.0

        return fit_and_score

    class Stub(SimpleNamespace):
        def __len__(self) -> int:
            return 11

    stub = Stub(task="number", classes=None, per_step=False, targets=None)
    result = cross_validate_pair(stub, 3, 5, (trainer(0), trainer(1)))
    assert seen[0] == seen[1]
    assert sorted(row for _, test, _ in seen[0] for row in test) == list(range(11))
    assert all(
        not set(train_rows) & set(test) and len(train_rows) + len(test) == 11
        for train_rows, test, _ in seen[0]
    )
    assert (result.losses[1] - result.losses[0] == 10).all()
    assert result.seconds == pytest.approx((1.0, 2.0))
    assert result.p_value < 1e-6
    assert cross_validate_pair(stub, 3, 5, (trainer(0), trainer(0))).p_value == 0.5  # equal in every fold


def test_a_retrained_module_learns_from_new_weights_and_leaves_the_original() -> None:
    """The copy knows the task; the original is what it was; the seed decides."""
    torch.manual_seed(0)
    module, rng = Net(), np.random.default_rng(0)
    before = {name: weight.clone() for name, weight in module.state_dict().items()}
    X = [rng.normal(size=(5, 1)) for _ in range(60)]
    y = np.array([int(sequence[-1, 0] > 0) for sequence in X])
    trained = retrain(module, X, y, seed=3)
    answers = [int(trained(torch.from_numpy(sequence[None]).float()).argmax()) for sequence in X]
    assert np.mean(np.array(answers) == y) > 0.95
    assert all(torch.equal(weight, before[name]) for name, weight in module.state_dict().items())
    again = retrain(module, X, y, seed=3).state_dict()
    assert all(torch.equal(weight, again[name]) for name, weight in trained.state_dict().items())
    other = retrain(module, X, y, seed=4).state_dict()
    assert not torch.equal(other["head.weight"], again["head.weight"])


def test_a_reset_changes_every_weight() -> None:
    """Nothing of what was learned is left."""
    module = Net()
    for weight in module.parameters():
        weight.data.fill_(9.0)
    assert all((weight != 9.0).all() for weight in reset_weights(module).parameters())


def test_weights_that_nothing_resets_are_refused() -> None:
    """A copy that still knows what it learned would be no fresh one."""
    with pytest.raises(ArgumentError, match="Own with 'scale' has none"):
        reset_weights(Own())


def test_a_retrained_estimator_has_the_same_parameters_and_one_network() -> None:
    """The seed is the fold's, the ensemble is one."""
    X = np.random.default_rng(0).normal(size=(8, 5))
    model = ur.SequenceClassifier(hidden_size=3, max_epochs=1, n_members=3).fit(X, X[:, 0] > 0)
    retrained = retrain(model, list(X[..., None]), X[:, 0] > 0, seed=7)
    assert retrained is not model
    changed = {"n_members": 1, "random_state": 7, "verbose": False}
    assert retrained.get_params() == model.get_params() | changed
    assert len(retrained.networks_) == 1


@pytest.mark.parametrize("y", [[1, 2, 3], (1, 2, 3), np.array([1, 2, 3]), torch.tensor([1, 2, 3])])
def test_labels_of_any_type_are_selected_by_position(y: object) -> None:
    """Lists, arrays, tensors."""
    assert list(map(int, select_rows(y, np.array([2, 0])))) == [3, 1]


def test_labels_by_id_are_aligned_before_copies_are_retrained() -> None:
    """As in fit: all probes that train give the same for labels in any order of their ids."""
    rng = np.random.default_rng(0)
    y = rng.permutation(48) % 2
    ids = [f"s{k:02d}" for k in rng.permutation(48)]
    X = rng.normal(size=(48, 6, 1)) + y[:, None, None]
    frame = pd.DataFrame({
        "unique_id": np.repeat(ids, 6), "ds": np.tile(np.arange(6), 48), "x": X.ravel(),
    })  # fmt: skip
    by_id = pd.Series(y, index=ids).sort_index()
    model = ur.SequenceClassifier(cell="rnn", hidden_size=4, max_epochs=2, n_members=1, stem=False)
    model.fit(frame, by_id)
    module = Net()
    arrays = list(X)
    quick: dict[str, Any] = {"seeds": 1, "activations": ["tanh"], "max_epochs": 2}
    for data, targets in ((frame, by_id), (arrays, y)):
        results = (
            order(model, data, targets, repeats=19, folds=3).retrained.accuracies,
            feedforward(model, data, targets, folds=3).recurrent.score,
            activations(model, data, targets, **quick).rows[0].score,
            activations(data, targets, **quick).rows[0].score,
            as_probed_model(module, data, targets).targets.tolist(),
        )
        if data is frame:
            expected = results
    assert results == expected
    assert expected[-1] == y.tolist()


def test_an_estimator_of_recordings_is_not_retrained_on_frames() -> None:
    """Its own fit takes recordings."""
    waves = [np.random.default_rng(k).normal(size=900) for k in range(4)]
    model = AudioClassifier(rate=8000, hidden_size=2, num_layers=1, max_epochs=1).fit(waves, [0, 1] * 2)
    with pytest.raises(ArgumentError, match="got AudioClassifier, which is trained on recordings"):
        require_trainable(model)
