"""Custom operators of a recurrence that a graph can hold: for torch.compile, torch.export and modes.

    unrolled::recurrence             operands, seed, settings -> out, h_n, c_n, saved
    unrolled::recurrence_backward    these, and the results and their gradients -> the needed gradients

The shapes of their results follow from those of their operands, so that no step is ever traced. How much
is saved depends on the instruction set too: a graph holds the size of the one that was selected when it
was made, and its backward pass refuses another size with an error.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import register_flop_formula

from unrolled.errors import ArgumentError
from unrolled.kernels.operands import INDEX, LEARNED, N_DIFFERENTIABLE, OPERANDS
from unrolled.nn.ops import launch, torch_internals
from unrolled.nn.ops.double_backward import differentiable_backward, is_backward_differentiated
from unrolled.nn.ops.launch import LSTM, RecurrenceSpec

_N_OPERANDS = len(OPERANDS)
_PROBLEM = ", ".join(
    [f"Tensor{'' if operand.is_required else '?'} {operand.name}" for operand in OPERANDS]
    + ["Tensor? seed", "int cell", "int activation", "bool reverse", "float zoneout_h", "float zoneout_c"]
)
_SETTINGS = slice(_N_OPERANDS + 1, _N_OPERANDS + 6)


def trace_recurrence(
    settings: Sequence[Any], present: Sequence[int], operands: Sequence[Tensor], seed: int | Tensor | None
) -> list[Tensor]:
    """Put the operator into the graph.

    Args:
        settings: of the `RecurrenceSpec`; the spec itself holds a compiled object, which cannot be traced.
        present: indices of the operands.
        operands: those of the spec.
        seed: of zoneout's masks; None for their mean.

    Returns:
        out (T, B, H), h_n (B, H) and, of an LSTM, c_n (B, H).
    """
    may_differentiate = torch.is_grad_enabled() or torch_internals.is_tracing()  # which also traces without
    saves = may_differentiate and any(operand.requires_grad for operand in operands)
    all_operands: list[Tensor | None] = [None] * _N_OPERANDS
    for index, operand in zip(present, operands, strict=True):
        all_operands[index] = operand
    seed_tensor = torch.tensor(seed) if isinstance(seed, int) else seed
    out, h_n, c_n, _ = recurrence(*all_operands, seed_tensor, *settings, saves)
    return [out, h_n, c_n] if settings[0] == LSTM else [out, h_n]


def _present(arguments: Sequence[Any]) -> tuple[int, ...]:
    return tuple(index for index in range(_N_OPERANDS) if arguments[index] is not None)


def _parse(arguments: Sequence[Any]) -> tuple[RecurrenceSpec, int, tuple[Tensor, ...]]:
    """Read the spec, the seed and the operands out of an operator's arguments."""
    present, seed = _present(arguments), arguments[_N_OPERANDS]
    if seed is not None and (seed.numel() != 1 or seed.is_floating_point() or seed.is_meta):
        raise ArgumentError(
            "unroll seed: expected one whole number on the CPU, got shape"
            f" {tuple(seed.shape)} of {seed.dtype} on {seed.device}. Pass torch.tensor(seed)."
        )
    return (
        launch.recurrence_spec(*arguments[_SETTINGS], present),
        -1 if seed is None else int(seed),
        tuple(arguments[index] for index in present),
    )


@torch.library.custom_op(
    "unrolled::recurrence", mutates_args=(), device_types="cpu",
    schema=f"({_PROBLEM}, bool saves) -> (Tensor, Tensor, Tensor, Tensor)",
)  # fmt: skip
def recurrence(*arguments: Any) -> tuple[Tensor, ...]:
    """Run all steps; c_n and `saved` are empty where there are none."""
    spec, seed, operands = _parse(arguments)
    out, h_n, *others = launch.forward(spec, seed, operands, saves=arguments[-1])
    return out, h_n, *(operands[0].new_empty(0) if other is None else other for other in others)


@torch.library.custom_op(
    "unrolled::recurrence_backward", mutates_args=(), device_types="cpu",
    schema=f"({_PROBLEM}, Tensor out, Tensor saved, Tensor? grad_out, Tensor? grad_h_n, Tensor? grad_c_n, "
    "bool needs_x, bool needs_state, bool needs_learned) -> Tensor[]",
)  # fmt: skip
def recurrence_backward(*arguments: Any) -> list[Tensor]:
    """Compute the gradients that are needed, in the order of the operands."""
    spec, seed, operands = _parse(arguments)
    out, saved, *grads = arguments[_SETTINGS.stop : -3]
    needs = tuple(_is_needed(index, arguments[-3:]) for index in spec.present)
    grads = grads[: 3 if spec.cell == LSTM else 2]  # the other cells' c_n is empty
    gradients = launch.backward(spec, seed, operands, (out, saved), tuple(grads), needs)
    return [gradient for gradient in gradients if gradient is not None]


def _is_needed(index: int, needs: Sequence[bool]) -> bool:
    """Tell whether a gradient is needed, given whether x's, the state's and the learned ones are."""
    needs_x, needs_state, needs_learned = needs
    if index in LEARNED:
        return needs_learned
    return index < N_DIFFERENTIABLE and (needs_x if index == INDEX["x"] else needs_state)


@recurrence.register_fake
def _recurrence_shapes(*arguments: Any) -> tuple[Tensor, ...]:
    x, weight_hh, saves = arguments[INDEX["x"]], arguments[INDEX["weight_hh"]], arguments[-1]
    spec = launch.recurrence_spec(*arguments[_SETTINGS], _present(arguments))
    launch.check_dtypes(spec, tuple(arguments[index] for index in spec.present))
    (T, B, F), H = x.shape, weight_hh.shape[1]
    n_saved = T * B * launch.saved_elements(spec, 1, 1, int(F), int(H), x.dtype) if saves else 0
    c_n = x.new_empty(B, H) if spec.cell == LSTM else x.new_empty(0)
    return x.new_empty(T, B, H), x.new_empty(B, H), c_n, x.new_empty(n_saved)


@recurrence_backward.register_fake
def _recurrence_backward_shapes(*arguments: Any) -> list[Tensor]:
    needed = [index for index in _present(arguments) if _is_needed(index, arguments[-3:])]
    return [
        launch.empty_gradient(tensor) if index == INDEX["x"] else tensor.new_empty(tensor.shape)
        for index, tensor in ((index, arguments[index]) for index in needed)
    ]


def trace_backward(
    spec: RecurrenceSpec, seed: int, operands: Sequence[Tensor], results: tuple[Tensor, Tensor | None],
    grads: Sequence[Tensor | None], needs: Sequence[bool],
) -> list[Tensor | None]:  # fmt: skip
    """Put the operator of the backward pass into the graph; arguments and result are `launch.backward`'s."""
    all_operands: list[Tensor | None] = [None] * _N_OPERANDS
    all_needs = [False] * _N_OPERANDS
    for index, operand, is_needed in zip(spec.present, operands, needs, strict=True):
        all_operands[index], all_needs[index] = operand, is_needed
    out, saved = results
    gradients = _gradients_by_index(
        all_operands, None if seed < 0 else torch.tensor(seed), spec.settings,
        (out, out.new_empty(0) if saved is None else saved), (*grads, None)[:3], all_needs,
    )  # fmt: skip
    return [gradients.get(index) for index in spec.present]


def _gradients_by_index(
    operands: Sequence[Tensor | None], seed: Tensor | None, settings: Sequence[Any],
    results: tuple[Tensor, Tensor], grads: Sequence[Tensor | None], needs: Sequence[bool],
) -> dict[int, Tensor | None]:  # fmt: skip
    """Call the operator of the backward pass; return the gradients by the indices of their operands."""
    needed = needs[0], any(needs[1 : LEARNED.start]), any(needs[k] for k in LEARNED)
    gradients = recurrence_backward(*operands, seed, *settings, *results, *grads, *needed)
    indices = [k for k in _present(operands) if _is_needed(k, needed)]
    return dict(zip(indices, gradients, strict=True))


@register_flop_formula(torch.ops.unrolled.recurrence)
def recurrence_flops(*shapes: Any, out_shape: Any = None) -> int:  # noqa: ARG001 (as torch calls it)
    """Count the operations of the gate GEMMs, as torch counts those of its own layers."""
    (T, B, F), (R, H) = shapes[INDEX["x"]], shapes[INDEX["weight_hh"]]
    return int(2 * T * B * R * (F + H))


@register_flop_formula(torch.ops.unrolled.recurrence_backward)
def recurrence_backward_flops(*shapes: Any, out_shape: Any = None) -> int:  # noqa: ARG001 (as torch calls it)
    """Count the operations of the GEMMs of the state, and of x and the weights where they are needed."""
    (T, B, F), (R, H) = shapes[INDEX["x"]], shapes[INDEX["weight_hh"]]
    needs_x, needs_state, needs_learned = shapes[-3:]
    steps = T if needs_state else T - 1
    return int(2 * B * R * (steps * H + needs_x * T * F + needs_learned * T * (F + H)))


def _save_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    ctx.save_for_backward(*inputs[: _N_OPERANDS + 1], output[0], output[3])
    ctx.settings = inputs[_SETTINGS]
    ctx.instruction_set = launch.instruction_set()
    ctx.set_materialize_grads(False)


def _differentiate(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
    *operands, seed, out, saved = ctx.saved_tensors
    grads, needs = grads[:3], ctx.needs_input_grad
    present = _present(operands)
    if is_backward_differentiated(grads):
        spec = launch.recurrence_spec(*ctx.settings, present)
        gradients = differentiable_backward(
            spec,
            -1 if seed is None else seed,
            [operands[k] for k in present],
            grads,
            [needs[k] for k in present],
        )
        by_index = dict(zip(present, gradients, strict=True))
    else:
        launch.check_instruction_set(ctx.instruction_set)
        by_index = _gradients_by_index(operands, seed, ctx.settings, (out, saved), grads, needs)
    return tuple(by_index.get(k) for k in range(_N_OPERANDS + 1 + len(ctx.settings) + 1))


recurrence.register_autograd(_differentiate, setup_context=_save_context)
