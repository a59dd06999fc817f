"""Inference of our layers beside torch's over a grid of calls: one step, one row, one unit, and many.

Acting, decoding and streaming call a layer once a step, with a state. Rows B from 1 to 3000, steps T from 1
to 50, inputs F from 1 to 6400, units H from 1 to 1024; RNN, GRU and LSTM; from zeros and from a state; each
call under a second. Outputs are compared first. `times` is the median of the paired ratios, how many times
as long torch.nn takes; `least` is the smallest of each layer.

    python -m benchmarks.small_calls [--toy]
"""

import time
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
    geometric_mean,
    limit_threads,
    pair,
    path,
)  # fmt: skip
from benchmarks.timing import interleaved

GRID = [
    Shape(1, 1, 1, 1), Shape(1, 1, 8, 64), Shape(1, 1, 64, 256), Shape(1, 1, 128, 512),
    Shape(1, 1, 64, 1024), Shape(1, 1, 1024, 1024), Shape(1, 1, 6400, 64), Shape(4, 1, 300, 300),
    Shape(8, 1, 1024, 1024), Shape(32, 1, 64, 512), Shape(256, 1, 16, 128), Shape(3000, 1, 8, 1),
    Shape(3000, 1, 8, 32), Shape(1, 2, 64, 128), Shape(2, 3, 6400, 16), Shape(1000, 2, 1, 8),
    Shape(16, 5, 64, 1024), Shape(4, 10, 300, 300), Shape(500, 10, 64, 1), Shape(1, 16, 8, 512),
    Shape(1, 16, 512, 512), Shape(64, 16, 1, 16), Shape(1, 50, 1, 32), Shape(1, 50, 6400, 64),
    Shape(3000, 50, 8, 1), Shape(64, 50, 32, 64),
]  # fmt: skip
PAIRS_S, PAIRS = 0.5, (15, 500)  # seconds a point, and the fewest and most pairs of calls


def run(toy: bool) -> Facts:
    limit_threads(toy=toy)
    rows = []
    for cell in CELLS:
        for shape in TOY if toy else GRID:
            rows += [_row(cell, shape, has_state=has_state, toy=toy) for has_state in (False, True)]
            print_now(table(rows[-2:]))
    means = [_mean([row for row in rows if row["layer"] == cell]) for cell in CELLS]
    print_now("\n" + table(rows) + "\n\n" + table(means))
    return {"rival": "torch.nn", "threads": THREADS, "means": means, "rows": rows}


def _row(cell: str, shape: Shape, *, has_state: bool, toy: bool) -> Facts:
    ours, rival = (layer.eval() for layer in pair(cell, shape))
    x = torch.randn(shape.T, shape.B, shape.F, generator=torch.Generator().manual_seed(1))
    state = _state(cell, shape) if has_state else None
    backend = path(ours, x, toy=toy, hx=state)
    with torch.inference_mode():
        outputs = [{"output": layer(x, state)[0].numpy()} for layer in (ours, rival)]
    error = difference(f"{cell} {shape}", *outputs)
    our_call, torch_call = _call(ours, x, state), _call(rival, x, state)
    timings = interleaved(torch_call, our_call, repeats=1 if toy else _pairs(our_call, torch_call))
    return {
        "layer": cell, "B, T, F, H": str(shape), "from": "a state" if has_state else "zeros",
        "path": backend, "largest_difference": error, "ours_us": timings["rival_us"],
        "torch_us": timings["ours_us"], "times": timings["ratio"], "quartiles": timings["ratio_quartiles"],
    }  # fmt: skip


def _pairs(our_call: Callable[[], None], torch_call: Callable[[], None]) -> int:
    """Count the pairs of calls that a point's time allows."""
    for call in (our_call, torch_call):
        call()
    start_s = time.perf_counter()
    our_call()
    torch_call()
    return int(np.clip(PAIRS_S / (time.perf_counter() - start_s), *PAIRS))


def _state(cell: str, shape: Shape) -> Any:
    chance = torch.Generator().manual_seed(2)
    h, c = torch.randn(2, 1, shape.B, shape.H, generator=chance)
    return (h, c) if cell == "LSTM" else h


def _call(layer: nn.Module, x: Tensor, state: Any) -> Callable[[], None]:
    def call() -> None:
        with torch.inference_mode():
            layer(x, state)

    return call


def _mean(rows: list[Facts]) -> Facts:
    least = min(rows, key=lambda row: row["times"])
    return {
        "layer": least["layer"], "points": len(rows),
        "geometric_mean": geometric_mean(row["times"] for row in rows),
        "least": least["times"], "at": f"({least['B, T, F, H']}) from {least['from']}",
    }  # fmt: skip


if __name__ == "__main__":
    main(run)
