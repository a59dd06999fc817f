"""What an option costs: other activations, recurrent dropout, zoneout, resets, layer normalisation.

A training step of our layer with the option beside the plain one, in turns: `of_plain` is its time over the
plain layer's, tanh's for activations. Torch's way to leaky ReLU and PReLU is a loop written by hand (the
sums over the inputs made for all steps at once, then an addmm and the activation a step): `times_loop` is how
many times as long it takes. Outputs and gradients are compared first: activations with that loop in float64,
as float32 and float64 may fall on two sides of the kink, and one such step in ten million is 0.2 % of a
gradient; outputs in float32 as well; the rest with our reference path and the same masks. Options other than
activations count where the plain step takes over 1 ms.

    python -m benchmarks.options [--toy]
"""

import copy
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import unrolled.nn
from benchmarks.record import Facts, main, print_now, table
from benchmarks.recurrent import (
    CELLS,
    SHAPES,
    THREADS,
    TOY,
    WIDE,
    Shape,
    difference,
    geometric_mean,
    inputs,
    limit_threads,
    pair,
    path,
    results_of,
    training,
)  # fmt: skip
from benchmarks.timing import Timed, in_process, in_turns

SETTINGS: dict[str, dict[str, Any]] = {
    "recurrent_dropout": {"recurrent_dropout": 0.2},
    "zoneout": {"zoneout": 0.1},
    "resets": {},
    "layer_norm": {"layer_norm": True},
}
RESETS = 0.02  # the share of steps that begin a new segment
COUNTS_MS = 1.0


class Loop(nn.Module):
    """The plain recurrence, as one writes it in torch, with the weights of a layer of ours."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.nonlinearity = layer.nonlinearity
        for name, weight in layer.named_parameters():
            self.register_parameter(name, nn.Parameter(weight.detach().clone()))

    def forward(self, x: Tensor) -> tuple[Tensor]:
        """Every output (T, B, H), from a state of zeros."""
        sums = F.linear(x, self.weight_ih_l0, self.bias_ih_l0 + self.bias_hh_l0)
        h, outputs, w = x.new_zeros(x.shape[1], self.weight_hh_l0.shape[1]), [], self.weight_hh_l0.T
        for step in sums.unbind(0):
            h = torch.addmm(step, h, w)
            h = F.leaky_relu(h) if self.nonlinearity == "leaky_relu" else F.prelu(h, self.slope_l0)
            outputs.append(h)
        return (torch.stack(outputs),)


def run(toy: bool) -> Facts:
    limit_threads(toy=toy)
    activations = [row for shape in (TOY if toy else SHAPES) for row in _activations(shape, toy=toy)]
    means = {
        name: geometric_mean(row["times_loop"] for row in activations if row["nonlinearity"] == name)
        for name in ("leaky_relu", "prelu")
    }
    print_now(f"times as long as ours the loop takes, geometric mean: {means}\n")
    rows = []
    for cell in CELLS:
        for shape in TOY if toy else [*SHAPES, *WIDE]:
            rows += _options(cell, shape, toy=toy)
    counted = [row for row in rows if row["plain_ms"] > COUNTS_MS]
    most = {
        name: max((row["of_plain"] for row in counted if row["option"] == name), default=None)
        for name in SETTINGS
    }
    print_now(f"most of the plain layer's time, where that is over {COUNTS_MS} ms: {most}")
    facts = {"times_loop_geometric_means": means, "most_of_plain_over_1_ms": most, "resets_share": RESETS}
    return {"threads": THREADS, **facts, "activations": activations, "options": rows}


def _activations(shape: Shape, *, toy: bool) -> list[Facts]:
    """Leaky ReLU and PReLU beside tanh, and beside the loop."""
    x, gradient = inputs(shape)
    layers = {name: unrolled.nn.RNN(shape.F, shape.H, nonlinearity=name) for name in ("leaky_relu", "prelu")}
    plain = {"tanh": pair("RNN", shape)[0], **layers}
    beside_tanh, measured = in_turns(
        {name: in_process(training(layer, x, gradient)) for name, layer in plain.items()}, toy=toy
    )
    rows = []
    for name, layer in layers.items():
        loop, backend = Loop(layer), path(layer, x, toy=toy)
        error = _against_loop(f"{name} {shape}", layer, loop, x, gradient)
        sides = {
            "ours": in_process(training(layer, x, gradient)),
            "loop": in_process(training(loop, x, gradient)),
        }
        timings, again = in_turns(sides, toy=toy)
        rows.append({
            "nonlinearity": name, "B, T, F, H": str(shape), "path": backend, "largest_difference": error,
            "ours_ms": timings["ours"].ms, "of_tanh": beside_tanh[name].times,
            "of_tanh_quartiles": beside_tanh[name].quartiles, "loop_ms": timings["loop"].ms,
            "times_loop": timings["loop"].times, "quartiles": timings["loop"].quartiles,
            "measured": max(measured, again),
        })  # fmt: skip
    print_now(table(rows))
    return rows


def _against_loop(who: str, layer: Any, loop: Loop, x: Tensor, gradient: Tensor) -> float:
    """How far the output is from the loop's in float64, where the gradients have been compared as well."""
    exact = results_of(copy.deepcopy(loop).double(), x.double(), gradient.double())
    ours = results_of(copy.deepcopy(layer).double(), x.double(), gradient.double())
    difference(f"{who}, float64", ours, exact)
    return difference(who, results_of(layer, x, gradient), {"output": exact["output"]})


def _options(cell: str, shape: Shape, *, toy: bool) -> list[Facts]:
    x, gradient = inputs(shape)
    chance = torch.Generator().manual_seed(2)
    calls = {"resets": {"resets": torch.rand(shape.B, shape.T, generator=chance) < RESETS}}
    torch.manual_seed(0)
    layers = {
        name: getattr(unrolled.nn, cell)(shape.F, shape.H, **settings) for name, settings in SETTINGS.items()
    }
    _calm(layers["layer_norm"])
    error = {
        name: _against_reference(f"{cell} {name} {shape}", layer, x, gradient, calls.get(name, {}), toy=toy)
        for name, layer in layers.items()
    }
    sides = {"plain": in_process(training(pair(cell, shape)[0], x, gradient))}
    sides |= {
        name: in_process(training(layer, x, gradient, **calls.get(name, {})))
        for name, layer in layers.items()
    }
    timings, measured = in_turns(sides, toy=toy)
    same = {"layer": cell, "B, T, F, H": str(shape)}
    rows = [
        {
            **same,
            "option": name,
            "largest_difference": error[name],
            **_beside(timings, name),
            "measured": measured,
        }
        for name in layers
    ]
    print_now(table(rows))
    return rows


def _calm(layer: Any) -> None:
    """Halve the gains: with 1 a plain RNN is chaotic, and after 784 steps no two orders of a sum agree."""
    with torch.no_grad():
        for name, weight in layer.named_parameters():
            if name.startswith("gain"):
                weight.mul_(0.5)


def _beside(timings: dict[str, Timed], name: str) -> Facts:
    plain, ours = timings["plain"], timings[name]
    return {"plain_ms": plain.ms, "ours_ms": ours.ms, "of_plain": ours.times, "quartiles": ours.quartiles}


def _against_reference(
    who: str, layer: Any, x: Tensor, gradient: Tensor, call: dict[str, Any], *, toy: bool
) -> float:
    """How far the fused path is from the reference, with the same masks."""
    path(layer, x, toy=toy, **call)
    torch.manual_seed(3)
    ours = results_of(layer, x, gradient, **call)
    layer._reasons_against_kernels = lambda _: ["the reference is asked for"]  # noqa: SLF001 (no one else asks)
    assert layer.explain(x, **call).name == "reference"
    torch.manual_seed(3)
    reference = results_of(layer, x, gradient, **call)
    del layer._reasons_against_kernels  # noqa: SLF001
    return difference(who, ours, reference)


if __name__ == "__main__":
    main(run)
