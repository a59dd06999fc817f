"""Network of FrameForecaster: a convolutional recurrent core that reads frames, then its own forecasts.

    p_t = patches of frame t: P × P neighbouring pixels become channels of one place
    h_t, s_t = core(p_t, s_{t-1})
    a_t, b_t = W h_t + w, at each place
    p̂_{t+1} = a_t + σ(b_t) p_t

σ(b) is the share of the newest frame that is carried over, so that what stands still need not be learned.
After the last frame, p̂ takes the place of p. Encoder and decoder are one core: what forecasts has read the
frames, and its forecasts of the frames that it reads are trained too.

Shapes: B clips, T frames, C channels, frames of H × W, h frames ahead.

Source: Shi et al., Convolutional LSTM network (2015), section 3.2, with one core in the place of two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unrolled.nn.layers.conv import ConvGRU, ConvLSTM

FRAME_CELLS = {"convgru": ConvGRU, "convlstm": ConvLSTM}
_CLIPS_AT_ONCE = 64  # without gradients


@dataclass(frozen=True)
class FrameNetworkConfig:
    """Settings of a FrameNetwork.

    Args:
        channels: C.
        height: H.
        width: W.
        horizon: h, frames to forecast.
        cell: "convgru" or "convlstm".
        hidden_channels: of each layer.
        num_layers: recurrent layers, one on the other.
        kernel_size: of the convolutions, in patches.
        patch_size: P.
    """

    channels: int
    height: int
    width: int
    horizon: int
    cell: str = "convgru"
    hidden_channels: int = 64
    num_layers: int = 2
    kernel_size: int = 3
    patch_size: int = 1

    @property
    def grid(self) -> tuple[int, int]:
        """Places of the core: patches along the height and the width, the last ones filled up with zeros.

        >>> FrameNetworkConfig(1, 30, 64, horizon=5, patch_size=4).grid
        (8, 16)
        """
        return -(-self.height // self.patch_size), -(-self.width // self.patch_size)


class FrameNetwork(nn.Module):
    """Network from frames to the frames that follow.

    Shapes: frames (B, T, C, H, W) to (B, h, C, H, W); in training (B, T - 1 + h, C, H, W), from the second
    frame on.

    >>> network = FrameNetwork(FrameNetworkConfig(1, 10, 12, horizon=4, hidden_channels=3, patch_size=4))
    >>> network(torch.randn(2, 6, 1, 10, 12)).shape, network.eval()(torch.randn(2, 6, 1, 10, 12)).shape
    (torch.Size([2, 9, 1, 10, 12]), torch.Size([2, 4, 1, 10, 12]))
    """

    def __init__(self, config: FrameNetworkConfig) -> None:
        super().__init__()
        self.config = config
        width = config.channels * config.patch_size**2
        self.core = FRAME_CELLS[config.cell](
            width, config.hidden_channels, config.kernel_size, num_layers=config.num_layers
        )
        self.readout = nn.Conv2d(config.hidden_channels, 2 * width, 1)
        self.float()  # as its inputs are, whatever torch's default

    @property
    def kept_bias(self) -> Tensor:
        """Part of w that σ(b_t) is made of: the share of a frame that is kept without any evidence."""
        bias = self.readout.bias
        assert bias is not None
        return bias[len(bias) // 2 :]

    def forward(self, frames: Tensor) -> Tensor:
        """Forecast h frames; in training those from the second frame on."""
        patches = self._patches(frames)
        states, state = self.core(patches)
        if not self.training:
            states, patches = states[:, -1:], patches[:, -1:]
        forecasts = [self._next(states, patches)]
        for _ in range(self.config.horizon - 1):
            newest = forecasts[-1][:, -1:]
            states, state = self.core(newest, state)
            forecasts.append(self._next(states, newest))
        return self._frames(torch.cat(forecasts, 1))

    def loss(self, batch: Any) -> Tensor:
        """Compute the mean squared error of the forecasts of a `FrameBatch`, of scaled frames."""
        if self.training:
            truth = torch.cat([batch.frames[:, 1:], batch.targets], 1)
            loss: Tensor = F.mse_loss(self(batch.frames), truth)
            return loss
        parts = (torch.split(part, _CLIPS_AT_ONCE) for part in (batch.frames, batch.targets))
        sums = [
            F.mse_loss(self(frames), targets, reduction="sum") for frames, targets in zip(*parts, strict=True)
        ]
        return torch.stack(sums).sum() / float(batch.targets.numel())

    def _next(self, states: Tensor, patches: Tensor) -> Tensor:
        """Compute the patches that follow each step: (B, T, C P P, H / P, W / P)."""
        new, kept = self.readout(states.flatten(0, 1)).unflatten(0, states.shape[:2]).chunk(2, 2)
        following: Tensor = new + torch.sigmoid(kept) * patches
        return following

    def _patches(self, frames: Tensor) -> Tensor:
        """Move the pixels of each patch into the channels: (B, T, C P P, H / P, W / P)."""
        (rows, columns), patch = self.config.grid, self.config.patch_size
        beyond = (0, columns * patch - self.config.width, 0, rows * patch - self.config.height)
        return F.pixel_unshuffle(F.pad(frames, beyond), patch)

    def _frames(self, patches: Tensor) -> Tensor:
        """Move the pixels of each patch back: (B, T, C, H, W)."""
        frames: Tensor = F.pixel_shuffle(patches, self.config.patch_size)
        return frames[..., : self.config.height, : self.config.width]


def default_patch_size(height: int, width: int) -> int:
    """Return the largest of 1, 2, 4 and 8 that leaves at least 8 places along the shorter side.

    >>> default_patch_size(64, 64), default_patch_size(16, 200), default_patch_size(10, 10)
    (8, 2, 1)
    """
    return max(size for size in (1, 2, 4, 8) if size == 1 or min(height, width) // size >= 8)
