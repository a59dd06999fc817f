"""Batches of pairs hold each side's tokens, time first, and the target moved on by one step."""

import numpy as np
import torch

from unrolled.models.text.translation.dataset import NO_TOKEN, PairDataset, source_batches

SOURCES = [np.array([1, 2, 3]), np.array([4]), np.array([5, 6])]
TARGETS = [np.array([7]), np.array([8, 9]), np.array([10, 11])]
END = 12


def test_a_batch_is_padded_time_first() -> None:
    """In the order of the rows, the end of a text before the first token and after the last."""
    batch = PairDataset.from_tokens(SOURCES, TARGETS, END).batch(torch.tensor([1, 0]))
    assert batch.source.tolist() == [[4, 1], [0, 2], [0, 3]]
    assert batch.source_lengths.tolist() == [1, 3]
    assert batch.inputs.tolist() == [[END, END], [8, 7], [9, END]]
    assert batch.targets.tolist() == [[8, 7], [9, END], [END, NO_TOKEN]]


def test_a_subset_has_the_same_pairs() -> None:
    """Also where it is ordered by length."""
    dataset = PairDataset.from_tokens(SOURCES, TARGETS, END)
    part = dataset.subset(torch.tensor([2, 1]))
    for one, other in zip(part.batch(torch.tensor([0])), dataset.batch(torch.tensor([2])), strict=True):
        assert torch.equal(one, other)
    assert dataset.by_length().batch(torch.arange(3)).source_lengths.tolist() == [3, 1, 2]
    assert dataset.sort_keys.argsort().tolist() == [0, 1, 2]


def test_a_fingerprint_tells_other_data_and_settings() -> None:
    """A training is resumed with the same only."""
    dataset = PairDataset.from_tokens(SOURCES, TARGETS, END)
    same = PairDataset.from_tokens(SOURCES, TARGETS, END)
    assert dataset.fingerprint("a") == same.fingerprint("a")
    assert dataset.fingerprint("a") != dataset.fingerprint("b")
    assert dataset.fingerprint("a") != PairDataset.from_tokens(SOURCES, SOURCES, END).fingerprint("a")


def test_sources_are_decoded_in_batches_of_bounded_size() -> None:
    """Every source once, the short ones together, a very long one alone."""
    lengths = np.array([3, 5000, 4, 2] * 300)
    batches = list(source_batches(lengths, beam=5))
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
    assert all(len(rows) == 1 or lengths[rows].max() * len(rows) * 5 <= 1 << 13 for rows in batches)
    assert sum(len(rows) == 1 for rows in batches) == 300
