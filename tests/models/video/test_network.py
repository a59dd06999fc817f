"""FrameNetwork: a core that reads frames, then its own forecasts."""

from typing import Any

import pytest
import torch

from unrolled.models.video.dataset import FrameBatch
from unrolled.models.video.network import FrameNetwork, FrameNetworkConfig, default_patch_size


def network(**settings: Any) -> FrameNetwork:
    """A small network, seeded, in evaluation mode."""
    torch.manual_seed(0)
    sizes = {"channels": 2, "height": 7, "width": 10, "horizon": 3, "hidden_channels": 5, "patch_size": 4}
    return FrameNetwork(FrameNetworkConfig(**sizes | settings)).eval()


@pytest.mark.parametrize("cell", ["convgru", "convlstm"])
def test_forecasts_equal_a_slow_loop(cell: str) -> None:
    """p̂ = a + σ(b) p, patch by patch, each forecast the next input."""
    net, frames = network(cell=cell), torch.randn(3, 5, 2, 7, 10)
    with torch.no_grad():
        patches = torch.zeros(3, 5, 2, 8, 12)
        patches[..., :7, :10] = frames
        # (B, T, C, rows, 4, columns, 4) to channels C, 4, 4 of each place
        patches = patches.view(3, 5, 2, 2, 4, 3, 4).permute(0, 1, 2, 4, 6, 3, 5).reshape(3, 5, 32, 2, 3)
        state, newest = None, None
        for t in range(5):
            newest = patches[:, t : t + 1]
            states, state = net.core(newest, state)
        for k in range(3):
            new, kept = net.readout(states[:, -1]).chunk(2, 1)
            newest = (new + torch.sigmoid(kept) * newest[:, 0])[:, None]
            back = newest[:, 0].view(3, 2, 4, 4, 2, 3).permute(0, 1, 4, 2, 5, 3).reshape(3, 2, 8, 12)
            assert torch.allclose(net(frames)[:, k], back[..., :7, :10], atol=1e-6)
            states, state = net.core(newest, state)


def test_training_forecasts_the_frames_that_are_read_too() -> None:
    """From the second on; the forecasts of the frames ahead are those of evaluation."""
    net, frames = network(), torch.randn(2, 6, 2, 7, 10)
    with torch.no_grad():
        ahead, every = net(frames), net.train()(frames)
    assert every.shape == (2, 8, 2, 7, 10)
    assert torch.allclose(every[:, 5:], ahead, atol=1e-6)
    one = net.eval()(frames[:, :2])[:, :1]
    assert torch.allclose(every[:, 1:2], one, atol=1e-6)  # no later frame is seen


def test_the_loss_is_of_the_frames_ahead_and_in_training_of_all() -> None:
    """However many clips are evaluated at a time."""
    net, frames, targets = network(), torch.randn(70, 4, 2, 7, 10), torch.randn(70, 3, 2, 7, 10)
    batch = FrameBatch(frames, targets)
    with torch.no_grad():
        assert float(net.loss(batch)) == pytest.approx(
            float((net(frames) - targets).square().mean()), rel=1e-5
        )
        net.train()
        truth = torch.cat([frames[:, 1:], targets], 1)
        assert float(net.loss(batch)) == pytest.approx(float((net(frames) - truth).square().mean()), rel=1e-5)


def test_every_weight_learns() -> None:
    """Gradients reach all of them, through the forecasts alone too."""
    net = network(num_layers=2)
    net(torch.randn(2, 3, 2, 7, 10)).square().sum().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert float(parameter.grad.abs().sum()) > 0, name


def test_a_horizon_of_one_and_a_window_of_one() -> None:
    """The least that can be read and forecast."""
    net = network(horizon=1, patch_size=1)
    assert net(torch.randn(1, 1, 2, 7, 10)).shape == (1, 1, 2, 7, 10)
    assert net.train()(torch.randn(1, 1, 2, 7, 10)).shape == (1, 1, 2, 7, 10)


@pytest.mark.parametrize(("side", "patch"), [(1, 1), (8, 1), (15, 1), (16, 2), (33, 4), (64, 8), (500, 8)])
def test_default_patches_leave_eight_places(side: int, patch: int) -> None:
    """Of the shorter side."""
    assert default_patch_size(side, 600) == default_patch_size(600, side) == patch
