"""Recurrent core of a network: its settings, and the layer for the name of a cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from unrolled.nn.layers.rnn import GRU, LSTM, RNN

CELLS = ("rnn", "gru", "lstm", "feedforward")  # "feedforward" has no core: each network reads it its own way


@dataclass(frozen=True, kw_only=True)
class CoreConfig:
    """Settings of a recurrent core, which those of every network with one extend.

    Args:
        cell: "rnn", "gru", "lstm"; or "feedforward", which reads the input as one flat vector.
        hidden_size: H.
        num_layers: recurrent layers, one on the other.
        activation: of "rnn".
        dropout: between layers, and before the readout.
    """

    cell: str = "gru"
    hidden_size: int = 64
    num_layers: int = 1
    activation: str = "tanh"
    dropout: float = 0.0


def recurrent_core(config: CoreConfig, input_size: int, *, bidirectional: bool = False) -> RNN | GRU | LSTM:
    """Make the recurrent layer of a network, batch first.

    >>> recurrent_core(CoreConfig(hidden_size=8, dropout=0.5), input_size=3)
    GRU(3, 8, batch_first=True)
    """
    between = config.dropout if config.num_layers > 1 else 0.0
    options: dict[str, Any] = {"batch_first": True, "dropout": between, "bidirectional": bidirectional}
    shape = (input_size, config.hidden_size, config.num_layers)
    if config.cell == "rnn":
        return RNN(*shape, config.activation, **options)
    return (GRU if config.cell == "gru" else LSTM)(*shape, **options)
