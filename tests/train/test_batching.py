"""Rows are arranged so that batches hold examples of like length."""

import pytest
import torch
from torch import Tensor, nn

from unrolled.train import batching
from unrolled.train.batching import batches_of_like_length
from unrolled.train.config import TrainingConfig, TrainingHooks
from unrolled.train.loop import fit


@pytest.mark.parametrize("pool", [2, 50])
def test_every_row_stays_and_batches_are_padded_less(pool: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of 24 batches: the padded steps fall well below those of random batches."""
    monkeypatch.setattr(batching, "_POOL", pool)
    torch.manual_seed(0)
    lengths = torch.randint(1, 60, (100,))
    rows = torch.cat([torch.randperm(100), torch.randperm(100)])[:192]
    arranged = batches_of_like_length(lengths, rows, 8)
    assert sorted(arranged.tolist()) == sorted(rows.tolist())

    def padded(order: torch.Tensor) -> int:
        return sum(8 * int(lengths[batch].max()) for batch in order.split(8))

    assert padded(arranged) < 0.85 * padded(rows)


def test_batches_come_in_random_order() -> None:
    """Else a training would see short texts first every time."""
    torch.manual_seed(0)
    lengths = torch.arange(64)
    firsts = {int(batches_of_like_length(lengths, torch.randperm(64), 8)[0]) for _ in range(20)}
    assert len(firsts) > 4


class _Numbers:
    """Thirty numbers, and a list of the batches that were read."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []

    def __len__(self) -> int:
        return 30

    def batch(self, rows: Tensor) -> Tensor:
        self.batches.append(rows.tolist())
        return rows[:, None] / 30


def test_rows_are_arranged_before_batches_are_cut() -> None:
    """The hook gets the shuffled rows of each epoch, and batches are cut of what it returns."""
    shuffled: list[list[int]] = []

    def reverse(rows: Tensor, batch_size: int) -> Tensor:
        assert batch_size == 6
        shuffled.append(rows.tolist())
        return rows.flip(0)

    data, network = _Numbers(), nn.Linear(1, 1)
    config = TrainingConfig.of_epochs(2, len(data), 6, learning_rate=0.01)
    hooks = TrainingHooks(arrange_rows=reverse)
    fit(network, lambda net, x: net(x).square().mean(), data, None, config, hooks=hooks)
    assert [len(rows) for rows in shuffled] == [30, 30]
    assert [row for batch in data.batches for row in batch] == [r for rows in shuffled for r in rows[::-1]]
