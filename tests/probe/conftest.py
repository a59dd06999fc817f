"""One thread, as networks this small gain nothing from a second; a reader of padded rows."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn


@pytest.fixture(autouse=True, scope="package")
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class _Padded(nn.Module):
    def __init__(self, layer: nn.Module, *, tells: bool) -> None:
        super().__init__()
        self.layer, self.tells = layer, tells
        self.head = nn.Linear(layer.hidden_size, 1)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        states, _ = self.layer(x, lengths=lengths) if self.tells else self.layer(x)
        return self.head(states[torch.arange(len(x)), lengths - 1])


@pytest.fixture
def padded_reader() -> type[nn.Module]:
    """A module that takes lengths; its layer knows of them, or runs on over the padding."""
    return _Padded
