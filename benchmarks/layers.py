"""Our layers beside torch's: a training step and inference over the shapes people train.

unrolled.nn.RNN, GRU and LSTM, called as anyone calls them, beside torch.nn's with the same weights on the
same input: forward, backward from a given gradient of the output, the gradients of all weights; then forward
alone in inference mode. Outputs and gradients are compared first. `times` is how many times as long torch
takes; the means are geometric, over the seven shapes and over the six with more than one row. The four wide
shapes, where a product of matrices is all, stand beside them.

    python -m benchmarks.layers [--toy]
"""

from benchmarks.record import Facts, main, print_now, table
from benchmarks.recurrent import (
    CELLS,
    FEW_WIDE_STEPS,
    SHAPES,
    THREADS,
    TOY,
    WIDE,
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
from benchmarks.timing import in_process, in_turns


def run(toy: bool) -> Facts:
    limit_threads(toy=toy)
    rows = []
    for cell in CELLS:
        for shape in TOY if toy else [*SHAPES, *WIDE, *FEW_WIDE_STEPS]:
            rows += _rows(cell, shape, toy=toy)
            print_now(table(rows[-2:]))
    means = [_mean(rows, cell, step) for step in ("training", "inference") for cell in CELLS]
    print_now("\n" + table(rows) + "\n\n" + table(means))
    return {"rival": "torch.nn", "threads": THREADS, "geometric_means": means, "rows": rows}


def _rows(cell: str, shape: Shape, *, toy: bool) -> list[Facts]:
    ours, rival = pair(cell, shape)
    x, gradient = inputs(shape)
    backend = path(ours, x, toy=toy)
    error = difference(f"{cell} {shape}", results_of(ours, x, gradient), results_of(rival, x, gradient))
    steps = {
        "training": (training(ours, x, gradient), training(rival, x, gradient)),
        "inference": (inference(ours, x), inference(rival, x)),
    }
    rows = []
    for name, (our_step, torch_step) in steps.items():
        timings, measured = in_turns({"ours": in_process(our_step), "torch": in_process(torch_step)}, toy=toy)
        rows.append({
            "layer": cell, "B, T, F, H": str(shape), "step": name, "path": backend,
            "largest_difference": error,
            "ours_ms": timings["ours"].ms, "torch_ms": timings["torch"].ms, "times": timings["torch"].times,
            "quartiles": timings["torch"].quartiles, "measured": measured,
        })  # fmt: skip
    return rows


def _mean(rows: list[Facts], cell: str, step: str) -> Facts:
    wide = {str(shape) for shape in [*WIDE, *FEW_WIDE_STEPS]}
    chosen = [r for r in rows if (r["layer"], r["step"]) == (cell, step) and r["B, T, F, H"] not in wide]
    many = [row["times"] for row in chosen if not row["B, T, F, H"].startswith("1,")]
    return {
        "layer": cell,
        "step": step,
        "seven_shapes": geometric_mean(row["times"] for row in chosen),
        "six_with_B_over_1": geometric_mean(many),
        "least": min(row["times"] for row in rows if (row["layer"], row["step"]) == (cell, step)),
    }


if __name__ == "__main__":
    main(run)
