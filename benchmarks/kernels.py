"""Our vector tanh and sigmoid beside NumPy's, one thread, nanoseconds an element.

NumPy has no sigmoid; its rival is 1 / (1 + exp(−x)). Every result is within 3 ulp of the true value, which
is compared first, on a sample, with NumPy in a wider type.

    python -m benchmarks.kernels [--toy]
"""

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.record import Facts, main, print_now, table
from benchmarks.timing import interleaved
from unrolled import kernels

Array = NDArray[Any]

SIZES = (1_000, 100_000, 10_000_000)
WIDER = {"float32": np.float64, "float64": np.longdouble}
MOST_ULP = 3


def run(toy: bool) -> Facts:
    rivals: dict[str, Callable[..., Array]] = {"tanh": np.tanh, "sigmoid": _sigmoid}
    rows = []
    for name, rival in rivals.items():
        ours = getattr(kernels, name)
        for dtype in ("float32", "float64"):
            for size in SIZES[:1] if toy else SIZES:
                x = np.random.default_rng(0).normal(scale=3, size=size).astype(dtype)
                ulp = _ulp(ours(x), rival(x[:10_000].astype(WIDER[dtype])))
                if ulp > MOST_ULP:
                    sys.exit(f"{name}, {dtype}: {ulp:.1f} ulp from the true value.")
                ours_out, rival_out = np.empty_like(x), np.empty_like(x)
                timed = interleaved(
                    partial(ours, x, out=ours_out), partial(rival, x, out=rival_out), repeats=3 if toy else 51
                )
                rows.append(_row(name, dtype, size, ulp, timed))
    print_now(table(rows))
    return {"build": kernels.build_info(), "rows": rows}


def _row(name: str, dtype: str, size: int, ulp: float, timed: Facts) -> Facts:
    each = {f"{who}_ns": round(timed[f"{who}_us"] * 1000 / size, 3) for who in ("ours", "rival")}
    ratios = {key: timed[key] for key in ("ratio", "ratio_quartiles")}
    return {"function": name, "dtype": dtype, "elements": size, "ulp": round(ulp, 2), **each, **ratios}


def _sigmoid(x: Array, out: Array | None = None) -> Array:
    """The formula, without temporary arrays where it is given `out`."""
    out = np.exp(-x) if out is None else np.exp(np.negative(x, out=out), out=out)
    out += 1
    return np.reciprocal(out, out=out)


def _ulp(answer: Array, true: Array) -> float:
    """The largest distance in units of the last place, over as many elements as `true` has."""
    answer = answer[: len(true)]
    return float((np.abs(answer - true) / np.spacing(np.abs(true).astype(answer.dtype))).max())


if __name__ == "__main__":
    main(run)
