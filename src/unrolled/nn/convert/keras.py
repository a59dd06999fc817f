"""Layers from and to Keras 3.

Keras multiplies from the left, so its kernels are ours transposed. A layer of Keras is read through
`get_config` and `get_weights`, without importing Keras.
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
from unrolled.nn.layers.cell_layer import CellLayer, Direction

_KINDS = ("SimpleRNN", "GRU", "LSTM")
_GRU_GATES = ("update", "reset", "new")  # an LSTM's lie in our own order
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


def from_keras(layer: Any) -> AnyLayer:
    """Our layer with the weights of Keras'; it takes (B, T, F), as Keras does.

    Args:
        layer: a built SimpleRNN, GRU, LSTM, or a Bidirectional of one whose outputs are concatenated;
            or a list or Sequential of them that read one another, with Dropout of one rate between every
            two of them or without.

    Returns:
        An RNN, GRU or LSTM where it is one of these; else (GRU with reset_after=False, other
        activations, go_backwards) a `CellLayer`, whose cells run on the reference path.

    Raises:
        ArgumentError: it is another layer, is not built, merges its directions otherwise, has an
            activation without a counterpart, or Dropout before the layers or between some of them.

    Ours always gives every output and the last state: Keras' answer with return_sequences=False is
    the state h_n. Outputs lie at the step they belong to, where Keras lists those of a layer that
    goes backwards from the last step to the first. A mask is `lengths` here. Dropout within a layer,
    or after the last, acts in training alone and is left behind with a warning.
    """
    given: Any = layer.layers if type(layer).__name__ == "Sequential" else layer
    parts = list(given) if isinstance(given, Sequence) else [given]
    recurrent, dropout, left = _split_dropout(parts)
    if len(recurrent) > 1 and any(getattr(part, "go_backwards", False) is True for part in recurrent):
        raise ArgumentError(
            "from_keras layer: one of several goes backwards, so that the next reads its outputs from the"
            " last step to the first. Take each by itself."
        )
    layers = [_keras_directions(part) for part in recurrent]
    made = build_layer(layers, batch_first=True, dropout=dropout)
    left += [told for part in recurrent for told in _inner_dropout(part)]
    if dropout > 0 and isinstance(made, CellLayer):
        left.append(f"dropout={dropout} between the layers")
    if left:
        warn_dropped_option(", ".join(left), "our layer")
    return made


def _split_dropout(parts: Sequence[Any]) -> tuple[list[Any], float, list[str]]:
    """The recurrent layers, the rate between every two, and what is said of a Dropout after the last."""
    parts = [part for part in parts if type(part).__name__ != "InputLayer" and _dropout_rate(part) != 0]
    recurrent, rates = (
        [part for part in parts if _dropout_rate(part) is None],
        [_dropout_rate(part) for part in parts],
    )
    left = []
    if len(rates) > 1 and rates[-1] is not None:
        left.append(f"the last Dropout({rates.pop()})")
    dropout = next((rate for rate in rates if rate is not None), 0.0)
    between = [] if dropout == 0 else [dropout]
    if not recurrent or rates != [None, *[*between, None] * (len(recurrent) - 1)]:
        shown = [
            type(part).__name__ + ("" if (rate := _dropout_rate(part)) is None else f"({rate})")
            for part in parts
        ]
        raise ArgumentError(
            "from_keras layer: expected recurrent layers with Dropout of one rate between every two of them,"
            f" or between none; got {shown}. Leave the Dropout out, which acts in training alone."
        )
    return recurrent, dropout, left


def _dropout_rate(part: Any) -> float | None:
    """Of a Dropout; None for another layer."""
    is_dropout = type(part).__name__ == "Dropout" and hasattr(part, "get_config")
    return float(part.get_config()["rate"]) if is_dropout else None


def _inner_dropout(layer: Any) -> Iterator[str]:
    """What a layer drops of its input and state in training: one mask a gate, which is not ours."""
    config = layer.get_config()
    for part in [config, *(config[key]["config"] for key in ("layer", "backward_layer") if config.get(key))]:
        for option in ("dropout", "recurrent_dropout"):
            if part.get(option):
                yield f"{part['name']} {option}={part[option]}"


def _keras_directions(layer: Any) -> list[Direction]:
    """The one direction of a layer, or the two of a Bidirectional."""
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
            f"from_keras: this Bidirectional has merge_mode={config['merge_mode']!r}, and ours has both"
            " directions side by side, which is 'concat'."
        )
    wrapped = [config["layer"], config.get("backward_layer") or config["layer"]]
    if wrapped[0]["config"].get("go_backwards"):
        raise ArgumentError(
            "from_keras: the forward layer of this Bidirectional goes backwards. Exchange the two."
        )
    half = 3 if wrapped[0]["config"]["use_bias"] else 2
    return [
        _keras_direction(part["class_name"], part["config"], own, is_reverse=is_reverse)
        for part, own, is_reverse in zip(
            wrapped, (weights[:half], weights[half:]), (False, True), strict=True
        )
    ]


def _keras_direction(
    kind: str, config: Mapping[str, Any], weights: Sequence[Any], *, is_reverse: bool
) -> Direction:
    """One of Keras' layers as a cell and its weights."""
    if kind not in _KINDS:
        raise ArgumentError(f"from_keras: expected SimpleRNN, GRU or LSTM inside Bidirectional, got {kind}.")
    phi = _read_activation(kind, "activation", config)
    kernel, recurrent = (_to_tensor(weight).T for weight in weights[:2])
    bias = _to_tensor(weights[2]) if config["use_bias"] else None
    if kind == "SimpleRNN":
        return Direction(make_rnn_cell(phi), RNNWeights(kernel, recurrent, *_split_bias(bias)), is_reverse)
    gate = _read_activation(kind, "recurrent_activation", config)
    if kind == "LSTM":
        learned = GeneralLSTMWeights(kernel, recurrent, *_split_bias(bias))
        return make_lstm_direction((gate, phi, phi), learned, is_reverse=is_reverse)
    ordered = [reorder_gates(w, _GRU_GATES, GRUCell.gates) for w in (kernel, recurrent)]
    biases = [None if b is None else reorder_gates(b, _GRU_GATES, GRUCell.gates) for b in _split_bias(bias)]
    cell = make_gru_cell(gate, phi, is_reset_first=not config["reset_after"])
    return Direction(cell, GRUWeights(*ordered, *biases), is_reverse)


def _split_bias(bias: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
    """Keras' one bias as our b_ih beside a b_hh of zeros; a GRU's two with reset_after as they are."""
    if bias is None:
        return None, None
    return (bias[0], bias[1]) if bias.ndim == 2 else (bias, torch.zeros_like(bias))


def _to_tensor(weight: Any) -> Tensor:
    known = weight.dtype in (np.float32, np.float64)
    return torch.tensor(weight if known else weight.astype(np.float32))


def _read_activation(kind: str, option: str, config: Mapping[str, Any]) -> Activation:
    """What an activation of Keras' settings is here."""
    found = config[option]
    if isinstance(found, str) and found in _KERAS_ACTIVATIONS:
        return _KERAS_ACTIVATIONS[found]
    if isinstance(found, Mapping) and found.get("class_name") == "LeakyReLU":
        return Activation("LeakyRelu", found["config"]["negative_slope"])
    if found is None:
        return _KERAS_ACTIVATIONS["linear"]
    raise ArgumentError(
        f"from_keras: this {kind} has {option}={found!r}, which has no counterpart; there are"
        f" {', '.join(_KERAS_ACTIVATIONS)}."
    )


def to_keras(layer: AnyLayer) -> Any:
    """A Keras Sequential that gives the outputs of ours, (B, T, F) to (B, T, D * H).

    Args:
        layer: an RNN, GRU, LSTM, or a `CellLayer` of such cells. Its layers become SimpleRNN, GRU or
            LSTM, inside Bidirectional where there are two directions, with Dropout between them.

    Raises:
        ArgumentError: Keras cannot express it: zoneout, layer normalisation, projections, peepholes,
            coupled gates, an activation of one's own.
        MissingDependencyError: Keras is not installed, or its backend is not.

    A learned slope becomes LeakyReLU with the slope it has. Of a layer that goes backwards Keras lists
    the outputs from the last step to the first.
    """
    layers = get_directions(layer, "to_keras")
    if any(way.weights.weight_ih.dtype == torch.bfloat16 for directions in layers for way in directions):
        raise ArgumentError(
            "to_keras: Keras takes weights as NumPy arrays, and NumPy has no bfloat16. Convert the layer with"
            " .float()."
        )
    keras = _import_keras()
    if getattr(layer, "recurrent_dropout", 0.0):
        warn_dropped_option(f"recurrent_dropout={layer.recurrent_dropout}", "Keras")
    dropout = getattr(layer, "dropout", 0.0)
    made = keras.Sequential([keras.Input((None, layer.input_size))])
    for k, directions in enumerate(layers):
        if k > 0 and dropout > 0:
            made.add(keras.layers.Dropout(dropout))
        made.add(_make_keras_layer(keras, directions, is_alone=len(layers) == 1))
        made.layers[-1].set_weights([weight for each in directions for weight in _keras_weights(each)])
    return made


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
    """One layer of Keras, its weights still random."""
    ways = [direction.is_reverse for direction in directions]
    if ways not in ([False], [False, True]) and not (ways == [True] and is_alone):
        raise ArgumentError(
            f"to_keras: a layer whose directions are reversed like {ways} has no counterpart."
        )
    made = [_keras_recurrent(keras, direction) for direction in directions]
    return made[0] if len(made) == 1 else keras.layers.Bidirectional(made[0], backward_layer=made[1])


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
            f"to_keras: an LSTM of Keras has one activation for g and h; this one has {activations[1].name}"
            f" and {activations[2].name}."
        )
    for option in ("peephole", "is_coupled"):
        if getattr(weights, option, None) is not None or getattr(cell, option, False):
            raise ArgumentError(f"to_keras: this LSTM has {option}, which there is none of in Keras.")
    return keras.layers.LSTM(**settings)


def _keras_weights(direction: Direction) -> list[Any]:
    """Kernel, recurrent kernel and bias as Keras lays them out."""
    w, is_gru = direction.weights, isinstance(direction.weights, GRUWeights)

    def laid_out(weight: Tensor) -> Any:
        return (reorder_gates(weight, GRUCell.gates, _GRU_GATES) if is_gru else weight).cpu().numpy()

    kernels = [laid_out(w.weight_ih.detach()).T, laid_out(w.weight_hh.detach()).T]
    if w.bias_ih is None:
        return kernels
    if is_gru and not isinstance(direction.cell, ResetFirstGRUCell):
        return [*kernels, np.stack([laid_out(w.bias_ih.detach()), laid_out(w.bias_hh.detach())])]
    return [*kernels, laid_out(sum_biases(w).detach())]


def _keras_activation(keras: Any, activation: Activation) -> Any:
    """The name that Keras has for a function, or LeakyReLU with its slope."""
    for name, known in _KERAS_ACTIVATIONS.items():
        if known.is_close(activation):
            return name
    if activation.name == "LeakyRelu" and activation.clip is None:
        return keras.layers.LeakyReLU(negative_slope=activation.alpha)
    raise ArgumentError(f"to_keras: Keras has no {activation}.")
