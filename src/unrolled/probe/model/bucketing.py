"""Bucket sequences by length, so that one long sequence does not pad all the others.

Shapes: N sequences, T steps of the longest in a batch.
"""

from __future__ import annotations

import torch
from torch import Tensor

_ROWS_AT_ONCE = 512
STEPS_AT_ONCE = 131_072  # rows times T; a stem makes hundreds of numbers of each
_PADDED = 2  # rows times T, over the number of steps
_LITTLE = 4096  # rows times T that cost less than another batch would


def bucket_by_length(
    lengths: Tensor, *, exact: bool = False, most_rows: int = _ROWS_AT_ONCE, most_steps: int = STEPS_AT_ONCE
) -> list[Tensor]:
    """Split positions into batches of similar length, short sequences first, each batch in the given order.

    At least half of a padded batch are steps, unless the batch is small. Few sequences, or sequences of about
    one length, make one batch.

    Args:
        lengths: (N,) at least 1.
        exact: whether all sequences of a batch must have the same length.
        most_rows: sequences in a batch.
        most_steps: steps in a batch, padding included; a single sequence may have more.

    >>> [batch.tolist() for batch in bucket_by_length(torch.tensor([5000, 40, 5000, 50]))]
    [[1, 3], [0, 2]]
    """
    order = lengths.cpu().argsort(stable=True)
    ascending, edges, first, valid = lengths.cpu()[order].tolist(), [], 0, 0
    for k, longest in enumerate(ascending):
        rows, padded = k + 1 - first, (k + 1 - first) * longest
        valid += longest
        wasteful = longest > ascending[first] if exact else padded > max(_PADDED * valid, _LITTLE)
        if rows > 1 and (wasteful or rows > most_rows or padded > most_steps):
            edges.append(k)
            first, valid = k, longest
    return [batch.sort().values for batch in torch.tensor_split(order, edges)]
