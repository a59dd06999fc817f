"""The differentiable backward pass: the kernels' gradients, as functions that can be differentiated again."""

import pytest
import torch
from torch import Tensor

from unrolled import kernels
from unrolled.kernels.operands import INDEX
from unrolled.nn.ops import launch
from unrolled.nn.ops.double_backward import CELL_TYPES, differentiable_backward, is_backward_differentiated

pytestmark = pytest.mark.skipif(not kernels.available(), reason="the compiled kernels are not installed")

T, B, F, H = 5, 3, 2, 4  # every axis a different size
every_cell = pytest.mark.parametrize("cell", [launch.RNN, launch.GRU, launch.LSTM])


def problem(cell: int) -> tuple[launch.RecurrenceSpec, list[Tensor], list[Tensor]]:
    """The spec of a cell with a state, its operands, and gradients of its results."""
    torch.manual_seed(cell)
    R = (1, 3, 4)[cell] * H
    shapes = {"x": (T, B, F), "h0": (B, H), "weight_ih": (R, F), "weight_hh": (R, H)}
    if cell == launch.LSTM:
        shapes["c0"] = (B, H)
    names = sorted(shapes, key=INDEX.__getitem__)
    operands = [torch.randn(shapes[name], dtype=torch.float64, requires_grad=True) for name in names]
    spec = launch.recurrence_spec(cell, 0, True, 0.0, 0.0, tuple(INDEX[name] for name in names))
    states = len(CELL_TYPES[cell][1]._fields)
    return spec, operands, [torch.randn(s, dtype=torch.float64) for s in [(T, B, H), *[(B, H)] * states]]


@every_cell
def test_the_gradients_are_those_of_the_kernels(cell: int) -> None:
    """To rounding, for every operand; None where it is not needed."""
    spec, operands, grads = problem(cell)
    out, _, _, saved = launch.forward(spec, -1, tuple(operands), saves=True)
    needs = (True,) * len(operands)
    expected = launch.backward(spec, -1, tuple(operands), (out, saved), tuple(grads), needs)
    with torch.no_grad():
        gradients = differentiable_backward(spec, -1, operands, grads, needs)
        torch.testing.assert_close(gradients, expected, rtol=0, atol=1e-12)
        first_only = differentiable_backward(spec, -1, operands, grads, (*needs[:-1], False))
    assert torch.equal(first_only[0], gradients[0])
    assert first_only[-1] is None


@every_cell
def test_the_gradients_can_be_differentiated(cell: int) -> None:
    """By finite differences, of the operands and of the incoming gradients."""
    spec, operands, grads = problem(cell)
    inputs = [t.requires_grad_() for t in (*operands, *grads)]

    def gradients(*tensors: Tensor) -> list[Tensor]:
        arguments, incoming = tensors[: len(operands)], tensors[len(operands) :]
        return differentiable_backward(spec, -1, arguments, incoming, (True,) * len(operands))

    assert torch.autograd.gradcheck(gradients, inputs, fast_mode=True)


def test_without_incoming_gradients_there_are_none() -> None:
    """Every result's gradient is zero, and so is every operand's."""
    spec, operands, _ = problem(launch.GRU)
    assert differentiable_backward(spec, -1, operands, (None, None), (True,) * len(operands)) == [None] * 4


def test_a_second_derivative_or_a_batch_of_gradients_is_noticed() -> None:
    """create_graph enables gradients in the backward pass; a vectorized jacobian maps over it."""
    seen = []

    class Probe(torch.autograd.Function):
        @staticmethod
        def forward(ctx: object, x: Tensor) -> Tensor:
            return x.clone()

        @staticmethod
        def backward(ctx: object, grad: Tensor) -> Tensor:
            seen.append(is_backward_differentiated((grad, None)))
            return grad

    x = torch.ones(2, requires_grad=True)
    torch.autograd.grad(Probe.apply(x).sum(), x)
    torch.autograd.grad(Probe.apply(x).sum(), x, create_graph=True)
    torch.autograd.grad(Probe.apply(x), x, torch.eye(2), is_grads_batched=True)
    assert seen == [False, True, True]
