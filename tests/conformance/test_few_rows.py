"""Calls of few steps, few rows or few units: each way through the kernels gives the bits of every other."""

from typing import Any

import pytest
import torch
from torch import Tensor

import unrolled.nn as un
from unrolled import kernels

pytestmark = pytest.mark.skipif(not kernels.available(), reason="the compiled kernels are not installed")

CELLS = {"rnn": un.RNN, "gru": un.GRU, "lstm": un.LSTM}
SHAPES = [  # B, T, F, H
    (1, 1, 5, 7),  # one step: both weights are read where they lie
    (3, 9, 40, 33),  # the inputs of all steps at once
    (2, 40, 33, 18),  # of several steps, in three parts
    (11, 1, 130, 70),  # more rows than one tile reads in place
    (30, 6, 32, 16),  # rows of few steps
    (67, 5, 19, 1),  # a vector holds rows
    (35, 3, 8, 3),
]


def run(layer: Any, x: Tensor, state: tuple[Tensor, ...]) -> list[Tensor]:
    """Return the output and the parts of the state."""
    output, last = layer(x, state if len(state) > 1 else state[0])
    return [output, *(last if isinstance(last, tuple) else (last,))]


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
def test_rows_alone_and_pieces_equal_the_whole(
    cell: str, shape: tuple[int, ...], dtype: torch.dtype, instruction_set: str
) -> None:
    """A row alone, steps one by one, another layout and a call that saves for backward: equal to the bit."""
    B, T, F, H = shape
    layer, x = CELLS[cell](F, H, dtype=dtype), torch.randn(T, B, F, dtype=dtype)
    state = tuple(torch.randn(1, B, H, dtype=dtype) for _ in range(2 if cell == "lstm" else 1))
    saving = run(layer, x, state)
    with torch.no_grad():
        whole = run(layer, x, state)
        batch_first = run(layer, x.transpose(0, 1).contiguous().transpose(0, 1), state)
        rows = [run(layer, x[:, b : b + 1], tuple(s[:, b : b + 1] for s in state)) for b in range(0, B, 5)]
        last, pieces = state, []
        for t in range(T):
            output, *parts = run(layer, x[t : t + 1], last)
            last = tuple(parts)
            pieces.append(output)
    assert instruction_set == kernels.build_info()["instruction_set"]
    for other in (saving, batch_first, [torch.cat(pieces), *last]):
        assert all(map(torch.equal, other, whole))
    for b, row in zip(range(0, B, 5), rows, strict=True):
        assert all(torch.equal(part, of_all[:, b : b + 1]) for part, of_all in zip(row, whole, strict=True))


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_outputs_equal_torchs(cell: str, shape: tuple[int, ...], instruction_set: str) -> None:
    """From zeros and from a state, in float32."""
    B, T, F, H = shape
    layer, rival = CELLS[cell](F, H), getattr(torch.nn, CELLS[cell].__name__)(F, H)
    rival.load_state_dict(layer.state_dict())
    x, state = torch.randn(T, B, F), tuple(torch.randn(1, B, H) for _ in range(2 if cell == "lstm" else 1))
    assert instruction_set == kernels.build_info()["instruction_set"]
    with torch.no_grad():
        torch.testing.assert_close(layer(x)[0], rival(x)[0], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(run(layer, x, state), run(rival, x, state), rtol=1e-4, atol=1e-5)


def test_a_plain_state_takes_the_quick_way() -> None:
    """A state of any other kind is checked, converted or refused as before."""
    layer, x = un.LSTM(3, 5), torch.randn(2, 4, 3)
    h, c = torch.randn(1, 4, 5), torch.randn(1, 4, 5)
    expected = layer(x, (h, c))[0]
    assert layer._plain_state((h, c), x) is not None
    wide = torch.randn(1, 5, 4).transpose(1, 2)
    strided = layer(x, (wide, c))[0]
    assert torch.equal(strided, layer(x, (wide.contiguous(), c))[0])
    assert torch.equal(layer(x, [h, c])[0], expected)  # type: ignore[arg-type]
    for wrong in ((h, c[:, :3]), (h.double(), c), (h,), h, (h, None)):
        with pytest.raises(ValueError, match="hx"):
            layer(x, wrong)


@pytest.mark.parametrize("cell", CELLS)
def test_a_state_gets_its_gradient_on_the_quick_way(cell: str) -> None:
    """As the reference gives it, for a state that is a leaf and for one that is a result."""
    layer, x = CELLS[cell](3, 5), torch.randn(4, 2, 3)
    leaves = [torch.randn(1, 2, 5, requires_grad=True) for _ in range(2 if cell == "lstm" else 1)]
    state = tuple(leaf.sin() for leaf in leaves)
    expected_state = tuple(part[0] for part in state)
    output, *_ = run(layer, x, state)
    actual = torch.autograd.grad(output.square().sum(), leaves, retain_graph=True)
    reference, _ = un.unroll(layer._cell, x, layer._weights()[0][0], layer._state_type(*expected_state))
    expected = torch.autograd.grad(reference.square().sum(), leaves)
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-6)
