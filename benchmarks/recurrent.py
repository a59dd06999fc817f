"""What the benchmarks of recurrent layers share: the shapes, a training step, equality, which path ran."""

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
TOY = [Shape(3, 5, 2, 4)]


def settle(*, toy: bool) -> None:
    """Keep this process to as many threads and cores as the rivals have; a toy run changes nothing."""
    if not toy:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:THREADS])
        torch.set_num_threads(THREADS)


def pair(cell: str, shape: Shape, **options: Any) -> tuple[nn.Module, nn.Module]:
    """Our layer and torch's with the same weights; the options are torch's."""
    torch.manual_seed(0)
    rival = getattr(nn, cell)(shape.F, shape.H, **options)
    ours = getattr(unrolled.nn, cell)(shape.F, shape.H, **options)
    ours.load_state_dict(rival.state_dict())
    return ours, rival


def inputs(shape: Shape) -> tuple[Tensor, Tensor]:
    """An input (T, B, F) and a gradient of the output (T, B, H)."""
    chance = torch.Generator().manual_seed(1)
    B, T, F, H = shape
    return torch.randn(T, B, F, generator=chance), torch.randn(T, B, H, generator=chance)


def training(layer: nn.Module, x: Any, gradient: Tensor, **call: Any) -> Callable[[], None]:
    """A step: forward, backward, the gradients of all weights; without loss and optimizer."""
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


def answers(layer: nn.Module, x: Any, gradient: Tensor, **call: Any) -> dict[str, np.ndarray]:
    """The output and the gradients of a training step, by name (without torch's `_l0`)."""
    names, weights = zip(*layer.named_parameters(), strict=True)
    output = layer(x, **call)[0]
    found = torch.autograd.grad(output, weights, gradient)
    told = {name.removesuffix("_l0"): one.numpy() for name, one in zip(names, found, strict=True)}
    return {**told, "output": output.detach().numpy()}


def difference(who: str, ours: Mapping[str, Any], rival: Mapping[str, Any]) -> float:
    """The largest difference, each array's in units of its largest value; the end if beyond tolerance.

    The rival's names are compared: a layer with one bias has no second gradient.
    """
    found = {}
    for name, array in rival.items():
        far, size = np.abs(np.asarray(ours[name]) - array).max(), np.abs(array).max()
        found[name] = float(far / size) if size else float(far)
        if not found[name] <= TOLERANCE:  # NaN as well
            sys.exit(f"{who}: {name} differs by {found[name]:.1e} of its largest value.")
    return float(f"{max(found.values()):.1e}")


def path(layer: Any, x: Tensor, *, toy: bool, **call: Any) -> str:
    """Which path our layer takes; the end of a run that would measure another than the fused one."""
    taken = layer.explain(x, **call)
    if taken.name != "fused" and not toy:
        sys.exit(f"{type(layer).__name__}: this would not measure our kernels; the layer takes {taken}")
    return str(taken.name)


def geometric_mean(values: Iterable[float]) -> float:
    return round(math.exp(float(np.mean([math.log(value) for value in values]))), 2)
