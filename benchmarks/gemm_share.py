"""Rate of a whole training step, as a share of the rate of our large matrix product.

What counts as work are the products of the step: forward 2 B T G H (F + H), the weights' gradients as much
again, the state's gradient 2 B T G H H; the input's gradient is not computed, and activations are not
counted. `share` is that work over the step's time, through the public layer, over the rate of our product of
two square matrices, all on the same threads and in turns; torch.mm runs beside it. `gflops_as_3_forward`
counts three times the forward products, as is often done.

    python -m benchmarks.gemm_share [--toy]
"""

from collections.abc import Callable

import torch

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
    results_of,
    training,
)  # fmt: skip
from benchmarks.timing import in_process, in_turns
from unrolled.kernels import _compiled

SHAPES = [Shape(64, 100, 8, 128), Shape(256, 50, 16, 256), Shape(128, 784, 1, 128)]
SIDES = (512, 1024, 2048)  # of the square matrices; the size with the highest rate is what counts
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}


def run(toy: bool) -> Facts:
    limit_threads(toy=toy)
    products = [_product(side, toy=toy) for side in ((32,) if toy else SIDES)]
    print_now(table(products) + "\n")
    side = max(products, key=lambda row: row["ours_gflops"])["side"]
    rows = []
    for cell in CELLS:
        for shape in TOY if toy else SHAPES:
            rows.append(_row(cell, shape, side, toy=toy))
            print_now(table(rows[-1:]))
    least = min(row["share"] for row in rows)
    print_now(f"\nat least {least:.0%} of our product's rate")
    return {"threads": THREADS, "products": products, "least_share": least, "rows": rows}


def work(cell: str, shape: Shape) -> float:
    """Floating-point operations of the products in a step that asks for no gradient of its input."""
    B, T, F, H = shape
    return 2.0 * B * T * GATES[cell] * H * (2 * (F + H) + H)


def _product(side: int, *, toy: bool) -> Facts:
    """Time our matrix product beside torch's."""
    ours, rival, error = _products(side)
    timings, measured = in_turns({"ours": in_process(ours), "torch": in_process(rival)}, toy=toy)
    rates = {f"{who}_gflops": round(2e-6 * side**3 / timed.ms, 1) for who, timed in timings.items()}
    return {"side": side, "largest_difference": error, **rates, "measured": measured}


def _products(side: int) -> tuple[Callable[[], None], Callable[[], None], float]:
    """C = A B by our kernel and by torch.mm, and how far they are apart."""
    a, b = torch.randn(2, side, side)
    ours, rival = torch.empty(2, side, side)
    arrays = a.numpy(), b.numpy(), ours.numpy()

    def product() -> None:
        _compiled.matmul(*arrays, THREADS)

    def torch_product() -> None:
        torch.mm(a, b, out=rival)

    product(), torch_product()
    return product, torch_product, difference("matmul", {"C": ours.numpy()}, {"C": rival.numpy()})


def _row(cell: str, shape: Shape, side: int, *, toy: bool) -> Facts:
    ours, rival = pair(cell, shape)
    x, gradient = inputs(shape)
    backend = path(ours, x, toy=toy)
    error = difference(f"{cell} {shape}", results_of(ours, x, gradient), results_of(rival, x, gradient))
    product, torch_product, _ = _products(side)
    sides = {
        "ours": in_process(training(ours, x, gradient)),
        "product": in_process(product),
        "torch_mm": in_process(torch_product),
    }
    timings, measured = in_turns(sides, toy=toy)
    done = work(cell, shape)
    B, T, F, H = shape
    to_share = done / (2.0 * side**3)  # of the ratio of times
    low, high = (round(quartile * to_share, 3) for quartile in timings["product"].quartiles)
    return {
        "layer": cell, "B, T, F, H": str(shape), "path": backend, "largest_difference": error,
        "ours_ms": timings["ours"].ms, "gflops": round(done / timings["ours"].ms / 1e6, 1),
        "gflops_as_3_forward": round(6e-6 * B * T * GATES[cell] * H * (F + H) / timings["ours"].ms, 1),
        "product_gflops": round(2e-6 * side**3 / timings["product"].ms, 1),
        "torch_mm_gflops": round(2e-6 * side**3 / timings["torch_mm"].ms, 1),
        "share": round(timings["product"].times * to_share, 3), "quartiles": (low, high),
        "measured": measured,
    }  # fmt: skip


if __name__ == "__main__":
    main(run)
