"""Causal convolutional stem: first differences and dilated convolutions in front of a recurrent layer."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unrolled.nn.modules.pooling import sequence_mask

KERNEL_SIZE = 9  # taps of each convolution


class ConvStem(nn.Module):
    """Concatenate the inputs x, their scaled changes, and causal convolutions with dilations 1, 2, 4, ...

        d_t = (x_t - x_{t-1}) / m, 0 at the first step
        u_t = [x_t; d_t], padded on the left with u_0
        c_t^s = ReLU(Σ_k W_k^s u_{t - k 2^s} + b^s),  k = 0 .. KERNEL_SIZE - 1,  s = 0 .. `scales` - 1
        output_t = [u_t; c_t^0; c_t^1; ...], averaged over blocks of `stride` steps

    The state of a recurrent layer converges to a function of x where x changes slowly, and loses the
    direction and the shape of the change; the stem computes both from the input.

    Args:
        inputs: F.
        channels: output channels of all convolutions together, divided among the scales; with fewer channels
            than scales, the largest dilations have none.
        scales: number of dilations.
        stride: steps of the input for one step of the output; the last block of a sequence may be shorter.

    Shapes: values (B, T, F), lengths (B,) to (B, T', 2 F + channels), T' = T / stride, rounded up, and their
    lengths (B,). Values beyond a length are never read.

    Source: random dilations over all scales as in Dempster et al., ROCKET (2020).

    >>> stem = ConvStem(3, channels=16, scales=4, stride=2)
    >>> features, lengths = stem(torch.randn(2, 7, 3), torch.tensor([7, 4]))
    >>> features.shape, lengths.tolist()
    (torch.Size([2, 4, 22]), [4, 2])
    """

    change_scale: Tensor

    def __init__(self, inputs: int, *, channels: int, scales: int, stride: int = 1) -> None:
        super().__init__()
        self.stride, self.width = stride, 2 * inputs + channels
        out_channels = [channels // scales + (s < channels % scales) for s in range(scales)]
        self.convolutions = nn.ModuleList(
            nn.Conv1d(2 * inputs, count, KERNEL_SIZE, dilation=2**scale)
            for scale, count in enumerate(out_channels)
            if count > 0
        )
        self.register_buffer("change_scale", torch.ones(inputs))

    def forward(self, values: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the features (B, T', 2 F + channels) and their lengths (B,)."""
        inputs = self._append_changes(values, lengths)
        parts = [inputs, *(torch.relu(sums) for sums in self._convolve(inputs))]
        # pooled before they are joined: T' steps are copied, not T
        features = torch.cat([_mean_pool(part, lengths, self.stride) for part in parts], 2)
        return features, lengths if self.stride == 1 else (lengths + self.stride - 1) // self.stride

    @torch.no_grad()
    def initialize(self, values: Tensor, lengths: Tensor) -> None:
        """Initialise from data: changes get root mean square 1, pre-activations mean 0 and variance 1.

        Args:
            values: (B, T, F), a batch of training sequences.
            lengths: (B,).

        Source: Salimans and Kingma, Weight Normalization (2016), section 3.
        """
        valid_mask = sequence_mask(lengths, values)
        self.change_scale.fill_(1.0)
        changes = self._append_changes(values, lengths)[..., values.shape[2] :][valid_mask]
        rms = changes.square().mean(0).sqrt()
        self.change_scale.copy_(torch.where(rms > 0, rms, 1.0))
        inputs = self._append_changes(values, lengths)
        for convolution, sums in zip(self.convolutions, self._convolve(inputs), strict=True):
            factor = 1 / sums[valid_mask].std(0, correction=0).clamp(min=1e-3)
            bias, weight = convolution.get_parameter("bias"), convolution.get_parameter("weight")
            bias.sub_(sums[valid_mask].mean(0)).mul_(factor)
            weight.mul_(factor[:, None, None])

    def _append_changes(self, values: Tensor, lengths: Tensor) -> Tensor:
        """Compute u (B, T, 2 F), zero beyond a length."""
        valid_mask = sequence_mask(lengths, values)[..., None]
        x = values.masked_fill(~valid_mask, 0.0)
        changes = torch.diff(x, dim=1, prepend=x[:, :1]) / self.change_scale
        return torch.cat([x, changes.masked_fill(~valid_mask, 0.0)], 2)

    def _convolve(self, inputs: Tensor) -> list[Tensor]:
        """Compute the pre-activations of each scale, (B, T, its channels)."""
        channels_first = inputs.transpose(1, 2)  # (B, 2 F, T)
        outputs = []
        for scale, convolution in enumerate(self.convolutions):
            padding = channels_first[:, :, :1].expand(-1, -1, (KERNEL_SIZE - 1) * 2**scale)
            outputs.append(convolution(torch.cat([padding, channels_first], 2)).transpose(1, 2))
        return outputs


def max_scales(steps: int) -> int:
    """Count the dilations whose receptive field is shorter than this many steps; at least one.

    >>> max_scales(24), max_scales(251), max_scales(3)
    (2, 5, 1)
    """
    return max(1, ((steps - 1) // (KERNEL_SIZE - 1)).bit_length())


def _mean_pool(steps: Tensor, lengths: Tensor, stride: int) -> Tensor:
    """Average blocks of `stride` steps of (B, T, C), the last one over its valid steps: (B, T', C)."""
    if stride == 1:
        return steps
    B, T, C = steps.shape
    blocks, valid_mask = -(-T // stride), sequence_mask(lengths, steps)
    padding = blocks * stride - T
    if padding or not bool(valid_mask.all()):
        steps = nn.functional.pad(steps.masked_fill(~valid_mask[..., None], 0.0), (0, 0, 0, padding))
    counts = nn.functional.pad(valid_mask, (0, padding)).view(B, blocks, stride).sum(2)
    sums = steps.view(B, blocks, stride, C).sum(2)
    return sums / counts.clamp(min=1)[..., None]
