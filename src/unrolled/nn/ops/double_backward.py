"""A backward pass that can be differentiated again, or mapped: the reference's, over the same operands.

Shapes: T steps, B rows, H hidden units.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

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
from unrolled.nn.ops.launch import OPERANDS, RNN, RecurrenceSpec
from unrolled.nn.ops.unroll import unroll

WEIGHT_FIELDS = {  # of the weights, by the operands' names and in their order
    "w_ih": "weight_ih", "w_hh": "weight_hh", "b_ih": "bias_ih", "b_hh": "bias_hh", "slope": "slope",
    "gain_ih": "gain_ih", "gain_hh": "gain_hh", "gain_cell": "gain_cell", "bias_cell": "bias_cell",
}  # fmt: skip
CELL_TYPES: tuple[tuple[Any, Any, Any], ...] = (  # of each cell, as the kernels number them
    (RNNCell, RNNState, RNNWeights), (GRUCell, GRUState, GRUWeights), (LSTMCell, LSTMState, LSTMWeights),
)  # fmt: skip


def is_backward_differentiated(grads: Sequence[Tensor | None]) -> bool:
    """Whether a backward pass is itself differentiated, or mapped over a batch of gradients."""
    return (
        torch.is_grad_enabled()
        or torch_internals.transform_level() is not None
        or torch_internals.has_batched_gradient(grads)
    )


def differentiable_backward(
    rule: RecurrenceSpec, seed: int | Tensor, operands: Sequence[Tensor], grads: Sequence[Tensor | None],
    needs: Sequence[bool],
) -> list[Tensor | None]:  # fmt: skip
    """The gradients of the operands, as functions of the operands and of `grads`.

    Args:
        rule: which recurrence.
        seed: of zoneout's masks; -1 for their mean.
        operands: those that `rule.places` names.
        grads: of out (T, B, H), h_n and c_n ([1,] B, H); None for zeros.
        needs: which of the operands' gradients are asked for.

    Returns:
        One for each operand; None for zeros and for what nobody asked.
    """
    found: list[Tensor | None] = [None] * len(operands)
    asked = [k for k, need in enumerate(needs) if need]
    is_differentiated = torch.is_grad_enabled()  # else only the gradients are a batch
    with torch.enable_grad():
        # Aliases, so that a weight of which x was computed gets what it does here and no more.
        fresh = [t.view_as(t) if need else t for t, need in zip(operands, needs, strict=True)]
        output, state = _reference(rule, seed, fresh)
        reached = [
            (y, g.reshape(y.shape)) for y, g in zip((output, *state), grads, strict=False)
            if g is not None and y.requires_grad
        ]  # fmt: skip
        if not reached:
            return found
        gradients = torch.autograd.grad(
            [y for y, _ in reached], [fresh[k] for k in asked], [g for _, g in reached],
            create_graph=is_differentiated, allow_unused=True,
        )  # fmt: skip
    for k, gradient in zip(asked, gradients, strict=True):
        found[k] = gradient
    return found


def _reference(rule: RecurrenceSpec, seed: int | Tensor, operands: Sequence[Tensor]) -> tuple[Tensor, Any]:
    """The same recurrence by the reference `unroll`."""
    given = {OPERANDS[place]: operand for place, operand in zip(rule.places, operands, strict=True)}
    cell, state, weights = CELL_TYPES[rule.cell]
    rates = (rule.zoneout_h, rule.zoneout_c)[: len(state._fields)]
    zoneout = Zoneout(rates, None if isinstance(seed, int) and seed < 0 else seed) if any(rates) else None
    output, ended = unroll(
        cell(NONLINEARITIES[rule.activation]) if rule.cell == RNN else cell(),
        given["x"],
        weights(**{field: given[name] for name, field in WEIGHT_FIELDS.items() if name in given}),
        state(*(given[name] for name in ("h0", "c0") if name in given)) if "h0" in given else None,
        lengths=given.get("lengths"), resets=given.get("resets"), reverse=rule.reverse,
        dropped=given.get("mask"), zoneout=zoneout,
    )  # fmt: skip
    return output, ended
