"""Our layers beside compiled frameworks: TensorFlow and JAX for training, ONNX Runtime for inference.

Keras on TensorFlow with XLA, Keras on JAX, flax.nnx.RNN and a jax.lax.scan written by hand, each in one
living process of its own with as many threads as we have, driven in turns with us. A training step is the
same for all: forward, backward from a given gradient of the output, the gradients of all weights, compiled
before the clock starts. Inference is compared with ONNX Runtime. The same weights and inputs go to everyone,
and outputs and gradients are compared first. `times` is how many times as long the fastest of them takes at
that shape.

    python -m benchmarks.frameworks [--toy]

The rivals have an environment of their own: `make rivals`.
"""

from collections.abc import Callable
from typing import Any

import torch

from benchmarks.record import Facts, main, print_now, table
from benchmarks.recurrent import (
    CELLS,
    SHAPES,
    THREADS,
    TOY,
    Shape,
    difference,
    geometric_mean,
    inference,
    inputs,
    limit_threads,
    pair,
    path,
    results_of,
    training,
)  # fmt: skip
from benchmarks.rivals.driver import Worker, rivals
from benchmarks.timing import Timed, in_process, in_turns

TRAINING = ("keras_tensorflow", "keras_jax", "jax_scan", "flax_nnx")
INFERENCE = ("onnx_runtime",)
Timings = dict[str, Timed]


def run(toy: bool) -> Facts:
    limit_threads(toy=toy)
    versions: dict[str, str] = {}
    facts: Facts = {"threads": THREADS, "rivals_versions": versions}
    for kind, names in (("training", TRAINING), ("inference", INFERENCE)):
        with rivals({name: name for name in names}, toy=toy) as workers:
            for worker in workers.values():
                versions.update(worker.versions())
            rows = [
                _row(kind, cell, shape, workers, toy=toy)
                for cell in CELLS
                for shape in (TOY if toy else SHAPES)
            ]
        facts[kind] = rows
        if workers:
            facts[f"{kind}_geometric_means"] = _means(rows)
            print_now(table(facts[f"{kind}_geometric_means"]) + "\n")
    return facts


def _row(kind: str, cell: str, shape: Shape, workers: dict[str, Worker], *, toy: bool) -> Facts:
    ours, _ = pair(cell, shape)
    if cell == "GRU":  # flax has no bias there
        with torch.no_grad():
            ours.bias_hh_l0[-shape.H :] = 0
    x, gradient = inputs(shape)
    backend = path(ours, x, toy=toy)
    expected = results_of(ours, x, gradient)
    weights = {name.removesuffix("_l0"): w.detach().numpy() for name, w in ours.named_parameters()}
    error = 0.0
    for name, worker in workers.items():
        worker.load(kind, {**weights, "x": x.numpy(), "cotangent": gradient.numpy()}, cell=cell)
        error = max(error, difference(f"{name}, {cell} {shape}", expected, worker.answers()))
    step: Callable[[], Any] = training(ours, x, gradient) if kind == "training" else inference(ours, x)
    sides = {"ours": in_process(step), **{name: worker.run for name, worker in workers.items()}}
    timings, measured = in_turns(sides, toy=toy)
    row = {"layer": cell, "B, T, F, H": str(shape), "path": backend, "largest_difference": error}
    row |= (
        {f"{name}_ms": side.ms for name, side in timings.items()} | _fastest(timings) | {"measured": measured}
    )
    print_now(table([row]))
    return row


def _fastest(timings: Timings) -> Facts:
    """Whoever of the others is ahead at this shape, and how far behind us."""
    others = {name: side for name, side in timings.items() if name != "ours"}
    if not others:
        return {}
    name = min(others, key=lambda name: others[name].times)
    return {"fastest": name, "times": others[name].times, "quartiles": others[name].quartiles}


def _means(rows: list[Facts]) -> list[Facts]:
    """Over the shapes, by layer and over all."""
    chosen = {cell: [row["times"] for row in rows if row["layer"] == cell] for cell in CELLS}
    chosen["all"] = [row["times"] for row in rows]
    return [
        {"layer": cell, "times_fastest": geometric_mean(times), "least": min(times)}
        for cell, times in chosen.items()
    ]


if __name__ == "__main__":
    main(run)
