"""Launch the readout of a Forecaster with its loss, and the gather of its windows, on the kernels.

Neither records anything for autograd. The same in torch's operators is in `unrolled.models.forecasting`,
which defines the formulas. float32 on the CPU only.

Shapes: B windows of T steps, each read out at R of them, M = B · R; H units of the core, U of the readout,
V latest levels, h steps of the horizon, A anchors, K inputs ahead, Q quantiles; D inputs of the readout.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from unrolled.kernels.loading import compiled
from unrolled.nn.ops import launch
from unrolled.nn.ops.launch import pooled_empty


class ReadoutOperands(NamedTuple):
    """Operands of the readout and its loss, in the order in which the kernels take them; all contiguous."""

    states: Tensor  # (T, B, H)
    readouts: Tensor  # (B, R) int64
    context: Tensor  # (M, 2)
    levels: Tensor  # (M, V)
    anchors: Tensor  # (M, h, A)
    ahead: Tensor  # (M, h, K)
    target: Tensor  # (M, h)
    target_mask: Tensor  # (M, h)
    weight: Tensor  # (M,)
    quantiles: Tensor  # (Q,), Q odd
    keep: Tensor | None  # (M, D), which multiplies what the readout reads; None for 1
    hidden_weight: Tensor  # (U, D)
    hidden_bias: Tensor  # (U,)
    quantile_weight: Tensor  # (h · Q, U)
    quantile_bias: Tensor  # (h · Q,)
    anchor_weight: Tensor | None  # (h · A, U); None without anchors
    anchor_bias: Tensor | None  # (h · A,)

    @property
    def weights(self) -> tuple[Tensor | None, ...]:
        """The six operands that learn."""
        return self[11:]


class ReadoutResults(NamedTuple):
    """Results of the readout: the loss, the gradient of the states, what the weights' gradients need."""

    loss: Tensor  # ()
    d_states: Tensor  # (T, B, H)
    saved: Tensor
    instruction_set: str


def quantile_readout(operands: ReadoutOperands) -> ReadoutResults:
    """Compute the loss of the readouts, and all gradients but those of the weights.

    Raises:
        ValueError: a readout is not from 0 to T - 1.
    """
    states = operands.states
    saved = pooled_empty(states, compiled.readout_saved_elements(operands))
    d_states = pooled_empty(states, *states.shape)
    loss = compiled.readout_forward(operands, torch.get_num_threads(), d_states, saved)
    assert loss is not None, "the kernels refused tensors that nobody prepared for them"
    return ReadoutResults(torch.scalar_tensor(loss), d_states, saved, launch.instruction_set())


def quantile_readout_backward(
    operands: ReadoutOperands, results: ReadoutResults, gradients: tuple[Tensor | None, ...]
) -> None:
    """Write the gradients of the weights.

    Args:
        operands: as `quantile_readout` had them.
        results: of `quantile_readout`.
        gradients: of `operands.weights`; they are overwritten.

    Raises:
        ArgumentError: another instruction set was selected meanwhile.
    """
    launch.check_instruction_set(results.instruction_set)
    is_done = compiled.readout_backward(operands, torch.get_num_threads(), results.saved, gradients)
    assert is_done, "the kernels refused tensors that nobody prepared for them"


class SeriesRows(NamedTuple):
    """Series, one after the other, N rows of one step each, in the order in which the kernels take them."""

    inputs: Tensor  # (N, F)
    ahead: Tensor  # (N, K)
    working: Tensor  # (N,) float64, as the next two
    center: Tensor
    unit: Tensor
    share: Tensor  # (N,) float32, as all that follow
    log_share: Tensor
    observed: Tensor
    usable: Tensor
    seen: Tensor


class WindowPlaces(NamedTuple):
    """Rows at which windows end, and what is read beside them; int64."""

    ends: Tensor  # (B,)
    steps_back: Tensor  # (B, R)
    cuts: Tensor | None  # (B,)
    references: Tensor | None  # (h,) offsets from an origin; None where its center is the reference
    recent_steps: Tensor  # (V,) offsets
    anchor_steps: Tensor  # (h, A) offsets


class WindowArrays(NamedTuple):
    """Windows of a batch, as `ForecastBatch` has them."""

    inputs: Tensor  # (B, T, F)
    levels: Tensor  # (M, V)
    anchors: Tensor  # (M, h, A)
    ahead: Tensor  # (M, h, K)
    context: Tensor  # (M, 2)
    target: Tensor  # (M, h)
    target_mask: Tensor  # (M, h)
    weight: Tensor  # (M,)


def gather_windows(rows: SeriesRows, places: WindowPlaces, window: int, limit: float) -> WindowArrays | None:
    """Copy the windows that end at some rows, and what their readouts read and are to predict.

    Args:
        rows: contiguous.
        places: contiguous.
        window: T, steps of a window.
        limit: what levels and anchors are clipped to, either way.

    Returns:
        The arrays; None where a row lies outside the series.
    """
    (B, R), (h, A) = places.steps_back.shape, places.anchor_steps.shape
    M, new = B * R, rows.inputs.new_empty
    arrays = WindowArrays(
        new(B, window, rows.inputs.shape[1]), new(M, len(places.recent_steps)), new(M, h, A),
        new(M, h, rows.ahead.shape[1]), new(M, 2), new(M, h), new(M, h), new(M),
    )  # fmt: skip
    is_inside = compiled.gather_windows(rows, places, window, limit, torch.get_num_threads(), arrays)
    return arrays if is_inside else None
