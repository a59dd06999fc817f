"""What every exchange goes through: a layer as its cells and weights, and a layer made of them.

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
    """The plain cell, by one of our own names where one is this function."""
    for name, known in _ACTIVATIONS.items():
        if known.is_close(activation):
            return RNNCell(name)
    return RNNCell(activation)


def make_gru_cell(gate: Activation, candidate: Activation, *, is_reset_first: bool) -> Any:
    """The GRU with these activations; the plain one where it is that."""
    if is_reset_first:
        return ResetFirstGRUCell(gate, candidate)
    return GRUCell() if (gate, candidate) == (SIGMOID, TANH) else GeneralGRUCell(gate, candidate)


def make_lstm_direction(
    activations: tuple[Activation, Activation, Activation], weights: GeneralLSTMWeights,
    *, is_coupled: bool = False, is_reverse: bool = False,
) -> Direction:  # fmt: skip
    """The LSTM with these activations and weights; the plain one where it is that."""
    if activations == (SIGMOID, TANH, TANH) and weights.peephole is None and not is_coupled:
        return Direction(LSTMCell(), LSTMWeights(*weights[:4]), is_reverse)
    return Direction(GeneralLSTMCell(*activations, is_coupled), weights, is_reverse)


def get_activations(direction: Direction, caller: str) -> tuple[Activation, ...]:
    """The activations of a cell in ONNX's order: f; f, g; or f, g, h. A learned slope is the slope it has."""
    cell = direction.cell
    if isinstance(cell, RNNCell):
        if cell.nonlinearity == "prelu":
            return (Activation("LeakyRelu", float(direction.weights.slope)),)
        phi = cell.nonlinearity
        found: tuple[Any, ...] = (_ACTIVATIONS[phi] if isinstance(phi, str) else phi,)
    elif isinstance(cell, GRUCell | LSTMCell):
        found = (SIGMOID, TANH) if isinstance(cell, GRUCell) else (SIGMOID, TANH, TANH)
    elif isinstance(cell, GeneralLSTMCell):
        found = (cell.gate, cell.candidate, cell.readout)
    elif isinstance(cell, ResetFirstGRUCell | GeneralGRUCell):
        found = (cell.gate, cell.candidate)
    else:
        raise ArgumentError(
            f"{caller}: a {type(cell).__name__} is no RNN, GRU or LSTM, and has no counterpart."
        )
    for activation in found:
        if not isinstance(activation, Activation):
            raise ArgumentError(
                f"{caller}: the activation {activation!r} is a function of Python, which only Python can run."
                " Use one that has a name."
            )
    return found


def get_directions(layer: Any, caller: str) -> LayerStack:
    """The cells and weights of a layer, each weight as it stands.

    Raises:
        ArgumentError: it is no layer of ours, or has zoneout, layer normalisation or a projection.
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
            f"{caller}: this LSTM has proj_size={layer.proj_size}, which only torch.nn has as well."
        )
    cell = RNNCell(layer.nonlinearity) if isinstance(layer, RNN) else cells[type(layer)]()
    kind: Any = kinds[type(layer)]

    def weights(suffix: str) -> Any:
        found = {field: getattr(layer, field + suffix, None) for field in kind._fields}
        return kind(**{field: None if w is None else w.detach() for field, w in found.items()})

    ways = ("", "_reverse")[: 2 if layer.bidirectional else 1]
    return [
        [Direction(cell, weights(f"_l{k}{way}"), way == "_reverse") for way in ways]
        for k in range(layer.num_layers)
    ]


def reject_unsupported_options(layer: RecurrentLayer, caller: str) -> None:
    """Zoneout and layer normalisation act at inference, and no other library has them."""
    name = f"{caller}: this {type(layer).__name__}"
    if layer.layer_norm:
        raise ArgumentError(f"{name} has layer_norm, which only unrolled.nn has.")
    zoneout = layer.zoneout
    if any(zoneout) if isinstance(zoneout, tuple) else zoneout:
        raise ArgumentError(
            f"{name} has zoneout={zoneout}, whose mean acts at inference too, and which only unrolled.nn has."
        )


def build_layer(layers: LayerStack, *, batch_first: bool, dropout: float = 0.0) -> AnyLayer:
    """The layer that these cells and weights make: RNN, GRU or LSTM where they are one of these.

    Raises:
        ArgumentError: it would have to be a CellLayer, and states differ in size.
    """
    first = layers[0][0]
    weights = first.weights
    ways = [direction.is_reverse for direction in layers[0]]
    cells = {direction.cell for layer in layers for direction in layer}
    has_bias = {direction.weights.bias_ih is not None for layer in layers for direction in layer}
    widths = {direction.weights.weight_hh.shape[-1] for layer in layers for direction in layer}
    is_fused = type(first.cell) in _LAYER_TYPES and len(cells) == len(has_bias) == len(widths) == 1
    if not is_fused or ways not in ([False], [False, True]):
        return CellLayer(weights.weight_ih.shape[-1], layers, batch_first=batch_first)
    settings = {"nonlinearity": first.cell.nonlinearity} if isinstance(first.cell, RNNCell) else {}
    F, H = weights.weight_ih.shape[-1], weights.weight_hh.shape[-1]
    made = _LAYER_TYPES[type(first.cell)](  # on "meta" no random number is drawn for weights that are given
        F, H, len(layers), bias=has_bias == {True}, batch_first=batch_first, dropout=dropout,
        bidirectional=len(ways) == 2, device="meta", dtype=weights.weight_ih.dtype, **settings,
    ).to_empty(device=weights.weight_ih.device)  # fmt: skip
    copy_weights(made, layers)
    return made


@torch.no_grad()
def copy_weights(module: torch.nn.Module, layers: LayerStack) -> None:
    """Copy the weights into the parameters of torch's names."""
    for k, layer in enumerate(layers):
        for direction, suffix in zip(layer, ("", "_reverse"), strict=False):
            for field, weight in direction.weights._asdict().items():
                if weight is not None:
                    getattr(module, f"{field}_l{k}{suffix}").copy_(weight)


def reorder_gates(weight: Tensor, present: Sequence[str], wanted: Sequence[str]) -> Tensor:
    """The gates, which lie below one another, in another order."""
    chunks = dict(zip(present, weight.chunk(len(present)), strict=True))
    return torch.cat([chunks[gate] for gate in wanted])


def sum_biases(weights: Any) -> Tensor:
    """b_ih + b_hh, for libraries that have one bias; zeros where there is none."""
    if weights.bias_ih is None:
        return torch.zeros_like(weights.weight_ih[:, 0])
    total: Tensor = weights.bias_ih + weights.bias_hh
    return total


def warn_dropped_option(option: str, receiver: str) -> None:
    """Say on the line that called our caller that something which acts in training alone stays behind."""
    warnings.warn(
        f"{option} acts in training alone and is left behind: {receiver} does not have it."
        " The weights and what they predict are the same.",
        stacklevel=3,
    )
