"""One recurrence, all its steps, on the kernels: tensors in, tensors out, no autograd.

What runs is a `Rule`; what it runs on are operands, at most fifteen, in this order:

    x (T, B, F), h0 (B, H), c0 (B, H), w_ih (G H, F), w_hh (G H, H), b_ih (G H,), b_hh (G H,),
    slope (1,), gain_ih (G H,), gain_hh (G H,), gain_cell (H,), bias_cell (H,),
    lengths (B,) int64, resets (B, T) bool, mask (B, H)

The first twelve have gradients. Calls are short at the sizes where people forecast, so what stands
here runs once a tensor and call and no more. Shapes: T steps, B rows, F inputs, H hidden units, G gates.
"""

from collections.abc import Sequence
from functools import lru_cache
from math import prod
from typing import Any, NamedTuple

import torch
from torch import Tensor

from unrolled.errors import ArgumentError
from unrolled.kernels import workspace

try:
    import unrolled.kernels._compiled as _compiled  # noqa: PLR0402 (as kernels itself says)
except ModuleNotFoundError:
    _compiled = None  # type: ignore[assignment]

NAMES = (
    "x", "h0", "c0", "w_ih", "w_hh", "b_ih", "b_hh", "slope", "gain_ih", "gain_hh", "gain_cell", "bias_cell",
    "lengths", "resets", "mask",
)  # fmt: skip
DIFFERENTIABLE = 12
RNN, GRU, LSTM = range(3)  # as the kernels number them
_X, _C0, _W_HH, _GAIN_HH, _LENGTHS, _RESETS = 0, 2, 4, 9, 12, 13
_GATES = (1, 3, 4)
_REAL = (torch.float32, torch.float64)
_KINDS = {_LENGTHS: torch.int64, _RESETS: torch.bool}  # of the operands that are not of x's dtype
_SMALL = workspace.LEAST_BYTES // 8  # so few numbers never come from the pool

Arguments = tuple[Any, ...]  # what the kernels take first: see `arguments`


class Rule(NamedTuple):
    """Which recurrence it is, and which operands it has."""

    cell: int  # RNN, GRU or LSTM
    activation: int  # its place in NONLINEARITIES; 0 for GRU and LSTM
    reverse: bool
    zoneout_h: float  # rates, 0 for none
    zoneout_c: float
    places: tuple[int, ...]  # of the operands that are there, in NAMES


def forward(
    rule: Rule, given: Arguments, x: Tensor, *, saves: bool, leading: tuple[int, ...] = ()
) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
    """Run all steps.

    Args:
        rule: which recurrence.
        given: what `arguments` made of the operands, which must be alive.
        x: the first of them.
        saves: whether `backward` may follow.
        leading: axes of size 1 before those of the final states.

    Returns:
        out (T, B, H); h_n (B, H); c_n (B, H), None but for LSTM; what `backward` needs beside them,
        None where that is nothing.
    """
    _, _, is_double, _, _, T, B, F, H, *_ = given
    out = empty(x, T, B, H)
    h_n = x.new_empty(*leading, B, H)
    c_n = x.new_empty(*leading, B, H) if rule.cell == LSTM else None
    kept = saved_elements(rule, T, B, F, H, is_double) if saves else 0
    saved = empty(x, kept) if kept else None
    _compiled.recurrence_forward(
        *given, out.data_ptr(), B * H, H, h_n.data_ptr(), 0 if c_n is None else c_n.data_ptr(),
        0 if saved is None else saved.data_ptr(),
    )  # fmt: skip
    return out, h_n, c_n, saved


def backward(
    rule: Rule, given: Arguments, operands: Sequence[Tensor], kept: tuple[Tensor, Tensor | None],
    grads: Sequence[Tensor | None], needs: tuple[bool, ...],
) -> list[Tensor | None]:  # fmt: skip
    """The gradients of the operands.

    Args:
        rule: as `forward` had it.
        given: what `arguments` makes of the operands.
        operands: as `forward` had them.
        kept: out, and what `forward` saved.
        grads: of out, h_n and, of an LSTM, c_n; None for zeros.
        needs: which operands' gradients are asked for.

    Returns:
        One for each operand, contiguous but for x's, which lies as x does. None where nobody asked; but
        what is learned gets all of its gradients where any is asked for.
    """
    out, saved = kept
    found: list[Tensor | None] = [None] * len(operands)
    at = [0] * DIFFERENTIABLE
    strides: tuple[int, ...] = (0, 0)
    for k, place in asked(rule.places, needs):
        if place == _X:
            gradient = _empty_like(operands[k])
            strides = gradient.stride()[:2]
        else:
            gradient = torch.empty_like(operands[k], memory_format=torch.contiguous_format)
        found[k] = gradient
        at[place] = gradient.data_ptr()
    of_out, *of_state = grads
    of_out = None if of_out is None else rows(of_out)
    of_state = [None if g is None else g.contiguous() for g in (*of_state, None)]
    _compiled.recurrence_backward(
        *given, out.data_ptr(), *out.stride()[:2], 0 if saved is None else saved.data_ptr(),
        *((0, 0, 0) if of_out is None else (of_out.data_ptr(), *of_out.stride()[:2])),
        *[0 if g is None else g.data_ptr() for g in of_state[:2]], at[0], *strides, *at[1:],
    )  # fmt: skip
    return found


@lru_cache(256)
def asked(places: tuple[int, ...], needs: tuple[bool, ...]) -> list[tuple[int, int]]:
    """The gradients that `backward` computes, each with its place: of what is learned all or none."""
    pairs = [(k, place) for k, place in enumerate(places) if place < DIFFERENTIABLE]
    learns = any(needs[k] for k, place in pairs if place > _C0)
    return [(k, place) for k, place in pairs if (learns if place > _C0 else needs[k])]


def saved_elements(rule: Rule, T: int, B: int, F: int, H: int, is_double: bool) -> int:
    """How many numbers `forward` keeps for `backward` beside its results; as many for each step and row."""
    cell, activation, _, zoneout_h, zoneout_c, places = rule
    found: int = _compiled.saved_elements(
        cell, activation, T, B, F, H, zoneout_h > 0 or zoneout_c > 0, _GAIN_HH in places, is_double
    )
    return found


def arguments(rule: Rule, seed: int, operands: Sequence[Tensor]) -> tuple[Arguments, list[Tensor]]:
    """What both kernels take first, and the copies of operands that it points into.

    Args:
        rule: which recurrence.
        seed: of zoneout's masks; -1 takes their mean.
        operands: those that `rule.places` names; their strides may be any.

    Raises:
        ArgumentError: an operand has the wrong shape, dtype or device.
    """
    cell, activation, reverse, zoneout_h, zoneout_c, places = rule
    x = operands[0]
    dtype, (T, B, F) = x.dtype, x.shape
    if dtype not in _REAL:
        raise ArgumentError(
            f"unroll inputs: expected float32 or float64, got {dtype}. Convert with .float()."
        )
    H = operands[places.index(_W_HH)].shape[-1]
    R = _GATES[cell] * H
    shapes = (
        (T, B, F), (B, H), (B, H), (R, F), (R, H), (R,), (R,), (1,),
        (R,), (R,), (H,), (H,), (B,), (B, T), (B, H),
    )  # fmt: skip
    at, copies = [0] * len(NAMES), []
    for operand, place in zip(operands, places, strict=True):
        if operand.shape != shapes[place] or not operand.is_cpu or operand.dtype is not dtype:
            _check(place, operand, shapes[place], dtype)
        laid = rows(operand) if place == _X else operand.contiguous()
        if laid is not operand:
            copies.append(laid)
        at[place] = laid.data_ptr()
    stride_t, stride_b, _ = x.stride() if at[0] == x.data_ptr() else copies[0].stride()
    return (
        cell, activation, dtype is torch.float64, reverse, torch.get_num_threads(), T, B, F, H,
        at[0], stride_t, stride_b, *at[1:], zoneout_h, zoneout_c, seed,
    ), copies  # fmt: skip


def _check(place: int, operand: Tensor, shape: tuple[int, ...], dtype: torch.dtype) -> None:
    """Refuse an operand that the kernels would read beyond its end."""
    wanted = _KINDS.get(place, dtype)
    if operand.shape != shape or operand.dtype is not wanted or not operand.is_cpu:
        raise ArgumentError(
            f"unroll {NAMES[place]}: expected shape {shape} of {wanted} on the CPU, which fits the inputs;"
            f" got {tuple(operand.shape)} of {operand.dtype} on {operand.device}."
            " Convert it, or run unrolled.nn.unroll."
        )


def empty(like: Tensor, *shape: int) -> Tensor:
    """A new tensor of this shape, from the pool where it is large."""
    if prod(shape) < _SMALL:
        return like.new_empty(shape)
    return torch.from_numpy(workspace.empty(shape, "f8" if like.dtype is torch.float64 else "f4"))


def _empty_like(x: Tensor) -> Tensor:
    """A new tensor that lies as x does, its last axis contiguous."""
    if x.numel() < _SMALL:
        return torch.empty_like(rows(x))
    if x.transpose(0, 1).is_contiguous():  # batch came first
        return empty(x, *x.transpose(0, 1).shape).transpose(0, 1)
    return empty(x, *x.shape)


def rows(x: Tensor) -> Tensor:
    """The same (T, B, size), copied if its last axis is not contiguous."""
    return x if x.stride(2) == 1 or x.shape[2] == 1 else x.contiguous()
