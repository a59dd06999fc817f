"""Steps of RNN, GRU and LSTM against hand-computed values; invalid cells."""

import math
from functools import partial

import pytest
import torch
import torch.nn.functional as F

from unrolled.errors import ArgumentError
from unrolled.nn import RNN
from unrolled.nn.cells.core import (
    NONLINEARITIES,
    GRUCell,
    GRUState,
    GRUWeights,
    LSTMCell,
    LSTMState,
    LSTMWeights,
    RNNCell,
    RNNState,
    RNNWeights,
)


def one(*values: float) -> torch.Tensor:
    """A column of weights, in float64: one input or unit."""
    return torch.tensor(values, dtype=torch.float64)[:, None]


def sigma(a: float) -> float:
    """The logistic function."""
    return 1 / (1 + math.exp(-a))


EXPECTED = {
    "tanh": math.tanh,
    "relu": lambda a: max(a, 0.0),
    "leaky_relu": lambda a: a if a > 0 else 0.01 * a,
    "prelu": lambda a: a if a > 0 else 0.3 * a,
    "sigmoid": sigma,
    "identity": lambda a: a,
    "softsign": lambda a: a / (1 + abs(a)),
    "elu": lambda a: a if a > 0 else math.exp(a) - 1,
    "hardtanh": lambda a: min(max(a, -1.0), 1.0),
}


@pytest.mark.parametrize("nonlinearity", NONLINEARITIES)
@pytest.mark.parametrize("x", [2.0, -3.0])
def test_rnn_step_equals_its_formula(nonlinearity: str, x: float) -> None:
    """φ(0.5 x + 0.1 - 0.7 h + 0.2), with both signs before φ."""
    slope = torch.tensor([0.3], dtype=torch.float64) if nonlinearity == "prelu" else None
    weights = RNNWeights(one(0.5), one(-0.7), one(0.1)[0], one(0.2)[0], slope)
    after = RNNCell(nonlinearity).step(one(x), RNNState(one(1.5)), weights)
    assert after.h.item() == pytest.approx(EXPECTED[nonlinearity](0.5 * x + 0.1 - 0.7 * 1.5 + 0.2))


def test_gru_step_equals_its_formula() -> None:
    """Gates in the order reset, update, new; the reset gate after the product, its bias inside."""
    weights = GRUWeights(
        one(0.5, -0.4, 0.3), one(-0.7, 0.6, 0.9), one(0.1, 0.2, 0.3)[:, 0], one(0.4, 0.5, 0.6)[:, 0]
    )
    x, h = 2.0, 1.5
    r = sigma(0.5 * x + 0.1 - 0.7 * h + 0.4)
    z = sigma(-0.4 * x + 0.2 + 0.6 * h + 0.5)
    n = math.tanh(0.3 * x + 0.3 + r * (0.9 * h + 0.6))
    assert GRUCell().step(one(x), GRUState(one(h)), weights).h.item() == pytest.approx((1 - z) * n + z * h)
    assert GRUCell.gates == ("reset", "update", "new")


@pytest.mark.parametrize("projection", [None, 0.25])
def test_lstm_step_equals_its_formula(projection: float | None) -> None:
    """Gates in the order input, forget, cell, output; the projection acts on h and not on c."""
    weights = LSTMWeights(
        one(0.5, -0.4, 0.3, 0.2), one(-0.7, 0.6, 0.9, 0.8),
        one(0.1, 0.2, 0.3, 0.4)[:, 0], one(0.4, 0.5, 0.6, 0.7)[:, 0],
        None if projection is None else one(projection),
    )  # fmt: skip
    x, h, c = 2.0, 1.5, -0.5
    i, f = sigma(0.5 * x + 0.1 - 0.7 * h + 0.4), sigma(-0.4 * x + 0.2 + 0.6 * h + 0.5)
    g, o = math.tanh(0.3 * x + 0.3 + 0.9 * h + 0.6), sigma(0.2 * x + 0.4 + 0.8 * h + 0.7)
    after = LSTMCell().step(one(x), LSTMState(one(h), one(c)), weights)
    assert after.c.item() == pytest.approx(f * c + i * g)
    assert after.h.item() == pytest.approx((projection or 1.0) * o * math.tanh(f * c + i * g))
    assert LSTMCell.gates == ("input", "forget", "cell", "output")


def test_step_is_pure() -> None:
    """The same arguments give the same state again, and are left as they were."""
    for cell, state, gates in [
        (RNNCell(), RNNState, 1),
        (GRUCell(), GRUState, 3),
        (LSTMCell(), LSTMState, 4),
    ]:
        weights_type = {1: RNNWeights, 3: GRUWeights, 4: LSTMWeights}[gates]
        weights = weights_type(torch.randn(gates * 5, 3), torch.randn(gates * 5, 5))
        before = state(*(torch.randn(2, 5) for _ in state._fields))
        x, kept = torch.randn(2, 3), [part.clone() for part in before]
        first, second = cell.step(x, before, weights), cell.step(x, before, weights)
        assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
        assert all(torch.equal(a, b) for a, b in zip(before, kept, strict=True))
        assert [part.shape for part in cell.initial_state(2, weights)] == [part.shape for part in before]


def test_projected_lstm_initial_state_has_two_sizes() -> None:
    """P for h and H for c."""
    weights = LSTMWeights(torch.randn(20, 3), torch.randn(20, 2), weight_hr=torch.randn(2, 5))
    h, c = LSTMCell().initial_state(4, weights)
    assert (h.shape, c.shape) == ((4, 2), (4, 5))


def test_callables_equal_named_activations() -> None:
    """A function, a partial and a module with weights."""
    weights = RNNWeights(torch.randn(5, 3), torch.randn(5, 5))
    x, before = torch.randn(2, 3), RNNState(torch.randn(2, 5))
    named = RNNCell("leaky_relu").step(x, before, weights).h
    for nonlinearity in (F.leaky_relu, partial(F.leaky_relu, negative_slope=0.01), torch.nn.LeakyReLU()):
        assert torch.equal(RNNCell(nonlinearity).step(x, before, weights).h, named)
    steeper = RNNCell(partial(F.leaky_relu, negative_slope=0.2)).step(x, before, weights).h
    assert not torch.equal(steeper, named)


@pytest.mark.parametrize(
    ("nonlinearity", "sentence"),
    [
        ("sigmod", "sigmoid, identity, softsign, elu, hardtanh; got 'sigmod'. Did you mean 'sigmoid'?"),
        (None, "got None."),
        (torch.nn.Tanh, "expected a callable, got the class Tanh. Pass Tanh()."),
    ],
)
def test_unknown_activations_raise(nonlinearity: object, sentence: str) -> None:
    """A misspelt name gets the nearest one suggested; a class gets a call suggested."""
    with pytest.raises(ArgumentError) as refused:
        RNNCell(nonlinearity)
    assert str(refused.value).startswith("RNN nonlinearity")
    assert str(refused.value).endswith(sentence)


def test_activation_that_changes_the_shape_raises() -> None:
    """A gated unit that halves the width raises at its first step."""
    weights = RNNWeights(torch.randn(6, 3), torch.randn(6, 6))
    with pytest.raises(ArgumentError, match=r"keep the shape \(2, 6\); it gave \(2, 3\)"):
        RNNCell(F.glu).step(torch.randn(2, 3), RNNState(torch.randn(2, 6)), weights)


def test_prelu_without_a_slope_raises() -> None:
    """Weights without a slope raise an ArgumentError."""
    weights = RNNWeights(torch.randn(6, 3), torch.randn(6, 6))
    with pytest.raises(ArgumentError, match="prelu needs slope"):
        RNNCell("prelu").step(torch.randn(2, 3), RNNState(torch.randn(2, 6)), weights)


def test_nonlinearity_that_returns_no_tensor_raises() -> None:
    """A callable that returns None is named in the error."""
    with pytest.raises(ArgumentError) as refused:
        RNN(3, 5, nonlinearity=lambda _: None)(torch.zeros(2, 1, 3))  # type: ignore[arg-type,return-value]
    assert str(refused.value) == "RNN nonlinearity: expected it to return a tensor; it gave NoneType."
