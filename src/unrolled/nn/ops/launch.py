"""Launch one recurrence, all its steps, on the kernels: tensors in, tensors out, no autograd.

A `RecurrenceSpec` says which recurrence it is and which of `unrolled.kernels.operands` it has; operands are
passed in that order. Torch describes them to C. Operands that the kernels cannot read as they are, such as
transposed weights, are copied here.

Calls are short at the sizes where people forecast, so what stands here runs once a tensor and call.
Shapes: T steps, B rows, F inputs, H hidden units, G gates.
"""

import atexit
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from unrolled.errors import ArgumentError
from unrolled.kernels import memory_pool
from unrolled.kernels.loading import compiled
from unrolled.kernels.operands import INDEX, LEARNED, N_DIFFERENTIABLE, OPERANDS
from unrolled.nn.cells.core import NONLINEARITIES
from unrolled.nn.ops import torch_internals

RNN, GRU, LSTM = range(3)  # as the kernels number them
DTYPES = (torch.float32, torch.float64)  # that the kernels compute in
PLAIN_TYPES = frozenset({Tensor, nn.Parameter})  # whose numbers lie where their description says
_GATES = (1, 3, 4)
_PRELU = NONLINEARITIES.index("prelu")
_ELEMENTS = {"int64": torch.int64, "bool": torch.bool}
_SMALL = memory_pool.LEAST_BYTES // 8  # so few numbers never come from the pool
_X = INDEX["x"]

Operands = tuple[Tensor, ...]

if compiled is not None and not compiled.open_exchange(
    getattr(Tensor, "__dlpack_c_exchange_api__", None), Tensor.is_neg
):
    raise ImportError(
        "unrolled.nn: expected torch 2.10 or newer, which describes its tensors to C;"
        f" got {torch.__version__}. Run pip install --upgrade torch."
    )


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class RecurrenceSpec:
    """Kind of a recurrence: cell, activation, direction and rates, and the operands that it takes."""

    cell: int  # RNN, GRU or LSTM
    activation: int  # its index in NONLINEARITIES; 0 for GRU and LSTM
    reverse: bool
    zoneout_h: float  # rates, 0 for none
    zoneout_c: float
    present: tuple[int, ...]  # indices of its operands, ascending
    weight_hh: int = field(init=False)  # the index of weight_hh among these
    kernel: Any = field(init=False)  # the compiled recurrence

    def __post_init__(self) -> None:
        names = {OPERANDS[index].name for index in self.present}
        faults = _operand_faults(self.cell, self.activation, names)
        if "starts" in names and (
            self.reverse or self.zoneout_h or self.zoneout_c or names & {"h0", "lengths", "resets", "mask"}
        ):
            faults = "starts are allowed forward only, from zeros, without lengths, resets, masks and zoneout"
        if faults:
            raise ArgumentError(
                f"unroll weights and state: expected all that belongs together; {faults}."
                " Pass all of it, or run unrolled.nn.unroll."
            )
        object.__setattr__(self, "weight_hh", self.present.index(INDEX["weight_hh"]))
        object.__setattr__(self, "kernel", compiled.Recurrence(*self.settings, self.present))
        _live_specs.add(self)

    @property
    def settings(self) -> tuple[int, int, bool, float, float]:
        """Cell, activation, direction and rates of zoneout."""
        return self.cell, self.activation, self.reverse, self.zoneout_h, self.zoneout_c


_live_specs: weakref.WeakSet[RecurrenceSpec] = weakref.WeakSet()


@atexit.register
def _release_kernels() -> None:
    """Drop the compiled recurrences of caches and graphs: nanobind reports those that outlive Python."""
    for spec in _live_specs:
        object.__setattr__(spec, "kernel", None)


def _operand_faults(cell: int, activation: int, names: set[str]) -> str:
    """Name the operands that are missing or not allowed beside the others; "" where all fit."""
    if cell not in {RNN, GRU, LSTM} or not 0 <= activation < (len(NONLINEARITIES) if cell == RNN else 1):
        return f"there is no cell {cell} with activation {activation}"
    has_norm, has_slope = "gain_hh" in names, cell == RNN and activation == _PRELU
    needed = {
        "bias_ih": "bias_hh" in names, "bias_hh": "bias_ih" in names,
        "h0": "c0" in names, "c0": cell == LSTM and "h0" in names, "slope": has_slope,
        "gain_ih": cell != RNN and has_norm, "gain_hh": not names.isdisjoint({"gain_ih", "gain_cell"}),
        "gain_cell": cell == LSTM and has_norm,
    }  # fmt: skip
    needed |= {operand.name: True for operand in OPERANDS if operand.is_required}
    allowed = {
        "c0": cell == LSTM, "slope": has_slope, "gain_ih": cell != RNN, "gain_cell": cell == LSTM,
        "bias_cell": "gain_cell" in names,
    }  # fmt: skip
    missing = [f"{name} is missing" for name, is_needed in needed.items() if is_needed and name not in names]
    extra = [f"{name} is not allowed" for name, may_be in allowed.items() if name in names and not may_be]
    return ", ".join(missing + extra)


@lru_cache(1024)
def recurrence_spec(
    cell: int, activation: int, reverse: bool, zoneout_h: float, zoneout_c: float, present: tuple[int, ...]
) -> RecurrenceSpec:
    """Return the spec with these fields, made once."""
    return RecurrenceSpec(cell, activation, reverse, zoneout_h, zoneout_c, present)


@torch_internals.skip_in_compile
def forward(
    spec: RecurrenceSpec,
    seed: int,
    operands: Operands,
    *,
    saves: bool,
    leading: tuple[int, ...] = (),
) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
    """Run all steps.

    Args:
        spec: which recurrence.
        seed: of zoneout's masks; -1 takes their mean.
        operands: those of `spec.present`; their strides may be any.
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
    H = operands[spec.weight_hh].shape[-1]
    out = pooled_empty(x, T, B, H)
    h_n = x.new_empty(*leading, B, H)
    c_n = x.new_empty(*leading, B, H) if spec.cell == LSTM else None
    n_saved = saved_elements(spec, T, B, F, H, x.dtype) if saves else 0
    saved = pooled_empty(x, n_saved) if n_saved else None
    call = spec.kernel.forward
    try:
        if not call(seed, torch.get_num_threads(), operands, out, h_n, c_n, saved):
            operands = _readable_operands(spec, operands)
            _require(call(seed, torch.get_num_threads(), operands, out, h_n, c_n, saved))
    except ValueError as fault:  # the kernels check the lengths once more, as they may have changed
        raise fault if isinstance(fault, ArgumentError) else ArgumentError(f"unroll {fault}") from None
    return out, h_n, c_n, saved


@torch_internals.skip_in_compile
def backward(
    spec: RecurrenceSpec, seed: int, operands: Operands, results: tuple[Tensor, Tensor | None],
    grads: tuple[Tensor | None, ...], needs: tuple[bool, ...], targets: Sequence[Tensor | None] | None = None,
) -> list[Tensor | None]:  # fmt: skip
    """Compute the gradients of the operands.

    Args:
        spec: as `forward` had it.
        seed: as `forward` had it.
        operands: as `forward` had them.
        results: out, and what `forward` saved.
        grads: of out, h_n and, of an LSTM, c_n; None for zeros.
        needs: for each operand, whether its gradient is needed.
        targets: contiguous tensors for the gradients of all operands after x; None to make them.

    Returns:
        One for each operand, contiguous but for x's, which has x's strides. None where it is not needed; but
        the learned operands get all of their gradients where any is needed.

    Raises:
        ArgumentError: an operand, or a result of `forward`, is no longer what it was.
    """
    is_computed = gradients_to_compute(spec.present, needs)
    d_x = _gradient_of_x(operands[0]) if is_computed[0] else None
    gradients = [d_x, *(targets or _empty_like(operands[1:], is_computed[1:]))]
    call = spec.kernel.backward
    try:
        if not call(seed, torch.get_num_threads(), operands, *results, grads, gradients):
            operands = _readable_operands(spec, operands)
            results = _readable_results(spec, operands, results)
            grads = _readable_grads(spec, operands, grads)
            gradients = [d_x, *(targets or _empty_like(operands[1:], is_computed[1:]))]
            _require(call(seed, torch.get_num_threads(), operands, *results, grads, gradients))
    except ValueError as fault:  # as in `forward`
        raise fault if isinstance(fault, ArgumentError) else ArgumentError(f"unroll {fault}") from None
    return gradients


def _empty_like(operands: Operands, is_computed: tuple[bool, ...]) -> list[Tensor | None]:
    return [
        torch.empty_like(t) if is_needed else None for t, is_needed in zip(operands, is_computed, strict=True)
    ]


def _require(is_done: bool) -> None:
    assert is_done, "the kernels refused tensors that launch.py checked and copied"


@lru_cache(1024)
def gradients_to_compute(present: tuple[int, ...], needs: tuple[bool, ...]) -> tuple[bool, ...]:
    """Tell which operands' gradients `backward` computes: of the learned operands all or none."""
    learns = any(is_needed for index, is_needed in zip(present, needs, strict=True) if index in LEARNED)
    return tuple(
        learns if index in LEARNED else is_needed and index < N_DIFFERENTIABLE
        for index, is_needed in zip(present, needs, strict=True)
    )


def instruction_set() -> str:
    """Return the one in use; `forward` saves in its vector order, so `backward` must run on the same."""
    return compiled.selected()


def check_instruction_set(before: str) -> None:
    """Refuse to read what another instruction set saved."""
    if before != compiled.selected():
        raise ArgumentError(
            f"unroll backward: expected the instruction set of the forward pass, {before}; got"
            f" {compiled.selected()}. Select it again, or run the forward pass once more."
        )


def saved_elements(spec: RecurrenceSpec, T: int, B: int, F: int, H: int, dtype: torch.dtype) -> int:
    """Count the numbers that `forward` saves beside its results; as many for each step and row."""
    return int(spec.kernel.saved_elements(T, B, F, H, dtype is torch.float64))


def _readable_operands(spec: RecurrenceSpec, operands: Operands) -> Operands:
    """Copy operands whose strides or signs the kernels cannot read; refuse those of another shape or type."""
    x = operands[0]
    dtype, (T, B, F), H = x.dtype, x.shape, operands[spec.weight_hh].shape[-1]
    if dtype not in DTYPES or not x.is_cpu:
        raise ArgumentError(
            f"unroll inputs: expected float32 or float64 on the CPU, got {dtype} on {x.device}."
            " Convert them, or run unrolled.nn.unroll."
        )
    sizes = {"T": T, "B": B, "F": F, "H": H, "R": _GATES[spec.cell] * H, "1": 1}
    readable = []
    for tensor, index in zip(operands, spec.present, strict=True):
        operand = OPERANDS[index]
        shape = tuple(sizes[axis] for axis in operand.axes)
        expected = _ELEMENTS.get(operand.element, dtype)
        if tensor.shape != shape or tensor.dtype is not expected or not tensor.is_cpu:
            raise ArgumentError(
                f"unroll {operand.name}: expected shape {shape} of {expected} on the CPU, to fit the inputs;"
                f" got {tuple(tensor.shape)} of {tensor.dtype} on {tensor.device}."
                " Convert it, or run unrolled.nn.unroll."
            )
        readable.append(contiguous_rows(tensor) if index == _X else tensor.resolve_neg().contiguous())
    return tuple(readable)


def _readable_results(
    spec: RecurrenceSpec, operands: Operands, results: tuple[Tensor, Tensor | None]
) -> tuple[Tensor, Tensor | None]:
    """Copy out and `saved` where the kernels cannot read them; refuse those of another size or type.

    Hooks on saved tensors may hand back other tensors, and a graph holds the size of the instruction set
    that was selected when it was made.
    """
    (out, saved), x = results, operands[0]
    (T, B, F), H = x.shape, operands[spec.weight_hh].shape[-1]
    for name, tensor, shape in (
        ("out", out, (T, B, H)),
        ("saved", saved, (saved_elements(spec, T, B, F, H, x.dtype),)),
    ):
        has = (0,) if tensor is None else tuple(tensor.shape)
        if has != shape or (tensor is not None and (tensor.dtype is not x.dtype or not tensor.is_cpu)):
            got = "nothing" if tensor is None else f"shape {has} of {tensor.dtype} on {tensor.device}"
            raise ArgumentError(
                f"unroll {name}: expected shape {shape} of {x.dtype} on the CPU, as forward saved it for"
                f" backward; got {got}. Hand back what was packed, on the instruction set that wrote it,"
                " and trace with gradients enabled what is to be differentiated."
            )
    return contiguous_rows(out), _contiguous(saved)


def _readable_grads(
    spec: RecurrenceSpec, operands: Operands, grads: tuple[Tensor | None, ...]
) -> tuple[Tensor | None, ...]:
    """Copy gradients that the kernels cannot read; refuse those of another shape or type."""
    x, H = operands[0], operands[spec.weight_hh].shape[-1]
    T, B, _ = x.shape
    for name, grad, shape in zip(("out", "h_n", "c_n"), grads, ((T, B, H), (B, H), (B, H)), strict=False):
        shapes = [shape, (1, *shape)][: 1 if name == "out" else 2]
        if grad is None:
            continue
        if tuple(grad.shape) not in shapes or grad.dtype is not x.dtype or not grad.is_cpu:
            raise ArgumentError(
                f"unroll gradient of {name}: expected shape {shape} of {x.dtype} on the CPU, as {name} has;"
                f" got {tuple(grad.shape)} of {grad.dtype} on {grad.device}. Convert it."
            )
    return None if grads[0] is None else contiguous_rows(grads[0]), *map(_contiguous, grads[1:])


def check_dtypes(spec: RecurrenceSpec, operands: Operands) -> None:
    """Refuse operands of another type than they must have beside x; shapes may be symbols."""
    for tensor, index in zip(operands, spec.present, strict=True):
        expected = _ELEMENTS.get(OPERANDS[index].element, operands[0].dtype)
        if tensor.dtype is not expected:
            raise ArgumentError(
                f"unroll {OPERANDS[index].name}: expected {expected}, to fit the inputs; got {tensor.dtype}."
                " Convert it."
            )


def _contiguous(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.resolve_neg().contiguous()


def contiguous_rows(x: Tensor) -> Tensor:
    """Copy (T, B, size) if its last axis is not contiguous or its sign is stored apart."""
    return x if x.stride(2) == 1 and not x.is_neg() else x.resolve_neg().contiguous()


def pooled_empty(like: Tensor, *shape: int) -> Tensor:
    """Allocate a tensor of this shape, from the pool where it is large."""
    if prod(shape) < _SMALL or like.dtype not in DTYPES:
        return like.new_empty(*shape)
    return torch.from_numpy(memory_pool.SHARED.empty(shape, "f8" if like.dtype is torch.float64 else "f4"))


def empty_gradient(x: Tensor) -> Tensor:
    """Allocate a tensor with x's strides where they leave its last axis contiguous, as the kernels write it.

    Overlapping windows, such as `unfold` gives, may have strides of 1 on more than one axis.
    """
    gradient = torch.empty_like(x)
    return gradient if gradient.stride(2) == 1 or x.shape[2] == 1 else x.new_empty(x.shape)


def _gradient_of_x(x: Tensor) -> Tensor:
    """Allocate `empty_gradient(x)`, from the pool where it is large: time or batch first, as x is."""
    if x.numel() < _SMALL:
        return empty_gradient(x)
    if x.transpose(0, 1).is_contiguous():
        return pooled_empty(x, *x.transpose(0, 1).shape).transpose(0, 1)
    return pooled_empty(x, *x.shape)
