"""General cells against their formulas, gate by gate in Python, and against the core cells."""

from typing import Any

import pytest
import torch
from torch import Tensor

from unrolled.nn import unroll
from unrolled.nn.cells.core import GRUCell, GRUState, GRUWeights, LSTMCell, LSTMState, LSTMWeights
from unrolled.nn.cells.onnx_activations import SIGMOID, TANH, Activation
from unrolled.nn.cells.variants import (
    GeneralGRUCell,
    GeneralLSTMCell,
    GeneralLSTMWeights,
    ResetFirstGRUCell,
)

T, B, F, H = 5, 4, 3, 2
GATE, CANDIDATE, READOUT = Activation("HardSigmoid"), Activation("Softsign"), Activation("Elu")


def drawn(gates: int, *more: int) -> list[Tensor]:
    """Weights, biases and `more` vectors in float64."""
    shapes = [(gates * H, F), (gates * H, H), (gates * H,), (gates * H,), *((size,) for size in more)]
    return [torch.randn(shape, dtype=torch.float64) for shape in shapes]


def per_unit(weights: Any, gate: int, unit: int) -> tuple[Tensor, ...]:
    """The row of each weight for one gate and unit."""
    return tuple(w[gate * H + unit] for w in weights[:4])


@pytest.mark.parametrize("is_reset_first", [True, False])
def test_gru_equals_its_formula(is_reset_first: bool) -> None:
    """Unit by unit, with the reset gate before the product or after it, and activations of one's own."""
    weights = GRUWeights(*drawn(3))
    cell = (ResetFirstGRUCell if is_reset_first else GeneralGRUCell)(GATE, CANDIDATE)
    x, h = torch.randn(B, F, dtype=torch.float64), torch.randn(B, H, dtype=torch.float64)
    actual = cell.step(x, GRUState(h), weights).h
    for b in range(B):
        r = [GATE(w @ x[b] + i + u @ h[b] + j) for w, u, i, j in (per_unit(weights, 0, k) for k in range(H))]
        for k in range(H):
            w, u, i, j = per_unit(weights, 1, k)
            z = GATE(w @ x[b] + i + u @ h[b] + j)
            w, u, i, j = per_unit(weights, 2, k)
            recurrent = u @ (torch.stack(r) * h[b]) + j if is_reset_first else r[k] * (u @ h[b] + j)
            n = CANDIDATE(w @ x[b] + i + recurrent)
            torch.testing.assert_close(actual[b, k], (1 - z) * n + z * h[b, k])


@pytest.mark.parametrize("is_coupled", [True, False])
@pytest.mark.parametrize("has_peephole", [True, False])
def test_lstm_equals_its_formula(is_coupled: bool, has_peephole: bool) -> None:
    """Unit by unit: the input and forget gates see c before the step, the output gate c after it."""
    weights = GeneralLSTMWeights(*drawn(4, 3 * H))
    peephole = weights.peephole if has_peephole else torch.zeros(3 * H)
    cell = GeneralLSTMCell(GATE, CANDIDATE, READOUT, is_coupled)
    x, h, c = (torch.randn(B, size, dtype=torch.float64) for size in (F, H, H))
    actual = cell.step(x, LSTMState(h, c), weights if has_peephole else weights._replace(peephole=None))
    for b in range(B):
        for k in range(H):
            i, f, g, o = (
                w @ x[b] + i + u @ h[b] + j
                for w, u, i, j in (per_unit(weights, gate, k) for gate in range(4))
            )
            p_i, p_f, p_o = peephole[k], peephole[H + k], peephole[2 * H + k]
            i = GATE(i + p_i * c[b, k])
            f = 1 - i if is_coupled else GATE(f + p_f * c[b, k])
            expected = f * c[b, k] + i * CANDIDATE(g)
            torch.testing.assert_close(actual.c[b, k], expected)
            torch.testing.assert_close(actual.h[b, k], GATE(o + p_o * expected) * READOUT(expected))


def test_default_activations_equal_the_core_cells() -> None:
    """The general GRU is `GRUCell`, the general LSTM `LSTMCell`."""
    x = torch.randn(T, B, F, dtype=torch.float64)
    gru, lstm = drawn(3), drawn(4)
    pairs = [
        ((GeneralGRUCell(SIGMOID, TANH), GRUWeights(*gru)), (GRUCell(), GRUWeights(*gru))),
        ((GeneralLSTMCell(), GeneralLSTMWeights(*lstm)), (LSTMCell(), LSTMWeights(*lstm))),
    ]
    for (cell, weights), (plain, plain_weights) in pairs:
        actual, expected = unroll(cell, x, weights)[0], unroll(plain, x, plain_weights)[0]
        torch.testing.assert_close(actual, expected, rtol=0, atol=1e-12)


def test_position_of_the_reset_gate_matters() -> None:
    """Equal weights give different outputs."""
    weights, x = GRUWeights(*drawn(3)), torch.randn(T, B, F, dtype=torch.float64)
    first, after = unroll(ResetFirstGRUCell(), x, weights)[0], unroll(GeneralGRUCell(), x, weights)[0]
    assert float((first - after).abs().max()) > 1e-3


@pytest.mark.parametrize("cell", [ResetFirstGRUCell(GATE), GeneralGRUCell(GATE), GeneralLSTMCell(GATE)])
def test_cells_without_biases_pass_gradcheck(cell: Any) -> None:
    """No bias is a bias of zeros; the derivatives are those of the formula."""
    is_lstm = isinstance(cell, GeneralLSTMCell)
    kind: Any = GeneralLSTMWeights if is_lstm else GRUWeights
    w, u, b, _ = drawn(4 if is_lstm else 3)
    x = torch.randn(T, B, F, dtype=torch.float64)
    zeros = torch.zeros_like(b)
    assert torch.equal(unroll(cell, x, kind(w, u))[0], unroll(cell, x, kind(w, u, zeros, zeros))[0])
    leaves = [t.requires_grad_() for t in (x, w, u, b)]
    assert torch.autograd.gradcheck(lambda x, w, u, b: unroll(cell, x, kind(w, u, b, b))[0], leaves)
