"""Recurrent core of a network: the layer for the name of a cell."""

from __future__ import annotations

from typing import Any

from unrolled.nn.layers.rnn import GRU, LSTM, RNN

CELLS = ("rnn", "gru", "lstm", "feedforward")  # "feedforward" has no core: each network reads it its own way


def recurrent_core(
    cell: str, input_size: int, hidden_size: int, *, num_layers: int, activation: str, dropout: float,
    bidirectional: bool = False,
) -> RNN | GRU | LSTM:  # fmt: skip
    """Make the recurrent layer of a network, batch first; dropout is between layers, where there are several.

    >>> recurrent_core("gru", 3, 8, num_layers=1, activation="tanh", dropout=0.5)
    GRU(3, 8, batch_first=True)
    """
    options: dict[str, Any] = {
        "num_layers": num_layers,
        "batch_first": True,
        "dropout": dropout if num_layers > 1 else 0.0,
        "bidirectional": bidirectional,
    }
    if cell == "rnn":
        return RNN(input_size, hidden_size, nonlinearity=activation, **options)
    return (GRU if cell == "gru" else LSTM)(input_size, hidden_size, **options)
