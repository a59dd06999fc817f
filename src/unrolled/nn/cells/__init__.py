"""Cells: recurrences as pure steps, `step(x_t, state, weights) -> state`."""

from unrolled.nn.cells.conv import ConvGRUCell, ConvGRUState, ConvLSTMCell, ConvLSTMState, ConvWeights
from unrolled.nn.cells.core import (
    NONLINEARITIES,
    Cell,
    GRUCell,
    GRUState,
    GRUWeights,
    LSTMCell,
    LSTMState,
    LSTMWeights,
    Nonlinearity,
    RNNCell,
    RNNState,
    RNNWeights,
)
from unrolled.nn.cells.onnx_activations import Activation
from unrolled.nn.cells.variants import GeneralGRUCell, GeneralLSTMCell, GeneralLSTMWeights, ResetFirstGRUCell
from unrolled.nn.cells.zoneout import Zoneout

__all__ = [
    "NONLINEARITIES",
    "Activation",
    "Cell",
    "ConvGRUCell",
    "ConvGRUState",
    "ConvLSTMCell",
    "ConvLSTMState",
    "ConvWeights",
    "GRUCell",
    "GRUState",
    "GRUWeights",
    "GeneralGRUCell",
    "GeneralLSTMCell",
    "GeneralLSTMWeights",
    "LSTMCell",
    "LSTMState",
    "LSTMWeights",
    "Nonlinearity",
    "RNNCell",
    "RNNState",
    "RNNWeights",
    "ResetFirstGRUCell",
    "Zoneout",
]
