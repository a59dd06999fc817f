"""Batches of like length: all sequences, little padding; and no probe that pads much more than that."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from unrolled.nn import GRU
from unrolled.probe import gradients, length, memory, order, states
from unrolled.probe.measure.retrain import retrain
from unrolled.probe.model.adapter import as_probed_model
from unrolled.probe.model.bucketing import bucket_by_length

LONG = 1000
RAGGED = [
    np.random.default_rng(k).normal(size=(n, 1)) for k, n in enumerate([*range(5, 35), LONG, *range(5, 35)])
]
LABELS = np.arange(len(RAGGED)) % 3
STEPS = sum(map(len, RAGGED))
RECALL = 34  # steps back that one sequence in twenty has


class Reads(nn.Module):
    """Takes lengths, answers the last state of each row or all of them, and counts what it is given."""

    def __init__(self, *, per_step: bool = False) -> None:
        super().__init__()
        self.layer, self.head, self.per_step, self.seen = (
            GRU(1, 3, batch_first=True),
            nn.Linear(3, 3),
            per_step,
            0,
        )

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        self.seen += x.shape[0] * x.shape[1]
        states, _ = self.layer(x, lengths=lengths)
        return self.head(states if self.per_step else states[torch.arange(len(x)), lengths - 1])


class Pooled(Reads):
    """Answers from the mean of all states, and takes no lengths."""

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layer(x)[0].mean(1))


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("longest", [1, 2, 31, 800])
def test_batches_hold_every_sequence_once_and_little_padding(longest: int, *, exact: bool) -> None:
    """At least half of a batch are steps, unless it is little; no more rows and steps than allowed."""
    lengths = torch.from_numpy(np.random.default_rng(longest).integers(1, longest + 1, size=700))
    lengths[350] = 9000  # alone more than the most steps
    result = bucket_by_length(lengths, exact=exact, most_rows=128, most_steps=6000)
    assert sorted(torch.cat(result).tolist()) == list(range(700))
    for batch in result:
        bucket_lengths = lengths[batch]
        padded = len(batch) * int(bucket_lengths.max())
        assert batch.tolist() == sorted(batch.tolist())
        assert padded <= max(2 * int(bucket_lengths.sum()), 4096)
        assert len(batch) == 1 or (len(batch) <= 128 and padded <= 6000)
        assert not exact or len(set(bucket_lengths.tolist())) == 1


def test_few_sequences_are_one_batch_in_order() -> None:
    """Another batch would cost more than their padding."""
    assert [batch.tolist() for batch in bucket_by_length(torch.tensor([9, 2, 300, 7]))] == [[0, 1, 2, 3]]


def _alike(*_: Any, **__: Any) -> list[Tensor]:
    return [torch.arange(len(RAGGED))]


@pytest.mark.parametrize("per_step", [False, True])
def test_buckets_score_as_one_padded_batch(monkeypatch: pytest.MonkeyPatch, *, per_step: bool) -> None:
    """Losses, accuracies and predictions are equal, in the order of X, up to each length."""
    torch.manual_seed(0)
    y = [np.arange(len(sequence)) % 3 for sequence in RAGGED] if per_step else LABELS
    probed = as_probed_model(Reads(per_step=per_step), RAGGED, y)
    assert len(probed.batches(torch.arange(len(RAGGED)))) > 1
    result = probed.score()
    monkeypatch.setattr("unrolled.probe.model.probed_model.bucket_by_length", _alike)
    expected = probed.score()
    np.testing.assert_allclose(result.losses, expected.losses, rtol=1e-6)
    assert (result.accuracies == expected.accuracies).all()
    assert result.predictions.shape == ((len(RAGGED), LONG) if per_step else (len(RAGGED),))
    valid = np.arange(LONG) < np.array([len(sequence) for sequence in RAGGED])[:, None]
    assert ((result.predictions == expected.predictions) | ~(valid if per_step else valid[:, 0])).all()


def test_a_memory_is_the_same_whatever_the_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """By gradients, by occlusion, and of the state, whose random signs do not depend on them."""
    torch.manual_seed(0)
    module = Reads()
    result = memory(module, RAGGED)
    monkeypatch.setattr("unrolled.probe.model.probed_model.bucket_by_length", _alike)
    expected = memory(module, RAGGED)
    for name in ("gradient", "occlusion", "state"):
        np.testing.assert_allclose(getattr(result, name), getattr(expected, name), rtol=1e-5, atol=1e-7)


def test_a_pooled_readout_shows_although_the_shortest_sequences_have_one_step() -> None:
    """All batches tell, and not the first alone: of one step every readout is the last state's."""
    assert memory(
        Pooled(), [sequence[:1] if k < 20 else sequence[:9] for k, sequence in enumerate(RAGGED)]
    ).pooled


@pytest.mark.parametrize(
    ("ask", "passes"),
    [
        (lambda model: as_probed_model(model, RAGGED, LABELS).score(), 1),
        (lambda model: order(model, RAGGED, LABELS, repeats=19, retrain=False), 2 + 2 * (1 + 19)),
        (lambda model: memory(model, RAGGED), RECALL + 4),
        (lambda model: length(model, RAGGED, LABELS), 1 + 0.25 + 0.5 + 1 + 2 + 4),
        (lambda model: states(model, RAGGED), 2),
        (lambda model: gradients(model, RAGGED, LABELS), 1),
    ],
    ids=["judge", "order", "memory", "length", "states", "gradients"],
)
def test_one_long_sequence_among_short_ones_is_padding_to_none(
    ask: Callable[[nn.Module], object], passes: float
) -> None:
    """A model is given at most about twice the steps there are, a pass; all padded it would be 27 times."""
    assert len(RAGGED) * LONG > 20 * STEPS
    model = Reads()
    ask(model)
    assert model.seen <= 2.2 * passes * STEPS + LONG


def test_retraining_pads_a_batch_to_its_own_longest() -> None:
    """Most batches do not hold the long sequence."""
    module = retrain(Reads(), RAGGED, LABELS, seed=0)
    batches_a_pass = -(-len(RAGGED) // 32)
    assert module.seen < 0.75 * (400 // batches_a_pass) * len(RAGGED) * LONG
