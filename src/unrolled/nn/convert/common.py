"""Shared steps of the conversions: a layer to cells and weights, and cells and weights to a layer.

Shapes: F inputs, H hidden units; L layers, D directions.
"""

import warnings
from collections.abc import Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor

from unrolled.errors import ArgumentError
from unrolled.nn.cells.core import GRUCell, GRUWeights, LSTMCell, LSTMWeights, RNNCell, RNNWeights
from unrolled.nn.cells.onnx_activations import SIGMOID, TANH, Activation
from unrolled.nn.cells.variants import (
    GeneralGRUCell,
    GeneralLSTMCell,
    GeneralLSTMWeights,
    ResetFirstGRUCell,
)
from unrolled.nn.layers.base import RecurrentLayer
from unrolled.nn.layers.cell_layer import CellLayer, Direction
from unrolled.nn.layers.rnn import GRU, LSTM, RNN

LayerStack = list[list[Direction]]
AnyLayer = RecurrentLayer | CellLayer
R = TypeVar("R", bound=torch.nn.Module)

_ACTIVATIONS = {
    "tanh": TANH,
    "relu": Activation("Relu"),
    "leaky_relu": Activation("LeakyRelu", 0.01),
    "sigmoid": SIGMOID,
    "identity": Activation("Affine", 1.0, 0.0),
    "softsign": Activation("Softsign"),
    "elu": Activation("Elu", 1.0),
    "hardtanh": Activation("HardTanh"),
}
_LAYER_TYPES: dict[type, type[RecurrentLayer]] = {RNNCell: RNN, GRUCell: GRU, LSTMCell: LSTM}


def make_rnn_cell(activation: Activation) -> RNNCell:
    """Make the plain cell; a function that the kernels have is passed by its name."""
    for name, named_activation in _ACTIVATIONS.items():
        if named_activation.is_close(activation):
            return RNNCell(name)
    return RNNCell(activation)


def make_gru_cell(gate: Activation, candidate: Activation, *, is_reset_first: bool) -> Any:
    """Make a GRU cell with these activations: a `GRUCell` if it is one."""
    if is_reset_first:
        return ResetFirstGRUCell(gate, candidate)
    return GRUCell() if (gate, candidate) == (SIGMOID, TANH) else GeneralGRUCell(gate, candidate)


def make_lstm_direction(
    activations: tuple[Activation, Activation, Activation], weights: GeneralLSTMWeights,
    *, is_coupled: bool = False, is_reverse: bool = False,
) -> Direction:  # fmt: skip
    """Make an LSTM cell with these activations and weights: an `LSTMCell` if it is one."""
    if activations == (SIGMOID, TANH, TANH) and weights.peephole is None and not is_coupled:
        return Direction(LSTMCell(), LSTMWeights(*weights[:4]), is_reverse)
    return Direction(GeneralLSTMCell(*activations, is_coupled), weights, is_reverse)


def get_activations(direction: Direction, caller: str) -> tuple[Activation, ...]:
    """Return the activations of a cell in ONNX's order: f; f, g; or f, g, h. A prelu becomes LeakyRelu.

    Args:
        direction: the cell and its weights.
        caller: name of the conversion, for errors.

    Raises:
        ArgumentError: the cell has no counterpart, or an activation is a Python callable.
    """
    cell = direction.cell
    if isinstance(cell, RNNCell):
        if cell.nonlinearity == "prelu":
            return (Activation("LeakyRelu", float(direction.weights.slope)),)
        phi = cell.nonlinearity
        activations: tuple[Any, ...] = (_ACTIVATIONS[phi] if isinstance(phi, str) else phi,)
    elif isinstance(cell, GRUCell | LSTMCell):
        activations = (SIGMOID, TANH) if isinstance(cell, GRUCell) else (SIGMOID, TANH, TANH)
    elif isinstance(cell, GeneralLSTMCell):
        activations = (cell.gate, cell.candidate, cell.readout)
    elif isinstance(cell, ResetFirstGRUCell | GeneralGRUCell):
        activations = (cell.gate, cell.candidate)
    else:
        raise ArgumentError(
            f"{caller}: a {type(cell).__name__} is no RNN, GRU or LSTM, and has no counterpart."
        )
    for activation in activations:
        if not isinstance(activation, Activation):
            raise ArgumentError(
                f"{caller}: the activation {activation!r} is a Python callable, which has no counterpart."
                " Use a named activation."
            )
    return activations


def get_directions(layer: Any, caller: str) -> LayerStack:
    """Return the cells and detached weights of a layer, layer by layer.

    Args:
        layer: an RNN, GRU, LSTM or CellLayer.
        caller: name of the conversion, for errors.

    Raises:
        ArgumentError: the layer is of another type, or has zoneout, layer norm or a projection.
    """
    if isinstance(layer, CellLayer):
        return layer.directions()
    cells: dict[type, Any] = {GRU: GRUCell, LSTM: LSTMCell}
    kinds = {RNN: RNNWeights, GRU: GRUWeights, LSTM: LSTMWeights}
    if type(layer) not in kinds:
        got = f"{type(layer).__module__}.{type(layer).__name__}"
        raise ArgumentError(
            f"{caller} layer: expected an RNN, GRU, LSTM or CellLayer of unrolled.nn, got {got}."
        )
    reject_unsupported_options(layer, caller)
    if layer.proj_size:
        raise ArgumentError(
            f"{caller}: expected an LSTM without a projection, got proj_size={layer.proj_size}."
            " Only torch.nn has it: use to_torch."
        )
    cell = RNNCell(layer.nonlinearity) if isinstance(layer, RNN) else cells[type(layer)]()
    kind: Any = kinds[type(layer)]

    def weights(suffix: str) -> Any:
        fields = {field: getattr(layer, field + suffix, None) for field in kind._fields}
        return kind(**{field: None if w is None else w.detach() for field, w in fields.items()})

    suffixes = ("", "_reverse")[: 2 if layer.bidirectional else 1]
    return [
        [Direction(cell, weights(f"_l{k}{suffix}"), suffix == "_reverse") for suffix in suffixes]
        for k in range(layer.num_layers)
    ]


def reject_unsupported_options(layer: RecurrentLayer, caller: str) -> None:
    """Raise an ArgumentError for zoneout and layer norm, which act at inference and only unrolled.nn has."""
    name = f"{caller}: this {type(layer).__name__}"
    if layer.layer_norm:
        raise ArgumentError(f"{name} has layer_norm, which only unrolled.nn has.")
    zoneout = layer.zoneout
    if any(zoneout) if isinstance(zoneout, tuple) else zoneout:
        raise ArgumentError(
            f"{name} has zoneout={zoneout}, whose mean acts at inference too, and which only unrolled.nn has."
        )


def build_layer(layers: LayerStack, *, batch_first: bool, dropout: float = 0.0) -> AnyLayer:
    """Build a layer from cells and weights: an RNN, GRU or LSTM if they form one, else a CellLayer.

    Args:
        layers: the directions of each layer.
        batch_first: as for the layer.
        dropout: between layers; only RNN, GRU and LSTM take it.

    Raises:
        ArgumentError: it must be a CellLayer, and the states differ in size.
    """
    first = layers[0][0]
    weights = first.weights
    reversals = [direction.is_reverse for direction in layers[0]]
    cells = {direction.cell for layer in layers for direction in layer}
    has_bias = {direction.weights.bias_ih is not None for layer in layers for direction in layer}
    widths = {direction.weights.weight_hh.shape[-1] for layer in layers for direction in layer}
    is_fused = type(first.cell) in _LAYER_TYPES and len(cells) == len(has_bias) == len(widths) == 1
    if not is_fused or reversals not in ([False], [False, True]):
        return CellLayer(weights.weight_ih.shape[-1], layers, batch_first=batch_first)
    settings = {"nonlinearity": first.cell.nonlinearity} if isinstance(first.cell, RNNCell) else {}
    F, H = weights.weight_ih.shape[-1], weights.weight_hh.shape[-1]
    built = _LAYER_TYPES[type(first.cell)](  # on "meta", so that no random numbers are drawn
        F, H, len(layers), bias=has_bias == {True}, batch_first=batch_first, dropout=dropout,
        bidirectional=len(reversals) == 2, device="meta", dtype=weights.weight_ih.dtype, **settings,
    ).to_empty(device=weights.weight_ih.device)  # fmt: skip
    copy_weights(built, layers)
    return built


@torch.no_grad()
def copy_weights(module: torch.nn.Module, layers: LayerStack) -> None:
    """Copy the weights into the module's parameters, by torch's names."""
    for k, layer in enumerate(layers):
        for direction, suffix in zip(layer, ("", "_reverse"), strict=False):
            for field, weight in direction.weights._asdict().items():
                if weight is not None:
                    getattr(module, f"{field}_l{k}{suffix}").copy_(weight)


def reorder_gates(weight: Tensor, source_order: Sequence[str], target_order: Sequence[str]) -> Tensor:
    """Reorder the gates, which are stacked along the first axis."""
    chunks = dict(zip(source_order, weight.chunk(len(source_order)), strict=True))
    return torch.cat([chunks[gate] for gate in target_order])


def sum_biases(weights: Any) -> Tensor:
    """Compute b_ih + b_hh, for libraries that have one bias; zeros if the layer has none."""
    if weights.bias_ih is None:
        return torch.zeros_like(weights.weight_ih[:, 0])
    total: Tensor = weights.bias_ih + weights.bias_hh
    return total


def warn_dropped_option(option: str, target: str) -> None:
    """Warn, at the line that called the conversion, that an option which acts in training only is dropped."""
    warnings.warn(
        f"{option} acts in training only and is dropped: {target} does not have it."
        " Weights and predictions are equal.",
        stacklevel=3,
    )
