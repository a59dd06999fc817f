"""Zoneout masks against an independent implementation of the hash."""

import pytest
import torch

from unrolled.errors import ArgumentError
from unrolled.nn import unroll
from unrolled.nn.cells.core import GRUCell, GRUWeights
from unrolled.nn.cells.zoneout import Zoneout


def mix(x: int) -> int:
    """Compute the hash in Python integers, which do not overflow."""
    x ^= x >> 16
    x = x * 0x21F0AAAD % 2**32
    x ^= x >> 15
    x = x * 0x735A2D97 % 2**32
    return x ^ (x >> 15)


def holds(seed: int, rate: float, part: int, t: int, b: int, u: int) -> bool:
    """Compute whether one unit keeps its value at one step."""
    key = mix((mix((mix((seed + part) % 2**32) + t) % 2**32) + b) % 2**32)
    return mix((key + u * 0x9E3779B9) % 2**32) >> 8 < int(rate * 2**24)


@pytest.mark.parametrize("seed", [0, 1, 123_456_789, 2**31, 2**32 - 1])
def test_masks_equal_the_hash_to_the_bit(seed: int) -> None:
    """For both parts, at the ends of the seeds' range, from a number and from a tensor."""
    for given in (seed, torch.tensor(seed)):
        zoneout = Zoneout((0.3, 0.7), given)
        for part, rate in enumerate(zoneout.rates):
            expected = [
                [[holds(seed, rate, part, t, b, u) for u in range(13)] for b in range(3)] for t in range(7)
            ]
            assert zoneout.keep_mask(part, 7, 3, 13).tolist() == expected


def test_mask_of_one_seed_is_pinned() -> None:
    """Pinned values, so that a change of the hash is noticed."""
    actual = Zoneout((0.5,), 7).keep_mask(0, 2, 2, 8).int().tolist()
    assert actual == [
        [[0, 0, 1, 0, 0, 0, 0, 0], [0, 1, 1, 0, 1, 1, 0, 0]],
        [[0, 0, 1, 0, 1, 0, 1, 1], [1, 1, 0, 1, 0, 0, 1, 0]],
    ]


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_share_of_kept_units_is_the_rate(rate: float) -> None:
    """Over 600,000 units, within four standard deviations; parts, steps, rows and units all differ."""
    zoneout = Zoneout((rate, rate), 99)
    h, c = (zoneout.keep_mask(part, 100, 60, 100) for part in (0, 1))
    for mask in (h, c):
        assert abs(mask.double().mean().item() - rate) <= 4 * (rate * (1 - rate) / 600_000) ** 0.5
    if 0 < rate < 1:
        assert not torch.equal(h, c)
        for axis in range(3):
            assert not torch.equal(h.select(axis, 0), h.select(axis, 1))
            same = (h.narrow(axis, 1, 59) == h.narrow(axis, 0, 59)).double().mean().item()
            assert same == pytest.approx(rate**2 + (1 - rate) ** 2, abs=0.01)  # neighbours are independent


def test_mask_of_a_row_does_not_depend_on_the_batch() -> None:
    """Fewer rows, steps or units cut the mask and change nothing in it."""
    zoneout = Zoneout((0.4,), 5)
    assert torch.equal(zoneout.keep_mask(0, 9, 4, 11)[:7, :2, :5], zoneout.keep_mask(0, 7, 2, 5))
    assert zoneout.keep_mask(0, 0, 4, 11).shape == (0, 4, 11)
    assert zoneout.keep_mask(0, 9, 0, 11).shape == (9, 0, 11)


def test_wrong_number_of_rates_raises() -> None:
    """A GRU has one part."""
    weights = GRUWeights(torch.randn(6, 3), torch.randn(6, 2))
    with pytest.raises(ArgumentError) as refused:
        unroll(GRUCell(), torch.randn(5, 4, 3), weights, zoneout=Zoneout((0.1, 0.2)))
    assert str(refused.value) == "unroll zoneout: expected 1 rates, one a part of the state; got 2."
