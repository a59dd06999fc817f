"""Recurrent core of a network: its settings, the layer for the name of a cell, and its initial memory."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

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


@torch.no_grad()
def initialize_memory(core: RNN | GRU | LSTM, config: CoreConfig, memory_steps: int) -> None:
    """Set orthogonal recurrent weights, inputs that move every gate, units with memories of all lengths.

    Args:
        core: its weights are changed.
        config: its settings.
        memory_steps: M, over which the slowest units remember.

    Source: Tallec and Ollivier, Can recurrent neural networks warp time? (2018), the biases log-uniform.
    """
    H = config.hidden_size
    for name, weight in core.named_parameters():
        if name.startswith("weight_hh"):
            for gate in weight.split(H):  # type: ignore[no-untyped-call]
                nn.init.orthogonal_(gate)
        elif name.startswith("weight_ih"):
            nn.init.normal_(weight, std=weight.shape[1] ** -0.5)
        elif name.startswith("bias"):
            nn.init.zeros_(weight)
        if name.startswith("bias_ih") and config.cell in ("gru", "lstm"):
            steps = torch.exp(torch.rand(H) * math.log(max(2, memory_steps)))  # 1 to memory_steps
            keep = torch.log((steps - 1).clamp(min=0.1))  # sigmoid(keep) = 1 - 1 / steps
            weight[H : 2 * H] = keep  # GRU: z; LSTM: f
            if config.cell == "lstm":
                weight[:H] = -keep
