"""Attention of the states of one sequence over those of another."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

ATTENTIONS = ("general", "dot")


class AttentionMemory(NamedTuple):
    """Keys and values that queries attend to, computed once for each sequence."""

    keys: Tensor  # (B, S, Q) what queries are multiplied by
    values: Tensor  # (B, S, D)
    mask: Tensor  # (B, 1, S) true for steps of the sequence, false for padding

    def select(self, rows: Tensor) -> AttentionMemory:
        """Select the sequences in these rows."""
        return AttentionMemory(*(part.index_select(0, rows) for part in self))


class Attention(nn.Module):
    """Attend with queries to the states of a sequence, all queries at once.

        e_ts = q_t · (W v_s) / √Q      "general"; "dot" has no W, and Q = D
        a_t  = softmax over s < length of e_t
        c_t  = Σ_s a_ts v_s

    Shapes: B sequences, S steps of the longest, D numbers of a state; T queries of Q numbers.

    Args:
        query_size: Q.
        value_size: D.
        kind: "general" or "dot".

    Source: Luong, Pham and Manning, Effective Approaches to Attention-based Neural Machine Translation
    (2015), eq. 8; the scale is that of Vaswani et al. (2017).

    >>> attention = Attention(4, 6)
    >>> memory = attention.memory(torch.randn(2, 5, 6), torch.tensor([5, 3]))
    >>> context, weights = attention(torch.randn(2, 7, 4), memory)
    >>> context.shape, weights.shape, weights[1, 0, 3:].tolist()
    (torch.Size([2, 7, 6]), torch.Size([2, 7, 5]), [0.0, 0.0])
    """

    def __init__(self, query_size: int, value_size: int, kind: str = "general") -> None:
        super().__init__()
        self.kind = kind
        if kind == "general":
            self.keys = nn.Linear(value_size, query_size, bias=False)
        else:
            assert query_size == value_size, "dot products of vectors of different sizes"
        self.scale = 1 / math.sqrt(query_size)

    def memory(self, values: Tensor, lengths: Tensor) -> AttentionMemory:
        """Prepare states (B, S, D) of these lengths (B,), at least 1, to be attended to."""
        steps = torch.arange(values.shape[1], device=values.device)
        mask = (steps < lengths.to(values.device)[:, None])[:, None]
        keys = self.keys(values) if self.kind == "general" else values
        return AttentionMemory(keys, values, mask)

    def forward(self, queries: Tensor, memory: AttentionMemory) -> tuple[Tensor, Tensor]:
        """Return contexts (B, T, D) and weights (B, T, S) of queries (B, T, Q); weights of padding are 0."""
        scores = torch.bmm(queries * self.scale, memory.keys.transpose(1, 2))
        weights = scores.masked_fill(~memory.mask, -math.inf).softmax(-1)
        return torch.bmm(weights, memory.values), weights
