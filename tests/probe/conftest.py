"""One thread, as networks this small gain nothing from a second; networks that tests share."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn


class Net(nn.Module):
    """A layer and a linear readout of its last state, or of all."""

    def __init__(self, layer: nn.Module, answers: int = 1, pooling: str = "last") -> None:
        super().__init__()
        self.layer, self.pooling = layer, pooling
        self.head = nn.Linear(layer.hidden_size * (1 + layer.bidirectional), answers)

    def forward(self, x: Tensor) -> Tensor:
        states, _ = self.layer(x)
        if self.pooling == "last":
            return self.head(states[:, -1])
        return self.head(states.mean(1) if self.pooling == "mean" else states.amax(1))


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


def draw_progress_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make stderr a terminal on which progress is drawn from the first step on."""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setattr("unrolled.train.progress._FIRST_S", 0.0)
    monkeypatch.setattr("unrolled.train.progress._LONG_S", 0.0)
