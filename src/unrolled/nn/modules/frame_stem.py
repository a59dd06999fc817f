"""Convolutional stem of frames: each frame by itself to a vector, in front of a recurrent layer."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_CHANNELS, _MOST_CHANNELS = 16, 64
_SIDE = 8  # pixels of the shorter side that convolutions halve a frame down to
_CELLS = 4  # a side, of the grid whose means are read: where something is stays known


class FrameStem(nn.Module):
    """Compute features of each frame: convolutions of stride 2, means over a grid of 4 × 4, a linear map.

        x_0 = frame,  x_l = ReLU(W_l * x_{l-1} + b_l),  l = 1 .. L
        features = ReLU(V mean_{4 × 4}(x_L) + v)

    L halves the shorter side to 8 pixels or fewer, and is at least 2. No frame sees another.

    Args:
        frame_shape: (C, H, W).
        width: D.

    Shapes: values (B, T, C H W) to (B, T, D).

    >>> stem = FrameStem((3, 20, 30), width=8)
    >>> stem(torch.randn(2, 5, 3 * 20 * 30)).shape
    torch.Size([2, 5, 8])
    """

    def __init__(self, frame_shape: tuple[int, ...], width: int) -> None:
        super().__init__()
        self.frame_shape = frame_shape
        channels, rows, columns = frame_shape
        layers = []
        for layer in range(max(2, math.ceil(math.log2(min(rows, columns) / _SIDE)))):
            out = min(_CHANNELS * 2**layer, _MOST_CHANNELS)
            layers.append(nn.Conv2d(channels, out, 3, stride=2, padding=1))
            channels, rows, columns = out, -(-rows // 2), -(-columns // 2)
        self.convolutions = nn.ModuleList(layers)
        self.cells = min(_CELLS, rows), min(_CELLS, columns)
        self.project = nn.Linear(channels * self.cells[0] * self.cells[1], width)

    def forward(self, values: Tensor) -> Tensor:
        """Compute the features (B, T, D) of values (B, T, C H W)."""
        frames = self._frames(values)
        for convolution in self.convolutions:
            frames = torch.relu(convolution(frames))
        features = torch.relu(self.project(self._means(frames)))
        return features.view(*values.shape[:2], -1)

    @torch.no_grad()
    def initialize(self, values: Tensor) -> None:
        """Initialise from frames (B, T, C H W): pre-activations get mean 0 and variance 1, layer by layer.

        Source: Salimans and Kingma, Weight Normalization (2016), section 3.
        """
        frames = self._frames(values)
        for layer in self.convolutions:
            frames = torch.relu(_standardized(layer, frames))
        _standardized(self.project, self._means(frames))

    def _frames(self, values: Tensor) -> Tensor:
        """Return the frames (B T, C, H, W) of values (B, T, C H W)."""
        return values.reshape(-1, *self.frame_shape)

    def _means(self, frames: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(frames, self.cells).flatten(1)


def _standardized(layer: nn.Module, inputs: Tensor) -> Tensor:
    """Scale a layer, channel by channel, to outputs of mean 0 and variance 1; returns these outputs."""
    outputs: Tensor = layer(inputs)
    channels_last = outputs.transpose(0, 1).flatten(1)  # (channels, rest)
    factor = 1 / channels_last.std(1, correction=0).clamp(min=1e-3)
    weight, bias = layer.get_parameter("weight"), layer.get_parameter("bias")
    bias.sub_(channels_last.mean(1)).mul_(factor)
    weight.mul_(factor.view(-1, *[1] * (weight.ndim - 1)))
    standardized: Tensor = layer(inputs)
    return standardized
