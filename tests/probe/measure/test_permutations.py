"""Other orders of the steps: each step once, padding where it is, every order as often as another."""

import itertools
import math
from collections import Counter

import pytest
import torch
from torch import Tensor

from unrolled.probe.measure.permutations import (
    block_permutations,
    identity_permutations,
    log_distinct_orders,
    reversed_permutations,
    shuffled_permutations,
)

LENGTHS = torch.tensor([7, 1, 2, 5, 7])
T = 8  # one step longer than any sequence


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(3)


ORDERS = {
    "as given": lambda lengths: identity_permutations(lengths, T),
    "backwards": lambda lengths: reversed_permutations(lengths, T),
    "shuffled": lambda lengths: shuffled_permutations(lengths, T, _generator()),
    "in blocks": lambda lengths: block_permutations(lengths, T, 3, _generator()),
    "in blocks of one": lambda lengths: block_permutations(lengths, T, 1, _generator()),
    "in one block": lambda lengths: block_permutations(lengths, T, 50, _generator()),
}


@pytest.mark.parametrize("name", ORDERS)
def test_every_step_is_there_once_and_padding_stays(name: str) -> None:
    """Within its own sequence, whatever the lengths."""
    order = ORDERS[name](LENGTHS)
    assert order.shape == (5, T)
    for row, length in zip(order, LENGTHS.tolist(), strict=True):
        assert sorted(row[:length].tolist()) == list(range(length))
        assert row[length:].tolist() == list(range(length, T))


def test_reversing_twice_is_the_identity() -> None:
    """And once is the last step first."""
    order = reversed_permutations(LENGTHS, T)
    assert torch.equal(order.gather(1, order), identity_permutations(LENGTHS, T))
    assert order[3, :5].tolist() == [4, 3, 2, 1, 0]


def _counts(order: Tensor) -> Counter[tuple[int, ...]]:
    return Counter(tuple(row) for row in order.tolist())


def test_every_order_is_as_likely_as_another() -> None:
    """Of 3 steps: 6 orders, each in a sixth of 6,000 draws, give or take five standard errors."""
    counts = _counts(shuffled_permutations(torch.full((6000,), 3), 3, _generator()))
    assert set(counts) == set(itertools.permutations(range(3)))
    assert max(abs(n - 1000) for n in counts.values()) < 5 * math.sqrt(6000 * 5 / 36)


def test_steps_of_a_block_stay_in_order() -> None:
    """Of 6 steps in blocks of 2: 6 orders, all as likely, neighbours of a block still neighbours."""
    counts = _counts(block_permutations(torch.full((6000,), 6), 6, 2, _generator()))
    blocks = [(0, 1), (2, 3), (4, 5)]
    assert set(counts) == {sum(order, ()) for order in itertools.permutations(blocks)}
    assert max(abs(n - 1000) for n in counts.values()) < 5 * math.sqrt(6000 * 5 / 36)


def test_sequences_are_shuffled_independently() -> None:
    """Two equal sequences hardly ever get the same order of 7 steps."""
    order = shuffled_permutations(torch.full((200,), 7), 7, _generator())
    assert len(_counts(order)) > 150


def test_distinct_orders_count_equal_steps_once() -> None:
    """4!/(2! 2!) = 6 for the first, 3! for the second, 1 for a single step: 36 in all, padding left out."""
    values = torch.zeros(3, 4, 2)
    values[0, 2:, 1] = 1.0  # two steps of each of two kinds
    values[1, :3, 0] = torch.tensor([1.0, 2.0, 3.0])
    lengths = torch.tensor([4, 3, 1])
    assert math.exp(log_distinct_orders(values, lengths)) == pytest.approx(36)
