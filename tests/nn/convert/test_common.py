"""Shared steps of the conversions: cells from activations, layers from cells, gate order, biases."""

from typing import Any

import pytest
import torch

import unrolled.nn as un
from unrolled.errors import ArgumentError
from unrolled.nn.cells.core import GRUCell, GRUWeights, LSTMCell, LSTMWeights, RNNCell, RNNWeights
from unrolled.nn.cells.onnx_activations import SIGMOID, TANH, Activation
from unrolled.nn.cells.variants import GeneralGRUCell, GeneralLSTMCell, GeneralLSTMWeights, ResetFirstGRUCell
from unrolled.nn.convert.common import (
    build_layer,
    get_activations,
    get_directions,
    make_gru_cell,
    make_lstm_direction,
    make_rnn_cell,
    reorder_gates,
    sum_biases,
)

F, H = 3, 5
RELU = Activation("Relu")


def gru_direction(*, bias: bool = True, hidden_size: int = H, is_reverse: bool = False) -> un.Direction:
    """A GRU cell with random weights."""
    rows = 3 * hidden_size
    biases = (torch.randn(rows), torch.randn(rows)) if bias else ()
    weights = GRUWeights(torch.randn(rows, F), torch.randn(rows, hidden_size), *biases)
    return un.Direction(GRUCell(), weights, is_reverse)


@pytest.mark.parametrize(
    ("activation", "nonlinearity"),
    [
        (TANH, "tanh"),
        (Activation("LeakyRelu", 0.01), "leaky_relu"),
        (Activation("Affine", 1.0, 0.0), "identity"),
        (Activation("LeakyRelu", 0.3), Activation("LeakyRelu", 0.3)),
        (Activation("Tanh", clip=1.0), Activation("Tanh", clip=1.0)),
    ],
)
def test_rnn_cell_has_the_kernels_name_of_its_activation(activation: Activation, nonlinearity: Any) -> None:
    """An activation with another constant or a clip stays as it is."""
    assert make_rnn_cell(activation) == RNNCell(nonlinearity)


def test_gru_cell_is_the_core_cell_only_with_default_activations() -> None:
    """Another activation makes a general cell; reset first is another cell."""
    assert make_gru_cell(SIGMOID, TANH, is_reset_first=False) == GRUCell()
    assert make_gru_cell(SIGMOID, RELU, is_reset_first=False) == GeneralGRUCell(SIGMOID, RELU)
    assert make_gru_cell(SIGMOID, TANH, is_reset_first=True) == ResetFirstGRUCell()


def test_lstm_direction_is_the_core_cell_only_without_variants() -> None:
    """Another activation, peepholes or coupled gates each make a general cell with all weights."""
    plain = GeneralLSTMWeights(torch.randn(4 * H, F), torch.randn(4 * H, H))
    peephole = plain._replace(peephole=torch.randn(3 * H))
    direction = make_lstm_direction((SIGMOID, TANH, TANH), plain, is_reverse=True)
    assert (direction.cell, direction.is_reverse) == (LSTMCell(), True)
    assert isinstance(direction.weights, LSTMWeights)
    for activations, weights, is_coupled in (
        ((SIGMOID, TANH, RELU), plain, False),
        ((SIGMOID, TANH, TANH), peephole, False),
        ((SIGMOID, TANH, TANH), plain, True),
    ):
        direction = make_lstm_direction(activations, weights, is_coupled=is_coupled)
        assert direction.cell == GeneralLSTMCell(*activations, is_coupled)
        assert direction.weights is weights


def test_activations_are_in_onnx_order_and_a_prelu_has_its_slope() -> None:
    """f; f, g; or f, g, h."""
    rnn = RNNWeights(torch.randn(H, F), torch.randn(H, H), slope=torch.tensor([0.125]))
    assert get_activations(un.Direction(RNNCell("prelu"), rnn), "x") == (Activation("LeakyRelu", 0.125),)
    assert get_activations(gru_direction(), "x") == (SIGMOID, TANH)
    cell = GeneralLSTMCell(RELU, SIGMOID, TANH)
    assert get_activations(un.Direction(cell, None), "x") == (RELU, SIGMOID, TANH)


def test_activations_of_a_cell_without_counterpart_raise() -> None:
    """The caller and the type of the cell are named."""
    with pytest.raises(ArgumentError, match=r"^to_x: a int is no RNN, GRU or LSTM"):
        get_activations(un.Direction(3, None), "to_x")


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("bidirectional", [True, False])
def test_build_layer_inverts_get_directions(bias: bool, bidirectional: bool) -> None:
    """Type, options and weights come back, to the bit, without drawing random numbers."""
    layer = un.LSTM(F, H, 2, bias=bias, bidirectional=bidirectional, dtype=torch.float64)
    before = torch.random.get_rng_state()
    built = build_layer(get_directions(layer, "x"), batch_first=True, dropout=0.25)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert isinstance(built, un.LSTM)
    assert (built.batch_first, built.dropout, built.bias) == (True, 0.25, bias)
    assert built.state_dict().keys() == layer.state_dict().keys()
    assert all(torch.equal(built.state_dict()[k], weight) for k, weight in layer.state_dict().items())


@pytest.mark.parametrize(
    "layers",
    [
        [[gru_direction(is_reverse=True)]],
        [[gru_direction(), gru_direction(bias=False, is_reverse=True)]],
        [[un.Direction(ResetFirstGRUCell(), gru_direction().weights)]],
    ],
    ids=["reverse alone", "one bias", "another cell"],
)
def test_build_layer_makes_a_cell_layer_of_anything_else(layers: Any) -> None:
    """Such a layer runs, with the weights it was built from."""
    built = build_layer(layers, batch_first=False)
    assert isinstance(built, un.CellLayer)
    assert built(torch.randn(7, 2, F))[0].shape == (7, 2, H * len(layers[0]))
    assert torch.equal(built.directions()[0][0].weights.weight_ih, layers[0][0].weights.weight_ih)


def test_gates_are_reordered_and_back() -> None:
    """Blocks of rows move; the order within a block stays."""
    weight = torch.arange(12.0).reshape(6, 2)
    moved = reorder_gates(weight, ("reset", "update", "new"), ("update", "reset", "new"))
    assert moved[:, 0].tolist() == [4, 6, 0, 2, 8, 10]
    assert torch.equal(reorder_gates(moved, ("update", "reset", "new"), ("reset", "update", "new")), weight)


def test_biases_are_summed_and_zero_without_any() -> None:
    """Both have shape (3H,)."""
    weights = gru_direction().weights
    assert torch.equal(sum_biases(weights), weights.bias_ih + weights.bias_hh)
    assert torch.equal(sum_biases(gru_direction(bias=False).weights), torch.zeros(3 * H))
