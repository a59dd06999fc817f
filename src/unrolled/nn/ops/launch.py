"""One recurrence, all its steps, on the kernels: tensors in, tensors out, no autograd.

What runs is a `Rule`; what it runs on are operands, at most fifteen, in this order:

    x (T, B, F), h0 (B, H), c0 (B, H), w_ih (G H, F), w_hh (G H, H), b_ih (G H,), b_hh (G H,),
    slope (1,), gain_ih (G H,), gain_hh (G H,), gain_cell (H,), bias_cell (H,),
    lengths (B,) int64, resets (B, T) bool, mask (B, H)

The first twelve have gradients. Calls are short at the sizes where people forecast, so what stands
here runs once a tensor and call and no more. Shapes: T steps, B rows, F inputs, H hidden units, G gates.
"""

from dataclasses import dataclass, field
from functools import lru_cache
from math import prod
from typing import Any

import torch
from torch import Tensor

from unrolled.errors import ArgumentError
from unrolled.kernels import memory_pool
from unrolled.nn.cells.core import NONLINEARITIES

try:
    import unrolled.kernels._compiled as _compiled  # noqa: PLR0402 (as kernels itself says)
except ModuleNotFoundError:
    _compiled = None  # type: ignore[assignment]

OPERANDS = (
    "x", "h0", "c0", "w_ih", "w_hh", "b_ih", "b_hh", "slope", "gain_ih", "gain_hh", "gain_cell", "bias_cell",
    "lengths", "resets", "mask",
)  # fmt: skip
N_DIFFERENTIABLE = 12
RNN, GRU, LSTM = range(3)  # as the kernels number them
_X, _C0, _W_HH, _GAIN_HH, _LENGTHS, _RESETS = 0, 2, 4, 9, 12, 13
_GATES = (1, 3, 4)
_PRELU = NONLINEARITIES.index("prelu")
DTYPES = (torch.float32, torch.float64)  # that the kernels compute in
_KINDS = {_LENGTHS: torch.int64, _RESETS: torch.bool}  # of the operands that are not of x's dtype
_SMALL = memory_pool.LEAST_BYTES // 8  # so few numbers never come from the pool

Operands = tuple[Tensor, ...]

# Torch describes its tensors to C from 2.10 on; where it does not, Python asks each for its address.
_IS_OPEN = _compiled is not None and _compiled.open_exchange(
    getattr(Tensor, "__dlpack_c_exchange_api__", None), Tensor.is_neg
)


@dataclass(frozen=True, slots=True, eq=False)
class RecurrenceSpec:
    """Which recurrence it is, and which operands it has."""

    cell: int  # RNN, GRU or LSTM
    activation: int  # its place in NONLINEARITIES; 0 for GRU and LSTM
    reverse: bool
    zoneout_h: float  # rates, 0 for none
    zoneout_c: float
    places: tuple[int, ...]  # of the operands that are there, in NAMES
    w_hh: int = field(init=False)  # which of these it is
    is_held: bool = field(init=False)  # by zoneout
    has_norm: bool = field(init=False)
    quick: Any = field(init=False)  # the same in the compiled room, None where torch cannot describe tensors

    def __post_init__(self) -> None:
        missing = _missing(self.cell, self.activation, set(self.places))
        if missing:
            raise ArgumentError(
                f"unroll weights and state: expected what belongs together; {missing}."
                " Give all parts of them, or run unrolled.nn.unroll."
            )
        object.__setattr__(self, "w_hh", self.places.index(_W_HH))
        object.__setattr__(self, "is_held", self.zoneout_h > 0 or self.zoneout_c > 0)
        object.__setattr__(self, "has_norm", _GAIN_HH in self.places)
        object.__setattr__(
            self, "quick", _compiled.Recurrence(*self.settings, self.places) if _IS_OPEN else None
        )

    @property
    def settings(self) -> tuple[int, int, bool, float, float]:
        """All but the places."""
        return self.cell, self.activation, self.reverse, self.zoneout_h, self.zoneout_c


def _missing(cell: int, activation: int, places: set[int]) -> str:
    """What of a recurrence is there without what it needs, or has no place in it; "" where all fits."""
    has = {name: place in places for place, name in enumerate(OPERANDS)}
    if cell not in {RNN, GRU, LSTM} or not 0 <= activation < (len(NONLINEARITIES) if cell == RNN else 1):
        return f"there is no cell {cell} with activation {activation}"
    needed = {
        "x": True, "w_ih": True, "w_hh": True, "b_ih": has["b_hh"], "b_hh": has["b_ih"],
        "h0": has["c0"], "slope": cell == RNN and activation == _PRELU,
        "gain_ih": cell != RNN and has["gain_hh"], "gain_hh": has["gain_ih"] or has["gain_cell"],
        "gain_cell": cell == LSTM and has["gain_hh"],
    }  # fmt: skip
    needed["c0"] = cell == LSTM and has["h0"]
    allowed = {
        "c0": cell == LSTM, "slope": needed["slope"], "gain_ih": cell != RNN, "gain_cell": cell == LSTM,
        "bias_cell": has["gain_cell"],
    }  # fmt: skip
    lacking = [f"{name} is missing" for name, needs in needed.items() if needs and not has[name]]
    beyond = [f"{name} has no place in it" for name, may in allowed.items() if has[name] and not may]
    return ", ".join(lacking + beyond)


@lru_cache(1024)
def recurrence_spec(
    cell: int, activation: int, reverse: bool, zoneout_h: float, zoneout_c: float, places: Any
) -> RecurrenceSpec:
    """The rule with these settings, made once."""
    return RecurrenceSpec(cell, activation, reverse, zoneout_h, zoneout_c, places)


def forward(
    rule: RecurrenceSpec, seed: int, operands: Operands, *, saves: bool, leading: tuple[int, ...] = ()
) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
    """Run all steps.

    Args:
        rule: which recurrence.
        seed: of zoneout's masks; -1 takes their mean.
        operands: those that `rule.places` names, x (T, B, F) and w_hh (G H, H) first of all; their
            strides may be any.
        saves: whether `backward` may follow.
        leading: axes of size 1 before those of the final states.

    Returns:
        out (T, B, H); h_n (B, H); c_n (B, H), None but for LSTM; what `backward` needs beside them,
        None where that is nothing.

    Raises:
        ArgumentError: an operand has the wrong shape, dtype or device.
    """
    x = operands[0]
    T, B, F = x.shape
    H = operands[rule.w_hh].shape[-1]
    out = pooled_empty(x, T, B, H)
    h_n = x.new_empty(*leading, B, H)
    c_n = x.new_empty(*leading, B, H) if rule.cell == LSTM else None
    kept = saved_elements(rule, T, B, F, H, x.dtype is torch.float64) if saves else 0
    saved = pooled_empty(x, kept) if kept else None
    quick, threads = rule.quick, torch.get_num_threads()
    try:
        if quick is None or not quick.forward(seed, threads, operands, out, h_n, c_n, saved):
            given, _alive = arguments(rule, seed, operands)
            ends = [0 if t is None else t.data_ptr() for t in (h_n, c_n, saved)]
            given += (out.data_ptr(), B * H, H, *ends)
            _compiled.recurrence_forward(*given)
    except ValueError as fault:  # the kernels look at the lengths once more, as they may have changed
        raise fault if isinstance(fault, ArgumentError) else ArgumentError(f"unroll {fault}") from None
    return out, h_n, c_n, saved


def backward(
    rule: RecurrenceSpec, seed: int, operands: Operands, kept: tuple[Tensor, Tensor | None],
    grads: tuple[Tensor | None, ...], needs: tuple[bool, ...],
) -> list[Tensor | None]:  # fmt: skip
    """The gradients of the operands.

    Args:
        rule: as `forward` had it.
        seed: as `forward` had it.
        operands: as `forward` had them.
        kept: out, and what `forward` saved.
        grads: of out, h_n and, of an LSTM, c_n; None for zeros.
        needs: which operands' gradients are asked for.

    Returns:
        One for each operand, contiguous but for x's, which lies as x does. None where nobody asked; but
        what is learned gets all of its gradients where any is asked for.

    Raises:
        ArgumentError: an operand, or what was kept, is no longer what it was.
    """
    (out, saved), wanted = kept, gradients_to_compute(rule.places, needs)
    found = [
        torch.empty_like(t) if wants else None for t, wants in zip(operands[1:], wanted[1:], strict=True)
    ]
    found.insert(_X, _gradient_of_x(operands[_X]) if wanted[_X] else None)
    quick, threads = rule.quick, torch.get_num_threads()
    try:
        if quick is None or not quick.backward(seed, threads, operands, out, saved, grads, found):
            _backward_by_addresses(rule, seed, operands, kept, grads, found)
    except ValueError as fault:  # as in `forward`
        raise fault if isinstance(fault, ArgumentError) else ArgumentError(f"unroll {fault}") from None
    return found


def _backward_by_addresses(
    rule: RecurrenceSpec, seed: int, operands: Operands, kept: tuple[Tensor, Tensor | None],
    grads: tuple[Tensor | None, ...], found: list[Tensor | None],
) -> None:  # fmt: skip
    """Write the gradients into `found`, whatever way tensors lie; those that lie otherwise are replaced."""
    given, _alive = arguments(rule, seed, operands)
    out, saved = _checked(rule, operands, kept)
    at, strides = [0] * N_DIFFERENTIABLE, (0, 0)
    for k, gradient in enumerate(found):
        if gradient is not None:
            laid = gradient if k == _X else gradient.contiguous()
            found[k], at[rule.places[k]] = laid, laid.data_ptr()
            strides = _strides(laid) if k == _X else strides
    of_out, of_h, of_c = (*grads, None)[:3]
    of_out = None if of_out is None else contiguous_rows(of_out)
    of_state = [None if g is None else g.resolve_neg().contiguous() for g in (of_h, of_c)]
    given += (
        out.data_ptr(), *_strides(out), 0 if saved is None else saved.data_ptr(),
        *((0, 0, 0) if of_out is None else (of_out.data_ptr(), *_strides(of_out))),
        *[0 if g is None else g.data_ptr() for g in of_state], at[0], *strides, *at[1:],
    )  # fmt: skip
    _compiled.recurrence_backward(*given)


def _checked(
    rule: RecurrenceSpec, operands: Operands, kept: tuple[Tensor, Tensor | None]
) -> tuple[Tensor, Tensor | None]:
    """What `forward` kept, as the kernels read it, if it still has the size and dtype that they wrote.

    Whoever packs saved tensors may hand back others, and a graph holds the size of the instruction set
    that was selected when it was made.
    """
    (out, saved), x = kept, operands[0]
    (T, B, F), H = x.shape, operands[rule.w_hh].shape[-1]
    is_double = x.dtype is torch.float64
    for name, found, shape in (
        ("out", out, (T, B, H)),
        ("saved", saved, (saved_elements(rule, T, B, F, H, is_double),)),
    ):
        has = (0,) if found is None else tuple(found.shape)
        if has != shape or (found is not None and (found.dtype is not x.dtype or not found.is_cpu)):
            got = "nothing" if found is None else f"shape {has} of {found.dtype} on {found.device}"
            raise ArgumentError(
                f"unroll {name}: expected shape {shape} of {x.dtype} on the CPU, as forward kept it for"
                f" backward; got {got}. Hand back what was packed, on the instruction set that wrote it,"
                " and trace with gradients enabled what is to be differentiated."
            )
    laid = None if saved is None else saved.resolve_neg().contiguous()
    return contiguous_rows(out), laid


@lru_cache(1024)
def gradients_to_compute(places: tuple[int, ...], needs: tuple[bool, ...]) -> tuple[bool, ...]:
    """Which operands' gradients `backward` computes: of what is learned all or none."""
    learns = any(need for place, need in zip(places, needs, strict=True) if _C0 < place < N_DIFFERENTIABLE)
    return tuple(
        place < N_DIFFERENTIABLE and (learns if place > _C0 else need)
        for place, need in zip(places, needs, strict=True)
    )


def instruction_set() -> str:
    """The one in use; what `forward` saves lies as its vectors do, so `backward` must run on the same."""
    return _compiled.selected()


def check_instruction_set(before: str) -> None:
    """Refuse to read what another instruction set wrote."""
    if before != _compiled.selected():
        raise ArgumentError(
            f"unroll backward: expected the instruction set of the forward pass, {before}; got"
            f" {_compiled.selected()}. Select it again, or run the forward pass once more."
        )


def saved_elements(rule: RecurrenceSpec, T: int, B: int, F: int, H: int, is_double: bool) -> int:
    """How many numbers `forward` keeps for `backward` beside its results; as many for each step and row."""
    return _compiled.saved_elements(
        rule.cell, rule.activation, T, B, F, H, rule.is_held, rule.has_norm, is_double
    )


def arguments(rule: RecurrenceSpec, seed: int, operands: Operands) -> tuple[tuple[Any, ...], list[Tensor]]:
    """What both kernels take first, and the copies of operands that it points into.

    This is the way for views, and for a torch that does not describe its tensors to C.

    Args:
        rule: which recurrence.
        seed: of zoneout's masks; -1 takes their mean.
        operands: those that `rule.places` names; their strides may be any.

    Raises:
        ArgumentError: an operand has the wrong shape, dtype or device.
    """
    cell, activation, reverse, zoneout_h, zoneout_c = rule.settings
    x = operands[0]
    dtype, (T, B, F), H = x.dtype, x.shape, operands[rule.w_hh].shape[-1]
    R = _GATES[cell] * H
    if dtype not in DTYPES or not x.is_cpu:
        raise ArgumentError(
            f"unroll inputs: expected float32 or float64 on the CPU, got {dtype} on {x.device}."
            " Convert them, or run unrolled.nn.unroll."
        )
    shapes = (
        (T, B, F), (B, H), (B, H), (R, F), (R, H), (R,), (R,), (1,),
        (R,), (R,), (H,), (H,), (B,), (B, T), (B, H),
    )  # fmt: skip
    at, copies = [0] * len(OPERANDS), []
    for operand, place in zip(operands, rule.places, strict=True):
        if operand.shape != shapes[place] or not operand.is_cpu or operand.dtype is not dtype:
            _check(place, operand, shapes[place], dtype)
        laid = contiguous_rows(operand) if place == _X else operand.resolve_neg().contiguous()
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
            f"unroll {OPERANDS[place]}: expected shape {shape} of {wanted} on the CPU, which fits the inputs;"
            f" got {tuple(operand.shape)} of {operand.dtype} on {operand.device}."
            " Convert it, or run unrolled.nn.unroll."
        )


def pooled_empty(like: Tensor, *shape: int) -> Tensor:
    """A new tensor of this shape, from the pool where it is large."""
    if prod(shape) < _SMALL or like.dtype not in DTYPES:
        return like.new_empty(*shape)
    return torch.from_numpy(memory_pool.empty(shape, "f8" if like.dtype is torch.float64 else "f4"))


def empty_gradient(x: Tensor) -> Tensor:
    """A new tensor that lies as x does where that leaves its last axis contiguous, as the kernels write it.

    Overlapping windows, such as `unfold` gives, may have strides of 1 on more than one axis.
    """
    found = torch.empty_like(x)
    return found if found.stride(2) == 1 or x.shape[2] == 1 else x.new_empty(x.shape)


def _gradient_of_x(x: Tensor) -> Tensor:
    """The same, from the pool where it is large: then it lies as x does, time or batch first."""
    if x.numel() < _SMALL:
        return empty_gradient(x)
    if x.transpose(0, 1).is_contiguous():
        return pooled_empty(x, *x.transpose(0, 1).shape).transpose(0, 1)
    return pooled_empty(x, *x.shape)


def _strides(x: Tensor) -> tuple[int, int]:
    """From step to step and from row to row."""
    stride_t, stride_b, _ = x.stride()
    return stride_t, stride_b


def contiguous_rows(x: Tensor) -> Tensor:
    """The same (T, B, size), copied if its last axis is not contiguous or its sign is still to be changed."""
    return x if x.stride(2) == 1 and not x.is_neg() else x.resolve_neg().contiguous()
