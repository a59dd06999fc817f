"""Attention equals its formula, whatever stands beyond a length, and its gradients are right."""

import math

import pytest
import torch
from torch import Tensor

from unrolled.nn.modules.attention import ATTENTIONS, Attention


def _operands(dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    queries = torch.randn(3, 5, 4, generator=generator, dtype=dtype)
    values = torch.randn(3, 7, 4, generator=generator, dtype=dtype)
    return queries, values, torch.tensor([7, 1, 4])


@pytest.mark.parametrize("kind", ATTENTIONS)
def test_attention_equals_a_loop_over_queries(kind: str) -> None:
    """Written from the formula, one query and one step at a time."""
    queries, values, lengths = _operands()
    attention = Attention(4, 4, kind).double()
    contexts, weights = attention(queries, attention.memory(values, lengths))
    matrix = attention.keys.weight if kind == "general" else torch.eye(4, dtype=torch.float64)
    for b, length in enumerate(lengths.tolist()):
        for t in range(5):
            scores = [queries[b, t] @ matrix @ values[b, s] / math.sqrt(4) for s in range(length)]
            shares = torch.stack(scores).softmax(0)
            assert torch.allclose(weights[b, t, :length], shares)
            assert torch.allclose(contexts[b, t], (shares[:, None] * values[b, :length]).sum(0))
            assert (weights[b, t, length:] == 0).all()


def test_padding_is_never_read() -> None:
    """Neither its values nor its number."""
    queries, values, lengths = _operands()
    attention = Attention(4, 4).double()
    expected, _ = attention(queries, attention.memory(values, lengths))
    for b, length in enumerate(lengths.tolist()):
        values[b, length:] = 1e6
    changed, _ = attention(queries, attention.memory(values, lengths))
    assert torch.equal(changed, expected)
    memory = attention.memory(values[1:2, :1], lengths[1:2])
    assert torch.allclose(attention(queries[1:2], memory)[0], expected[1:2])


def test_selected_sequences_are_attended_to_as_before() -> None:
    """In another order, without preparing them again."""
    queries, values, lengths = _operands()
    attention, rows = Attention(4, 4).double(), torch.tensor([2, 0])
    memory = attention.memory(values, lengths)
    assert torch.allclose(
        attention(queries[rows], memory.select(rows))[0], attention(queries, memory)[0][rows]
    )


@pytest.mark.parametrize("kind", ATTENTIONS)
def test_gradients_are_those_of_differences(kind: str) -> None:
    """In float64, of queries, values and the matrix."""
    queries, values, lengths = _operands()
    attention = Attention(4, 4, kind).double()
    operands = (queries[:, :2].requires_grad_(), values.requires_grad_())

    def contexts(queries: Tensor, values: Tensor) -> Tensor:
        return attention(queries, attention.memory(values, lengths))[0]

    assert torch.autograd.gradcheck(contexts, operands)
