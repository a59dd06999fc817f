"""Training on the last step alone, as classification does, beside torch's layers: from 100 to 784 steps.

The gradient of such a loss shrinks on its way back, over a few hundred steps into denormal numbers, with
which processors compute 10 to 100 times slower. One training step of unrolled.nn's layer and of torch.nn's
with the same weights: forward, `out[-1].sum().backward()`, the gradients of all weights. `times` is how many
times as long torch takes; `of_dense` is our time over our time with a gradient at every step.

    python -m benchmarks.last_step [--toy]
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.record import Facts, main, print_now, table
from benchmarks.recurrent import (
    CELLS,
    THREADS,
    TOY,
    Shape,
    difference,
    inputs,
    limit_threads,
    pair,
    path,
    training,
)  # fmt: skip
from benchmarks.timing import in_process, in_turns

STEPS = (100, 200, 400, 784)


def run(toy: bool) -> Facts:
    limit_threads(toy=toy)
    rows = []
    for cell in CELLS:
        for shape in TOY if toy else [Shape(32, T, 8, 64) for T in STEPS]:
            rows.append(_row(cell, shape, toy=toy))
            print_now(table(rows[-1:]))
    print_now("\n" + table(rows))
    return {"rival": "torch.nn", "threads": THREADS, "rows": rows}


def _row(cell: str, shape: Shape, *, toy: bool) -> Facts:
    ours, rival = pair(cell, shape)
    x, dense = inputs(shape)
    backend = path(ours, x, toy=toy)
    error = difference(f"{cell} {shape}", _gradients(ours, x), _gradients(rival, x))
    sides = {
        "ours": in_process(_last_step(ours, x)),
        "torch": in_process(_last_step(rival, x)),
        "dense": in_process(training(ours, x, dense)),
    }
    timings, measured = in_turns(sides, toy=toy)
    return {
        "layer": cell, "B, T, F, H": str(shape), "path": backend, "largest_difference": error,
        "ours_ms": timings["ours"].ms, "torch_ms": timings["torch"].ms, "times": timings["torch"].times,
        "of_dense": round(1 / timings["dense"].times, 3),
        "quartiles": timings["torch"].quartiles, "measured": measured,
    }  # fmt: skip


def _last_step(layer: nn.Module, x: Tensor) -> Callable[[], Any]:
    """Make a training step whose loss reads the last output."""
    weights = list(layer.parameters())

    def step() -> None:
        for weight in weights:
            weight.grad = None
        layer(x)[0][-1].sum().backward()

    return step


def _gradients(layer: nn.Module, x: Tensor) -> dict[str, np.ndarray]:
    gradients = torch.autograd.grad(layer(x)[0][-1].sum(), list(layer.parameters()))
    return {name: g.numpy() for (name, _), g in zip(layer.named_parameters(), gradients, strict=True)}


if __name__ == "__main__":
    main(run)
