"""Peak memory of a training step, ours and torch's, each in a fresh process.

The process first makes layer, input and gradient and runs a step of another, tiny layer, so that libraries
and threads are there; then three steps: what counts is how far resident memory then rises above what it was
(forward, backward, all weight gradients, and whatever is kept between calls). Steps that take torch over
10 MB are compared. Then one shape with 2 and 4 times the steps and the rows, for the growth.

    python -m benchmarks.peak_memory [--toy]
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.record import ROOT, Facts, main, print_now, table
from benchmarks.recurrent import (
    CELLS,
    SHAPES,
    THREADS,
    TOY,
    WIDE,
    Shape,
    inputs,
    limit_threads,
    pair,
    path,
    training,
)

COUNTS_MB, MB = 10.0, 1e6
GROWN = Shape(64, 100, 8, 128)
PEAK = Path("/proc/self/clear_refs")


def run(toy: bool) -> Facts:
    if not PEAK.exists():
        sys.exit("peak_memory: only Linux lets a process set its peak back; run it there.")
    rows = []
    for cell in CELLS[:1] if toy else CELLS:
        for shape in TOY[:1] if toy else [*SHAPES, *WIDE]:
            rows.append(_row(cell, shape, toy=toy))
            print_now(table(rows[-1:]))
    counted = [row["of_torch"] for row in rows if row["torch_mb"] > COUNTS_MB]
    growth = [] if toy else [_growth(cell, axis) for cell in CELLS for axis in ("T", "B")]
    facts = {"most_of_torch_over_10_mb": max(counted, default=None), "threads": THREADS}
    print_now("\n" + table(rows) + ("\n\n" + table(growth) if growth else "") + f"\n{facts}")
    return {**facts, "rows": rows, "growth": growth}


def _row(cell: str, shape: Shape, *, toy: bool) -> Facts:
    ours, rival = (_peak_mb(who, cell, shape, toy=toy) for who in ("ours", "torch"))
    of_torch = round(ours / rival, 3) if rival else None
    return {
        "layer": cell, "B, T, F, H": str(shape), "ours_mb": ours, "torch_mb": rival, "of_torch": of_torch,
    }  # fmt: skip


def _growth(cell: str, axis: str) -> Facts:
    """Our peak at 1, 2 and 4 times the steps or rows; `four_over_two` is 2 where the cost is linear."""
    shapes = [GROWN._replace(**{axis: times * getattr(GROWN, axis)}) for times in (1, 2, 4)]
    once, twice, four = (_peak_mb("ours", cell, shape, toy=False) for shape in shapes)
    ratio = round(four / twice, 2)
    return {
        "layer": cell,
        "axis": axis,
        "once_mb": once,
        "twice_mb": twice,
        "four_mb": four,
        "four_over_two": ratio,
    }


def _peak_mb(who: str, cell: str, shape: Shape, *, toy: bool) -> float:
    command = [
        sys.executable,
        "-m",
        "benchmarks.peak_memory",
        "--step",
        who,
        cell,
        *map(str, shape),
        str(int(toy)),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{who}, {cell} {shape}: ended with {done.returncode}\n{done.stderr}")
    return float(json.loads(done.stdout)["mb"])


def _step(who: str, cell: str, sizes: list[int], *, toy: bool) -> Facts:
    """Run three steps in this process and tell how far memory rose."""
    limit_threads(toy=toy)
    shape = Shape(*sizes)
    layer: Any = pair(cell, shape)[who == "torch"]
    x, gradient = inputs(shape)
    if who == "ours":
        path(layer, x, toy=toy)
    small = Shape(32, 12, 1, 32)
    training(pair(cell, small)[who == "torch"], *inputs(small))()
    step = training(layer, x, gradient)
    PEAK.write_text("5", encoding="ascii")  # the peak begins anew
    before = _status("VmRSS")
    for _ in range(3):
        step()
    return {"mb": round((_status("VmHWM") - before) / MB, 2)}


def _status(field: str) -> int:
    """Bytes, as Linux counts them for this process."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--step"]:
        *sizes, toy = map(int, sys.argv[4:])
        print(json.dumps(_step(sys.argv[2], sys.argv[3], sizes, toy=bool(toy))))
    else:
        main(run)
