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


def probe(y: object) -> ProbedModel:
    """All sequences, of one network."""
    torch.manual_seed(0)
    return as_probed_model(Net(per_step=y is TAGS), RAGGED, y)


@pytest.mark.parametrize("y", [CLASSES, NUMBERS, TAGS], ids=["classes", "numbers", "a class a step"])
@pytest.mark.parametrize("draw", [identity_permutations, reversed_permutations])
def test_copies_are_scored_sequence_by_sequence_whatever_the_batches(draw: object, y: object) -> None:
    """Losses, hits, and answers where they belong."""
    probed = probe(y)
    base = probed.score().predictions
    result = score_permutations(probed, 3, draw, base)
    losses, right = [], []
    for k, (sequence, length) in enumerate(zip(RAGGED, LENGTHS, strict=True)):
        turn = slice(None, None, -1 if draw is reversed_permutations else 1)
        is_valid = [y[k][turn]] if y is TAGS else y[k : k + 1]
        alone = as_probed_model(probed.networks[0], [sequence[turn].copy()], is_valid).score()
        losses.append(alone.losses[0])
        right.append(alone.accuracies[0])
        answered = result.predictions[k, :length] if y is TAGS else result.predictions[k]
        np.testing.assert_allclose(answered, alone.predictions[0], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(result.losses, np.tile(losses, (3, 1)), rtol=1e-5)
    assert result.accuracy == pytest.approx(np.mean(right), nan_ok=True)
    if draw is identity_permutations:
        assert result.flipped == 0 or y is NUMBERS


def test_predictions_of_a_bucket_are_compared_at_its_own_length(monkeypatch: pytest.MonkeyPatch) -> None:
    """One long sequence makes no table of its length for each copy of the others."""
    probed, widths = probe(TAGS), []
    flipped = permutation_scores._flipped_share

    def noted(answers: np.ndarray, base: np.ndarray, *rest: object) -> np.ndarray:
        widths.append((answers.shape[1], base.shape[1]))
        return flipped(answers, base, *rest)

    monkeypatch.setattr(permutation_scores, "_flipped_share", noted)
    score_permutations(probed, 3, reversed_permutations, probed.score().predictions)
    assert {width == result for width, result in widths} == {True}
    assert min(widths)[0] < 35


def test_every_copy_has_its_own_permutation() -> None:
    """They are drawn for some copies at once, and probe about in the order they were drawn in."""
    probed, drawn = probe(CLASSES), []

    def draw(lengths: Tensor, T: int) -> Tensor:
        drawn.append(len(lengths))
        return reversed_permutations(lengths, T) if len(drawn) % 2 else identity_permutations(lengths, T)

    result = score_permutations(
        probed.select(torch.full((1500,), 4)), 5, draw, np.zeros(1500, dtype=np.int64)
    )
    assert drawn == [1500] * 5
    assert (result.losses[::2] == result.losses[0]).all()
    assert (result.losses[1::2] == result.losses[1]).all()
    assert result.losses[0, 0] != result.losses[1, 0]


@pytest.mark.parametrize(
    ("steps", "copies"), [(1, 199), (100_000, 199), (200_000, 100), (600_000, 39), (10**9, 39)]
)
def test_many_steps_are_shuffled_less_often(steps: int, copies: int) -> None:
    """20 million steps in all, and at least 39 copies, with which p can be 0.025."""
    assert default_repeats(steps) == copies
