"""Overhead around the kernels: a layer's call and `backward`, beside the bare kernel calls.

At the smallest shape people train, layer call plus backward(grad), no loss, gradients of all weights, beside
the compiled forward and backward on allocated buffers; `around_us` is the difference, turn by turn. Both must
give the same numbers. Then fresh processes: how long the first call takes, which compiles nothing, and the
tenth; ours and torch's.

    python -m benchmarks.call_cost [--toy]
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.record import ROOT, Facts, main, print_now, table
from benchmarks.recurrent import (
    CELLS,
    SHAPES,
    THREADS,
    TOY,
    Shape,
    difference,
    inputs,
    limit_threads,
    pair,
    path,
    results_of,
    training,
)  # fmt: skip
from benchmarks.timing import in_process, in_turns
from unrolled.kernels import _compiled
from unrolled.kernels.operands import INDEX

CALLS, PROCESSES = 10, 9


def run(toy: bool) -> Facts:
    limit_threads(toy=toy)
    shape = TOY[0] if toy else SHAPES[0]
    rows = [_around(cell, shape, toy=toy) for cell in CELLS]
    print_now(table(rows) + "\n")
    first = [
        _first_calls(who, cell, toy=toy)
        for cell in CELLS[: 1 if toy else 3]
        for who in ("ours", "torch")[: 1 if toy else 2]
    ]
    print_now(table(first))
    return {"threads": THREADS, "rows": rows, "first_calls": first}


def _around(cell: str, shape: Shape, *, toy: bool) -> Facts:
    layer, _ = pair(cell, shape)
    x, gradient = inputs(shape)
    backend = path(layer, x, toy=toy)
    bare, expected = _bare(cell, layer, x, gradient)
    bare()
    error = difference(f"{cell} {shape}", results_of(layer, x, gradient), expected)
    sides = {"bare": in_process(bare), "ours": in_process(training(layer, x, gradient))}
    timings, measured = in_turns(sides, toy=toy)
    bare_us = timings["bare"].ms * 1e3
    (low, high), middle = timings["ours"].quartiles, timings["ours"].times
    return {
        "layer": cell, "B, T, F, H": str(shape), "path": backend, "largest_difference": error,
        "layer_us": round(timings["ours"].ms * 1e3, 1), "bare_us": round(bare_us, 1),
        "around_us": round((middle - 1) * bare_us, 1), "measured": measured,
        "quartiles": (round((low - 1) * bare_us, 1), round((high - 1) * bare_us, 1)),
    }  # fmt: skip


def _bare(
    cell: str, layer: Any, x: Tensor, gradient: Tensor
) -> tuple[Callable[[], None], dict[str, np.ndarray]]:
    """Make a step of the compiled forward and backward, and the arrays that it fills, by name."""
    T, B, F = x.shape
    H = gradient.shape[2]
    weights = dict(layer.named_parameters())
    present = [INDEX[name.removesuffix("_l0")] for name in weights]
    recurrence = _compiled.Recurrence(CELLS.index(cell), 0, False, 0.0, 0.0, [INDEX["x"], *present])
    saved = torch.empty(recurrence.saved_elements(T, B, F, H, False)) if cell != "RNN" else None
    operands = x, *(weight.detach() for weight in weights.values())
    output, h_n = torch.empty(T, B, H), torch.empty(B, H)
    c_n = torch.empty(B, H) if cell == "LSTM" else None
    grads = (gradient, None, None)[: 3 if cell == "LSTM" else 2]
    weight_gradients = {name: torch.empty_like(weight) for name, weight in weights.items()}
    gradients = [None, *weight_gradients.values()]

    def step() -> None:
        assert recurrence.forward(-1, THREADS, operands, output, h_n, c_n, saved)
        assert recurrence.backward(-1, THREADS, operands, output, saved, grads, gradients)

    arrays = {name.removesuffix("_l0"): one.detach().numpy() for name, one in weight_gradients.items()}
    return step, {**arrays, "output": output.numpy()}


def _first_calls(who: str, cell: str, *, toy: bool) -> Facts:
    """Median milliseconds of the first, second and tenth call over fresh processes."""
    runs = []
    for _ in range(1 if toy else PROCESSES):
        command = [sys.executable, "-m", "benchmarks.call_cost", "--calls", who, cell, str(int(toy))]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{who}, {cell}: ended with {done.returncode}\n{done.stderr}")
        runs.append(json.loads(done.stdout))
    first, second, *_, tenth = np.median(runs, axis=0).round(3).tolist()
    return {"layer": cell, "who": who, "first_ms": first, "second_ms": second, "tenth_ms": tenth}


def _calls(who: str, cell: str, *, toy: bool) -> list[float]:
    """Milliseconds of each of the first ten steps of this process; a step of plain torch came before."""
    limit_threads(toy=toy)
    layer = pair(cell, SHAPES[0])[who == "torch"]
    step = training(layer, *inputs(SHAPES[0]))
    training(torch.nn.Linear(4, 4), torch.ones(2, 4), torch.ones(4))()  # autograd itself has started
    times_ms = []
    for _ in range(CALLS):
        start_s = time.perf_counter()
        step()
        times_ms.append(1e3 * (time.perf_counter() - start_s))
    return times_ms


if __name__ == "__main__":
    if sys.argv[1:2] == ["--calls"]:
        print(json.dumps(_calls(sys.argv[2], sys.argv[3], toy=bool(int(sys.argv[4])))))
    else:
        main(run)
