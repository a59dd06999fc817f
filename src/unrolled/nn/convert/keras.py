"""Conversion of layers from and to Keras 3.

Keras computes x W where torch computes x Wᵀ, so its kernels are transposed. A layer of Keras is read
through `get_config` and `get_weights`, without importing Keras.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unrolled.errors import ArgumentError, MissingDependencyError
from unrolled.nn.cells.core import GRUCell, GRUWeights, LSTMCell, RNNCell, RNNWeights
from unrolled.nn.cells.onnx_activations import Activation
from unrolled.nn.cells.variants import GeneralLSTMCell, GeneralLSTMWeights, ResetFirstGRUCell
from unrolled.nn.convert.common import (
    AnyLayer,
    build_layer,
    get_activations,
    get_directions,
    make_gru_cell,
    make_lstm_direction,
    make_rnn_cell,
    reorder_gates,
    sum_biases,
    warn_dropped_option,
)
from unrolled.nn.convert.keras_conv import convert_conv_lstm
from unrolled.nn.layers.cell_layer import CellLayer, Direction
from unrolled.nn.layers.conv import ConvLSTM

_KINDS = ("SimpleRNN", "GRU", "LSTM")
_GRU_GATES = ("update", "reset", "new")  # an LSTM's are in torch's order
_KERAS_ACTIVATIONS = {
    "tanh": Activation("Tanh"),
    "sigmoid": Activation("Sigmoid"),
    "relu": Activation("Relu"),
    "linear": Activation("Affine", 1.0, 0.0),
    "softsign": Activation("Softsign"),
    "softplus": Activation("Softplus"),
    "elu": Activation("Elu", 1.0),
    "leaky_relu": Activation("LeakyRelu", 0.2),  # torch's slope is 0.01
    "hard_sigmoid": Activation("HardSigmoid", 1 / 6, 0.5),  # ONNX's slope is 0.2
    "hard_tanh": Activation("HardTanh"),
}


def from_keras(layer: Any) -> AnyLayer | ConvLSTM:
    """Convert a layer of Keras with its weights; the result takes (B, T, F), as Keras does.

    Args:
        layer: a built SimpleRNN, GRU, LSTM, or a Bidirectional of one with merge_mode="concat"; or a
            list or Sequential of them, stacked, with Dropout of one rate between every two or none; or a
            built ConvLSTM2D with padding="same" and otherwise default options, by itself.

    Returns:
        An RNN, GRU or LSTM if the layer is equal to one; else (GRU with reset_after=False, other
        activations, go_backwards) a `CellLayer`, whose cells run on the reference backend. A ConvLSTM2D
        becomes a `ConvLSTM`, which takes channels first.

    Raises:
        ArgumentError: the layer is of another type, is not built, merges its directions otherwise, has
            an activation without a counterpart, or Dropout before the layers or between some of them.

    The layer returns every output and the last state; Keras' output with return_sequences=False is
    that state, h_n. With go_backwards, Keras orders outputs from the last step to the first; here each
    is at its own step. Keras' mask is `lengths` here. Dropout within a layer, or after the last one,
    acts in training only and is dropped with a warning.
    """
    if type(layer).__name__ == "ConvLSTM2D":
        return convert_conv_lstm(layer)
    source: Any = layer.layers if type(layer).__name__ == "Sequential" else layer
    parts = list(source) if isinstance(source, Sequence) else [source]
    recurrent, dropout, dropped_options = _split_dropout(parts)
    if len(recurrent) > 1 and any(getattr(part, "go_backwards", False) is True for part in recurrent):
        raise ArgumentError(
            "from_keras layer: one of several goes backwards, so that the next reads its outputs from the"
            " last step to the first. Take each by itself."
        )
    layers = [_keras_directions(part) for part in recurrent]
    converted = build_layer(layers, batch_first=True, dropout=dropout)
    dropped_options += [option for part in recurrent for option in _inner_dropout(part)]
    if dropout > 0 and isinstance(converted, CellLayer):
        dropped_options.append(f"dropout={dropout} between the layers")
    if dropped_options:
        warn_dropped_option(", ".join(dropped_options), f"the {type(converted).__name__}")
    return converted


def _split_dropout(parts: Sequence[Any]) -> tuple[list[Any], float, list[str]]:
    """Return the recurrent layers, the Dropout rate between them, and a Dropout after the last, in words."""
    parts = [part for part in parts if type(part).__name__ != "InputLayer" and _dropout_rate(part) != 0]
    rates = [_dropout_rate(part) for part in parts]
    recurrent = [part for part, rate in zip(parts, rates, strict=True) if rate is None]
    dropped_options = []
    if len(rates) > 1 and rates[-1] is not None:
        dropped_options.append(f"the last Dropout({rates.pop()})")
    dropout = next((rate for rate in rates if rate is not None), 0.0)
    between = [] if dropout == 0 else [dropout]
    if not recurrent or rates != [None, *[*between, None] * (len(recurrent) - 1)]:
        names = [
            type(part).__name__ + ("" if (rate := _dropout_rate(part)) is None else f"({rate})")
            for part in parts
        ]
        raise ArgumentError(
            "from_keras layer: expected recurrent layers with Dropout of one rate between every two of them,"
            f" or between none; got {names}. Remove the Dropout, which acts in training only."
        )
    return recurrent, dropout, dropped_options


def _dropout_rate(part: Any) -> float | None:
    """Return the rate of a Dropout; None for another layer."""
    is_dropout = type(part).__name__ == "Dropout" and hasattr(part, "get_config")
    return float(part.get_config()["rate"]) if is_dropout else None


def _inner_dropout(layer: Any) -> Iterator[str]:
    """Describe the dropout within a layer: Keras draws one mask a gate, which no layer here does."""
    config = layer.get_config()
    for part in [config, *(config[key]["config"] for key in ("layer", "backward_layer") if config.get(key))]:
        for option in ("dropout", "recurrent_dropout"):
            if part.get(option):
                yield f"{part['name']} {option}={part[option]}"


def _keras_directions(layer: Any) -> list[Direction]:
    """Read the direction of a layer, or the two of a Bidirectional."""
    kind = type(layer).__name__
    if kind not in {*_KINDS, "Bidirectional"} or not hasattr(layer, "get_weights"):
        got = f"{type(layer).__module__}.{kind}"
        raise ArgumentError(
            f"from_keras layer: expected Keras' SimpleRNN, GRU, LSTM or Bidirectional, got {got}."
        )
    config, weights = layer.get_config(), [np.asarray(weight) for weight in layer.get_weights()]
    if not weights:
        raise ArgumentError(f"from_keras: this {kind} has no weights yet. Call it once, or its build(shape).")
    if kind != "Bidirectional":
        return [_keras_direction(kind, config, weights, is_reverse=bool(config.get("go_backwards")))]
    if config["merge_mode"] != "concat":
        raise ArgumentError(
            f"from_keras: expected a Bidirectional with merge_mode='concat', got {config['merge_mode']!r}."
        )
    wrapped = [config["layer"], config.get("backward_layer") or config["layer"]]
    if wrapped[0]["config"].get("go_backwards"):
        raise ArgumentError(
            "from_keras: the forward layer of this Bidirectional goes backwards. Exchange the two."
        )
    half = 3 if wrapped[0]["config"]["use_bias"] else 2
    return [
        _keras_direction(part["class_name"], part["config"], part_weights, is_reverse=is_reverse)
        for part, part_weights, is_reverse in zip(
            wrapped, (weights[:half], weights[half:]), (False, True), strict=True
        )
    ]


def _keras_direction(
    kind: str, config: Mapping[str, Any], weights: Sequence[Any], *, is_reverse: bool
) -> Direction:
    """Convert the configuration and weights of one layer to a cell and its weights."""
    if kind not in _KINDS:
        raise ArgumentError(f"from_keras: expected SimpleRNN, GRU or LSTM inside Bidirectional, got {kind}.")
    phi = _read_activation(kind, "activation", config)
    kernel, recurrent = (_to_tensor(weight).T for weight in weights[:2])
    bias = _to_tensor(weights[2]) if config["use_bias"] else None
    if kind == "SimpleRNN":
        return Direction(make_rnn_cell(phi), RNNWeights(kernel, recurrent, *_split_bias(bias)), is_reverse)
    gate = _read_activation(kind, "recurrent_activation", config)
    if kind == "LSTM":
        lstm_weights = GeneralLSTMWeights(kernel, recurrent, *_split_bias(bias))
        return make_lstm_direction((gate, phi, phi), lstm_weights, is_reverse=is_reverse)
    ordered = [reorder_gates(w, _GRU_GATES, GRUCell.gates) for w in (kernel, recurrent)]
    biases = [None if b is None else reorder_gates(b, _GRU_GATES, GRUCell.gates) for b in _split_bias(bias)]
    cell = make_gru_cell(gate, phi, is_reset_first=not config["reset_after"])
    return Direction(cell, GRUWeights(*ordered, *biases), is_reverse)


def _split_bias(bias: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
    """Split Keras' bias into b_ih and b_hh: a single bias gets zeros for b_hh; reset_after has two."""
    if bias is None:
        return None, None
    return (bias[0], bias[1]) if bias.ndim == 2 else (bias, torch.zeros_like(bias))


def _to_tensor(weight: Any) -> Tensor:
    is_supported = weight.dtype in (np.float32, np.float64)
    return torch.tensor(weight if is_supported else weight.astype(np.float32))


def _read_activation(kind: str, option: str, config: Mapping[str, Any]) -> Activation:
    """Read an activation of a layer's configuration."""
    value = config[option]
    if isinstance(value, str) and value in _KERAS_ACTIVATIONS:
        return _KERAS_ACTIVATIONS[value]
    if isinstance(value, Mapping) and value.get("class_name") == "LeakyReLU":
        return Activation("LeakyRelu", value["config"]["negative_slope"])
    if value is None:
        return _KERAS_ACTIVATIONS["linear"]
    raise ArgumentError(
        f"from_keras: this {kind} has {option}={value!r}, which has no counterpart; there are"
        f" {', '.join(_KERAS_ACTIVATIONS)}."
    )


def to_keras(layer: AnyLayer) -> Any:
    """Convert a layer to a Keras Sequential with equal outputs, (B, T, F) to (B, T, D * H).

    Args:
        layer: an RNN, GRU, LSTM, or a `CellLayer` of such cells. Its layers become SimpleRNN, GRU or
            LSTM, inside Bidirectional for two directions, with Dropout between them.

    Raises:
        ArgumentError: Keras has no counterpart: zoneout, layer norm, projections, peepholes, coupled
            gates, a callable as activation.
        MissingDependencyError: Keras or its backend is not installed.

    A prelu becomes LeakyReLU with the learned slope. With go_backwards, Keras orders the outputs from the
    last step to the first.
    """
    layers = get_directions(layer, "to_keras")
    if any(each.weights.weight_ih.dtype == torch.bfloat16 for directions in layers for each in directions):
        raise ArgumentError(
            "to_keras: Keras takes weights as NumPy arrays, and NumPy has no bfloat16. Convert the layer with"
            " .float()."
        )
    keras = _import_keras()
    if getattr(layer, "recurrent_dropout", 0.0):
        warn_dropped_option(f"recurrent_dropout={layer.recurrent_dropout}", "Keras")
    dropout = getattr(layer, "dropout", 0.0)
    model = keras.Sequential([keras.Input((None, layer.input_size))])
    for k, directions in enumerate(layers):
        if k > 0 and dropout > 0:
            model.add(keras.layers.Dropout(dropout))
        model.add(_make_keras_layer(keras, directions, is_alone=len(layers) == 1))
        model.layers[-1].set_weights([weight for each in directions for weight in _keras_weights(each)])
    return model


def _import_keras() -> Any:
    try:
        import keras  # noqa: PLC0415 (takes seconds, and only this function needs it)
    except ImportError as fault:
        if fault.name == "keras":
            raise MissingDependencyError(
                'to_keras needs Keras, which is not installed: pip install "unrolled[keras]"'
            ) from fault
        raise MissingDependencyError(
            f"to_keras: Keras is installed, but its backend {fault.name} is not. Set KERAS_BACKEND=torch"
            " before Keras is imported."
        ) from fault
    return keras


def _make_keras_layer(keras: Any, directions: list[Direction], *, is_alone: bool) -> Any:
    """Build one layer of Keras; its weights are still random."""
    reversals = [direction.is_reverse for direction in directions]
    if reversals not in ([False], [False, True]) and not (reversals == [True] and is_alone):
        raise ArgumentError(f"to_keras: a layer with is_reverse={reversals} has no counterpart.")
    layers = [_keras_recurrent(keras, direction) for direction in directions]
    return layers[0] if len(layers) == 1 else keras.layers.Bidirectional(layers[0], backward_layer=layers[1])


def _keras_recurrent(keras: Any, direction: Direction) -> Any:
    cell, weights = direction.cell, direction.weights
    dtype = str(weights.weight_ih.dtype).removeprefix("torch.")
    activations = get_activations(direction, "to_keras")
    settings = {
        "units": weights.weight_hh.shape[-1], "use_bias": weights.bias_ih is not None,
        "go_backwards": direction.is_reverse, "return_sequences": True, "dtype": dtype,
    }  # fmt: skip
    if isinstance(cell, RNNCell):
        return keras.layers.SimpleRNN(activation=_keras_activation(keras, activations[0]), **settings)
    settings["recurrent_activation"] = _keras_activation(keras, activations[0])
    settings["activation"] = _keras_activation(keras, activations[1])
    if not isinstance(cell, LSTMCell | GeneralLSTMCell):
        return keras.layers.GRU(reset_after=not isinstance(cell, ResetFirstGRUCell), **settings)
    if activations[1] != activations[2]:
        raise ArgumentError(
            "to_keras: expected one activation for g and h, as Keras' LSTM has; got"
            f" {activations[1].name} and {activations[2].name}."
        )
    for option in ("peephole", "is_coupled"):
        if getattr(weights, option, None) is not None or getattr(cell, option, False):
            raise ArgumentError(f"to_keras: this LSTM has {option}, which Keras does not have.")
    return keras.layers.LSTM(**settings)


def _keras_weights(direction: Direction) -> list[Any]:
    """Return kernel, recurrent kernel and bias in Keras' layout."""
    w, is_gru = direction.weights, isinstance(direction.weights, GRUWeights)

    def to_numpy(weight: Tensor) -> Any:
        return (reorder_gates(weight, GRUCell.gates, _GRU_GATES) if is_gru else weight).cpu().numpy()

    kernels = [to_numpy(w.weight_ih.detach()).T, to_numpy(w.weight_hh.detach()).T]
    if w.bias_ih is None:
        return kernels
    if is_gru and not isinstance(direction.cell, ResetFirstGRUCell):
        return [*kernels, np.stack([to_numpy(w.bias_ih.detach()), to_numpy(w.bias_hh.detach())])]
    return [*kernels, to_numpy(sum_biases(w).detach())]


def _keras_activation(keras: Any, activation: Activation) -> Any:
    """Return Keras' name of an activation, or a LeakyReLU layer with its slope."""
    for name, keras_activation in _KERAS_ACTIVATIONS.items():
        if keras_activation.is_close(activation):
            return name
    if activation.name == "LeakyRelu" and activation.clip is None:
        return keras.layers.LeakyReLU(negative_slope=activation.alpha)
    raise ArgumentError(f"to_keras: Keras has no {activation}.")
