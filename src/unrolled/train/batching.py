"""Arrange the rows of a training so that the examples of a batch have like lengths."""

from __future__ import annotations

import torch
from torch import Tensor

_POOL = 50  # batches that are sorted together: more would put the same examples together every time


def batches_of_like_length(lengths: Tensor, rows: Tensor, batch_size: int) -> Tensor:
    """Sort shuffled rows by length within pools of 50 batches, and shuffle the batches.

    Padding is work that counts for nothing: where lengths differ as those of sentences do, random batches are
    about half padding. Draws from torch's random state.

    Args:
        lengths: (N,) of all examples.
        rows: (R,) of some of them, in random order; R is a multiple of the batch size.
        batch_size: examples of a batch.

    Returns:
        (R,) the same rows.

    >>> lengths = torch.tensor([5, 1, 9, 2])
    >>> rows = batches_of_like_length(lengths, torch.tensor([0, 1, 2, 3]), 2)
    >>> sorted(lengths[batch].tolist() for batch in rows.split(2))
    [[1, 2], [5, 9]]
    """
    batches: list[Tensor] = []
    for pool in torch.split(rows, batch_size * _POOL):
        ordered = pool[lengths[pool].argsort(stable=True)]
        batches += torch.split(ordered, batch_size)
    order = torch.randperm(len(batches)).tolist()
    return torch.cat([batches[k] for k in order])
