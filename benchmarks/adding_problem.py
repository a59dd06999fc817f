"""The adding problem: 400 steps of numbers, two of them marked; what is their sum?

Hochreiter and Schmidhuber 1997, as Arjovsky et al. 2016 set it: numbers are uniform in [0, 1], one mark lies
in the first half and one in the second, y is the sum of the marked two. Answering 1 always has a squared
error of 0.167. The usual settings of SequenceRegressor but for what the table names; the error is that on
sequences drawn after the training.

    python -m benchmarks.adding_problem [--toy]
"""

import numpy as np
import torch
from numpy.typing import NDArray

import unrolled as ur
from benchmarks.record import Facts, main, print_now, table

STEPS, TRAINED_ON, JUDGED_ON = 400, 40_000, 4_000
SETTINGS: list[Facts] = [{"cell": "gru"}]


def run(toy: bool) -> Facts:
    steps, count, judged = (20, 60, 20) if toy else (STEPS, TRAINED_ON, JUDGED_ON)
    rng = np.random.default_rng(0)
    X, y = _drawn(rng, count, steps)
    X_new, y_new = _drawn(rng, judged, steps)
    rows: list[Facts] = []
    for settings in SETTINGS:
        shortened = {"hidden_size": 8, "max_epochs": 1} if toy else {}
        model = ur.SequenceRegressor(**settings | shortened, verbose=not toy).fit(X, y)
        rows.append({
            "model": f"unrolled {settings['cell'].upper()}",
            "squared_error": float(f"{np.mean((model.predict(X_new) - y_new) ** 2):.2e}"),
            "fit_s": round(model.seconds_, 1),
            "parameters": model.n_parameters_,
            "settings": settings,
            "stopping": model.stopping_reason_,
        })  # fmt: skip
        print_now(
            table([{name: rows[-1][name] for name in ("model", "squared_error", "fit_s", "parameters")}])
        )
    always = float(np.mean((y_new - 1) ** 2))
    rows.append({"model": "always 1", "squared_error": round(always, 3)})
    return {"threads": torch.get_num_threads(), "steps": steps, "trained_on": count, "rows": rows}


def _drawn(
    rng: np.random.Generator, count: int, steps: int
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """(N, T, 2) numbers and marks, and (N,) the sum of the marked."""
    numbers, marks = rng.random((count, steps)), np.zeros((count, steps))
    each = np.arange(count)
    marks[each, rng.integers(0, steps // 2, count)] = 1
    marks[each, rng.integers(steps // 2, steps, count)] = 1
    return np.stack([numbers, marks], axis=2).astype(np.float32), (numbers * marks).sum(axis=1)


if __name__ == "__main__":
    main(run)
