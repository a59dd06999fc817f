"""How often is the verdict wrong: a win where there is nothing to find, no win where there is something?

Random walks with drift on a log scale: nothing beats drift, every win is false. The toggle, planted: small
noise, now and then a call (1.5), and after each call an answer, +3 and −3 in turn. The answer is known to
whoever remembers the last one, however long ago; no linear model can, and a feed-forward net of the same
size on the same window must learn it for every distance apart.

    python -m benchmarks.verdict_trust [--toy]

Every seed is a whole backtest: a GRU trained, with every default baseline beside it.
"""

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from benchmarks.record import Facts, main, print_now, table
from unrolled import Forecaster, backtest

SEEDS, ORIGINS = 200, 60
CALL, ANSWER, NOISE, CALLS = 1.5, 3.0, 0.2, 0.3


def walk(seed: int) -> np.ndarray:
    """300 steps of a random walk with drift, as a price."""
    return 100 * np.exp(np.random.default_rng(seed).normal(0.005, 0.04, size=300).cumsum())


def toggle(seed: int) -> np.ndarray:
    """660 steps: noise, calls, and after each call the answer in turn."""
    rng = np.random.default_rng(seed)
    y = NOISE * rng.normal(size=660)
    sign, called = 1.0, False
    for t in range(len(y)):
        if called:
            sign = -sign
            y[t] += ANSWER * sign
        called = not called and rng.random() < CALLS
        y[t] += CALL * called
    return y


SERIES: dict[str, tuple[Callable[[int], np.ndarray], dict[str, Any]]] = {
    "random walk with drift": (walk, {"max_steps": 80}),
    "toggle": (toggle, {"max_steps": 240, "learning_rate": 1e-2, "window": 16, "transform": "scale"}),
}


def trust(name: str, seeds: int) -> Facts:
    """Outcomes of the verdict over seeds, with the mean ratio to the best baseline and which that was."""
    make, settings = SERIES[name]
    outcomes, rivals, ratios = Counter(), Counter(), []
    start = time.perf_counter()
    for seed in range(seeds):
        model = Forecaster(1, cell="gru", hidden_size=16, random_state=seed, **settings)
        verdict = backtest(model, make(seed), origins=ORIGINS).verdict
        outcomes[verdict.outcome] += 1
        rivals[verdict.best_baseline] += 1
        ratios.append(verdict.ratio)
    return {
        "series": name,
        "seeds": seeds,
        "wins": outcomes["better"],
        "outcomes": dict(outcomes),
        "best_baselines": dict(rivals.most_common()),
        "median_ratio": round(float(np.median(ratios)), 3),
        "seconds_a_backtest": round((time.perf_counter() - start) / seeds, 2),
    }


def run(toy: bool) -> Facts:
    torch.set_num_threads(1)  # such small networks only wait for a second one
    rows = []
    for name in SERIES:
        rows.append(trust(name, 2 if toy else SEEDS))
        print_now(f"{name}: {rows[-1]['wins']} wins of {rows[-1]['seeds']}, {rows[-1]['outcomes']}")
    shown = ("series", "seeds", "wins", "median_ratio", "seconds_a_backtest")
    print_now("\n" + table([{key: row[key] for key in shown} for row in rows]))
    return {"origins": ORIGINS, "rows": rows}


if __name__ == "__main__":
    main(run)
