"""Other orders of a sequence's steps. Padding stays where it is.

An order is (N, T): at step t of sequence i stands the step `order[i, t]` of the original.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def identity_permutations(lengths: Tensor, T: int) -> Tensor:
    """Every step where it was."""
    return torch.arange(T).expand(len(lengths), T)


def reversed_permutations(lengths: Tensor, T: int) -> Tensor:
    """The last step first.

    >>> reversed_permutations(torch.tensor([4, 2]), 4).tolist()
    [[3, 2, 1, 0], [1, 0, 2, 3]]
    """
    steps = torch.arange(T)
    return torch.where(steps < lengths[:, None], lengths[:, None] - 1 - steps, steps)


def shuffled_permutations(lengths: Tensor, T: int, generator: torch.Generator) -> Tensor:
    """Every order of a sequence's steps with the same probability, each sequence by itself."""
    keys = torch.rand(len(lengths), T, generator=generator, dtype=torch.float64)
    return _by_key(keys, lengths)


def block_permutations(lengths: Tensor, T: int, block: int, generator: torch.Generator) -> Tensor:
    """Blocks of so many steps in any order, the steps within each as they were (the last may be shorter).

    >>> order = block_permutations(torch.tensor([5]), 6, 2, torch.Generator().manual_seed(7))
    >>> order.tolist()
    [[2, 3, 0, 1, 4, 5]]
    """
    keys = torch.rand(len(lengths), math.ceil(T / block), generator=generator, dtype=torch.float64)
    return _by_key(keys.repeat_interleave(block, 1)[:, :T], lengths)


def log_distinct_orders(values: Tensor, lengths: Tensor) -> float:
    """The logarithm of how many different sets of sequences shuffling can give; equal steps are one.

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
    keys = torch.where(steps < lengths[:, None], keys, 2.0)  # padding after all
    return keys.argsort(dim=1, stable=True)
