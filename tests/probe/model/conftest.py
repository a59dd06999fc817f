"""Torch modules and ragged sequences that the tests of adapters share."""

from collections.abc import Callable

import numpy as np
from torch import Tensor, nn

RAGGED = [np.random.default_rng(k).normal(size=(n, 2)) for k, n in enumerate((4, 7, 1, 7, 3))]
LABELS = ["b", "a", "b", "a", "a"]


class Last(nn.Module):
    """Takes no lengths; its readout reads the last state."""

    def __init__(self, answers: int = 3, dropout: float = 0.5) -> None:
        super().__init__()
        self.core = nn.GRU(2, 5, num_layers=2, batch_first=True, dropout=dropout)
        self.head = nn.Linear(5, answers)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.core(x)[0][:, -1])


class Steps(Last):
    """Returns an output a step, in a tuple with its state."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        output, state = self.core(x)
        return self.head(output), state


class Packed(Last):
    """Takes lengths and packs its rows."""

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        rows = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        return self.head(self.core(rows)[1][-1])


class Ends(Last):
    """Applies some function to its logits."""

    def __init__(self, end: Callable[[Tensor], Tensor], *, per_step: bool = False) -> None:
        super().__init__()
        self.end, self.per_step = end, per_step

    def forward(self, x: Tensor) -> Tensor:
        output = self.core(x)[0]
        return self.end(self.head(output if self.per_step else output[:, -1]))
