"""Softmax cross-entropy over a large vocabulary, a chunk of rows at a time.

Logits of 64 rows, 70 steps and 10,000 words are 180 MB, and torch's loss keeps them and makes their gradient.
Here a buffer of 16 MB holds the logits of some rows, then their gradient, which goes into those of states,
weight and bias at once.

Shapes: M rows, H numbers of a state, V classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from unrolled.errors import ArgumentError, TensorError
from unrolled.validation import check_choice, check_float

_CHUNK_NUMBERS = 1 << 22  # logits of a chunk: with a quarter of it the weight's gradient is added too often
_LEAST_ROWS = 32  # of a chunk: fewer make the products slow


def chunked_cross_entropy(
    states: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    targets: Tensor,
    *,
    label_smoothing: float = 0.0,
    ignore_index: int = -100,
    reduction: Literal["mean", "sum"] = "mean",
) -> Tensor:
    """Compute the cross-entropy of a linear readout without holding all of its logits.

        z   = W s_m + b
        l_m = log Σ_v exp(z_v) - (1 - ε) z_y - ε / V Σ_v z_v      y the target of row m, ε the smoothing

    Equal to `F.cross_entropy(F.linear(states, weight, bias), targets, ...)` up to rounding. The gradients are
    computed with the loss, three products in all; second derivatives are refused.

    Args:
        states: (M, H).
        weight: (V, H).
        bias: (V,), or None.
        targets: (M,) int64, from 0 to V - 1, or `ignore_index`.
        label_smoothing: ε, from 0 to 1: the share of the target that is spread over all classes.
        ignore_index: target of rows that have none: they count neither in the loss nor in its mean.
        reduction: "mean" over the rows with a target (NaN where there are none), or "sum".

    Returns:
        ().

    Raises:
        TensorError: shapes or types do not fit together.
        ArgumentError: label_smoothing or reduction is none of those, or a target is out of range.

    >>> states, weight = torch.randn(5, 3, requires_grad=True), torch.randn(7, 3)
    >>> targets = torch.tensor([6, 0, -100, 2, 2])
    >>> loss = chunked_cross_entropy(states, weight, None, targets)
    >>> torch.allclose(loss, torch.nn.functional.cross_entropy(states @ weight.T, targets))
    True
    """
    check_float("label_smoothing", label_smoothing, least=0, most=1)
    check_choice("reduction", reduction, ("mean", "sum"))
    has_target = _check_operands(states, weight, bias, targets, ignore_index)
    loss: Tensor = _ChunkedCrossEntropy.apply(  # type: ignore[no-untyped-call]
        states,
        weight,
        bias,
        targets.masked_fill(~has_target, 0),
        has_target.to(states.dtype),
        label_smoothing,
    )
    return loss / has_target.sum() if reduction == "mean" else loss


@torch.no_grad()
def token_losses(
    states: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, *, ignore_index: int = -100
) -> Tensor:
    """Compute -log p (M,) of each target, 0 where there is none; without gradients, a chunk at a time.

    Args:
        states: (M, H).
        weight: (V, H).
        bias: (V,), or None.
        targets: (M,) int64, from 0 to V - 1, or `ignore_index`.
        ignore_index: target of rows that have none.

    Raises:
        TensorError: shapes or types do not fit together.
        ArgumentError: a target is out of range.

    >>> token_losses(torch.zeros(2, 3), torch.ones(4, 3), None, torch.tensor([1, -100])).tolist()
    [1.386..., 0.0]
    """
    has_target = _check_operands(states, weight, bias, targets, ignore_index)
    losses = states.new_zeros(len(states))
    for rows, logits in _chunks(states, weight, bias):
        picked = logits.gather(1, targets[rows].masked_fill(~has_target[rows], 0)[:, None])[:, 0]
        losses[rows] = torch.where(has_target[rows], logits.logsumexp(1) - picked, 0.0)
    return losses


class _ChunkedCrossEntropy(torch.autograd.Function):
    """Sum of the losses of rows, each times its weight; its gradients are computed in the forward pass."""

    @staticmethod
    def forward(
        ctx: Any,
        states: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        targets: Tensor,
        row_weights: Tensor,
        smoothing: float,
    ) -> Tensor:
        """Compute the loss, and the gradients of what needs them."""
        V = len(weight)
        needs_states, needs_weight, needs_bias = ctx.needs_input_grad[:3]
        d_states = torch.empty_like(states) if needs_states else None
        d_weight = torch.zeros_like(weight) if needs_weight else None
        d_bias = torch.zeros_like(bias) if needs_bias and bias is not None else None
        total = states.new_zeros(())
        for rows, logits in _chunks(states, weight, bias):
            places, scale = targets[rows, None], row_weights[rows]
            normalizers = logits.logsumexp(1)
            losses = normalizers - (1 - smoothing) * logits.gather(1, places)[:, 0]
            if smoothing:
                losses -= smoothing * logits.mean(1)
            total += losses @ scale
            if not any(ctx.needs_input_grad[:3]):
                continue
            gradient = logits.sub_(normalizers[:, None]).exp_()  # the logits are not needed any more
            if smoothing:
                gradient -= smoothing / V
            gradient.scatter_add_(1, places, gradient.new_full(places.shape, smoothing - 1))
            gradient *= scale[:, None]
            if d_states is not None:
                torch.mm(gradient, weight, out=d_states[rows])
            if d_weight is not None:
                d_weight.addmm_(gradient.t(), states[rows])
            if d_bias is not None:
                d_bias += gradient.sum(0)
        ctx.gradients = (d_states, d_weight, d_bias)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_loss: Tensor) -> tuple[Tensor | None, ...]:
        """Scale the gradients of the forward pass."""
        scaled = (None if each is None else each * d_loss for each in ctx.gradients)
        return (*scaled, None, None, None)


def _chunks(states: Tensor, weight: Tensor, bias: Tensor | None) -> Iterator[tuple[slice, Tensor]]:
    """Yield some rows after the other with their logits, in a buffer that the next ones overwrite."""
    V = len(weight)
    size = min(max(_LEAST_ROWS, _CHUNK_NUMBERS // max(1, V)), max(1, len(states)))
    buffer = states.new_empty(size, V)
    for start in range(0, len(states), size):
        rows = slice(start, min(start + size, len(states)))
        logits = buffer[: rows.stop - start]
        if bias is None:
            torch.mm(states[rows], weight.t(), out=logits)
        else:
            torch.addmm(bias, states[rows], weight.t(), out=logits)
        yield rows, logits


def _check_operands(
    states: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, ignore_index: int
) -> Tensor:
    """Pass if the operands fit together; return the mask (M,) of rows with a target."""
    M, V = len(states), len(weight)
    shapes = [tuple(each.shape) for each in (states, weight, targets)]
    fits = states.ndim == weight.ndim == 2 and weight.shape[1] == states.shape[1]
    if not fits or targets.shape != (M,) or (bias is not None and bias.shape != (V,)):
        raise TensorError(
            f"cross-entropy: expected states (M, H), weight (V, H), bias (V,) and targets (M,); got shapes "
            f"{shapes[0]}, {shapes[1]}, {None if bias is None else tuple(bias.shape)} and {shapes[2]}. "
            "Flatten states and targets to one row a target."
        )
    if weight.dtype != states.dtype or targets.dtype != torch.int64:
        raise TensorError(
            f"cross-entropy: expected states and weight of one type and targets of int64; got "
            f"{states.dtype}, {weight.dtype} and {targets.dtype}. Convert them."
        )
    has_target = targets != ignore_index
    wrong = targets[has_target & ((targets < 0) | (targets >= V))]
    if len(wrong):
        raise ArgumentError(
            f"cross-entropy targets: expected classes from 0 to {V - 1}, or {ignore_index} for none, got "
            f"{int(wrong[0])}. Map targets to positions of the vocabulary."
        )
    return has_target
