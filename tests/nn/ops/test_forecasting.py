"""Readout of a Forecaster on the kernels: what it refuses; its numbers are held against the network's."""

import pytest
import torch
from torch import Tensor

from unrolled import kernels
from unrolled.errors import ArgumentError
from unrolled.nn.ops.forecasting import ReadoutOperands, quantile_readout, quantile_readout_backward

T, B, R, H, U, V, HORIZON, A, K, Q = 5, 3, 2, 4, 6, 3, 2, 1, 1, 3
WIDTH = H + 2 + V + HORIZON * (A + K)
RUNNABLE = kernels.build_info()["runnable"].split()


def _operands() -> ReadoutOperands:
    torch.manual_seed(0)
    M = B * R
    return ReadoutOperands(
        torch.randn(T, B, H), torch.randint(0, T, (B, R)), torch.randn(M, 2), torch.randn(M, V),
        torch.randn(M, HORIZON, A), torch.randn(M, HORIZON, K), torch.randn(M, HORIZON),
        torch.ones(M, HORIZON), torch.ones(M), torch.tensor([0.1, 0.5, 0.9]), None, torch.randn(U, WIDTH),
        torch.randn(U), torch.randn(HORIZON * Q, U), torch.randn(HORIZON * Q), torch.randn(HORIZON * A, U),
        torch.randn(HORIZON * A),
    )  # fmt: skip


def _gradients(operands: ReadoutOperands) -> tuple[Tensor, ...]:
    return tuple(torch.full_like(weight, torch.nan) for weight in operands.weights)


def test_all_gradients_are_written() -> None:
    """None keeps what was there before."""
    operands = _operands()
    results, gradients = quantile_readout(operands), _gradients(operands)
    quantile_readout_backward(operands, results, gradients)
    assert all(gradient.isfinite().all() for gradient in (*gradients, results.loss, results.d_states))
    read = torch.zeros(T, B, dtype=torch.bool)
    read[operands.readouts, torch.arange(B)[:, None]] = True
    assert results.d_states[read].any(1).all()
    assert not results.d_states[~read].any()


@pytest.mark.parametrize("step", [-1, T])
def test_a_readout_outside_the_window_is_refused(step: int) -> None:
    """Before anything is read there."""
    operands = _operands()
    operands.readouts[1, 1] = step
    with pytest.raises(ValueError, match=rf"readouts: each must be from 0 to below T=5; got {step}\."):
        quantile_readout(operands)


@pytest.mark.skipif(len(RUNNABLE) < 2, reason="one instruction set runs here")
def test_another_instruction_set_meanwhile_is_refused() -> None:
    """It would read what was saved in another order."""
    operands = _operands()
    results, before = quantile_readout(operands), kernels._compiled.selected()
    try:
        kernels._compiled.select(next(each for each in RUNNABLE if each != before))
        with pytest.raises(ArgumentError, match="expected the instruction set of the forward pass"):
            quantile_readout_backward(operands, results, _gradients(operands))
    finally:
        kernels._compiled.select(before)


def test_two_runs_are_equal_to_the_bit() -> None:
    """So that a training can be repeated."""
    operands = _operands()
    one, other = quantile_readout(operands), quantile_readout(operands)
    assert torch.equal(one.loss, other.loss)
    assert torch.equal(one.d_states, other.d_states)
