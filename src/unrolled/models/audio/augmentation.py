"""Random changes of log-mel frames in training: speed, voice, channel, noise, and masks.

Shapes: B recordings, T frames, F bands. Everything is drawn from torch's random state.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from unrolled.nn.modules.pooling import sequence_mask


@dataclass(frozen=True)
class Augmentation:
    """Ranges of the changes; 0 for none.

    Args:
        tempo: the largest change of speed, as a share: lengths are divided by exp(u), |u| <= ln(1 + tempo).
        pitch: likewise of the frequencies, which a longer or shorter vocal tract moves.
        tilt: nepers of power, the standard deviation of a slope over the bands, and of two bends.
        noise: share of the recordings that noise is added to.
        quietest: nepers of power below the peak, of the quietest noise.
        time_masks: stretches that are set to the mean.
        time_mask: frames of the longest, at most a fifth of the recording.
        band_masks: runs of bands that are set to the mean.
        band_mask: bands of the widest.
    """

    tempo: float = 0.2
    pitch: float = 0.15
    tilt: float = 0.8
    noise: float = 0.3
    quietest: float = 9.0
    time_masks: int = 1
    time_mask: int = 10
    band_masks: int = 1
    band_mask: int = 5

    def change(self, frames: Tensor, lengths: Tensor, mels: Tensor) -> tuple[Tensor, Tensor]:
        """Change raw frames (B, T, F) of these lengths (B,), whose bands lie at the mels (F,).

        Returns:
            The frames (B, T', F), which hold anything beyond a length, and their lengths (B,).
        """
        if self.tempo:
            frames, lengths = _change_tempo(frames, lengths, _ratios(len(frames), self.tempo))
        if self.pitch:
            frames = _move_bands(frames, mels, _ratios(len(frames), self.pitch))
        B, _, F = frames.shape
        place = torch.linspace(-1, 1, F)
        if self.tilt:
            bends = torch.stack([place, torch.cos(torch.pi * place), torch.sin(torch.pi * place)])
            frames = frames + ((torch.randn(B, 3) * self.tilt) @ bends)[:, None]
        if self.noise:
            frames = self._add_noise(frames, lengths, place)
        return frames, lengths

    def _add_noise(self, frames: Tensor, lengths: Tensor, place: Tensor) -> Tensor:
        """Add stationary noise of a random level and slope to the power of some recordings."""
        B, T, F = frames.shape
        valid_mask = sequence_mask(lengths, frames)[..., None]
        peak = frames.masked_fill(~valid_mask, -torch.inf).amax((1, 2))
        below = 2.0 + torch.rand(B) * (self.quietest - 2.0)
        below = below.masked_fill(torch.rand(B) >= self.noise, 1e4)
        level = (peak - below)[:, None] + torch.randn(B, 1) * place
        # the power of a band is a mean over a few bins, each exponentially distributed
        flutter = torch.randn(B, T, F) * 0.5
        return torch.logaddexp(frames, level[:, None] + flutter)

    def mask(self, values: Tensor, lengths: Tensor) -> Tensor:
        """Set random stretches and runs of bands of normalised values (B, T, F) to 0, their mean."""
        B, T, F = values.shape
        keep = torch.ones(B, T, F, dtype=torch.bool)
        steps, bands = torch.arange(T), torch.arange(F)
        longest = torch.minimum(torch.tensor(self.time_mask), lengths // 5)
        for _ in range(self.time_masks):
            keep &= ~_random_runs(longest, lengths, steps)[:, :, None]
        widest, width = torch.full((B,), self.band_mask), torch.full((B,), F)
        for _ in range(self.band_masks):
            keep &= ~_random_runs(widest, width, bands)[:, None]
        return values * keep


def _random_runs(longest: Tensor, width: Tensor, places: Tensor) -> Tensor:
    """Draw a run of 0 to `longest` (B,) of `width` (B,) places: a mask (B, P)."""
    size = (torch.rand(len(longest)) * (longest + 1)).long()
    start = (torch.rand(len(longest)) * (width - size + 1)).long()
    return (places >= start[:, None]) & (places < (start + size)[:, None])


def _ratios(n: int, most: float) -> Tensor:
    """Draw n ratios, log-uniform from 1 / (1 + most) to 1 + most."""
    span = torch.log1p(torch.tensor(most))
    return torch.exp((2 * torch.rand(n) - 1) * span)


def _change_tempo(frames: Tensor, lengths: Tensor, ratios: Tensor) -> tuple[Tensor, Tensor]:
    """Read the frames faster by these ratios (B,), on straight lines between them."""
    new = (lengths / ratios).round().long().clamp(min=1)
    steps = torch.arange(int(new.max()))
    place = (steps * ratios[:, None]).minimum((lengths - 1)[:, None].to(ratios.dtype))
    below = place.long()
    above = (below + 1).minimum((lengths - 1)[:, None])
    share = (place - below)[..., None]
    rows = torch.arange(len(frames))[:, None]
    return frames[rows, below] * (1 - share) + frames[rows, above] * share, new


def _move_bands(frames: Tensor, mels: Tensor, ratios: Tensor) -> Tensor:
    """Read each band at its frequency times these ratios (B,), on straight lines between bands."""
    F = len(mels)
    hz = 700 * torch.expm1(mels / 1127)
    moved = 1127 * torch.log1p(hz * ratios[:, None] / 700)
    place = ((moved - mels[0]) / (mels[1] - mels[0])).clamp(0, F - 1)  # (B, F)
    below = place.long().clamp(max=F - 2)
    share = (place - below)[:, None]
    index = below[:, None].expand(-1, frames.shape[1], -1)
    return frames.gather(2, index) * (1 - share) + frames.gather(2, index + 1) * share
