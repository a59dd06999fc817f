"""Fused `unroll`: all steps of a recurrence as one operator on the kernels, forward and backward.

Eager calls go through an `autograd.Function`, the cheapest way into autograd; without a gradient to come they
go straight to the kernels. Under `torch.compile`, `torch.export` and dispatch modes the operators of
`unrolled.nn.ops.custom_op` stand in the graph. A second derivative is the reference's.

Shapes: T steps, B rows, F inputs, H hidden units.
"""

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from unrolled.errors import ArgumentError
from unrolled.kernels.operands import LEARNED, OPERANDS
from unrolled.nn.cells.core import NONLINEARITIES, GRUCell, LSTMCell, RNNCell
from unrolled.nn.cells.zoneout import Zoneout
from unrolled.nn.ops import custom_op, launch, torch_internals
from unrolled.nn.ops.checks import check_lengths, check_resets
from unrolled.nn.ops.double_backward import (
    CELL_TYPES,
    differentiable_backward,
    is_backward_differentiated,
)
from unrolled.nn.ops.launch import RecurrenceSpec

_CELL_NUMBERS: dict[type, tuple[int, Any]] = {
    cell: (number, state) for number, (cell, state, _) in enumerate(CELL_TYPES)
}
_WEIGHT_NAMES = [OPERANDS[index].name for index in LEARNED]


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
    """Run a cell over its inputs as `unrolled.nn.unroll` does, all steps as one operator.

    Args:
        cell: one that has a kernel: an LSTM without a projection, a GRU, an RNN whose activation has a
            name.
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
        ArgumentError: the cell has no kernel, an argument has another shape, dtype or
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
    if torch_internals.n_transforms() > 0 or torch_internals.is_in_forward_mode():
        raise ArgumentError(
            "unroll: expected a call outside torch.func and forward mode, which the kernels do not support;"
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
    """Run `fused_unroll` on validated arguments: lengths int64 (B,), resets bool (B, T), F at least 1."""
    all_operands = _all_operands(inputs, state, weights, (lengths, resets, dropped, None))
    present = tuple([k for k, operand in enumerate(all_operands) if operand is not None])
    operands = tuple([all_operands[k] for k in present])
    settings = cell_settings(cell, weights, reverse=reverse, rates=() if zoneout is None else zoneout.rates)
    seed = None if zoneout is None else zoneout.seed
    if torch.compiler.is_compiling():
        output, *final = custom_op.trace_recurrence(settings, present, operands, seed)
    else:
        output, *final = run_recurrence(launch.recurrence_spec(*settings, present), operands, seed)
    return output, _CELL_NUMBERS[type(cell)][1](*final)


def cell_settings(
    cell: Any, weights: Any, *, reverse: bool, rates: tuple[float, ...] = ()
) -> tuple[int, int, bool, float, float]:
    """Return the `settings` of the `RecurrenceSpec` of a cell.

    Args:
        cell: what is to run.
        weights: its weights.
        reverse: whether it runs from the last step to the first.
        rates: of zoneout.

    Raises:
        ArgumentError: the cell has no kernel, or another number of rates than its state has parts.
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
    """Tell whether a cell has a kernel; whether its weights have a projection is another question."""
    return type(cell) in _CELL_NUMBERS and isinstance(getattr(cell, "nonlinearity", ""), str)


def default_spec(
    cell: Any,
    weights_type: Any,
    present: tuple[bool, ...],
    *,
    has_state: bool = False,
    has_lengths: bool = False,
    has_starts: bool = False,
    reverse: bool = False,
) -> RecurrenceSpec:
    """Return the spec of a cell that runs with these weights.

    Args:
        cell: one that has a kernel.
        weights_type: the NamedTuple of its weights.
        present: for each field of these, whether it is there.
        has_state: whether it starts from a state, and not from zeros.
        has_lengths: whether rows have lengths.
        has_starts: whether rows have starts; there are no other operands.
        reverse: whether it runs from the last step to the first.
    """
    # By names alone, so that nobody's callable is hashed or kept.
    cell_type: Any = type(cell)
    nonlinearity = getattr(cell, "nonlinearity", None)
    return _default_spec(
        cell_type, nonlinearity, weights_type, present, has_state, has_lengths, has_starts, reverse
    )


@lru_cache(256)
def _default_spec(
    cell_type: Any, nonlinearity: str | None, weights_type: Any, present: tuple[bool, ...],
    has_state: bool, has_lengths: bool, has_starts: bool, reverse: bool,
) -> RecurrenceSpec:  # fmt: skip
    cell = cell_type() if nonlinearity is None else cell_type(nonlinearity)
    weights = weights_type._make(is_present or None for is_present in present)
    state = (True,) * len(_CELL_NUMBERS[cell_type][1]._fields) if has_state else None
    all_operands = _all_operands(True, state, weights, (has_lengths or None, None, None, has_starts or None))
    indices = tuple(k for k, operand in enumerate(all_operands) if operand is not None)
    return launch.recurrence_spec(*cell_settings(cell, weights, reverse=reverse), indices)


def _all_operands(inputs: Any, state: Any, weights: Any, constants: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return a value for each of `OPERANDS`, None for those that are absent."""
    h0, c0 = (None, None) if state is None else (*state, None)[:2]
    return inputs, h0, c0, *[getattr(weights, name, None) for name in _WEIGHT_NAMES], *constants


def run_recurrence(
    spec: RecurrenceSpec,
    operands: tuple[Tensor, ...],
    seed: int | Tensor | None = None,
    leading: tuple[int, ...] = (),
) -> tuple[Tensor, ...]:
    """Run all steps, by the cheapest way that serves this call.

    Args:
        spec: which recurrence.
        operands: those of `spec.present`.
        seed: of zoneout's masks; None for their mean.
        leading: axes of size 1 before those of the final states; () or (1,).

    Returns:
        out (T, B, H), h_n (B, H) and, of an LSTM, c_n (B, H).
    """
    if _is_traced(operands):
        out, *final = custom_op.trace_recurrence(spec.settings, spec.present, operands, seed)
        return out, *([part[None] for part in final] if leading else final)
    number = -1 if seed is None else int(seed)
    if torch.is_grad_enabled():
        for operand in operands:
            if operand.requires_grad:
                results: tuple[Tensor, ...] = _apply((spec, number, leading), *operands)
                return results
    out, h_n, c_n, _ = launch.forward(spec, number, operands, saves=False, leading=leading)
    return (out, h_n) if c_n is None else (out, h_n, c_n)


def _is_traced(operands: tuple[Tensor, ...]) -> bool:
    """Tell whether operators are watched as they are called: by a mode, a trace, a tensor subclass."""
    return bool(
        not launch.PLAIN_TYPES.issuperset(map(type, operands))
        or torch_internals.n_dispatch_modes()
        or torch_internals.is_tracing()
    )


class _Recurrence(torch.autograd.Function):
    """Node of one recurrence in autograd's graph."""

    @staticmethod
    @torch_internals.skip_in_compile
    def forward(
        ctx: Any, call: tuple[RecurrenceSpec, int, tuple[int, ...]], *operands: Tensor
    ) -> tuple[Tensor, ...]:
        spec, seed, leading = call
        out, h_n, c_n, saved = launch.forward(spec, seed, operands, saves=True, leading=leading)
        ctx.save_for_backward(*operands, out, saved)
        ctx.call = call
        ctx.instruction_set = launch.instruction_set()
        ctx.set_materialize_grads(False)
        return (out, h_n) if c_n is None else (out, h_n, c_n)

    @staticmethod
    @torch_internals.skip_in_compile
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        saved = ctx.saved_tensors
        operands, results = saved[:-2], saved[-2:]
        spec, seed, _ = ctx.call
        needs = ctx.needs_input_grad[1:]
        if torch.compiler.is_compiling() and not torch.is_grad_enabled():  # compiled autograd
            return None, *custom_op.trace_backward(spec, seed, operands, results, grads, needs)
        if is_backward_differentiated(grads):
            return None, *differentiable_backward(spec, seed, operands, grads, needs)
        launch.check_instruction_set(ctx.instruction_set)
        return None, *launch.backward(spec, seed, operands, results, grads, needs)


# Function.apply itself, without its search for torch.func's transforms: fused_unroll has made that search.
_apply: Any = getattr(super(torch.autograd.Function, _Recurrence), "apply", _Recurrence.apply)
