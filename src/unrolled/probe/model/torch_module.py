"""Call torch modules with padded sequences, whether they take lengths or not.

Shapes: N sequences, B of them at once, T steps of the longest, F inputs, K outputs: classes or numbers.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unrolled.data.sequences import Sequences

_ROUNDING = 1e-4  # by which probabilities may miss a sum of 1


def pad_sequences(sequences: Sequences) -> tuple[Tensor, Tensor]:
    """Pad sequences: (N, T, F) float64, zero beyond each length, and lengths (N,).

    >>> pad_sequences(Sequences.from_arrays([[1.0, 2.0], [3.0]]))[0][:, :, 0].tolist()
    [[1.0, 2.0], [3.0, 0.0]]
    """
    lengths = torch.from_numpy(sequences.lengths)
    N, T, inputs = len(sequences), int(lengths.max()), sequences.values.shape[1]
    values = torch.zeros(N, T, inputs, dtype=torch.float64)
    values[torch.arange(T) < lengths[:, None]] = torch.from_numpy(sequences.values)
    return values, lengths


def are_probabilities(answers: Tensor) -> bool:
    """Tell whether all rows (..., K ≥ 2) lie from 0 to 1 and sum to 1, up to rounding.

    >>> are_probabilities(torch.tensor([[0.25, 0.75]])), are_probabilities(torch.tensor([[-0.25, 1.25]]))
    (True, False)
    """
    K, rows = answers.shape[-1], answers.double()
    near = (rows.sum(-1) - 1).abs() <= max(_ROUNDING, K * torch.finfo(answers.dtype).eps)
    return K > 1 and bool(near.all() and (rows >= 0).all() and (rows <= 1).all())


def _first_tensor(raw: Any) -> Tensor:
    """Return the first tensor of a module's output, as (B, K) or (B, T, K)."""
    answer: Tensor = raw[0] if isinstance(raw, tuple) else raw
    return answer[:, None] if answer.ndim == 1 else answer


def call_with_lengths(network: nn.Module, values: Tensor, lengths: Tensor, _: Tensor) -> Tensor:
    """Call a network whose `forward` takes lengths, once."""
    return _first_tensor(network(values, lengths=lengths))


def call_by_length(network: nn.Module, values: Tensor, lengths: Tensor, _: Tensor) -> Tensor:
    """Call a network once for each length, so that it never reads padding."""
    different = sorted(set(lengths.tolist()))
    if different == [values.shape[1]]:
        return _first_tensor(network(values))
    order, parts = [], []
    for length in different:
        rows = torch.nonzero(lengths == length)[:, 0]
        answer = _first_tensor(network(values[rows, :length]))
        if answer.ndim == 3:  # an output a step: pad to the longest
            answer = F.pad(answer, (0, 0, 0, values.shape[1] - answer.shape[1]))
        order.append(rows)
        parts.append(answer)
    return torch.cat(parts)[torch.cat(order).argsort()]
