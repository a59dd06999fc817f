"""Permutations of the steps of sequences; padding stays in place.

A permutation is (N, T): step t of sequence i is step `order[i, t]` of the original.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def identity_permutations(lengths: Tensor, T: int) -> Tensor:
    """Leave every step in place."""
    return torch.arange(T).expand(len(lengths), T)


def reversed_permutations(lengths: Tensor, T: int) -> Tensor:
    """Reverse the steps.

    >>> reversed_permutations(torch.tensor([4, 2]), 4).tolist()
    [[3, 2, 1, 0], [1, 0, 2, 3]]
    """
    steps = torch.arange(T)
    return torch.where(steps < lengths[:, None], lengths[:, None] - 1 - steps, steps)


def shuffled_permutations(lengths: Tensor, T: int, generator: torch.Generator) -> Tensor:
    """Shuffle the steps of each sequence by itself, every order with the same probability."""
    keys = torch.rand(len(lengths), T, generator=generator, dtype=torch.float64)
    return _by_key(keys, lengths)


def block_permutations(lengths: Tensor, T: int, block: int, generator: torch.Generator) -> Tensor:
    """Shuffle blocks of steps; within a block, which may be shorter at the end, steps stay in order.

    >>> order = block_permutations(torch.tensor([5]), 6, 2, torch.Generator().manual_seed(7))
    >>> order.tolist()
    [[2, 3, 0, 1, 4, 5]]
    """
    keys = torch.rand(len(lengths), math.ceil(T / block), generator=generator, dtype=torch.float64)
    return _by_key(keys.repeat_interleave(block, 1)[:, :T], lengths)


def log_distinct_orders(values: Tensor, lengths: Tensor) -> float:
    """Compute the logarithm of the number of distinct results of shuffling; equal steps are alike.

    >>> round(math.exp(log_distinct_orders(torch.tensor([[[1.0], [2.0], [2.0]]]), torch.tensor([3]))), 4)
    3.0
    """
    total = 0.0
    for row, length in zip(values, lengths.tolist(), strict=True):
        counts = torch.unique(row[:length], dim=0, return_counts=True)[1]
        total += math.lgamma(length + 1) - float(torch.lgamma(counts + 1.0).sum())
    return total


def _by_key(keys: Tensor, lengths: Tensor) -> Tensor:
    steps = torch.arange(keys.shape[1])
    keys = torch.where(steps < lengths[:, None], keys, 2.0)  # padding stays last
    return keys.argsort(dim=1, stable=True)
