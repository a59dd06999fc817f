"""Import of RNN, GRU and LSTM nodes of ONNX models.

ONNX stacks the gates as torch does, in another order: iofc for an LSTM, zrh for a GRU.
"""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from unrolled.errors import ArgumentError, MissingDependencyError
from unrolled.nn.cells.core import GRUCell, GRUWeights, LSTMCell, RNNWeights
from unrolled.nn.cells.onnx_activations import SIGMOID, TANH, Activation
from unrolled.nn.cells.variants import GeneralLSTMWeights
from unrolled.nn.convert.common import (
    AnyLayer,
    build_layer,
    make_gru_cell,
    make_lstm_direction,
    make_rnn_cell,
    reorder_gates,
)
from unrolled.nn.layers.cell_layer import Direction

ONNX_GRU_GATES = ("update", "reset", "new")
ONNX_LSTM_GATES = ("input", "output", "forget", "cell")
ONNX_PEEPHOLES = ("input", "output", "forget")
DEFAULT_ACTIVATIONS = {"RNN": (TANH,), "GRU": (SIGMOID, TANH), "LSTM": (SIGMOID, TANH, TANH)}
_LAYOUT_OPS = {"Squeeze", "Transpose", "Reshape", "Identity", "Dropout"}  # between the layers of a stack
_AMBIGUOUS_DEFAULTS = {"Affine", "ScaledTanh", "ThresholdedRelu"}  # 0 in ONNX Runtime, 1 in the operators
_ONNX_NAMES = {
    name.lower(): name
    for name in (
        "Affine", "Elu", "HardSigmoid", "LeakyRelu", "Relu", "ScaledTanh", "Sigmoid", "Softplus", "Softsign",
        "Tanh", "ThresholdedRelu",
    )
}  # fmt: skip


def require_onnx(caller: str) -> Any:
    """Import the onnx package when it is first needed."""
    try:
        import onnx  # noqa: PLC0415 (an optional part)
    except ImportError as fault:
        raise MissingDependencyError(
            f'{caller} needs the package onnx, which is not installed: pip install "unrolled[onnx]"'
        ) from fault
    return onnx


def from_onnx(model: Any, node: str | None = None) -> AnyLayer:
    """Convert the recurrent nodes of an ONNX model to a layer with their weights.

    Args:
        model: a path, or an onnx.ModelProto.
        node: name of the node to convert. None: all of them, which must form one stack, each node
            reading the outputs of the one before, as the layers of an exported torch.nn.LSTM do.

    Returns:
        An RNN, GRU or LSTM if the nodes are equal to one; else (GRU with linear_before_reset=0, other
        activations, a clip, peepholes, coupled gates, direction="reverse") a `CellLayer`, whose cells
        run on the reference backend. It takes (B, T, F) if the node's layout is 1, or if the model
        transposes (B, T, F) right before the node, as exporters do; else (T, B, F).

    Raises:
        ArgumentError: the file is not a model; there is no such node, or several that form no stack; a
            weight is not a constant of the model.
        MissingDependencyError: the package onnx is not installed.

    Outputs are (T, B, D * H), where ONNX has (T, D, B, H). The node's initial_h, initial_c and
    sequence_lens are not converted: pass them as hx and lengths.
    """
    graph = _load_model(model).graph
    nodes = _select_nodes(graph, node)
    constants = _Constants(graph)
    layers = [_read_directions(each, constants) for each in nodes]
    layouts = {_attributes(each).get("layout", 0) for each in nodes}
    if len(layouts) > 1:
        raise ArgumentError("from_onnx: the nodes have different layouts. Select one with node=.")
    return build_layer(layers, batch_first=layouts == {1} or _is_batch_first(graph, nodes[0].input[0]))


def _is_batch_first(graph: Any, name: str) -> bool:
    """Return true if a tensor (T, B, F) is the transpose of (B, T, F): exporters write so for layout 0."""
    producers = [node for node in graph.node if name in node.output and node.op_type == "Transpose"]
    return any(list(_attributes(producer).get("perm", [])) == [1, 0, 2] for producer in producers)


def _load_model(model: Any) -> Any:
    """Load a model from a path; return a ModelProto as it is."""
    onnx = require_onnx("from_onnx")
    if isinstance(model, onnx.ModelProto):
        return model
    if not isinstance(model, str | Path):
        raise ArgumentError(
            f"from_onnx model: expected a path or an onnx.ModelProto, got {type(model).__name__}."
        )
    try:
        return onnx.load(model)
    except OSError as fault:
        raise ArgumentError(
            f"from_onnx model: {model} cannot be read ({fault.strerror or fault})."
        ) from fault
    except Exception as fault:  # protobuf's own error has no built-in base
        raise ArgumentError(f"from_onnx model: {model} is no ONNX model ({fault}).") from fault


def _select_nodes(graph: Any, name: str | None) -> list[Any]:
    """Return the node of this name, or all recurrent nodes in order if they form a stack."""
    recurrent = [
        node for node in graph.node if node.op_type in DEFAULT_ACTIVATIONS and node.domain in {"", "ai.onnx"}
    ]
    names = [node.name for node in recurrent]
    if name is not None:
        if names.count(name) != 1:
            raise ArgumentError(f"from_onnx node: expected the name of one of {names}, got {name!r}.")
        return [recurrent[names.index(name)]]
    if not recurrent:
        raise ArgumentError("from_onnx model: it has no RNN, GRU or LSTM node.")
    producers = {output: node for node in graph.node for output in node.output}
    for below, above in pairwise(recurrent):
        producer = producers.get(above.input[0])
        while producer is not None and producer.op_type in _LAYOUT_OPS:
            producer = producers.get(producer.input[0])
        if producer is None or producer.output[0] != below.output[0] or producer.op_type != above.op_type:
            raise ArgumentError(f"from_onnx node: {names} do not form a stack. Select one with node=.")
    return recurrent


class _Constants:
    """Constant tensors of a graph: initializers, and outputs of Constant nodes."""

    def __init__(self, graph: Any) -> None:
        self._tensors = {tensor.name: tensor for tensor in graph.initializer}
        for node in graph.node:
            for attribute in node.attribute:
                if (node.op_type, attribute.name) == ("Constant", "value"):
                    self._tensors[node.output[0]] = attribute.t

    def read(self, node: Any, position: int, role: str) -> Tensor | None:
        """Read the node's input at this position; None if the node leaves it out."""
        name = node.input[position] if position < len(node.input) else ""
        if not name:
            return None
        if name not in self._tensors:
            raise ArgumentError(
                f"from_onnx: {role} of node {node.name!r} must be a constant; {name!r} is computed or an"
                " input of the model. Fold constants in the model first."
            )
        return torch.from_numpy(require_onnx("from_onnx").numpy_helper.to_array(self._tensors[name]).copy())


def _attributes(node: Any) -> dict[str, Any]:
    get = require_onnx("from_onnx").helper.get_attribute_value
    values = {attribute.name: get(attribute) for attribute in node.attribute}
    return {name: value.decode() if isinstance(value, bytes) else value for name, value in values.items()}


def _read_directions(node: Any, constants: _Constants) -> list[Direction]:
    """Read the cells and weights of one node, one for each direction."""
    settings = _attributes(node)
    reversals = {"forward": [False], "reverse": [True], "bidirectional": [False, True]}[
        settings.get("direction", "forward")
    ]
    activations = _read_activations(node.op_type, settings, len(reversals))
    W, R = constants.read(node, 1, "W"), constants.read(node, 2, "R")
    if W is None or R is None:
        raise ArgumentError(f"from_onnx: node {node.name!r} has no W or no R.")
    B, P = constants.read(node, 3, "B"), constants.read(node, 7, "P")
    directions = []
    for d, is_reverse in enumerate(reversals):
        biases = (None, None) if B is None else tuple(B[d].chunk(2))
        weights = [W[d], R[d], *biases, None if P is None else P[d]]
        directions.append(_make_direction(node.op_type, settings, activations[d], weights, is_reverse))
    return directions


def _make_direction(
    kind: str, settings: dict[str, Any], activations: tuple[Activation, ...],
    weights: list[Any], is_reverse: bool,
) -> Direction:  # fmt: skip
    """Make one direction, with the gates in torch's order."""
    *onnx_weights, peephole = weights
    if kind == "RNN":
        return Direction(make_rnn_cell(*activations), RNNWeights(*onnx_weights), is_reverse)
    gates = (ONNX_GRU_GATES, GRUCell.gates) if kind == "GRU" else (ONNX_LSTM_GATES, LSTMCell.gates)
    reordered: list[Any] = [None if w is None else reorder_gates(w, *gates) for w in onnx_weights]
    if kind == "GRU":
        cell = make_gru_cell(*activations, is_reset_first=not settings.get("linear_before_reset", 0))
        return Direction(cell, GRUWeights(*reordered), is_reverse)
    if peephole is not None:
        peephole = reorder_gates(peephole, ONNX_PEEPHOLES, ("input", "forget", "output"))
    f, g, h = activations
    return make_lstm_direction(
        (f, g, h), GeneralLSTMWeights._make([*reordered, peephole]),
        is_coupled=bool(settings.get("input_forget", 0)), is_reverse=is_reverse,
    )  # fmt: skip


def _read_activations(kind: str, settings: dict[str, Any], directions: int) -> list[tuple[Activation, ...]]:
    """Read the activations of each direction; those that have constants take them in order.

    The clip bounds the inputs of f and g; ONNX Runtime does not clip the input of an LSTM's h.
    """
    count, clip = len(DEFAULT_ACTIVATIONS[kind]), settings.get("clip")
    names = [name.decode() for name in settings.get("activations", [])]
    if not names:
        names = [activation.name for activation in DEFAULT_ACTIVATIONS[kind]] * directions
    if len(names) != count * directions:
        raise ArgumentError(
            f"from_onnx: expected {count * directions} activations of {kind}, got {', '.join(names)}."
        )
    alphas, betas = (iter(settings.get(f"activation_{constant}", [])) for constant in ("alpha", "beta"))
    clips = [None if k % count == 2 else clip for k in range(len(names))]
    each = [_make_activation(name, alphas, betas, bound) for name, bound in zip(names, clips, strict=True)]
    return [tuple(each[d * count : (d + 1) * count]) for d in range(directions)]


def _make_activation(
    name: str, alphas: Iterator[float], betas: Iterator[float], clip: float | None
) -> Activation:
    if name.lower() not in _ONNX_NAMES:
        raise ArgumentError(
            f"from_onnx: ONNX has no activation {name!r}; it has {', '.join(_ONNX_NAMES.values())}."
        )
    default = Activation(_ONNX_NAMES[name.lower()])
    alpha = None if default.alpha is None else next(alphas, None)
    beta = None if default.beta is None else next(betas, None)
    for constant, default_value, value in (("alpha", default.alpha, alpha), ("beta", default.beta, beta)):
        if default_value is not None and value is None and default.name in _AMBIGUOUS_DEFAULTS:
            raise ArgumentError(
                f"from_onnx: {default.name} needs activation_{constant}, whose default differs between"
                " runtimes; got none. Set it in the model."
            )
    return Activation(default.name, alpha, beta, clip)
