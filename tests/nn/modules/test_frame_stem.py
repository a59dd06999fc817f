"""FrameStem: each frame by itself to features."""

import pytest
import torch
from torch.nn import functional as F

from unrolled.nn.modules.frame_stem import FrameStem


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 3, 17), (2, 8, 8), (3, 28, 20), (1, 64, 48)])
def test_features_equal_the_formula(shape: tuple[int, int, int]) -> None:
    """Convolutions of stride 2, means over the grid, a linear map, whatever the size of the frames."""
    torch.manual_seed(0)
    stem, values = FrameStem(shape, width=5), torch.randn(2, 3, shape[0] * shape[1] * shape[2])
    features = stem(values)
    assert features.shape == (2, 3, 5)
    frame = values[1, 2].view(1, *shape)
    for convolution in stem.convolutions:
        frame = F.conv2d(frame, convolution.weight, convolution.bias, stride=2, padding=1).relu()
    assert min(frame.shape[2:]) <= 8
    means = F.adaptive_avg_pool2d(frame, tuple(min(4, side) for side in frame.shape[2:]))
    expected = F.linear(means.flatten(), stem.project.weight, stem.project.bias).relu()
    assert torch.allclose(features[1, 2], expected, atol=1e-6)


def test_no_frame_sees_another() -> None:
    """A change of one changes its features alone."""
    torch.manual_seed(0)
    stem, values = FrameStem((1, 9, 10), width=6), torch.randn(2, 4, 90)
    changed = values.clone()
    changed[1, 2] += 1
    difference = (stem(changed) - stem(values)).abs().sum(2) > 1e-6
    assert difference.tolist() == [[False] * 4, [False, False, True, False]]


def test_initialisation_gives_features_of_like_size_whatever_the_frames() -> None:
    """Some units are active, none is dead on all, of dim frames as of bright ones."""
    for scale in (1e-3, 1.0, 1e3):
        torch.manual_seed(0)
        stem, values = FrameStem((1, 16, 16), width=32), scale * torch.randn(4, 10, 256)
        stem.initialize(values)
        with torch.no_grad():
            sums = stem.project(stem._means(_convolved(stem, values)))
        assert torch.allclose(sums.mean(0), torch.zeros(32), atol=0.2)
        assert torch.allclose(sums.std(0), torch.ones(32), atol=0.3)


def _convolved(stem: FrameStem, values: torch.Tensor) -> torch.Tensor:
    frames = values.view(-1, *stem.frame_shape)
    for convolution in stem.convolutions:
        frames = convolution(frames).relu()
    return frames


def test_every_weight_learns() -> None:
    """Gradients reach all of them."""
    torch.manual_seed(0)
    stem = FrameStem((2, 20, 20), width=7)
    stem(torch.randn(2, 3, 800)).square().sum().backward()
    assert all(float(weight.grad.abs().sum()) > 0 for weight in stem.parameters())
