"""The network of the estimators of whole sequences: a stem, a recurrent core, a pooled readout."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unrolled.nn.layers.rnn import GRU, LSTM, RNN
from unrolled.nn.modules.conv_stem import ConvStem
from unrolled.nn.modules.pooling import Pooling, Standardize, sequence_mask


@dataclass(frozen=True)
class SequenceNetworkConfig:
    """All that it takes to build a SequenceNetwork.

    Args:
        inputs: F, inputs a step.
        answers: K, numbers answered: one a class, or one a target.
        cell: "rnn", "gru", "lstm"; or "feedforward", which reads a sequence as one flat vector.
        hidden_size: H.
        num_layers: recurrent layers, one on the other.
        activation: of "rnn".
        dropout: between layers, and before the head.
        bidirectional: whether a second run reads from the end.
        pooling: how the states of all steps become one vector; see `Pooling`.
        per_step: whether every step gets an answer, and not the sequence.
        steps: T that "feedforward" reads; 0 for the others.
        channels: patterns of the stem; 0 for none, the core reading the inputs as they are.
        scales: of the stem's patterns.
        stride: of the stem.
        span: steps over which the slowest units remember at the start; 0 for torch's initial weights.
    """

    inputs: int
    answers: int
    cell: str = "gru"
    hidden_size: int = 64
    num_layers: int = 1
    activation: str = "tanh"
    dropout: float = 0.0
    bidirectional: bool = False
    pooling: str = "last"
    per_step: bool = False
    steps: int = 0
    channels: int = 0
    scales: int = 1
    stride: int = 1
    span: int = 0


class SequenceNetwork(nn.Module):
    """Reads sequences step after step; answers each one, or each of its steps.

    Unless bidirectional, the answer of a step knows no later one. Padding never changes an answer.

    Shapes: values (B, T, F), lengths (B,) to (B, K), or (B, T, K) if `per_step`, 0 beyond a length.

    >>> network = SequenceNetwork(SequenceNetworkConfig(inputs=3, answers=2, channels=16, scales=2))
    >>> network(torch.randn(4, 9, 3), torch.tensor([9, 2, 5, 9])).shape
    torch.Size([4, 2])
    """

    def __init__(self, sizes: SequenceNetworkConfig) -> None:
        super().__init__()
        self.sizes = sizes
        self.stem = _stem(sizes)
        if sizes.cell == "feedforward":
            self.flat = nn.Linear((1 if sizes.per_step else sizes.steps) * sizes.inputs, sizes.hidden_size)
            width = sizes.hidden_size
        else:
            self.core = _core(sizes, sizes.inputs if self.stem is None else self.stem.width)
            width = sizes.hidden_size * (1 + sizes.bidirectional)
            if not sizes.per_step:
                self.pool = Pooling(sizes.pooling, width, bidirectional=sizes.bidirectional)
                width = self.pool.width
        self.standardise = Standardize(width)
        self.dropout = nn.Dropout(sizes.dropout)
        self.head = nn.Linear(width, sizes.answers)
        self.float()  # as its inputs are, whatever torch's default

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        """(B, K) answers, or (B, T, K)."""
        return self._answer(self.features(values, lengths), lengths)

    def features(self, values: Tensor, lengths: Tensor) -> Tensor:
        """(B, D) what the head answers from, or (B, T, D) if `per_step`, before it is standardised."""
        if self.sizes.cell == "feedforward":
            return self._flat_features(values, lengths)
        inputs, steps = self.core_inputs(values, lengths)
        states, _ = self.core(inputs, lengths=steps)
        return states if self.sizes.per_step else self.pool(states, steps)  # type: ignore[no-any-return]

    def core_inputs(self, values: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T', C) what the core reads, and (B,) how many steps of it each row has."""
        return (values, lengths) if self.stem is None else self.stem(values, lengths)

    def answer(self, states: Tensor, lengths: Tensor) -> Tensor:
        """The answer to the core's states (B, T', D · H), of which each row has `lengths` steps."""
        features = states if self.sizes.per_step else self.pool(states, lengths)
        return self._answer(features, lengths)

    def _answer(self, features: Tensor, lengths: Tensor) -> Tensor:
        answers: Tensor = self.head(self.dropout(self.standardise(features)))
        return answers * sequence_mask(lengths, answers)[..., None] if self.sizes.per_step else answers

    def _flat_features(self, values: Tensor, lengths: Tensor) -> Tensor:
        """All steps as one vector, zeros after the last; of a sequence longer than `steps` the first ones.

        With `per_step` every step by itself.
        """
        values = values.masked_fill(~sequence_mask(lengths, values)[..., None], 0.0)
        if not self.sizes.per_step:
            values = F.pad(values, (0, 0, 0, self.sizes.steps - values.shape[1]))  # less than 0 cuts
            values = values.flatten(1)
        return torch.tanh(self.flat(values))


def _stem(sizes: SequenceNetworkConfig) -> ConvStem | None:
    if not sizes.channels or sizes.cell == "feedforward":
        return None
    return ConvStem(sizes.inputs, channels=sizes.channels, scales=sizes.scales, stride=sizes.stride)


def _core(sizes: SequenceNetworkConfig, inputs: int) -> RNN | GRU | LSTM:
    shape = (inputs, sizes.hidden_size, sizes.num_layers)
    between = sizes.dropout if sizes.num_layers > 1 else 0.0
    core: RNN | GRU | LSTM
    if sizes.cell == "rnn":
        core = RNN(
            *shape, sizes.activation, batch_first=True, dropout=between, bidirectional=sizes.bidirectional
        )
    else:
        layer = GRU if sizes.cell == "gru" else LSTM
        core = layer(*shape, batch_first=True, dropout=between, bidirectional=sizes.bidirectional)
    if sizes.span:
        _begin(core, sizes)
    return core


@torch.no_grad()
def _begin(core: RNN | GRU | LSTM, sizes: SequenceNetworkConfig) -> None:
    """Orthogonal recurrent weights, inputs that move every gate, units that remember 1 to `span` steps.

    Source: Tallec and Ollivier, Can recurrent neural networks warp time? (2018), the biases log-uniform.
    """
    H = sizes.hidden_size
    for name, weight in core.named_parameters():
        if name.startswith("weight_hh"):
            for gate in weight.split(H):  # type: ignore[no-untyped-call]
                nn.init.orthogonal_(gate)
        elif name.startswith("weight_ih"):
            nn.init.normal_(weight, std=weight.shape[1] ** -0.5)
        elif name.startswith("bias"):
            nn.init.zeros_(weight)
        if name.startswith("bias_ih") and sizes.cell in ("gru", "lstm"):
            steps = torch.exp(torch.rand(H) * math.log(max(2, sizes.span)))  # from 1 to span
            keep = torch.log((steps - 1).clamp(min=0.1))  # sigmoid(keep) = 1 - 1 / steps
            weight[H : 2 * H] = keep  # GRU: z; LSTM: f
            if sizes.cell == "lstm":
                weight[:H] = -keep
