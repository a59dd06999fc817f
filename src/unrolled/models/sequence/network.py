"""The network of the estimators of whole sequences: a stem, a recurrent core, a pooled readout."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from unrolled.formatting import quantity
from unrolled.nn.layers.rnn import GRU, LSTM, RNN
from unrolled.nn.modules.conv_stem import ConvStem, max_scales
from unrolled.nn.modules.pooling import Pooling, Standardize, sequence_mask

Ints = NDArray[np.int64]

_STEPS_READ = 200  # from twice as many on, the stem leaves the core fewer steps
_MAX_MEMORY_STEPS = 100  # that the slowest units remember at the start


@dataclass(frozen=True)
class SequenceNetworkConfig:
    """All that it takes to build a SequenceNetwork.

    Args:
        input_size: F, features a step.
        output_size: K, numbers that are answered: one a class, or one a target.
        cell: "rnn", "gru", "lstm"; or "feedforward", which reads a sequence as one flat vector.
        hidden_size: H.
        num_layers: recurrent layers, one on the other.
        activation: of "rnn".
        dropout: between layers, and before the head.
        bidirectional: whether a second run reads from the end.
        pooling: how the states of all steps become one vector; see `Pooling`.
        per_step: whether every step gets an answer, and not the sequence.
        flat_steps: T that "feedforward" reads; 0 for the others.
        stem_channels: channels of the stem; 0 for none, the core reading the features as they are.
        stem_scales: lengths of the stem's patterns.
        stem_stride: steps from one output of the stem to the next.
        memory_steps: steps over which the slowest units remember at the start; 0 for torch's initial weights.
    """

    input_size: int
    output_size: int
    cell: str = "gru"
    hidden_size: int = 64
    num_layers: int = 1
    activation: str = "tanh"
    dropout: float = 0.0
    bidirectional: bool = False
    pooling: str = "last"
    per_step: bool = False
    flat_steps: int = 0
    stem_channels: int = 0
    stem_scales: int = 1
    stem_stride: int = 1
    memory_steps: int = 0

    def fitted_to(self, lengths: Ints, *, stem_channels: int) -> SequenceNetworkConfig:
        """Set the stem and the memory of the units by the lengths (N,) of the sequences to learn from.

        >>> config = SequenceNetworkConfig(2, 2).fitted_to(np.array([900, 1000, 1100]), stem_channels=16)
        >>> config.stem_stride, config.memory_steps
        (5, 100)
        """
        if self.cell == "feedforward":
            return replace(self, flat_steps=int(lengths.max()))
        median_length = int(np.median(lengths))
        if not stem_channels:
            return replace(self, memory_steps=min(median_length, _MAX_MEMORY_STEPS))
        stride = 1 if self.per_step else max(1, median_length // _STEPS_READ)
        return replace(
            self,
            stem_channels=stem_channels,
            stem_scales=max_scales(median_length),
            stem_stride=stride,
            memory_steps=min(median_length // stride, _MAX_MEMORY_STEPS),
        )

    @property
    def stem_words(self) -> str:
        """Describe what the core reads of the features.

        >>> SequenceNetworkConfig(2, 2).stem_words
        'as they are'
        >>> SequenceNetworkConfig(1, 2, stem_channels=16, stem_scales=2, stem_stride=4).stem_words
        'as 16 patterns at 2 scales, every 4th step'
        """
        if not self.stem_channels or self.cell == "feedforward":
            return "as they are"
        often = {1: "at every step", 2: "at every second step", 3: "every 3rd step"}
        pace = often.get(self.stem_stride, f"every {self.stem_stride}th step")
        return f"as {self.stem_channels} patterns at {quantity(self.stem_scales, 'scale')}, {pace}"

    @property
    def readout_words(self) -> str:
        """Describe what the output is computed from.

        >>> SequenceNetworkConfig(2, 2, pooling="mean").readout_words
        "the states of all steps, pooled by 'mean'"
        """
        if self.per_step:
            return "the state of each step"
        if self.cell == "feedforward":
            return f"{quantity(self.flat_steps, 'step')} as one vector"
        return f"the states of all steps, pooled by {self.pooling!r}"


class SequenceNetwork(nn.Module):
    """Reads sequences step after step; answers each one, or each of its steps.

    Unless bidirectional, the answer of a step knows no later one. Padding never changes an answer.

    Shapes: values (B, T, F), lengths (B,) to (B, K), or (B, T, K) if `per_step`, 0 beyond a length.

    >>> network = SequenceNetwork(SequenceNetworkConfig(3, 2, stem_channels=16, stem_scales=2))
    >>> network(torch.randn(4, 9, 3), torch.tensor([9, 2, 5, 9])).shape
    torch.Size([4, 2])
    """

    def __init__(self, config: SequenceNetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.stem = _stem(config)
        if config.cell == "feedforward":
            steps = 1 if config.per_step else config.flat_steps
            self.flat = nn.Linear(steps * config.input_size, config.hidden_size)
            width = config.hidden_size
        else:
            self.core = _core(config, config.input_size if self.stem is None else self.stem.width)
            width = config.hidden_size * (1 + config.bidirectional)
            if not config.per_step:
                self.pool = Pooling(config.pooling, width, bidirectional=config.bidirectional)
                width = self.pool.width
        self.standardise = Standardize(width)
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(width, config.output_size)
        self.float()  # as its inputs are, whatever torch's default

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        """(B, K) answers, or (B, T, K)."""
        return self._answer(self.features(values, lengths), lengths)

    def features(self, values: Tensor, lengths: Tensor) -> Tensor:
        """(B, D) what the head answers from, or (B, T, D) if `per_step`, before it is standardised."""
        if self.config.cell == "feedforward":
            return self._flat_features(values, lengths)
        inputs, steps = self.core_inputs(values, lengths)
        states, _ = self.core(inputs, lengths=steps)
        return states if self.config.per_step else self.pool(states, steps)  # type: ignore[no-any-return]

    def core_inputs(self, values: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T', C) what the core reads, and (B,) how many steps of it each row has."""
        return (values, lengths) if self.stem is None else self.stem(values, lengths)

    def answer(self, states: Tensor, lengths: Tensor) -> Tensor:
        """The answer to the core's states (B, T', D · H), of which each row has `lengths` steps."""
        features = states if self.config.per_step else self.pool(states, lengths)
        return self._answer(features, lengths)

    def _answer(self, features: Tensor, lengths: Tensor) -> Tensor:
        answers: Tensor = self.head(self.dropout(self.standardise(features)))
        return answers * sequence_mask(lengths, answers)[..., None] if self.config.per_step else answers

    def _flat_features(self, values: Tensor, lengths: Tensor) -> Tensor:
        """All steps as one vector, zeros after the last; of a sequence longer than `steps` the first ones.

        With `per_step` every step by itself.
        """
        values = values.masked_fill(~sequence_mask(lengths, values)[..., None], 0.0)
        if not self.config.per_step:
            values = F.pad(values, (0, 0, 0, self.config.flat_steps - values.shape[1]))  # less than 0 cuts
            values = values.flatten(1)
        return torch.tanh(self.flat(values))


def _stem(config: SequenceNetworkConfig) -> ConvStem | None:
    if not config.stem_channels or config.cell == "feedforward":
        return None
    return ConvStem(
        config.input_size,
        channels=config.stem_channels,
        scales=config.stem_scales,
        stride=config.stem_stride,
    )


def _core(config: SequenceNetworkConfig, inputs: int) -> RNN | GRU | LSTM:
    shape = (inputs, config.hidden_size, config.num_layers)
    between = config.dropout if config.num_layers > 1 else 0.0
    core: RNN | GRU | LSTM
    if config.cell == "rnn":
        core = RNN(
            *shape, config.activation, batch_first=True, dropout=between, bidirectional=config.bidirectional
        )
    else:
        layer = GRU if config.cell == "gru" else LSTM
        core = layer(*shape, batch_first=True, dropout=between, bidirectional=config.bidirectional)
    if config.memory_steps:
        _initialize(core, config)
    return core


@torch.no_grad()
def _initialize(core: RNN | GRU | LSTM, config: SequenceNetworkConfig) -> None:
    """Orthogonal recurrent weights, inputs that move every gate, units that remember 1 to `span` steps.

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
            steps = torch.exp(torch.rand(H) * math.log(max(2, config.memory_steps)))  # 1 to memory_steps
            keep = torch.log((steps - 1).clamp(min=0.1))  # sigmoid(keep) = 1 - 1 / steps
            weight[H : 2 * H] = keep  # GRU: z; LSTM: f
            if config.cell == "lstm":
                weight[:H] = -keep
