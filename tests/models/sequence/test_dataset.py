"""Ragged sequences as one flat tensor: batches padded with zeros, chunks of bounded size."""

from dataclasses import replace

import pytest
import torch

from unrolled.models.sequence import dataset
from unrolled.models.sequence.dataset import SequenceDataset

LENGTHS = [3, 1, 7, 2, 5]


def _dataset(per_step: bool = False) -> SequenceDataset:
    """Five sequences of two features; a value says which sequence and which step it is of."""
    steps = [(10.0 * k + t, -t) for k, n in enumerate(LENGTHS) for t in range(n)]
    values = torch.tensor([*steps, (0.0, 0.0)])
    lengths = torch.tensor(LENGTHS)
    targets = torch.arange(5) * 100
    if per_step:
        targets = torch.cat([torch.arange(len(steps)), torch.tensor([-1])])
    return SequenceDataset(values, lengths.cumsum(0) - lengths, lengths, targets, per_step)


def test_a_batch_is_padded_with_zeros_to_its_longest() -> None:
    """In the order of the rows; a row may come twice."""
    values, lengths, targets, *_ = _dataset().batch(torch.tensor([3, 0, 3]))
    assert values[..., 0].tolist() == [[30, 31, 0], [0, 1, 2], [30, 31, 0]]
    assert values[..., 1].tolist() == [[0, -1, 0], [0, -1, -2], [0, -1, 0]]
    assert (lengths.tolist(), targets.tolist()) == ([2, 3, 2], [300, 0, 300])


def test_a_batch_of_sequences_of_one_length_keeps_their_weights() -> None:
    """Their batches are cut another way than ragged ones, and hold the same parts."""
    values, lengths = torch.arange(7.0)[:, None], torch.tensor([2, 2, 2])
    weights = torch.tensor([0.5, 1.0, 1.5])
    even = SequenceDataset(values, torch.tensor([0, 2, 4]), lengths, torch.arange(3), weights=weights)
    batch = even.batch(torch.tensor([2, 0]))
    assert batch.values[..., 0].tolist() == [[4, 5], [0, 1]]
    assert batch.weights is not None
    assert batch.weights.tolist() == [1.5, 0.5]
    part = even.subset(torch.tensor([2, 1])).batch(torch.tensor([0, 1, 0]))
    assert part.values[..., 0].tolist() == [[4, 5], [2, 3], [4, 5]]
    assert part.is_even


def test_targets_a_step_are_padded_with_minus_one() -> None:
    """Which is no class: the loss leaves it out."""
    _, lengths, targets, *_ = _dataset(per_step=True).batch(torch.tensor([1, 3, 0]))
    assert targets.tolist() == [[3, -1, -1], [11, 12, -1], [0, 1, 2]]
    assert lengths.tolist() == [1, 2, 3]


@pytest.mark.parametrize("per_step", [False, True])
def test_a_subset_gives_the_same_batches(per_step: bool) -> None:
    """And share the values: a hold-out copies nothing."""
    everything = replace(_dataset(per_step), weights=torch.tensor([0.5, 1, 2, 1, 0.5]))
    some = everything.subset(torch.tensor([4, 2]))
    assert len(some) == 2
    assert some.values.data_ptr() == everything.values.data_ptr()
    one, other = some.batch(torch.tensor([1])), everything.batch(torch.tensor([2]))
    assert all(torch.equal(a, b) for a, b in zip(one[:4], other[:4], strict=True))
    assert not one.is_even


@pytest.mark.parametrize("most", [1, 5, 6, 10, 14, 1000])
def test_length_batches_hold_every_row_once_and_few_steps(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The padded steps of a batch stay below the bound, unless one sequence alone has more."""
    monkeypatch.setattr(dataset, "_BATCH_STEPS", most)
    chunks = [chunk.tolist() for chunk in _dataset().length_batches()]
    assert sorted(k for chunk in chunks for k in chunk) == [0, 1, 2, 3, 4]
    for chunk in chunks:
        assert len(chunk) == 1 or len(chunk) * max(LENGTHS[k] for k in chunk) <= most
    flat = [LENGTHS[k] for chunk in chunks for k in chunk]
    assert flat == sorted(flat)  # of like length together
    if most == 6:
        assert chunks == [[1, 3], [0], [4], [2]]  # as many as fit


def test_a_fingerprint_depends_on_every_part() -> None:
    """Data, targets and settings."""
    dataset = _dataset()
    digests = {dataset.fingerprint("settings"), _dataset().fingerprint("settings")}
    assert len(digests) == 1
    dataset.values[3, 1] += 1
    digests.add(dataset.fingerprint("settings"))
    dataset.targets[2] += 1
    digests.add(dataset.fingerprint("settings"))
    digests.add(dataset.fingerprint("other"))
    digests.add(dataset.subset(torch.arange(4)).fingerprint("settings"))
    assert len(digests) == 5
