"""The same loop as `unroll`, as one operator on the kernels, forward and backward.

Eager calls go through an `autograd.Function`, the cheapest door that torch has; without a gradient to
come they go straight to the kernels. Under `torch.compile`, `torch.export` and dispatch modes the
operators of `unrolled.nn.ops.custom_op` stand in the graph. A second derivative is the reference's.

Shapes: T steps, B rows, F inputs, H hidden units.
"""

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from unrolled.errors import ArgumentError
from unrolled.nn.cells.core import NONLINEARITIES, GRUCell, LSTMCell, RNNCell
from unrolled.nn.cells.zoneout import Zoneout
from unrolled.nn.ops import custom_op, launch, torch_internals
from unrolled.nn.ops.checks import check_lengths, check_resets
from unrolled.nn.ops.double_backward import (
    CELL_TYPES,
    WEIGHT_FIELDS,
    differentiable_backward,
    is_backward_differentiated,
)
from unrolled.nn.ops.launch import RecurrenceSpec

_CELL_NUMBERS: dict[type, tuple[int, Any]] = {
    cell: (number, state) for number, (cell, state, _) in enumerate(CELL_TYPES)
}
_PLAIN = {Tensor, nn.Parameter}  # whose numbers lie where data_ptr says


def fused_unroll(
    cell: RNNCell | GRUCell | LSTMCell,
    inputs: Tensor,
    weights: Any,
    state: Any = None,
    *,
    lengths: Any = None,
    resets: Any = None,
    reverse: bool = False,
    dropped: Tensor | None = None,
    zoneout: Zoneout | None = None,
) -> tuple[Tensor, Any]:
    """Run a cell over its inputs, as `unrolled.nn.ops.unroll` does, all steps as one operator.

    Args:
        cell: one that the kernels know: an LSTM without a projection, a GRU, an RNN whose activation
            has a name.
        inputs: (T, B, F), float32 or float64, on the CPU; without a copy where the last axis is
            contiguous.
        weights: the cell's.
        state: as for the reference.
        lengths: as for the reference.
        resets: as for the reference.
        reverse: as for the reference.
        dropped: as for the reference, but it gets no gradient.
        zoneout: as for the reference.

    Returns:
        What the reference returns, equal up to rounding; equal to the bit from call to call.

    Raises:
        ArgumentError: the kernels do not know the cell, an argument has another shape, dtype or
            device, F is 0, `dropped` wants a gradient, or a transform of `torch.func` or forward mode
            is active.

    With T = 0, or for a row of length 0, the state comes back as it was given. Under `torch.compile`
    wrong lengths are found when the graph runs.

    >>> from unrolled.nn.cells.core import GRUWeights
    >>> weights = GRUWeights(torch.randn(12, 3), torch.randn(12, 4))
    >>> output, state = fused_unroll(GRUCell(), torch.randn(5, 2, 3), weights, lengths=[5, 2])
    >>> output.shape, torch.equal(output[1, 1], state.h[1])
    (torch.Size([5, 2, 4]), True)
    """
    if inputs.ndim != 3:
        raise ArgumentError(f"unroll inputs: expected (T, B, F), got shape {tuple(inputs.shape)}.")
    T, B, F = inputs.shape
    if F == 0:
        raise ArgumentError(
            "unroll inputs: expected at least one input (F >= 1), got F = 0. Run unrolled.nn.unroll."
        )
    if dropped is not None and dropped.requires_grad:
        raise ArgumentError(
            "unroll dropped: expected a mask without a gradient, got one that requires it."
            " Pass dropped.detach(), or run unrolled.nn.unroll."
        )
    if torch_internals.transform_level() is not None or torch_internals.is_in_forward_mode():
        raise ArgumentError(
            "unroll: expected a call outside torch.func and forward mode, which the kernels do not know;"
            " got one inside. Run unrolled.nn.unroll."
        )
    if lengths is not None:
        lengths = check_lengths("unroll", lengths, B, T)
    if resets is not None:
        resets = check_resets("unroll", resets, B, T)
    return fused_unroll_validated(
        cell, inputs, weights, state,
        lengths=lengths, resets=resets, reverse=reverse, dropped=dropped, zoneout=zoneout,
    )  # fmt: skip


def fused_unroll_validated(
    cell: Any, inputs: Tensor, weights: Any, state: Any = None, *,
    lengths: Tensor | None, resets: Tensor | None, reverse: bool, dropped: Tensor | None,
    zoneout: Zoneout | None,
) -> tuple[Tensor, Any]:  # fmt: skip
    """As `unroll`, of what a layer has checked: lengths int64 (B,), resets bool (B, T), F at least 1."""
    every = _all_operands(inputs, state, weights, (lengths, resets, dropped))
    places = tuple([k for k, operand in enumerate(every) if operand is not None])
    operands = tuple([every[k] for k in places])
    settings = cell_settings(cell, weights, reverse=reverse, rates=() if zoneout is None else zoneout.rates)
    seed = None if zoneout is None else zoneout.seed
    if torch.compiler.is_compiling():
        output, *ended = custom_op.trace_recurrence(settings, places, operands, seed)
    else:
        output, *ended = run_recurrence(launch.recurrence_spec(*settings, places), operands, seed)
    return output, _CELL_NUMBERS[type(cell)][1](*ended)


def cell_settings(
    cell: Any, weights: Any, *, reverse: bool, rates: tuple[float, ...] = ()
) -> tuple[int, int, bool, float, float]:
    """The settings of the `Rule` of a cell.

    Args:
        cell: what is to run.
        weights: its weights.
        reverse: whether it runs from the end.
        rates: of zoneout.

    Raises:
        ArgumentError: the kernels do not know it.
    """
    if not has_kernel(cell) or getattr(weights, "weight_hr", None) is not None:
        raise ArgumentError(
            "unroll cell: the kernels know RNNCell with a named activation, GRUCell and LSTMCell without a"
            f" projection; got {cell!r}. Run it with unrolled.nn.unroll."
        )
    parts = 2 if type(cell) is LSTMCell else 1
    if rates and len(rates) != parts:
        raise ArgumentError(
            f"unroll zoneout: expected {parts} rates, one for each part of the state of {cell!r}; got"
            f" {len(rates)}."
        )
    zoneout_h, zoneout_c = (*rates, 0.0, 0.0)[:2]
    activation = NONLINEARITIES.index(cell.nonlinearity) if type(cell) is RNNCell else 0
    return _CELL_NUMBERS[type(cell)][0], activation, reverse, float(zoneout_h), float(zoneout_c)


def has_kernel(cell: Any) -> bool:
    """Whether the kernels have this cell; a projection is the weights' matter."""
    return type(cell) in _CELL_NUMBERS and isinstance(getattr(cell, "nonlinearity", ""), str)


def default_spec(cell: Any, weights_type: Any, present: tuple[bool, ...]) -> RecurrenceSpec:
    """The rule of a run forward, from zeros, with no more than these weights, of a cell the kernels know."""
    # By names alone, so that nobody's callable is hashed or kept.
    kind: Any = type(cell)
    return _default_spec(kind, getattr(cell, "nonlinearity", None), weights_type, present)


@lru_cache(256)
def _default_spec(
    cell_type: Any, nonlinearity: str | None, weights_type: Any, present: tuple[bool, ...]
) -> RecurrenceSpec:
    cell = cell_type() if nonlinearity is None else cell_type(nonlinearity)
    weights = weights_type._make(there or None for there in present)
    every = _all_operands(True, None, weights, (None,) * 3)
    places = tuple(k for k, operand in enumerate(every) if operand is not None)
    return launch.recurrence_spec(*cell_settings(cell, weights, reverse=False), places)


def _all_operands(inputs: Any, state: Any, weights: Any, rest: tuple[Any, ...]) -> tuple[Any, ...]:
    """All operands that there may be, in their order, None for those that are not there."""
    h0, c0 = (None, None) if state is None else (*state, None)[:2]
    return inputs, h0, c0, *[getattr(weights, field, None) for field in WEIGHT_FIELDS.values()], *rest


def run_recurrence(
    rule: RecurrenceSpec,
    operands: tuple[Tensor, ...],
    seed: int | Tensor | None = None,
    leading: tuple[int, ...] = (),
) -> tuple[Tensor, ...]:
    """Run all steps through the door that this call needs.

    Args:
        rule: which recurrence.
        operands: those that `rule.places` names.
        seed: of zoneout's masks; None for their mean.
        leading: axes of size 1 before those of the final states; () or (1,).

    Returns:
        out (T, B, H), h_n (B, H) and, of an LSTM, c_n (B, H).
    """
    if _is_traced(operands):
        out, *ended = custom_op.trace_recurrence(rule.settings, rule.places, operands, seed)
        return out, *([part[None] for part in ended] if leading else ended)
    number = -1 if seed is None else int(seed)
    if torch.is_grad_enabled():
        for operand in operands:
            if operand.requires_grad:
                done: tuple[Tensor, ...] = _apply((rule, number, leading), *operands)
                return done
    out, h_n, c_n, _ = launch.forward(rule, number, operands, saves=False, leading=leading)
    return (out, h_n) if c_n is None else (out, h_n, c_n)


def _is_traced(operands: tuple[Tensor, ...]) -> bool:
    """Whether someone looks at each operator as it is called: a mode, a trace, a tensor of another class."""
    is_watched = (
        not _PLAIN.issuperset(map(type, operands))
        or torch_internals.n_dispatch_modes()
        or torch_internals.is_tracing()
    )
    return bool(is_watched)


class _Recurrence(torch.autograd.Function):
    """The node of one recurrence in autograd's graph."""

    @staticmethod
    def forward(
        ctx: Any, call: tuple[RecurrenceSpec, int, tuple[int, ...]], *operands: Tensor
    ) -> tuple[Tensor, ...]:
        rule, seed, leading = call
        out, h_n, c_n, saved = launch.forward(rule, seed, operands, saves=True, leading=leading)
        ctx.save_for_backward(*operands, out, saved)
        ctx.call = call
        ctx.instruction_set = launch.instruction_set()
        ctx.set_materialize_grads(False)
        return (out, h_n) if c_n is None else (out, h_n, c_n)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        kept = ctx.saved_tensors
        operands, ends = kept[:-2], kept[-2:]
        rule, seed, _ = ctx.call
        needs = ctx.needs_input_grad[1:]
        if is_backward_differentiated(grads):
            return None, *differentiable_backward(rule, seed, operands, grads, needs)
        launch.check_instruction_set(ctx.instruction_set)
        return None, *launch.backward(rule, seed, operands, ends, grads, needs)


# Function.apply itself, without its search for torch.func's transforms: what calls this made it before.
_apply: Any = getattr(super(torch.autograd.Function, _Recurrence), "apply", _Recurrence.apply)
