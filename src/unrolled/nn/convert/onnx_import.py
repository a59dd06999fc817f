"""ONNX's RNN, GRU and LSTM nodes into our layers.

ONNX lays gates below one another as torch does, in another order: iofc for an LSTM, zrh for a GRU.
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
_AMBIGUOUS_DEFAULTS = {
    "Affine",
    "ScaledTanh",
    "ThresholdedRelu",
}  # ONNX Runtime takes 0 where the operators had 1
_ONNX_NAMES = {
    name.lower(): name
    for name in (
        "Affine", "Elu", "HardSigmoid", "LeakyRelu", "Relu", "ScaledTanh", "Sigmoid", "Softplus", "Softsign",
        "Tanh", "ThresholdedRelu",
    )
}  # fmt: skip


def require_onnx(caller: str) -> Any:
    """The onnx package, imported when it is first needed."""
    try:
        import onnx  # noqa: PLC0415 (an optional part)
    except ImportError as fault:
        raise MissingDependencyError(
            f'{caller} needs the package onnx, which is not installed: pip install "unrolled[onnx]"'
        ) from fault
    return onnx


def from_onnx(model: Any, node: str | None = None) -> AnyLayer:
    """Our layer with the weights of the recurrent nodes of an ONNX model.

    Args:
        model: a path, or an onnx.ModelProto.
        node: the name of the one node to take. None: all of them, which must make one stack, each
            reading the outputs of the one before, as the layers of one torch.nn.LSTM do when exported.

    Returns:
        An RNN, GRU or LSTM where it is one of these; else (GRU with linear_before_reset=0, other
        activations, a clip, peepholes, coupled gates, direction="reverse") a `CellLayer`, whose cells
        run on the reference path. It takes (B, T, F) if the node's layout is 1, or if the model turns
        (B, T, F) right before the node, as exporters do; else (T, B, F).

    Raises:
        ArgumentError: the file is no model; there is no such node, or more than one and no stack; a weight
            is no constant of the model.
        MissingDependencyError: the package onnx is not installed.

    Outputs are ours: (T, B, D * H) where ONNX has (T, D, B, H). What the model gives the node as
    initial_h, initial_c and sequence_lens is the caller's to give, as hx and lengths.
    """
    graph = _load_model(model).graph
    nodes = _select_nodes(graph, node)
    constants = _Constants(graph)
    layers = [_read_directions(found, constants) for found in nodes]
    layouts = {_attributes(found).get("layout", 0) for found in nodes}
    if len(layouts) > 1:
        raise ArgumentError("from_onnx: the nodes have different layouts. Take one by its name.")
    return build_layer(layers, batch_first=layouts == {1} or _is_batch_first(graph, nodes[0].input[0]))


def _is_batch_first(graph: Any, name: str) -> bool:
    """Whether a tensor (T, B, F) was (B, T, F) before: exporters turn it for a node of layout 0."""
    makers = [node for node in graph.node if name in node.output and node.op_type == "Transpose"]
    return any(list(_attributes(maker).get("perm", [])) == [1, 0, 2] for maker in makers)


def _load_model(model: Any) -> Any:
    """The model, from a file or as it is."""
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
    """The node of this name, or all recurrent ones in order if they make a stack."""
    found = [
        node for node in graph.node if node.op_type in DEFAULT_ACTIVATIONS and node.domain in {"", "ai.onnx"}
    ]
    names = [node.name for node in found]
    if name is not None:
        if names.count(name) != 1:
            raise ArgumentError(f"from_onnx node: expected the name of one of {names}, got {name!r}.")
        return [found[names.index(name)]]
    if not found:
        raise ArgumentError("from_onnx model: it has no RNN, GRU or LSTM node.")
    makers = {output: node for node in graph.node for output in node.output}
    for below, above in pairwise(found):
        maker = makers.get(above.input[0])
        while maker is not None and maker.op_type in _LAYOUT_OPS:
            maker = makers.get(maker.input[0])
        if maker is None or maker.output[0] != below.output[0] or maker.op_type != above.op_type:
            raise ArgumentError(f"from_onnx node: {names} are no stack. Say which one by its name.")
    return found


class _Constants:
    """The tensors that a graph holds itself."""

    def __init__(self, graph: Any) -> None:
        self._held = {tensor.name: tensor for tensor in graph.initializer}
        for node in graph.node:
            for attribute in node.attribute:
                if (node.op_type, attribute.name) == ("Constant", "value"):
                    self._held[node.output[0]] = attribute.t

    def read(self, node: Any, place: int, role: str) -> Tensor | None:
        """The input at this place, None where the node leaves it out."""
        name = node.input[place] if place < len(node.input) else ""
        if not name:
            return None
        if name not in self._held:
            raise ArgumentError(
                f"from_onnx: {role} of node {node.name!r} is computed or given at run time ({name!r}), and"
                " only constants are weights. Fold constants in the model first."
            )
        return torch.from_numpy(require_onnx("from_onnx").numpy_helper.to_array(self._held[name]).copy())


def _attributes(node: Any) -> dict[str, Any]:
    get = require_onnx("from_onnx").helper.get_attribute_value
    found = {attribute.name: get(attribute) for attribute in node.attribute}
    return {name: value.decode() if isinstance(value, bytes) else value for name, value in found.items()}


def _read_directions(node: Any, constants: _Constants) -> list[Direction]:
    """The cells and weights of one node, a direction each."""
    settings = _attributes(node)
    way = settings.get("direction", "forward")
    reversals = {"forward": [False], "reverse": [True], "bidirectional": [False, True]}[way]
    activations = _read_activations(node.op_type, settings, len(reversals))
    W, R = constants.read(node, 1, "W"), constants.read(node, 2, "R")
    if W is None or R is None:
        raise ArgumentError(f"from_onnx: node {node.name!r} has no W or no R.")
    B, P = constants.read(node, 3, "B"), constants.read(node, 7, "P")
    made = []
    for d, is_reverse in enumerate(reversals):
        biases = (None, None) if B is None else tuple(B[d].chunk(2))
        weights = [W[d], R[d], *biases, None if P is None else P[d]]
        made.append(_make_direction(node.op_type, settings, activations[d], weights, is_reverse))
    return made


def _make_direction(
    kind: str, settings: dict[str, Any], activations: tuple[Activation, ...],
    weights: list[Any], is_reverse: bool,
) -> Direction:  # fmt: skip
    """One direction in torch's order of the gates."""
    *learned, peephole = weights  # in ONNX's order
    if kind == "RNN":
        return Direction(make_rnn_cell(*activations), RNNWeights(*learned), is_reverse)
    present, wanted = (ONNX_GRU_GATES, GRUCell.gates) if kind == "GRU" else (ONNX_LSTM_GATES, LSTMCell.gates)
    ours: list[Any] = [None if w is None else reorder_gates(w, present, wanted) for w in learned]
    if kind == "GRU":
        is_reset_first = not settings.get("linear_before_reset", 0)
        return Direction(
            make_gru_cell(*activations, is_reset_first=is_reset_first), GRUWeights(*ours), is_reverse
        )
    if peephole is not None:
        peephole = reorder_gates(peephole, ONNX_PEEPHOLES, ("input", "forget", "output"))
    f, g, h = activations
    return make_lstm_direction(
        (f, g, h), GeneralLSTMWeights._make([*ours, peephole]),
        is_coupled=bool(settings.get("input_forget", 0)), is_reverse=is_reverse,
    )  # fmt: skip


def _read_activations(kind: str, settings: dict[str, Any], directions: int) -> list[tuple[Activation, ...]]:
    """The activations of each direction; constants go to those functions that have them, in turn.

    The clip bounds what enters f and g; what enters an LSTM's h ONNX Runtime does not clip.
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
    made = [_make_activation(name, alphas, betas, bound) for name, bound in zip(names, clips, strict=True)]
    return [tuple(made[d * count : (d + 1) * count]) for d in range(directions)]


def _make_activation(
    name: str, alphas: Iterator[float], betas: Iterator[float], clip: float | None
) -> Activation:
    if name.lower() not in _ONNX_NAMES:
        raise ArgumentError(
            f"from_onnx: ONNX has no activation {name!r}; it has {', '.join(_ONNX_NAMES.values())}."
        )
    plain = Activation(_ONNX_NAMES[name.lower()])
    alpha = None if plain.alpha is None else next(alphas, None)
    beta = None if plain.beta is None else next(betas, None)
    for constant, default, found in (("alpha", plain.alpha, alpha), ("beta", plain.beta, beta)):
        if default is not None and found is None and plain.name in _AMBIGUOUS_DEFAULTS:
            raise ArgumentError(
                f"from_onnx: {plain.name} is without its activation_{constant}, for which runtimes take"
                " different numbers. Set it in the model."
            )
    return Activation(plain.name, alpha, beta, clip)
