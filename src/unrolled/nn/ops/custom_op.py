"""A recurrence as two operators that a graph can hold: for torch.compile, torch.export and modes.

    unrolled::recurrence             operands, seed, rule -> out, h_n, c_n, saved
    unrolled::recurrence_backward    the same, and what came back -> the gradients that are wanted

The shapes of their results follow from those of their operands, so that no step is ever traced. How much
is saved depends on the instruction set too: a graph holds the size of the one that was selected when it
was made, and its backward pass refuses, in a sentence, what has another size.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from unrolled.nn.ops import launch
from unrolled.nn.ops.double_backward import differentiable_backward, is_backward_differentiated
from unrolled.nn.ops.launch import LSTM, N_DIFFERENTIABLE, OPERANDS, RecurrenceSpec

_COUNT = len(OPERANDS)
_GIVEN = (
    "Tensor x, Tensor? h0, Tensor? c0, Tensor w_ih, Tensor w_hh, Tensor? b_ih, Tensor? b_hh, Tensor? slope, "
    "Tensor? gain_ih, Tensor? gain_hh, Tensor? gain_cell, Tensor? bias_cell, "
    "Tensor? lengths, Tensor? resets, Tensor? mask, Tensor? seed, "
    "int cell, int activation, bool reverse, float zoneout_h, float zoneout_c"
)
_RULE = slice(_COUNT + 1, _COUNT + 6)


def trace_recurrence(
    settings: Sequence[Any], places: Sequence[int], operands: Sequence[Tensor], seed: int | Tensor | None
) -> list[Tensor]:
    """Put the operator into the graph.

    Args:
        settings: of the `Rule`; the rule itself, which is part of the compiled room, cannot be traced.
        places: of the operands.
        operands: those of the rule.
        seed: of zoneout's masks; None for their mean.

    Returns:
        out (T, B, H), h_n (B, H) and, of an LSTM, c_n (B, H).
    """
    saves = torch.is_grad_enabled() and any(operand.requires_grad for operand in operands)
    every: list[Tensor | None] = [None] * _COUNT
    for place, operand in zip(places, operands, strict=True):
        every[place] = operand
    drawn = torch.tensor(seed) if isinstance(seed, int) else seed
    out, h_n, c_n, _ = recurrence(*every, drawn, *settings, saves)
    return [out, h_n, c_n] if settings[0] == LSTM else [out, h_n]


def _taken(given: Sequence[Any]) -> tuple[RecurrenceSpec, int, tuple[Tensor, ...]]:
    """The rule, the seed and the operands that are there, of what an operator was given."""
    places = tuple(k for k in range(_COUNT) if given[k] is not None)
    seed = given[_COUNT]
    return (
        launch.recurrence_spec(*given[_RULE], places),
        -1 if seed is None else int(seed),
        tuple(given[k] for k in places),
    )


@torch.library.custom_op(
    "unrolled::recurrence", mutates_args=(), device_types="cpu",
    schema=f"({_GIVEN}, bool saves) -> (Tensor, Tensor, Tensor, Tensor)",
)  # fmt: skip
def recurrence(*given: Any) -> tuple[Tensor, ...]:
    """All steps; c_n and `saved` are empty where there are none."""
    rule, seed, operands = _taken(given)
    out, h_n, *others = launch.forward(rule, seed, operands, saves=given[-1])
    return out, h_n, *(operands[0].new_empty(0) if other is None else other for other in others)


@torch.library.custom_op(
    "unrolled::recurrence_backward", mutates_args=(), device_types="cpu",
    schema=f"({_GIVEN}, Tensor out, Tensor saved, Tensor? grad_out, Tensor? grad_h_n, Tensor? grad_c_n, "
    "bool wants_x, bool wants_state, bool wants_learned) -> Tensor[]",
)  # fmt: skip
def recurrence_backward(*given: Any) -> list[Tensor]:
    """The gradients that are wanted, in the order of the operands."""
    rule, seed, operands = _taken(given)
    out, saved, *grads = given[_RULE.stop : -3]
    needs = tuple(_is_wanted(place, given[-3:]) for place in rule.places)
    found = launch.backward(rule, seed, operands, (out, saved), tuple(grads), needs)
    return [gradient for gradient in found if gradient is not None]


def _is_wanted(place: int, wants: Sequence[bool]) -> bool:
    """Whether the gradient of the operand at this place is among the wanted: of x, the state, the learned."""
    return place < N_DIFFERENTIABLE and wants[min((place + 1) // 2, 2)]


@recurrence.register_fake
def _recurrence_shapes(*given: Any) -> tuple[Tensor, ...]:
    x, w_hh, saves = given[0], given[4], given[-1]
    places = tuple(k for k in range(_COUNT) if given[k] is not None)
    rule, (T, B, F), H = launch.recurrence_spec(*given[_RULE], places), x.shape, w_hh.shape[1]
    kept = T * B * launch.saved_elements(rule, 1, 1, int(F), int(H), x.dtype is torch.float64) if saves else 0
    c_n = x.new_empty(B, H) if rule.cell == LSTM else x.new_empty(0)
    return x.new_empty(T, B, H), x.new_empty(B, H), c_n, x.new_empty(kept)


@recurrence_backward.register_fake
def _recurrence_backward_shapes(*given: Any) -> list[Tensor]:
    wanted = [(k, given[k]) for k in range(_COUNT) if given[k] is not None and _is_wanted(k, given[-3:])]
    return [launch.empty_gradient(t) if k == 0 else t.new_empty(t.shape) for k, t in wanted]


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    ctx.save_for_backward(*inputs[: _COUNT + 1], output[0], output[3])
    ctx.rule = inputs[_RULE]
    ctx.instruction_set = launch.instruction_set()
    ctx.set_materialize_grads(False)


def _differentiate(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
    *every, seed, out, saved = ctx.saved_tensors
    grads, needs = grads[:3], ctx.needs_input_grad
    places = tuple(k for k in range(_COUNT) if every[k] is not None)
    if is_backward_differentiated(grads):
        rule, operands = launch.recurrence_spec(*ctx.rule, places), [every[k] for k in places]
        found = differentiable_backward(
            rule, -1 if seed is None else seed, operands, grads, [needs[k] for k in places]
        )
        by_place = dict(zip(places, found, strict=True))
    else:
        launch.check_instruction_set(ctx.instruction_set)
        wants = needs[0], any(needs[1:3]), any(needs[3:N_DIFFERENTIABLE])
        given = recurrence_backward(*every, seed, *ctx.rule, out, saved, *grads, *wants)
        by_place = dict(zip([k for k in places if _is_wanted(k, wants)], given, strict=True))
    return tuple(by_place.get(k) for k in range(_COUNT + 1 + len(ctx.rule) + 1))


recurrence.register_autograd(_differentiate, setup_context=_keep)
