"""Ragged batches: ours with `lengths`, torch's PackedSequence, and ours on the padded batch.

Lengths uniform in 1 to T. A training step: forward, backward from a given gradient of the output, the
gradients of all weights. Torch's batch is packed before the clock starts and its output is left packed, so
that only the layer is timed. Outputs and gradients are compared first. `times` is how many times as long
torch takes; `of_dense` our time over our own on the padded batch without lengths, which counts where that
takes over 1 ms.

    python -m benchmarks.ragged [--toy]
"""

import torch
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

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
from benchmarks.timing import in_process, in_turns

LENGTHY = [  # at T = 784 a packed step of torch takes seconds: a turn of nothing else
    shape for shape in [*SHAPES, *WIDE] if shape.B > 1 and shape.T <= 100
]


class Packed(torch.nn.Module):
    """torch.nn's layer from packed data to packed data, or to a padded output to compare."""

    def __init__(self, layer: torch.nn.Module, x: Tensor, lengths: Tensor, *, is_padded: bool) -> None:
        super().__init__()
        self.layer, self.is_padded, self.T = layer, is_padded, len(x)
        self.packed = pack_padded_sequence(x, lengths, enforce_sorted=False)

    def forward(self, _: Tensor) -> tuple[Tensor]:
        """The output for the batch that was packed; the argument is there for the caller."""
        output = self.layer(self.packed)[0]
        return (pad_packed_sequence(output, total_length=self.T)[0] if self.is_padded else output.data,)


def run(toy: bool) -> Facts:
    limit_threads(toy=toy)
    rows = []
    for cell in CELLS:
        for shape in TOY if toy else LENGTHY:
            rows.append(_row(cell, shape, toy=toy))
            print_now(table(rows[-1:]))
    long = [row for row in rows if row["T"] >= 50] or rows
    dense = [row["of_dense"] for row in rows if row["dense_ms"] > 1]
    facts = {
        "times_torch_least_from_T_50": min(row["times"] for row in long),
        "times_torch_mean_from_T_50": geometric_mean(row["times"] for row in long),
        "of_dense_most_over_1_ms": max(dense, default=None),
    }
    print_now("\n" + table(rows) + "\n\n" + table([facts]))
    return {"rival": "torch.nn on a PackedSequence", "threads": THREADS, **facts, "rows": rows}


def _row(cell: str, shape: Shape, *, toy: bool) -> Facts:
    ours, rival = pair(cell, shape)
    x, gradient = inputs(shape)
    lengths = torch.randint(1, shape.T + 1, (shape.B,), generator=torch.Generator().manual_seed(2))
    backend = path(ours, x, toy=toy, lengths=lengths)
    padded, packed = (Packed(rival, x, lengths, is_padded=it) for it in (True, False))
    found = results_of(padded, x, gradient)
    expected = {name.removeprefix("layer."): array for name, array in found.items()}
    error = difference(f"{cell} {shape}", results_of(ours, x, gradient, lengths=lengths), expected)
    packed_gradient = pack_padded_sequence(gradient, lengths, enforce_sorted=False).data
    sides = {
        "ours": in_process(training(ours, x, gradient, lengths=lengths)),
        "dense": in_process(training(ours, x, gradient)),
        "torch": in_process(training(packed, x, packed_gradient)),
    }
    timings, measured = in_turns(sides, toy=toy)
    return {
        "layer": cell, "B, T, F, H": str(shape), "T": shape.T, "path": backend, "largest_difference": error,
        "steps_of_all": round(float(lengths.float().mean()) / shape.T, 3), "ours_ms": timings["ours"].ms,
        "dense_ms": timings["dense"].ms, "torch_ms": timings["torch"].ms, "times": timings["torch"].times,
        "quartiles": timings["torch"].quartiles, "of_dense": round(1 / timings["dense"].times, 3),
        "measured": measured,
    }  # fmt: skip


if __name__ == "__main__":
    main(run)
