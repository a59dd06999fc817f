"""Backward pass that can be differentiated again, or mapped: the reference's, over the same operands.

Shapes: T steps, B rows, H hidden units.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from unrolled.kernels.operands import OPERANDS
from unrolled.nn.cells.core import (
    NONLINEARITIES,
    GRUCell,
    GRUState,
    GRUWeights,
    LSTMCell,
    LSTMState,
    LSTMWeights,
    RNNCell,
    RNNState,
    RNNWeights,
)
from unrolled.nn.cells.zoneout import Zoneout
from unrolled.nn.ops import torch_internals
from unrolled.nn.ops.launch import RNN, RecurrenceSpec
from unrolled.nn.ops.unroll import unroll

CELL_TYPES: tuple[tuple[Any, Any, Any], ...] = (  # of each cell, as the kernels number them
    (RNNCell, RNNState, RNNWeights), (GRUCell, GRUState, GRUWeights), (LSTMCell, LSTMState, LSTMWeights),
)  # fmt: skip


def is_backward_differentiated(grads: Sequence[Tensor | None]) -> bool:
    """Tell whether a backward pass is itself differentiated, or mapped over a batch of gradients."""
    return (
        torch.is_grad_enabled()
        or torch_internals.n_transforms() > 0
        or torch_internals.has_batched_gradient(grads)
    )


def differentiable_backward(
    spec: RecurrenceSpec, seed: int | Tensor, operands: Sequence[Tensor], grads: Sequence[Tensor | None],
    needs: Sequence[bool],
) -> list[Tensor | None]:  # fmt: skip
    """Compute the gradients of the operands, as functions of the operands and of `grads`.

    Args:
        spec: which recurrence.
        seed: of zoneout's masks; -1 for their mean.
        operands: those of `spec.present`.
        grads: of out (T, B, H), h_n and c_n ([1,] B, H); None for zeros.
        needs: for each operand, whether its gradient is needed.

    Returns:
        One for each operand; None for zeros and for what is not needed.
    """
    needed = [k for k, is_needed in enumerate(needs) if is_needed]
    is_differentiated = torch.is_grad_enabled()  # else only the gradients are a batch
    with torch.enable_grad():
        # Aliases, so that a weight of which x was computed gets what it does here and no more.
        aliases = [t.view_as(t) if is_needed else t for t, is_needed in zip(operands, needs, strict=True)]
        output, state = _run_reference(spec, seed, aliases)
        reached = [
            (result, grad.reshape(result.shape))
            for result, grad in zip((output, *state), grads, strict=False)
            if grad is not None and result.requires_grad
        ]
        if not reached:
            return [None] * len(operands)
        gradients = torch.autograd.grad(
            [result for result, _ in reached], [aliases[k] for k in needed], [grad for _, grad in reached],
            create_graph=is_differentiated, allow_unused=True,
        )  # fmt: skip
    by_operand = dict(zip(needed, gradients, strict=True))
    return [by_operand.get(k) for k in range(len(operands))]


def _run_reference(
    spec: RecurrenceSpec, seed: int | Tensor, operands: Sequence[Tensor]
) -> tuple[Tensor, Any]:
    """Run the recurrence by the reference `unroll`."""
    named = {OPERANDS[index].name: operand for index, operand in zip(spec.present, operands, strict=True)}
    cell, state, weights = CELL_TYPES[spec.cell]
    rates = (spec.zoneout_h, spec.zoneout_c)[: len(state._fields)]
    zoneout = Zoneout(rates, None if isinstance(seed, int) and seed < 0 else seed) if any(rates) else None
    return unroll(
        cell(NONLINEARITIES[spec.activation]) if spec.cell == RNN else cell(),
        named["x"],
        weights(**{name: named[name] for name in weights._fields if name in named}),
        state(*(named[name] for name in ("h0", "c0") if name in named)) if "h0" in named else None,
        lengths=named.get("lengths"), resets=named.get("resets"), reverse=spec.reverse,
        dropped=named.get("mask"), zoneout=zoneout,
    )  # fmt: skip
