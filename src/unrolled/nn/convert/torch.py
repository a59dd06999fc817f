"""Conversion of layers from and to torch.nn."""

from typing import Any

import torch

from unrolled.errors import ArgumentError
from unrolled.nn.convert.common import reject_unsupported_options, warn_dropped_option
from unrolled.nn.layers.base import RecurrentLayer
from unrolled.nn.layers.rnn import GRU, LSTM, RNN

_FROM_TORCH: dict[type, type[RecurrentLayer]] = {torch.nn.RNN: RNN, torch.nn.GRU: GRU, torch.nn.LSTM: LSTM}
_TO_TORCH = {ours: theirs for theirs, ours in _FROM_TORCH.items()}


def from_torch(module: torch.nn.RNN | torch.nn.GRU | torch.nn.LSTM) -> RecurrentLayer:
    """Convert a layer of torch.nn, with its settings, mode, device and a copy of its weights.

    Args:
        module: a torch.nn.RNN, GRU or LSTM; a projection is kept.

    Raises:
        ArgumentError: the module is of another type.

    >>> from_torch(torch.nn.LSTM(3, 5, num_layers=2))
    LSTM(3, 5, num_layers=2)
    """
    if type(module) not in _FROM_TORCH:
        got = f"{type(module).__module__}.{type(module).__name__}"
        raise ArgumentError(f"from_torch module: expected a torch.nn.RNN, GRU or LSTM, got {got}.")
    layer: RecurrentLayer = _rebuild(_FROM_TORCH[type(module)], module)
    return layer


def to_torch(layer: RecurrentLayer) -> torch.nn.RNN | torch.nn.GRU | torch.nn.LSTM:
    """Convert a layer to torch.nn, with its settings, mode, device and a copy of its weights.

    Args:
        layer: an RNN with tanh or relu, a GRU or an LSTM; a projection is kept.

    Raises:
        ArgumentError: the layer is of another type, or has zoneout, layer norm or an activation that
            torch.nn does not have.

    Recurrent dropout, which acts in training only, is dropped with a warning.

    >>> to_torch(LSTM(3, 5, num_layers=2))
    LSTM(3, 5, num_layers=2)
    """
    if type(layer) not in _TO_TORCH:
        got = f"{type(layer).__module__}.{type(layer).__name__}"
        raise ArgumentError(f"to_torch layer: expected an RNN, GRU or LSTM of unrolled.nn, got {got}.")
    reject_unsupported_options(layer, "to_torch")
    phi = getattr(layer, "nonlinearity", "tanh")
    if phi not in {"tanh", "relu"}:
        raise ArgumentError(
            f"to_torch: torch.nn.RNN has the activations tanh and relu; this RNN has {phi!r}."
        )
    if layer.recurrent_dropout:
        warn_dropped_option(f"recurrent_dropout={layer.recurrent_dropout}", "torch.nn")
    module: torch.nn.RNN | torch.nn.GRU | torch.nn.LSTM = _rebuild(_TO_TORCH[type(layer)], layer)
    return module


def _rebuild(kind: Any, source: Any) -> Any:
    """Build a layer of this type with the settings and weights of `source`; no random numbers are drawn."""
    settings = {
        name: getattr(source, name) for name in ("num_layers", "bias", "batch_first", "bidirectional")
    }
    if hasattr(source, "nonlinearity"):
        settings["nonlinearity"] = source.nonlinearity
    if source.proj_size:
        settings["proj_size"] = source.proj_size
    first = source.weight_ih_l0
    layer = kind(
        source.input_size, source.hidden_size, **settings, device="meta", dtype=first.dtype
    ).to_empty(device=first.device)  # fmt: skip
    layer.dropout = source.dropout  # set here: the constructor warns again if it has no effect
    with torch.no_grad():
        for name, weight in layer.named_parameters():
            weight.copy_(getattr(source, name))
    return layer.train(source.training)
