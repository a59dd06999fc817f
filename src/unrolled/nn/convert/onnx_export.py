"""Export of layers as ONNX models, with one RNN, GRU or LSTM node for each layer.

Shapes: T steps, B rows, F inputs, H hidden units; L layers, D directions.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unrolled.atomic_write import write_atomically
from unrolled.errors import ArgumentError
from unrolled.nn.cells.core import GRUCell, GRUWeights, LSTMCell, RNNCell
from unrolled.nn.cells.onnx_activations import Activation
from unrolled.nn.cells.variants import GeneralGRUCell, GeneralLSTMCell, ResetFirstGRUCell
from unrolled.nn.convert.common import AnyLayer, get_activations, get_directions, reorder_gates
from unrolled.nn.convert.onnx_import import (
    DEFAULT_ACTIVATIONS,
    ONNX_GRU_GATES,
    ONNX_LSTM_GATES,
    ONNX_PEEPHOLES,
    require_onnx,
)
from unrolled.nn.layers.cell_layer import Direction

_OPSET = 14  # the first with the current RNN, GRU and LSTM, so that old runtimes read it
_IR_VERSION = 8  # the file format of that opset


def to_onnx(
    layer: AnyLayer,
    path: str | Path | None = None,
    *,
    hx: bool = False,
    lengths: bool = False,
    step: bool = False,
) -> Any:
    """Convert a layer to an ONNX model with equal outputs.

    Args:
        layer: an RNN, GRU, LSTM, or a `CellLayer` of such cells. Dropout, which acts in training only, is
            not in the model.
        path: file to write the model to, atomically; None writes no file.
        hx: whether the model has the inputs h_0 (and c_0), (L * D, B, H); without them it starts from zeros.
        lengths: whether the model has the input lengths, (B,) int32, each at least 1.
        step: whether the model is one step, for live streams: input (B, F), output (B, H), and the state as
            inputs h_0 (and c_0) and outputs h_n (and c_n). Zeros begin a stream.

    Returns:
        The onnx.ModelProto: input and output have the layer's layout, with dynamic T and B; h_n and, for
        an LSTM, c_n are (L * D, B, H).

    Raises:
        ArgumentError: ONNX has no counterpart: zoneout, layer norm, projections, hard tanh, a callable as
            activation, bfloat16. Or `step` with `lengths`, or of a layer that reads from the end.
        MissingDependencyError: the package onnx is not installed.
        StorageError: the file could not be written; an existing file is unchanged.

    A prelu becomes LeakyRelu with the learned slope. Resets have no counterpart: run segments separately.
    ONNX Runtime takes float32; a layer in float64 gives a model in float64, for other runtimes.

    >>> from unrolled.nn import GRU
    >>> model = to_onnx(GRU(3, 5, num_layers=2))
    >>> [node.op_type for node in model.graph.node]
    ['GRU', 'Transpose', 'Reshape', 'GRU', 'Transpose', 'Reshape', 'Concat']
    """
    onnx = require_onnx("to_onnx")
    layers = get_directions(layer, "to_onnx")
    if layers[0][0].weights.weight_ih.dtype == torch.bfloat16:
        raise ArgumentError(
            "to_onnx: no runtime has recurrent nodes in bfloat16. Convert the layer with .float()."
        )
    if step:
        _check_steps(layers, lengths)
    model = _GraphBuilder(onnx, layer, layers, has_hx=hx or step, has_lengths=lengths, is_step=step).model()
    onnx.checker.check_model(model)
    if path is not None:
        write_atomically(path, lambda temporary: temporary.write_bytes(model.SerializeToString()))
    return model


def _check_steps(layers: list[list[Direction]], lengths: bool) -> None:
    """Pass if a layer can run one step at a time."""
    if lengths:
        raise ArgumentError("to_onnx: step=True is one step of every row and has no lengths. Leave one out.")
    if any(direction.is_reverse for directions in layers for direction in directions):
        raise ArgumentError(
            "to_onnx: step=True needs a layer in one direction; this one reads from the end, which a stream"
            " does not have. Build it with bidirectional=False."
        )


class _GraphBuilder:
    """Builder of an ONNX graph: collects nodes and constants, layer by layer."""

    def __init__(
        self, onnx: Any, layer: AnyLayer, layers: list[list[Direction]], *, has_hx: bool, has_lengths: bool,
        is_step: bool,
    ) -> None:  # fmt: skip
        self._onnx, self._layers, self._is_step = onnx, layers, is_step
        self._input_size, self._batch_first = layer.input_size, layer.batch_first and not is_step
        self._has_hx, self._has_lengths = has_hx, has_lengths
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        is_lstm = isinstance(layers[0][0].cell, LSTMCell | GeneralLSTMCell)
        self._parts = ("h", "c") if is_lstm else ("h",)

    def model(self) -> Any:
        """Build the model: input, recurrent nodes, output and last states."""
        x, L = "input", len(self._layers)
        if self._batch_first:
            x = self._add("Transpose", [x], ["time_major"], perm=[1, 0, 2])
        if self._is_step:
            first_axis = self._add_constant("first_axis", torch.tensor([0]))
            x = self._add("Unsqueeze", [x, first_axis], ["time_major"])  # (1, B, F)
        starts = [self._split(part) for part in self._parts]
        for k, directions in enumerate(self._layers):
            ends = [f"{part}_n" if L == 1 else f"{part}_n_l{k}" for part in self._parts]
            is_last = k == L - 1 and not self._batch_first and not self._is_step
            x = self._layer(
                k, directions, x, [start[k] for start in starts], ends, "output" if is_last else f"x_l{k}"
            )
        if self._batch_first:
            self._add("Transpose", [x], ["output"], perm=[1, 0, 2])
        if self._is_step:
            self._add("Squeeze", [x, first_axis], ["output"])
        if L > 1:
            for part in self._parts:
                self._add("Concat", [f"{part}_n_l{k}" for k in range(L)], [f"{part}_n"], axis=0)
        make = self._onnx.helper
        graph = make.make_graph(
            self._nodes, "unrolled", self._inputs(), self._outputs(), initializer=self._constants
        )
        opset = make.make_opsetid("", _OPSET)
        return make.make_model(graph, opset_imports=[opset], ir_version=_IR_VERSION, producer_name="unrolled")

    def _layer(
        self, k: int, directions: list[Direction], x: str, starts: list[str], ends: list[str], output: str
    ) -> str:
        """Add a recurrent node and reshape its Y (T, D, B, H) to (T, B, D * H); return the output's name."""
        kind, settings = _node_settings(directions)
        constants = {
            name: self._add_constant(f"{name}_l{k}", value)
            for name, value in _onnx_weights(directions).items()
        }
        lengths = "lengths" if self._has_lengths else ""
        inputs = [
            x,
            constants["W"],
            constants["R"],
            constants.get("B", ""),
            lengths,
            *starts,
            constants.get("P", ""),
        ]
        while not inputs[-1]:
            inputs.pop()
        self._add(kind, inputs, [f"y_l{k}", *ends], **settings, name=f"{kind}_l{k}")
        D, H = len(directions), settings["hidden_size"]
        self._add("Transpose", [f"y_l{k}"], [f"y_tbdh_l{k}"], perm=[0, 2, 1, 3])
        shape = self._add_constant(f"shape_l{k}", torch.tensor([0, 0, D * H]))  # 0 keeps T and B
        return self._add("Reshape", [f"y_tbdh_l{k}", shape], [output])

    def _split(self, part: str) -> list[str]:
        """Split h_0 or c_0 into the states of the layers; empty names if the model has no such input."""
        L, D = len(self._layers), len(self._layers[0])
        if not self._has_hx:
            return [""] * L
        if L == 1:
            return [f"{part}_0"]
        names = [f"{part}_0_l{k}" for k in range(L)]
        sizes = self._add_constant(f"{part}_0_sizes", torch.full((L,), D))
        self._add("Split", [f"{part}_0", sizes], names, axis=0)
        return names

    def _add(self, kind: str, inputs: list[str], outputs: list[str], **settings: Any) -> str:
        settings.setdefault("name", outputs[0])
        self._nodes.append(self._onnx.helper.make_node(kind, inputs, outputs, **settings))
        return outputs[0]

    def _add_constant(self, name: str, value: Tensor) -> str:
        array = np.ascontiguousarray(value.cpu().numpy())
        self._constants.append(self._onnx.numpy_helper.from_array(array, name))
        return name

    def _inputs(self) -> list[Any]:
        inputs = [self._value_info("input", [*self._axes(), self._input_size])]
        if self._has_lengths:
            inputs.append(
                self._onnx.helper.make_tensor_value_info("lengths", self._onnx.TensorProto.INT32, ["B"])
            )
        return inputs + [self._value_info(f"{part}_0", self._state()) for part in self._parts if self._has_hx]

    def _outputs(self) -> list[Any]:
        depth, _, H = self._state()
        D = int(depth) // len(self._layers)
        output = self._value_info("output", [*self._axes(), D * int(H)])
        return [output, *(self._value_info(f"{part}_n", self._state()) for part in self._parts)]

    def _axes(self) -> list[str]:
        if self._is_step:
            return ["B"]
        return ["B", "T"] if self._batch_first else ["T", "B"]

    def _state(self) -> list[int | str]:
        depth = len(self._layers) * len(self._layers[0])
        return [depth, "B", self._layers[0][0].weights.weight_hh.shape[-1]]

    def _value_info(self, name: str, shape: list[Any]) -> Any:
        kinds = {torch.float64: "DOUBLE", torch.float32: "FLOAT", torch.float16: "FLOAT16"}
        kind = getattr(self._onnx.TensorProto, kinds[self._layers[0][0].weights.weight_ih.dtype])
        return self._onnx.helper.make_tensor_value_info(name, kind, shape)


def _node_settings(directions: list[Direction]) -> tuple[str, dict[str, Any]]:
    """Return the operator of a layer, and its attributes."""
    reversals = [direction.is_reverse for direction in directions]
    names = {(False,): "forward", (True,): "reverse", (False, True): "bidirectional"}
    if tuple(reversals) not in names:
        raise ArgumentError(f"to_onnx: a layer with is_reverse={reversals} has no counterpart.")
    operators = {_operator_of(direction) for direction in directions}
    if len(operators) > 1:
        raise ArgumentError("to_onnx: expected one cell for both directions, as a node has; got two.")
    ((kind, variant),) = operators
    hidden_size = directions[0].weights.weight_hh.shape[-1]
    settings = {"direction": names[tuple(reversals)], "hidden_size": hidden_size, **dict(variant)}
    activations = [phi for direction in directions for phi in get_activations(direction, "to_onnx")]
    if activations != [*DEFAULT_ACTIVATIONS[kind]] * len(directions):
        settings |= _activation_settings(kind, activations)
    return kind, settings


def _operator_of(direction: Direction) -> tuple[str, tuple[tuple[str, int], ...]]:
    """Return the operator of a cell, and the attributes of its variant."""
    cell = direction.cell
    if isinstance(cell, RNNCell):
        return "RNN", ()
    if isinstance(cell, LSTMCell | GeneralLSTMCell):
        return "LSTM", (("input_forget", 1),) if getattr(cell, "is_coupled", False) else ()
    if isinstance(cell, GRUCell | GeneralGRUCell | ResetFirstGRUCell):
        return "GRU", (("linear_before_reset", int(not isinstance(cell, ResetFirstGRUCell))),)
    raise ArgumentError(f"to_onnx: a {type(cell).__name__} is no RNN, GRU or LSTM of ONNX.")


def _activation_settings(kind: str, activations: list[Activation]) -> dict[str, Any]:
    """Return the attributes activations, activation_alpha, activation_beta and clip."""
    readouts = activations[2::3] if kind == "LSTM" else []
    clips = [phi.clip for k, phi in enumerate(activations) if not (readouts and k % 3 == 2)]
    if len(set(clips)) > 1 or any(phi.clip for phi in readouts):
        raise ArgumentError(
            "to_onnx: expected one clip for all activations but an LSTM's h, as a node has; got"
            f" {[phi.clip for phi in activations]}."
        )
    if any(phi.name == "HardTanh" for phi in activations):
        raise ArgumentError("to_onnx: ONNX's recurrent nodes have no hard tanh. Use tanh or softsign.")
    settings: dict[str, Any] = {"activations": [phi.name for phi in activations]}
    for constant in ("alpha", "beta"):
        values = [value for phi in activations if (value := getattr(phi, constant)) is not None]
        if values:
            settings[f"activation_{constant}"] = values
    clip = clips[0]
    return settings if clip is None else {**settings, "clip": clip}


def _onnx_weights(directions: list[Direction]) -> dict[str, Tensor]:
    """Return W, R, and B and P if there are any: the directions stacked, gates in ONNX's order."""
    is_gru = isinstance(directions[0].weights, GRUWeights)

    def to_onnx_order(weight: Tensor) -> Tensor:
        if isinstance(directions[0].cell, RNNCell):
            return weight
        source, target = (GRUCell.gates, ONNX_GRU_GATES) if is_gru else (LSTMCell.gates, ONNX_LSTM_GATES)
        return reorder_gates(weight, source, target)

    weights = [direction.weights for direction in directions]
    tensors = {
        "W": torch.stack([to_onnx_order(w.weight_ih) for w in weights]),
        "R": torch.stack([to_onnx_order(w.weight_hh) for w in weights]),
    }
    if any(w.bias_ih is not None for w in weights):
        tensors["B"] = torch.stack([torch.cat([to_onnx_order(b) for b in _both_biases(w)]) for w in weights])
    if any(getattr(w, "peephole", None) is not None for w in weights):
        tensors["P"] = torch.stack([_onnx_peephole(w) for w in weights])
    return {name: tensor.detach() for name, tensor in tensors.items()}


def _both_biases(weights: Any) -> tuple[Tensor, Tensor]:
    """Return b_ih and b_hh; zeros if a direction has none, as the other one has."""
    zeros = torch.zeros_like(weights.weight_ih[:, 0])
    return (zeros, zeros) if weights.bias_ih is None else (weights.bias_ih, weights.bias_hh)


def _onnx_peephole(weights: Any) -> Tensor:
    """Return the peephole (3H,) in ONNX's order; zeros if a direction has none, as the other one has."""
    if weights.peephole is None:
        zeros: Tensor = weights.weight_hh.new_zeros(3 * weights.weight_hh.shape[-1])
        return zeros
    return reorder_gates(weights.peephole, ("input", "forget", "output"), ONNX_PEEPHOLES)
