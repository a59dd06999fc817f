"""What the optimizer moves parameters by."""

import math

import pytest

from unrolled.train import optimizer


@pytest.fixture
def gradient_lengths(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Lengths of all gradients together at each step, after clipping, where the kernels move."""
    lengths, move = [], optimizer._Block.move_on_kernels

    def measured(block: optimizer._Block, rate: float, decay: float, scale: float) -> None:
        lengths.append(math.sqrt(block.squared_norm()) / scale)
        move(block, rate, decay, scale)

    monkeypatch.setattr(optimizer._Block, "move_on_kernels", measured)
    return lengths
