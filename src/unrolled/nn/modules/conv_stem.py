"""Causal convolutional stem: first differences and dilated convolutions in front of a recurrent layer."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from unrolled.nn.modules.pooling import sequence_mask
from unrolled.nn.ops.gradients import gradient_buffer, trains_plainly
from unrolled.nn.ops.sequence import (
    TAPS,
    StemOperands,
    conv_stem,
    conv_stem_backward,
    runs_on_kernels,
)


class ConvStem(nn.Module):
    """Concatenate the inputs x, their scaled changes, and causal convolutions with dilations 1, 2, 4, ...

        d_t = (x_t - x_{t-1}) / m, 0 at the first step
        u_t = [x_t; d_t]
        c_t^s = ReLU(Σ_k W_k^s u_{t - k 2^s} + b^s),  k = 0 .. 8,  s = 0 .. `scales` - 1
        output_t = [u_t; c_t^0; c_t^1; ...], averaged over blocks of `stride` steps

    The state of a recurrent layer converges to a function of x where x changes slowly, and loses the
    direction and the shape of the change; the stem computes both from the input.

    A tap before the first step must carry no information: its x is the mean of the x of the taps of c_t^s
    that are there, its d is 0. So a constant sequence has constant features whatever its level, and one odd
    first value reaches about as many features as the same value anywhere else. (Zeros would be a jump from
    the mean of all sequences; x_0 repeated would hand one odd value to every tap before the start.)

    Args:
        inputs: F.
        channels: output channels of all convolutions together, divided among the scales; with fewer channels
            than scales, the largest dilations have none.
        scales: number of dilations.
        stride: steps of the input for one step of the output; the last block of a sequence may be shorter.
        differenced: inputs, the first ones, that have changes; None for all. The d of the others is 0: where
            values are missing at random, changes of a mask are as large as any and tell only sequences apart.

    Shapes: values (B, T, F), lengths (B,) to (B, T', 2 F + channels), T' = T / stride, rounded up, and their
    lengths (B,). Values beyond a length are never read.

    Source: random dilations over all scales as in Dempster et al., ROCKET (2020).

    >>> stem = ConvStem(3, channels=16, scales=4, stride=2)
    >>> features, lengths = stem(torch.randn(2, 7, 3), torch.tensor([7, 4]))
    >>> features.shape, lengths.tolist()
    (torch.Size([2, 4, 22]), [4, 2])
    """

    change_scale: Tensor

    def __init__(
        self, inputs: int, *, channels: int, scales: int, stride: int = 1, differenced: int | None = None
    ) -> None:
        super().__init__()
        self.scales, self.stride, self.width = scales, stride, 2 * inputs + channels
        # scale after scale; the newest tap last, as in torch's convolutions
        self.weight = nn.Parameter(torch.empty(channels, 2 * inputs, TAPS))
        self.bias = nn.Parameter(torch.empty(channels))
        bound = (2 * inputs * TAPS) ** -0.5  # of nn.Conv1d
        with torch.no_grad():
            for channels_of_scale, _ in self.channels_and_dilations():
                self.weight[channels_of_scale].uniform_(-bound, bound)
                self.bias[channels_of_scale].uniform_(-bound, bound)
        change_scale = torch.ones(inputs)
        change_scale[inputs if differenced is None else differenced :] = torch.inf
        self.register_buffer("change_scale", change_scale)

    def forward(self, values: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the features (B, T', 2 F + channels) and their lengths (B,)."""
        inputs = self._append_changes(values, lengths)
        parts = (inputs, torch.relu(self._convolve(inputs)))
        # pooled before they are joined: T' steps are copied, not T
        return torch.cat([_mean_pool(part, lengths, self.stride) for part in parts], 2), self.blocks(lengths)

    @property
    def has_vjp(self) -> bool:
        """Tell whether `vjp` can run this stem: weights that train, in float32 on the CPU, without hooks."""
        return trains_plainly(self, ("weight", "bias")) and runs_on_kernels(self.weight)

    def vjp(self, values: Tensor, lengths: Tensor | None) -> tuple[Tensor, Callable[[Tensor], None]]:
        """Run forward on the kernels, and return the function that computes the weights' gradients.

        Args:
            values: (B, T, F) float32 on the CPU.
            lengths: (B,); None where every row has T steps.

        Returns:
            The features (T', B, 2 F + channels), time first, equal to those of `forward` up to rounding but
            0 beyond a length; and a function of their gradient, which writes `weight.grad` and `bias.grad`.
        """
        operands = StemOperands(values.contiguous(), self.change_scale, self.weight, self.bias, lengths)
        results = conv_stem(operands, self.scales, self.stride)

        def backward(d_features: Tensor) -> None:
            gradients = gradient_buffer(self.weight), gradient_buffer(self.bias)
            conv_stem_backward(operands, self.scales, self.stride, results, d_features, gradients)

        return results.output, backward

    def blocks(self, lengths: Tensor) -> Tensor:
        """Count the steps of the features of rows with so many steps."""
        return (lengths + self.stride - 1) // self.stride

    @torch.no_grad()
    def initialize(self, values: Tensor, lengths: Tensor) -> None:
        """Initialise from data: changes get root mean square 1, pre-activations mean 0 and variance 1.

        Args:
            values: (B, T, F), a batch of training sequences.
            lengths: (B,).

        Source: Salimans and Kingma, Weight Normalization (2016), section 3.
        """
        valid_mask, is_differenced = sequence_mask(lengths, values), self.change_scale.isfinite()
        self.change_scale[is_differenced] = 1.0
        changes = self._append_changes(values, lengths)[..., values.shape[2] :][valid_mask]
        rms = changes.square().mean(0).sqrt()
        self.change_scale[is_differenced] = torch.where(rms > 0, rms, 1.0)[is_differenced]
        inputs = self._append_changes(values, lengths)
        sums = self._convolve(inputs)[valid_mask]
        factor = 1 / sums.std(0, correction=0).clamp(min=1e-3)
        self.bias.sub_(sums.mean(0)).mul_(factor)
        self.weight.mul_(factor[:, None, None])

    def _append_changes(self, values: Tensor, lengths: Tensor) -> Tensor:
        """Compute u (B, T, 2 F), zero beyond a length."""
        valid_mask = sequence_mask(lengths, values)[..., None]
        x = values.masked_fill(~valid_mask, 0.0)
        changes = torch.diff(x, dim=1, prepend=x[:, :1]) / self.change_scale
        return torch.cat([x, changes.masked_fill(~valid_mask, 0.0)], 2)

    def _convolve(self, inputs: Tensor) -> Tensor:
        """Compute the pre-activations (B, T, channels)."""
        channels_first, sums = inputs.transpose(1, 2), []  # (B, 2 F, T)
        for channels, dilation in self.channels_and_dilations():
            padded = nn.functional.pad(channels_first, ((TAPS - 1) * dilation, 0))
            weight, bias = self.weight[channels], self.bias[channels]
            present = nn.functional.conv1d(padded, weight, bias, dilation=dilation)
            missing = self._missing_taps(padded, weight, dilation)
            sums.append((present + missing).transpose(1, 2))
        return torch.cat(sums, 2)

    def _missing_taps(self, padded: Tensor, weight: Tensor, dilation: int) -> Tensor:
        """Compute what taps before the first step add to the pre-activations (B, channels of a scale, T).

        Args:
            padded: (B, 2 F, (TAPS - 1) · dilation + T), zero before the first step.
            weight: (channels of the scale, 2 F, TAPS).
            dilation: of the scale.
        """
        F, steps = len(self.change_scale), padded.shape[2] - (TAPS - 1) * dilation
        n_present = (torch.arange(steps, device=padded.device) // dilation + 1).clamp(max=TAPS)
        ones = padded.new_ones(F, 1, TAPS)
        means = nn.functional.conv1d(padded[:, :F], ones, dilation=dilation, groups=F) / n_present
        # the oldest taps come first: the sum of the first k of them, for k = 0 .. TAPS
        oldest = nn.functional.pad(weight[:, :F].cumsum(2), (1, 0))
        return torch.einsum("cft,bft->bct", oldest[..., TAPS - n_present], means)

    def channels_and_dilations(self) -> Iterator[tuple[slice, int]]:
        """Yield the channels of each scale that has any, and its dilation."""
        channels, first = len(self.bias), 0
        for scale in range(self.scales):
            count = channels // self.scales + (scale < channels % self.scales)
            if count:
                yield slice(first, first + count), 2**scale
            first += count


def max_scales(steps: int) -> int:
    """Count the dilations whose receptive field is shorter than this many steps; at least one.

    >>> max_scales(24), max_scales(251), max_scales(3)
    (2, 5, 1)
    """
    return max(1, ((steps - 1) // (TAPS - 1)).bit_length())


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
