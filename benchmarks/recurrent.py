"""Shared parts of the benchmarks of recurrent layers: shapes, training step, equality, backend."""

import math
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

import unrolled.nn

THREADS = int(os.environ.get("UNROLLED_BENCH_THREADS", "2"))
CELLS = ("RNN", "GRU", "LSTM")
# float32; a gradient sums over up to 100,000 rows and steps in another order on each side
TOLERANCE = 1e-4


class Shape(NamedTuple):
    """Rows, steps, inputs, hidden units."""

    B: int
    T: int
    F: int
    H: int

    def __str__(self) -> str:
        return ", ".join(map(str, self))


SHAPES = [
    Shape(32, 12, 1, 32), Shape(64, 12, 1, 64), Shape(64, 100, 8, 128), Shape(256, 50, 16, 256),
    Shape(32, 28, 28, 128), Shape(128, 784, 1, 128), Shape(1, 200, 8, 64),
]  # fmt: skip
WIDE = [Shape(32, 50, 64, 512), Shape(16, 50, 64, 1024)]
FEW_WIDE_STEPS = [Shape(64, 12, 64, 512), Shape(16, 20, 64, 1024)]  # where the lead is least
TOY = [Shape(3, 5, 2, 4)]


def limit_threads(*, toy: bool) -> None:
    """Keep this process to as many threads and cores as the rivals have; a toy run changes nothing."""
    if not toy:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:THREADS])
        torch.set_num_threads(THREADS)


def pair(cell: str, shape: Shape, **options: Any) -> tuple[nn.Module, nn.Module]:
    """Make our layer and torch's with the same weights; the options are torch's."""
    torch.manual_seed(0)
    rival = getattr(nn, cell)(shape.F, shape.H, **options)
    ours = getattr(unrolled.nn, cell)(shape.F, shape.H, **options)
    ours.load_state_dict(rival.state_dict())
    return ours, rival


def inputs(shape: Shape) -> tuple[Tensor, Tensor]:
    """Draw an input (T, B, F) and a gradient of the output (T, B, H)."""
    chance = torch.Generator().manual_seed(1)
    B, T, F, H = shape
    return torch.randn(T, B, F, generator=chance), torch.randn(T, B, H, generator=chance)


def training(layer: nn.Module, x: Any, gradient: Tensor, **call: Any) -> Callable[[], None]:
    """Make a training step: forward, backward, gradients of all weights; no loss, no optimizer."""
    weights = list(layer.parameters())

    def step() -> None:
        for weight in weights:
            weight.grad = None
        layer(x, **call)[0].backward(gradient)

    return step


def inference(layer: nn.Module, x: Tensor) -> Callable[[], None]:
    layer.eval()

    def step() -> None:
        with torch.inference_mode():
            layer(x)

    return step


def results_of(layer: nn.Module, x: Any, gradient: Tensor, **call: Any) -> dict[str, np.ndarray]:
    """Compute the output and the gradients of a training step, by name (without torch's `_l0`)."""
    names, weights = zip(*layer.named_parameters(), strict=True)
    output = layer(x, **call)[0]
    gradients = torch.autograd.grad(output, weights, gradient)
    by_name = {name.removesuffix("_l0"): one.numpy() for name, one in zip(names, gradients, strict=True)}
    return {**by_name, "output": output.detach().numpy()}


def difference(name: str, ours: Mapping[str, Any], rival: Mapping[str, Any]) -> float:
    """Return the largest difference, relative to each array's largest value; exit beyond tolerance.

    The rival's names are compared: a layer with one bias has no second gradient.
    """
    relative = {}
    for key, array in rival.items():
        error, size = np.abs(np.asarray(ours[key]) - array).max(), np.abs(array).max()
        relative[key] = float(error / size) if size else float(error)
        if not relative[key] <= TOLERANCE:  # NaN as well
            sys.exit(f"{name}: {key} differs by {relative[key]:.1e} of its largest value.")
    return float(f"{max(relative.values()):.1e}")


def path(layer: Any, x: Tensor, *, toy: bool, **call: Any) -> str:
    """Return the backend of our layer; exit where it is not the fused one."""
    backend = layer.explain(x, **call)
    if backend.name != "fused" and not toy:
        sys.exit(f"{type(layer).__name__}: this would not measure our kernels; the layer takes {backend}")
    return str(backend.name)


def geometric_mean(values: Iterable[float]) -> float:
    return round(math.exp(float(np.mean([math.log(value) for value in values]))), 2)
