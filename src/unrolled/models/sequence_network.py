"""The network of the estimators of whole sequences: a stem, a recurrent core, a pooled readout."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unrolled.nn.layers import GRU, LSTM, RNN
from unrolled.nn.pooling import Pooling, within


@dataclass(frozen=True)
class SequenceSizes:
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


class SequenceNetwork(nn.Module):
    """Reads sequences step after step; answers each one, or each of its steps.

    Unless bidirectional, the answer of a step knows no later one. Padding never changes an answer.

    Shapes: values (B, T, F), lengths (B,) to (B, K), or (B, T, K) if `per_step`, 0 beyond a length.

    >>> network = SequenceNetwork(SequenceSizes(inputs=3, answers=2))
    >>> network(torch.randn(4, 9, 3), torch.tensor([9, 2, 5, 9])).shape
    torch.Size([4, 2])
    """

    def __init__(self, sizes: SequenceSizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.stem = nn.Identity()
        if sizes.cell == "feedforward":
            self.flat = nn.Linear((1 if sizes.per_step else sizes.steps) * sizes.inputs, sizes.hidden_size)
            width = sizes.hidden_size
        else:
            self.core = _core(sizes, sizes.inputs)
            width = sizes.hidden_size * (1 + sizes.bidirectional)
            if not sizes.per_step:
                self.pool = Pooling(sizes.pooling, width, bidirectional=sizes.bidirectional)
                width = self.pool.width
        self.dropout = nn.Dropout(sizes.dropout)
        self.head = nn.Linear(width, sizes.answers)

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        """(B, K) answers, or (B, T, K)."""
        if self.sizes.cell == "feedforward":
            return self._flat_answer(values, lengths)
        inputs, steps = self.core_inputs(values, lengths)
        states, _ = self.core(inputs, lengths=steps)
        return self.answer(states, steps)

    def core_inputs(self, values: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T', C) what the core reads, and (B,) how many steps of it each row has."""
        return self.stem(values), lengths

    def answer(self, states: Tensor, lengths: Tensor) -> Tensor:
        """The answer to the core's states (B, T', D · H), of which each row has `lengths` steps."""
        if self.sizes.per_step:
            valid = within(lengths, states)[..., None]
            return self.head(self.dropout(states)) * valid  # type: ignore[no-any-return]
        return self.head(self.dropout(self.pool(states, lengths)))  # type: ignore[no-any-return]

    def _flat_answer(self, values: Tensor, lengths: Tensor) -> Tensor:
        """All steps as one vector, zeros after the last; of a sequence longer than `steps` the first ones.

        With `per_step` every step by itself.
        """
        valid = within(lengths, values)[..., None]
        values = values.masked_fill(~valid, 0.0)
        if self.sizes.per_step:
            return self.head(self.dropout(torch.tanh(self.flat(values)))) * valid  # type: ignore[no-any-return]
        values = F.pad(values, (0, 0, 0, self.sizes.steps - values.shape[1]))  # less than 0 cuts
        return self.head(self.dropout(torch.tanh(self.flat(values.flatten(1)))))  # type: ignore[no-any-return]


def _core(sizes: SequenceSizes, inputs: int) -> nn.Module:
    shape = (inputs, sizes.hidden_size, sizes.num_layers)
    between = sizes.dropout if sizes.num_layers > 1 else 0.0
    if sizes.cell == "rnn":
        return RNN(
            *shape, sizes.activation, batch_first=True, dropout=between, bidirectional=sizes.bidirectional
        )
    layer = GRU if sizes.cell == "gru" else LSTM
    return layer(*shape, batch_first=True, dropout=between, bidirectional=sizes.bidirectional)
