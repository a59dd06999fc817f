"""Copies of sequences in other orders: each is answered as it is alone, whatever the batches."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from unrolled.probe.measure import permutation_scores
from unrolled.probe.measure.permutation_scores import default_repeats, score_permutations
from unrolled.probe.measure.permutations import identity_permutations, reversed_permutations
from unrolled.probe.model.adapter import as_probed_model
from unrolled.probe.model.probed_model import ProbedModel

LENGTHS = (*range(5, 35), 1000, *range(5, 35))  # the long one is a batch of its own
RAGGED = [np.random.default_rng(k).normal(size=(n, 1)) for k, n in enumerate(LENGTHS)]
CLASSES = np.arange(len(RAGGED)) % 3
NUMBERS = np.random.default_rng(0).normal(size=(len(RAGGED), 3))
TAGS = [np.arange(n) % 3 for n in LENGTHS]


class Net(nn.Module):
    """Answers the last state, or every one."""

    def __init__(self, *, per_step: bool) -> None:
        super().__init__()
        self.layer, self.head, self.per_step = nn.GRU(1, 3, batch_first=True), nn.Linear(3, 3), per_step

    def forward(self, x: Tensor) -> Tensor:
        states, _ = self.layer(x)
        return self.head(states if self.per_step else states[:, -1])


def asked(y: object) -> ProbedModel:
    """All sequences, of one network."""
    torch.manual_seed(0)
    return as_probed_model(Net(per_step=y is TAGS), RAGGED, y)


@pytest.mark.parametrize("y", [CLASSES, NUMBERS, TAGS], ids=["classes", "numbers", "a class a step"])
@pytest.mark.parametrize("way", [identity_permutations, reversed_permutations])
def test_copies_are_answered_sequence_by_sequence_whatever_the_batches(way: object, y: object) -> None:
    """Losses, hits, and answers where they belong."""
    subject = asked(y)
    base = subject.score().predictions
    told = score_permutations(subject, 3, way, base)
    losses, right = [], []
    for k, (own, length) in enumerate(zip(RAGGED, LENGTHS, strict=True)):
        turn = slice(None, None, -1 if way is reversed_permutations else 1)
        known = [y[k][turn]] if y is TAGS else y[k : k + 1]
        alone = as_probed_model(subject.networks[0], [own[turn].copy()], known).score()
        losses.append(alone.losses[0])
        right.append(alone.accuracies[0])
        answered = told.predictions[k, :length] if y is TAGS else told.predictions[k]
        np.testing.assert_allclose(answered, alone.predictions[0], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(told.losses, np.tile(losses, (3, 1)), rtol=1e-5)
    assert told.accuracy == pytest.approx(np.mean(right), nan_ok=True)
    if way is identity_permutations:
        assert told.flipped == 0 or y is NUMBERS


def test_answers_to_short_copies_are_held_against_short_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """One long sequence makes no table of its length for each copy of the others."""
    subject, widths = asked(TAGS), []
    flipped = permutation_scores._flipped_share

    def noted(answers: np.ndarray, base: np.ndarray, *rest: object) -> np.ndarray:
        widths.append((answers.shape[1], base.shape[1]))
        return flipped(answers, base, *rest)

    monkeypatch.setattr(permutation_scores, "_flipped_share", noted)
    score_permutations(subject, 3, reversed_permutations, subject.score().predictions)
    assert {own == told for own, told in widths} == {True}
    assert min(widths)[0] < 35


def test_every_copy_has_an_order_of_its_own() -> None:
    """They are drawn for some copies at once, and asked about in the order they were drawn in."""
    subject, drawn = asked(CLASSES), []

    def way(lengths: Tensor, T: int) -> Tensor:
        drawn.append(len(lengths))
        return reversed_permutations(lengths, T) if len(drawn) % 2 else identity_permutations(lengths, T)

    told = score_permutations(subject.select(torch.full((1500,), 4)), 5, way, np.zeros(1500, dtype=np.int64))
    assert drawn == [1500] * 5
    assert (told.losses[::2] == told.losses[0]).all()
    assert (told.losses[1::2] == told.losses[1]).all()
    assert told.losses[0, 0] != told.losses[1, 0]


@pytest.mark.parametrize(
    ("steps", "copies"), [(1, 199), (100_000, 199), (200_000, 100), (600_000, 39), (10**9, 39)]
)
def test_many_steps_are_shuffled_less_often(steps: int, copies: int) -> None:
    """20 million steps in all, and at least 39 copies, with which p can be 0.025."""
    assert default_repeats(steps) == copies
