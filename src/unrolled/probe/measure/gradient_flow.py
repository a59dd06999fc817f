"""Measure gradients by the state at every step: of the loss, and of the last state alone.

Shapes: B sequences at once, T steps, K steps back, H units.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.errors import ArgumentError
from unrolled.probe.measure.attribution import counts_by_steps_back
from unrolled.probe.measure.half_life import Floats
from unrolled.probe.model.layer_hook import LayerCall, State
from unrolled.probe.model.probed_model import ProbedModel
from unrolled.probe.model.stepwise import DirectionRun, run_stepwise


@torch.enable_grad()
def gradient_flow(
    probed: ProbedModel, rows: Tensor, rng: torch.Generator
) -> tuple[list[Floats], list[Floats], list[list[DirectionRun]], NDArray[np.int64]]:
    """Measure norms of the gradients by the states k steps back, for each layer and direction.

    Args:
        probed: a model, with targets.
        rows: positions of sequences.
        rng: draws a direction where the loss has no finite, non-zero gradient by the last state.

    Returns:
        A list each, by layer and direction: mean norms (K,) of the loss gradient; mean norms (K,) that a
        gradient of norm 1 at the last state has there; the runs, one a batch. And (K,) numbers of sequences.

    Raises:
        ArgumentError: the loss has no gradient.
    """
    by_direction: list[list[tuple[DirectionRun, Tensor, Tensor]]] = []
    for batch in probed.batches(rows):
        strands: list[DirectionRun] = []

        def step_through(
            call: LayerCall, strands: list[DirectionRun] = strands, batch: Tensor = batch
        ) -> tuple[Tensor, State]:
            output, final, ran = run_stepwise(call, probed.lengths[batch])
            strands.extend(ran)
            return output, final

        loss = probed.losses(probed.outputs(rows=batch, replacement=step_through), batch).sum()
        if not loss.requires_grad:
            raise ArgumentError(
                f"gradients model: expected a loss with a gradient, {probed.name} blocks it. Take "
                "torch.no_grad() and .detach() out of its forward."
            )
        batch_results = list(zip(strands, *_gradient_norms(strands, loss, rng), strict=True))
        by_direction = (
            [[each] for each in batch_results]
            if not by_direction
            else [[*a, b] for a, b in zip(by_direction, batch_results, strict=True)]
        )
    sequences = counts_by_steps_back(torch.cat([strand.lengths for strand, _, _ in by_direction[0]]))
    norms = [_mean_by_steps_back([norm for _, norm, _ in each], sequences) for each in by_direction]
    shares = [_mean_by_steps_back([share for _, _, share in each], sequences) for each in by_direction]
    return norms, shares, [[strand for strand, _, _ in each] for each in by_direction], sequences


def _gradient_norms(
    strands: list[DirectionRun], loss: Tensor, rng: torch.Generator
) -> tuple[list[Tensor], list[Tensor]]:
    """(T, B) norms k steps back of the loss gradient, and of a unit one at the last state, for each run."""
    by_loss = _state_gradients(strands, [loss], [torch.ones_like(loss)])
    shares = []
    for strand, gradient in zip(strands, by_loss, strict=True):
        size, random_direction = (
            gradient[0].norm(dim=-1, keepdim=True),
            torch.randn(gradient[0].shape, generator=rng).to(gradient),
        )
        is_usable = torch.isfinite(size) & (size > 0)
        unit = torch.where(
            is_usable, gradient[0] / size, random_direction / random_direction.norm(dim=-1, keepdim=True)
        )
        ends = strand.final_state()
        parts = torch.split(unit.to(ends[0].dtype), [part.shape[-1] for part in ends], dim=-1)
        (share,) = _state_gradients([strand], list(ends), list(parts))
        shares.append(share.norm(dim=-1).cpu())
    return [gradient.norm(dim=-1).cpu() for gradient in by_loss], shares


def _state_gradients(strands: list[DirectionRun], outputs: list[Tensor], grads: list[Tensor]) -> list[Tensor]:
    """(T, B, ΣH) float64 gradients by the state k steps back from each row's last, for each run.

    0 before its first.
    """
    flat: list[Any] = [part for strand in strands for state in strand.states for part in state]
    gradients = iter(torch.autograd.grad(outputs, flat, grads, retain_graph=True, allow_unused=True))
    gathered = []
    for strand in strands:
        each = [
            [torch.zeros_like(part) if g is None else g for part, g in zip(state, gradients, strict=False)]
            for state in strand.states
        ]
        parts = [torch.stack(part).double() for part in zip(*each, strict=True)]
        gradient, is_valid = strand.align_to_end(parts)
        gathered.append(gradient * is_valid[..., None])
    return gathered


def _mean_by_steps_back(norms: list[Tensor], sequences: NDArray[np.int64]) -> Floats:
    """(K,) mean over the sequences that are so long."""
    sums = np.zeros(len(sequences))
    for norm in norms:
        reached = norm[: len(sequences)].sum(1).numpy()
        sums[: len(reached)] += reached
    return sums / sequences
