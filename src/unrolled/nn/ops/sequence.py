"""Launch the parts of a sequence network around its recurrence on the kernels, without autograd.

These are the convolutional stem, the pooling, the linear head and the losses. Each returns or takes
its gradient; the same in torch's operators is in the modules that define the formulas (`unrolled.nn.modules`)
and, of head and losses, in the estimators. float32 on the CPU only.

Shapes: B rows, T steps, F inputs, C channels, H units, D features, K outputs; T' = T / stride, rounded up.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from unrolled.kernels.loading import compiled
from unrolled.nn.ops import torch_internals
from unrolled.nn.ops.launch import PLAIN_TYPES, pooled_empty

TAPS = 9  # of each convolution, as the kernels have it


class StemOperands(NamedTuple):
    """Operands of the stem, in the order in which the kernels take them."""

    values: Tensor  # (B, T, F)
    change_scale: Tensor  # (F,)
    weight: Tensor  # (C, 2 F, TAPS)
    bias: Tensor  # (C,)
    lengths: Tensor | None  # (B,) int64; None where every row has T steps


class StemResults(NamedTuple):
    """Results of the stem: its output, and what its backward needs beside that."""

    output: Tensor  # (T', B, 2 F + C)
    activations: Tensor | None  # (B, T, C) before blocks are averaged; None for a stride of 1


class Poolings(NamedTuple):
    """Offsets of the poolings in a row of the result, -1 for none, and the width of a row."""

    last: int
    mean: int
    max: int
    width: int


class HeadOperands(NamedTuple):
    """Operands of the head, in the order in which the kernels take them."""

    features: Tensor  # (B, D) or (B, T, D), the last axis contiguous
    center: Tensor  # (D,)
    factor: Tensor  # (D,)
    weight: Tensor  # (K, D)
    bias: Tensor  # (K,)
    keep: Tensor | None = None  # as the features: 1, or 0 for one that is dropped; None where all are kept


def runs_on_kernels(*tensors: Tensor) -> bool:
    """Tell whether the kernels take such tensors, and may: float32 on the CPU, and operators run eagerly."""
    return (
        compiled is not None
        and torch_internals.runs_eagerly()
        and all(type(t) in PLAIN_TYPES and t.dtype is torch.float32 and t.is_cpu for t in tensors)
    )


def conv_stem(operands: StemOperands, scales: int, stride: int) -> StemResults:
    """Compute the stem's output, time first.

    Args:
        operands: contiguous.
        scales: number of dilations.
        stride: steps of a block.

    Raises:
        ValueError: a length is not from 0 to T.
    """
    values, weight = operands.values, operands.weight
    B, T, F = values.shape
    out = pooled_empty(values, -(-T // stride), B, 2 * F + len(weight))
    activations = pooled_empty(values, B, T, len(weight)) if stride > 1 else None
    is_done = compiled.conv_stem_forward(
        tuple(operands), scales, stride, torch.get_num_threads(), out, activations
    )
    assert is_done, "the kernels refused tensors that nobody prepared for them"
    return StemResults(out, activations)


def conv_stem_backward(
    operands: StemOperands, scales: int, stride: int, results: StemResults, d_output: Tensor,
    gradients: tuple[Tensor, Tensor],
) -> None:  # fmt: skip
    """Write the gradients of weight and bias.

    Args:
        operands: as `conv_stem` had them.
        scales: as `conv_stem` had it.
        stride: as `conv_stem` had it.
        results: of `conv_stem`.
        d_output: (T', B, 2 F + C), its last axis contiguous.
        gradients: of weight and bias; they are overwritten.
    """
    is_done = compiled.conv_stem_backward(
        tuple(operands), scales, stride, torch.get_num_threads(), *results, d_output, *gradients
    )
    assert is_done, "the kernels refused tensors that nobody prepared for them"


def pool(states: Tensor, lengths: Tensor | None, poolings: Poolings) -> tuple[Tensor, Tensor | None]:
    """Pool states (T, B, H) to (B, width); also (B, H), the step of each maximum, if there is one.

    Raises:
        ValueError: a length is not from 0 to T.
    """
    _, B, H = states.shape
    pooled = states.new_empty(B, poolings.width)
    maxima = states.new_empty(B, H, dtype=torch.int32) if poolings.max >= 0 else None
    is_done = compiled.pool_forward(states, lengths, tuple(poolings), torch.get_num_threads(), pooled, maxima)
    assert is_done, "the kernels refused tensors that nobody prepared for them"
    return pooled, maxima


def pool_backward(
    states: Tensor, lengths: Tensor | None, poolings: Poolings, d_pooled: Tensor, maxima: Tensor | None
) -> Tensor:
    """Compute the gradient (T, B, H) of the states from that of the pooled (B, width)."""
    d_states = pooled_empty(states, *states.shape)
    is_done = compiled.pool_backward(
        states, lengths, tuple(poolings), torch.get_num_threads(), d_pooled, maxima, d_states
    )
    assert is_done, "the kernels refused tensors that nobody prepared for them"
    return d_states


def linear_head(operands: HeadOperands, keep_scale: float = 1.0) -> tuple[Tensor, Tensor]:
    """Compute W ((f - center) factor keep keep_scale) + b for each row f of the features.

    Args:
        operands: contiguous but for features and keep.
        keep_scale: what features are multiplied by that are kept.

    Returns:
        The outputs (B, K) or (B, T, K); and what W was multiplied with (M, D), M rows, for the way back.
    """
    features = operands.features
    D, K = operands.weight.shape[1], len(operands.weight)
    M = features.numel() // D
    inputs, outputs = pooled_empty(features, M, D), features.new_empty(M, K)
    is_done = compiled.linear_head_forward(
        tuple(operands), keep_scale, torch.get_num_threads(), inputs, outputs
    )
    assert is_done, "the kernels refused tensors that nobody prepared for them"
    return outputs if features.ndim == 2 else outputs.view(*features.shape[:-1], K), inputs


def linear_head_backward(
    operands: HeadOperands, keep_scale: float, inputs: Tensor, d_outputs: Tensor, d_weight: Tensor,
    d_bias: Tensor,
) -> Tensor:  # fmt: skip
    """Write the gradients of W and b, and compute that of the features, whose strides it has.

    Args:
        operands: as `linear_head` had them.
        keep_scale: as `linear_head` had it.
        inputs: of `linear_head`.
        d_outputs: the outputs' gradient.
        d_weight: (K, D), overwritten.
        d_bias: (K,), overwritten.
    """
    d_features = torch.empty_like(operands.features)
    is_done = compiled.linear_head_backward(
        tuple(operands), keep_scale, torch.get_num_threads(), inputs,
        d_outputs.reshape(len(inputs), -1).contiguous(), d_features, d_weight, d_bias,
    )  # fmt: skip
    assert is_done, "the kernels refused tensors that nobody prepared for them"
    return d_features


def cross_entropy(
    logits: Tensor, targets: Tensor, weights: Tensor, divisor: float, row_weights: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Compute Σ v w[y] (log Σ_k exp(z_k) - z_y) / divisor over the rows z of the logits, and its gradient.

    Args:
        logits: (M, K) contiguous.
        targets: (M,) y; rows with a negative one are left out.
        weights: (K,) w, of the classes.
        divisor: of the sum.
        row_weights: (N,) v, each of M / N rows; None for 1.

    Returns:
        The loss, (), and its gradient in the logits, (M, K).

    Raises:
        ValueError: a target is K or more.
    """
    gradient = torch.empty_like(logits)
    value = compiled.cross_entropy(
        logits, targets, weights, divisor, torch.get_num_threads(), row_weights, gradient
    )
    assert value is not None, "the kernels refused tensors that nobody prepared for them"
    return torch.scalar_tensor(value), gradient


def squared_error(
    outputs: Tensor, targets: Tensor, row_weights: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Compute Σ v (z - y)² / M over the outputs z, and its gradient.

    Args:
        outputs: z, (M, 1) contiguous.
        targets: y, (M,).
        row_weights: v, (M,); None for 1.

    Returns:
        The loss, (), and its gradient in the outputs, (M, 1).
    """
    gradient = torch.empty_like(outputs)
    value = compiled.squared_error(outputs, targets, row_weights, gradient)
    assert value is not None, "the kernels refused tensors that nobody prepared for them"
    return torch.scalar_tensor(value), gradient


def pool_by_attention(
    states: Tensor, lengths: Tensor | None, weights: tuple[Tensor, Tensor, Tensor]
) -> Tensor:
    """Pool states (T, B, H) by attention to (B, H), each row by itself, in the order of its steps.

    Args:
        states: their last axis is contiguous.
        lengths: (B,) int64; None where every row has T steps.
        weights: W (H, H), b (H,) and v (1, H) of v · tanh(W h + b).

    Raises:
        ValueError: a length is not from 0 to T.
    """
    pooled = states.new_empty(states.shape[1:])
    compiled.attention_pool(states, lengths, weights, torch.get_num_threads(), pooled)
    return pooled


def read_out(features: Tensor, center: Tensor, factor: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Compute W ((f - center) factor) + b (R, K) in double precision, each row by itself.

    Args:
        features: f, (R, D) contiguous.
        center: (D,).
        factor: (D,).
        weight: W, (K, D).
        bias: b, (K,).
    """
    outputs = features.new_empty(len(features), len(weight), dtype=torch.float64)
    compiled.readout(features, (center, factor, weight, bias), torch.get_num_threads(), outputs)
    return outputs
