"""Count how often a verdict is right over seeds, world by world; what is done is kept and gone on from."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch

from benchmarks.record import Facts, print_now, resumed, table

SEEDS, PROCESSES = 100, 2
SHOWN = ("world", "planted", "seeds", "wins")

Verdict = tuple[str, str, float]  # the outcome, the best baseline, and how the network stands beside it
Trust = Callable[[str, int, ProcessPoolExecutor], Facts]


def run_worlds(names: Sequence[str], trust: Trust, kept_in: Path, *, toy: Sequence[str] = ()) -> Facts:
    """Try each world, 100 seeds in two processes; or two seeds of the toy worlds, and keep nothing."""
    rows: list[Facts] = []
    with ProcessPoolExecutor(PROCESSES, initializer=torch.set_num_threads, initargs=(1,)) as pool:

        def row_of(name: str) -> Facts:
            return trust(name, 2 if toy else SEEDS, pool)

        for row in resumed(toy or names, row_of, None if toy else kept_in):
            print_now(f"{row['world']}: {row['wins']} wins of {row['seeds']}, {row['outcomes']}")
            rows.append(row)
    print_now("\n" + table([{key: row[key] for key in SHOWN} for row in rows]))
    return {"rows": rows}


def count_outcomes(verdict: Callable[[int], Verdict], seeds: int, pool: ProcessPoolExecutor) -> Facts:
    """Outcomes over seeds, the best baselines, the median of how the network stands, and seconds a seed."""
    start_s = time.perf_counter()
    outcomes, baselines, standings = zip(*pool.map(verdict, range(seeds)), strict=True)
    return {
        "seeds": seeds,
        "wins": outcomes.count("better"),
        "outcomes": dict(Counter(outcomes).most_common()),
        "best_baselines": dict(Counter(baselines).most_common()),
        "median": round(float(np.median(standings)), 3),
        "seconds": round(PROCESSES * (time.perf_counter() - start_s) / seeds, 2),
    }
