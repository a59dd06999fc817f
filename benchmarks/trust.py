"""Count how often a verdict is right over seeds, world by world; what is done is kept and gone on from."""

import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch

from benchmarks.record import Facts, commit, print_now, table
from unrolled.atomic_write import write_atomically

SEEDS, PROCESSES = 100, 2
SHOWN = ("world", "planted", "seeds", "wins")

Verdict = tuple[str, str, float]  # the outcome, the best baseline, and how the network stands beside it
Trust = Callable[[str, int, ProcessPoolExecutor], Facts]


def run_worlds(names: Sequence[str], trust: Trust, kept_in: Path, *, toy: Sequence[str] = ()) -> Facts:
    """Try each world, 100 seeds in two processes; or two seeds of the toy worlds, and keep nothing."""
    rows = {} if toy else _rows_of_this_commit(kept_in)
    with ProcessPoolExecutor(PROCESSES, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        for name in toy or names:
            if name not in rows:
                rows[name] = trust(name, 2 if toy else SEEDS, pool)
                if not toy:
                    _keep(rows, kept_in)
            print_now(f"{name}: {rows[name]['wins']} wins of {rows[name]['seeds']}, {rows[name]['outcomes']}")
    print_now("\n" + table([{key: row[key] for key in SHOWN} for row in rows.values()]))
    if not toy:
        kept_in.unlink(missing_ok=True)
    return {"rows": list(rows.values())}


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


def _rows_of_this_commit(path: Path) -> dict[str, Facts]:
    if not path.exists():
        return {}
    kept: Facts = json.loads(path.read_text(encoding="utf-8"))
    return dict(kept["rows"]) if kept["commit"] == commit() else {}


def _keep(rows: dict[str, Facts], path: Path) -> None:
    text = json.dumps({"commit": commit(), "rows": rows}, indent=2)
    write_atomically(path, lambda new: new.write_text(text, encoding="utf-8"))
