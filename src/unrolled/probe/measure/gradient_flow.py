"""Measure gradients by the state at every step: of the loss, and of the last state alone.

Shapes: B sequences at once, T steps, K steps back, H units.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.errors import ArgumentError
from unrolled.probe.measure.attribution import counts_by_steps_back
from unrolled.probe.measure.half_life import Floats
from unrolled.probe.model.layer_hook import LayerCall, State
from unrolled.probe.model.probed_model import ProbedModel
from unrolled.probe.model.stepwise import Advance, DirectionRun, run_stepwise
from unrolled.train.progress import ProgressLine


class GradientFlow(NamedTuple):
    """Gradients by the states k steps back, a list by layer and direction."""

    norms: list[Floats]  # (K,) mean norms of the loss gradient
    shares: list[Floats]  # (K,) mean norms that a gradient of norm 1 at the last state has there
    runs: list[list[DirectionRun]]  # one a batch
    sequences: NDArray[np.int64]  # (K,) number of sequences that are so long


@torch.enable_grad()
def gradient_flow(probed: ProbedModel, rows: Tensor, rng: torch.Generator) -> GradientFlow:
    """Measure norms of the gradients by the states k steps back, for each layer and direction.

    Args:
        probed: a model, with targets.
        rows: positions of sequences.
        rng: draws a direction where the loss has no finite, non-zero gradient by the last state.

    Raises:
        ArgumentError: the loss has no gradient.
    """
    batches, flows = probed.batches(rows), []
    with ProgressLine("gradients", len(batches), shown=None, unit="batches") as line:
        for i, batch in enumerate(batches):

            def advance(share: float, i: int = i) -> None:  # the way back takes as long as the way there
                line.advance(i + share / 2)

            flows.append(_batch_flow(probed, batch, rng, advance))
            line.advance(i + 1)
    runs, norms, shares = (
        [list(each) for each in zip(*part, strict=True)] for part in zip(*flows, strict=True)
    )
    sequences = counts_by_steps_back(torch.cat([run.lengths for run in runs[0]]))
    return GradientFlow(
        [_mean_by_steps_back(each, sequences) for each in norms],
        [_mean_by_steps_back(each, sequences) for each in shares],
        runs,
        sequences,
    )


def _batch_flow(
    probed: ProbedModel, batch: Tensor, rng: torch.Generator, advance: Advance
) -> tuple[list[DirectionRun], list[Tensor], list[Tensor]]:
    """Run one batch: its runs, and norms (T, B) of the loss gradient and of a unit one, for each run."""
    runs: list[DirectionRun] = []

    def step_through(call: LayerCall) -> tuple[Tensor, State]:
        output, final, layer_runs = run_stepwise(call, probed.lengths[batch], advance)
        runs.extend(layer_runs)
        return output, final

    loss = probed.losses(probed.outputs(rows=batch, replacement=step_through), batch).sum()
    if not loss.requires_grad:
        raise ArgumentError(
            f"gradients model: expected a loss with a gradient, {probed.name} blocks it. Take "
            "torch.no_grad() and .detach() out of its forward."
        )
    return runs, *_gradient_norms(runs, loss, rng)


def _gradient_norms(
    runs: list[DirectionRun], loss: Tensor, rng: torch.Generator
) -> tuple[list[Tensor], list[Tensor]]:
    """Norms (T, B) k steps back of the loss gradient, and of a unit one at the last state, for each run."""
    by_loss = _state_gradients(runs, [loss], [torch.ones_like(loss)])
    shares = []
    for run, gradient in zip(runs, by_loss, strict=True):
        size = gradient[0].norm(dim=-1, keepdim=True)
        drawn = torch.randn(gradient[0].shape, generator=rng).to(gradient)
        is_usable = torch.isfinite(size) & (size > 0)
        unit = torch.where(is_usable, gradient[0] / size, drawn / drawn.norm(dim=-1, keepdim=True))
        ends = run.final_state()
        parts = torch.split(unit.to(ends[0].dtype), [part.shape[-1] for part in ends], dim=-1)
        (share,) = _state_gradients([run], list(ends), list(parts))
        shares.append(share.norm(dim=-1).cpu())
    return [gradient.norm(dim=-1).cpu() for gradient in by_loss], shares


def _state_gradients(runs: list[DirectionRun], outputs: list[Tensor], grads: list[Tensor]) -> list[Tensor]:
    """Gradients (T, B, ΣH), float64, by the state k steps back from each row's last, for each run.

    0 before its first.
    """
    flat: list[Any] = [part for run in runs for state in run.states for part in state]
    tracked = [part for part in flat if part.requires_grad]  # a cell's first state may be a constant
    by_part = iter(torch.autograd.grad(outputs, tracked, grads, retain_graph=True, allow_unused=True))
    gradients = iter([next(by_part) if part.requires_grad else None for part in flat])
    aligned = []
    for run in runs:
        by_state = [
            [torch.zeros_like(part) if g is None else g for part, g in zip(state, gradients, strict=False)]
            for state in run.states
        ]
        parts = [torch.stack(part).double() for part in zip(*by_state, strict=True)]
        gradient, is_valid = run.align_to_end(parts)
        aligned.append(gradient * is_valid[..., None])
    return aligned


def _mean_by_steps_back(norms: list[Tensor], sequences: NDArray[np.int64]) -> Floats:
    """Mean (K,) over the sequences that are so long."""
    sums = np.zeros(len(sequences))
    for norm in norms:
        reached = norm[: len(sequences)].sum(1).numpy()
        sums[: len(reached)] += reached
    return sums / sequences
