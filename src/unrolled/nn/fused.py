"""The same loop as `unroll`, as one operator on the kernels, forward and backward.

Eager calls go through an `autograd.Function`, the cheapest door that torch has; without a gradient to
come they go straight to the kernels. Under `torch.compile`, `torch.export` and dispatch modes the
operators of `unrolled.nn.graph` stand in the graph. A second derivative is the reference's.

Shapes: T steps, B rows, F inputs, H hidden units.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from unrolled.errors import ArgumentError
from unrolled.nn import graph, operator
from unrolled.nn.arguments import check_lengths, check_resets
from unrolled.nn.cells import NONLINEARITIES, GRUCell, GRUState, LSTMCell, LSTMState, RNNCell, RNNState
from unrolled.nn.derivative import differentiably
from unrolled.nn.operator import GRU, LSTM, RNN, Rule
from unrolled.nn.zoneout import Zoneout

_CELLS: dict[type, tuple[int, Any]] = {
    RNNCell: (RNN, RNNState), GRUCell: (GRU, GRUState), LSTMCell: (LSTM, LSTMState),
}  # fmt: skip
_FIELDS = (  # of the weights, in the order of the operands
    "weight_ih", "weight_hh", "bias_ih", "bias_hh", "slope", "gain_ih", "gain_hh", "gain_cell", "bias_cell",
)  # fmt: skip
_PLAIN = {Tensor, nn.Parameter}  # whose numbers lie where data_ptr says


def unroll(
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
    """Run a cell over its inputs, as `unrolled.nn.unroll` does, all steps as one operator.

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
        ArgumentError: the kernels do not know the cell, or an argument has another shape, dtype or
            device.

    With T = 0, or for a row of length 0, the state comes back as it was given. Under `torch.compile`
    wrong lengths are found when the graph runs. No `torch.func` transform maps this.

    >>> from unrolled.nn.cells import GRUWeights
    >>> weights = GRUWeights(torch.randn(12, 3), torch.randn(12, 4))
    >>> output, state = unroll(GRUCell(), torch.randn(5, 2, 3), weights, lengths=[5, 2])
    >>> output.shape, torch.equal(output[1, 1], state.h[1])
    (torch.Size([5, 2, 4]), True)
    """
    if inputs.ndim != 3:
        raise ArgumentError(f"unroll inputs: expected (T, B, F), got shape {tuple(inputs.shape)}.")
    T, B = inputs.shape[:2]
    if lengths is not None:
        lengths = check_lengths("unroll", lengths, B, T)
    if resets is not None:
        resets = check_resets("unroll", resets, B, T)
    every = _every(inputs, state, weights, (lengths, resets, dropped))
    rule = rule_of(cell, weights, every, reverse=reverse, rates=() if zoneout is None else zoneout.rates)
    operands = tuple(operand for operand in every if operand is not None)
    output, *ended = run(rule, operands, None if zoneout is None else zoneout.seed)
    return output, _CELLS[type(cell)][1](*ended)


def rule_of(
    cell: Any, weights: Any, every: Sequence[Any], *, reverse: bool, rates: tuple[float, ...] = ()
) -> Rule:
    """What the kernels call this recurrence.

    Args:
        cell: what is to run.
        weights: its weights.
        every: all operands that there may be, None for those that are not there.
        reverse: whether it runs from the end.
        rates: of zoneout.

    Raises:
        ArgumentError: the kernels do not know it.
    """
    if not knows(cell) or getattr(weights, "weight_hr", None) is not None:
        raise ArgumentError(
            "unroll cell: the kernels know RNNCell with a named activation, GRUCell and LSTMCell without a"
            f" projection; got {cell!r}. Run it with unrolled.nn.unroll."
        )
    zoneout_h, zoneout_c = (*rates, 0.0, 0.0)[:2]
    activation = NONLINEARITIES.index(cell.nonlinearity) if type(cell) is RNNCell else 0
    places = tuple(k for k, operand in enumerate(every) if operand is not None)
    return Rule(_CELLS[type(cell)][0], activation, reverse, float(zoneout_h), float(zoneout_c), places)


def knows(cell: Any) -> bool:
    """Whether the kernels have this cell; a projection is the weights' matter."""
    return type(cell) in _CELLS and isinstance(getattr(cell, "nonlinearity", ""), str)


def run_plain(cell: Any, x: Tensor, weights: Any) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Run all steps forward from zeros: the outputs (T, B, H) and the parts of the state (1, B, H)."""
    kind: Any = type(weights)
    rule = _plain_rule(cell, kind, tuple([weight is not None for weight in weights]))
    operands = (x, *[weight for weight in weights if weight is not None])
    out, *ended = run(rule, operands, None, (1,))
    return out, tuple(ended)


@lru_cache(256)
def _plain_rule(cell: Any, weights_type: Any, present: tuple[bool, ...]) -> Rule:
    """The rule of a run that has nothing but its inputs and these weights."""
    weights = weights_type._make(there or None for there in present)
    return rule_of(cell, weights, _every(True, None, weights, (None,) * 3), reverse=False)


def _every(inputs: Any, state: Any, weights: Any, rest: tuple[Any, ...]) -> tuple[Any, ...]:
    """All operands that there may be, in their order, None for those that are not there."""
    h0, c0 = (None, None) if state is None else (*state, None)[:2]
    return inputs, h0, c0, *[getattr(weights, field, None) for field in _FIELDS], *rest


def run(
    rule: Rule, operands: tuple[Tensor, ...], seed: int | Tensor | None = None, leading: tuple[int, ...] = ()
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
    if _is_recorded(operands):
        out, *ended = graph.run(rule, operands, seed)
        return out, *([part[None] for part in ended] if leading else ended)
    number = -1 if seed is None else int(seed)
    if torch.is_grad_enabled():
        for operand in operands:
            if operand.requires_grad:
                done: tuple[Tensor, ...] = _apply((rule, number, leading), *operands)
                return done
    given, _alive = operator.arguments(rule, number, operands)
    out, h_n, c_n, _ = operator.forward(rule, given, operands[0], saves=False, leading=leading)
    return (out, h_n) if c_n is None else (out, h_n, c_n)


def _is_recorded(operands: tuple[Tensor, ...]) -> bool:
    """Whether someone looks at each operator as it is called: a compiler, a mode, a tensor subclass."""
    return (
        torch.compiler.is_compiling()
        or not _PLAIN.issuperset(map(type, operands))
        or torch._C._len_torch_dispatch_stack() > 0  # noqa: SLF001 (no public name for it)
    )


class _Recurrence(torch.autograd.Function):
    """The node of one recurrence in autograd's graph."""

    @staticmethod
    def forward(ctx: Any, call: tuple[Rule, int, tuple[int, ...]], *operands: Tensor) -> tuple[Tensor, ...]:
        rule, seed, leading = call
        given, copies = operator.arguments(rule, seed, operands)
        out, h_n, c_n, saved = operator.forward(rule, given, operands[0], saves=True, leading=leading)
        ctx.save_for_backward(*operands, out, saved)
        # Addresses serve again if nothing was copied and nothing moved.
        ctx.call = rule, seed, None if copies else (given, [operand.data_ptr() for operand in operands])
        ctx.set_materialize_grads(False)
        return (out, h_n) if c_n is None else (out, h_n, c_n)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        *operands, out, saved = ctx.saved_tensors
        rule, seed, before = ctx.call
        needs = ctx.needs_input_grad[1:]
        if torch.is_grad_enabled():
            return None, *differentiably(rule, seed, operands, grads, needs)
        if before is not None and before[1] == [operand.data_ptr() for operand in operands]:
            given, _alive = before[0], None
        else:
            given, _alive = operator.arguments(rule, seed, operands)
        return None, *operator.backward(rule, given, operands, (out, saved), grads, needs)


# Function.apply itself, without its search for torch.func's transforms: what calls this made it before.
_apply: Any = super(torch.autograd.Function, _Recurrence).apply
