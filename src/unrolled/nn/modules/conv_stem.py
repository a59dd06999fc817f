"""What a recurrent layer reads of long, slow sequences: changes and short patterns, never a later step."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unrolled.nn.modules.pooling import sequence_mask

KERNEL_SIZE = 9  # steps that a pattern is made of


class ConvStem(nn.Module):
    """The inputs x, their changes, and patterns of `KERNEL_SIZE` steps, 1, 2, 4, ... apart.

        d_t = (x_t - x_{t-1}) / m, 0 at the first step
        u_t = [x_t; d_t], the first one repeated before the first step
        c_t^s = ReLU(Σ_k W_k^s u_{t - k 2^s} + b^s),  k = 0 .. KERNEL_SIZE - 1,  s = 0 .. `scales` - 1
        output_t = [u_t; c_t^0; c_t^1; ...], its mean over every `stride` steps

    A state that is fed a slowly moving x settles wherever x is, and forgets the way there: which way x moved
    and what shape that made has to be read off the input.

    Args:
        inputs: F.
        channels: patterns, shared out among the scales; where they are fewer, the widest scales have none.
        scales: distances between the steps of a pattern.
        stride: steps of the input for one of the output; the last ones of a sequence may be fewer.

    Shapes: values (B, T, F), lengths (B,) to (B, T', 2 F + channels), T' = T / stride, rounded up, and (B,)
    the lengths of these. What lies beyond a length is never read.

    Source: dilated patterns at all scales as in Dempster et al., ROCKET (2020).

    >>> stem = ConvStem(3, channels=16, scales=4, stride=2)
    >>> read, lengths = stem(torch.randn(2, 7, 3), torch.tensor([7, 4]))
    >>> read.shape, lengths.tolist()
    (torch.Size([2, 4, 22]), [4, 2])
    """

    change_scale: Tensor

    def __init__(self, inputs: int, *, channels: int, scales: int, stride: int = 1) -> None:
        super().__init__()
        self.stride, self.width = stride, 2 * inputs + channels
        shares = [channels // scales + (s < channels % scales) for s in range(scales)]
        self.convolutions = nn.ModuleList(
            nn.Conv1d(2 * inputs, share, KERNEL_SIZE, dilation=2**scale)
            for scale, share in enumerate(shares)
            if share > 0
        )
        self.register_buffer("change_scale", torch.ones(inputs))

    def forward(self, values: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T', 2 F + channels) and their lengths."""
        both = self._with_changes(values, lengths)
        read = torch.cat([both, *(torch.relu(sums) for sums in self._sums(both))], 2)
        return _mean_pool(read, lengths, self.stride)

    @torch.no_grad()
    def initialize(self, values: Tensor, lengths: Tensor) -> None:
        """Scale changes to variance 1 and the sums under each ReLU to mean 0, variance 1, on these.

        Source: Salimans and Kingma, Weight Normalization (2016), section 3.
        """
        valid = sequence_mask(lengths, values)
        self.change_scale.fill_(1.0)
        size = self._with_changes(values, lengths)[..., values.shape[2] :][valid].square().mean(0).sqrt()
        self.change_scale.copy_(torch.where(size > 0, size, 1.0))
        both = self._with_changes(values, lengths)
        for pattern, sums in zip(self.convolutions, self._sums(both), strict=True):
            factor = 1 / sums[valid].std(0, correction=0).clamp(min=1e-3)
            bias, weight = pattern.get_parameter("bias"), pattern.get_parameter("weight")
            bias.sub_(sums[valid].mean(0)).mul_(factor)
            weight.mul_(factor[:, None, None])

    def _with_changes(self, values: Tensor, lengths: Tensor) -> Tensor:
        """(B, T, 2 F) u; 0 beyond a length."""
        valid = sequence_mask(lengths, values)[..., None]
        x = values.masked_fill(~valid, 0.0)
        changes = torch.diff(x, dim=1, prepend=x[:, :1]) / self.change_scale
        return torch.cat([x, changes.masked_fill(~valid, 0.0)], 2)

    def _sums(self, both: Tensor) -> list[Tensor]:
        """What each scale's ReLU is taken of, (B, T, its channels)."""
        channels = both.transpose(1, 2)  # (B, 2 F, T)
        each = []
        for scale, pattern in enumerate(self.convolutions):
            before = channels[:, :, :1].expand(-1, -1, (KERNEL_SIZE - 1) * 2**scale)
            each.append(pattern(torch.cat([before, channels], 2)).transpose(1, 2))
        return each


def max_scales(steps: int) -> int:
    """How many scales have patterns shorter than this many steps; at least one.

    >>> max_scales(24), max_scales(251), max_scales(3)
    (2, 5, 1)
    """
    return max(1, ((steps - 1) // (KERNEL_SIZE - 1)).bit_length())


def _mean_pool(steps: Tensor, lengths: Tensor, stride: int) -> tuple[Tensor, Tensor]:
    """The mean of every `stride` steps of (B, T, C), of fewer at a row's end; and (B,) how many there are."""
    if stride == 1:
        return steps, lengths
    B, T, C = steps.shape
    blocks, valid = -(-T // stride), sequence_mask(lengths, steps)
    beyond = blocks * stride - T
    steps = nn.functional.pad(steps.masked_fill(~valid[..., None], 0.0), (0, 0, 0, beyond))
    counts = nn.functional.pad(valid, (0, beyond)).view(B, blocks, stride).sum(2)
    sums = steps.view(B, blocks, stride, C).sum(2)
    return sums / counts.clamp(min=1)[..., None], (lengths + stride - 1) // stride
