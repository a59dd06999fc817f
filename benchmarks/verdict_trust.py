"""How often is the verdict wrong: a win where there is nothing to find, no win where there is something?

The default Forecaster, the default origins and the default baselines on the worlds of `benchmarks.worlds`, a
backtest a seed. Where there is nothing to find, seeds take the horizons 1 and 7 in turn, and every win is
false. Where something is planted, the horizon is 1. Worlds that are done are kept in
`results/verdict_trust.partial.json`, so that an interrupted run of the same commit goes on where it was.

    python -m benchmarks.verdict_trust [--toy]
"""

import json
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np
import torch

from benchmarks.record import RESULTS, Facts, commit, main, print_now, table
from benchmarks.worlds import NOTHING, PLANTED
from unrolled import Forecaster, backtest
from unrolled.atomic_write import write_atomically

SEEDS, PROCESSES = 100, 2
PARTIAL = RESULTS / "verdict_trust.partial.json"


def run(toy: bool) -> Facts:
    names = [*NOTHING, *PLANTED]
    rows = {} if toy else _rows_of_this_commit()
    with ProcessPoolExecutor(PROCESSES, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        for name in (names[1], names[-1]) if toy else names:
            if name not in rows:
                rows[name] = trust(name, 2 if toy else SEEDS, pool)
                if not toy:
                    _write_partial(rows)
            print_now(f"{name}: {rows[name]['wins']} wins of {rows[name]['seeds']}, {rows[name]['outcomes']}")
    shown = ("world", "planted", "seeds", "wins", "median_ratio", "seconds_a_backtest")
    print_now("\n" + table([{key: row[key] for key in shown} for row in rows.values()]))
    if not toy:
        PARTIAL.unlink(missing_ok=True)
    return {"rows": list(rows.values())}


def trust(name: str, seeds: int, pool: ProcessPoolExecutor) -> Facts:
    """Outcomes of the verdict over seeds, with the median ratio to the best baseline and which that was."""
    start_s = time.perf_counter()
    verdicts = list(pool.map(partial(_verdict, name), range(seeds)))
    outcomes, baselines, ratios = zip(*verdicts, strict=True)
    return {
        "world": name,
        "planted": name in PLANTED,
        "seeds": seeds,
        "wins": outcomes.count("better"),
        "outcomes": dict(Counter(outcomes).most_common()),
        "best_baselines": dict(Counter(baselines).most_common()),
        "median_ratio": round(float(np.median(ratios)), 3),
        "seconds_a_backtest": round(PROCESSES * (time.perf_counter() - start_s) / seeds, 2),
    }


def _verdict(name: str, seed: int) -> tuple[str, str, float]:
    horizon = 1 if name in PLANTED or seed % 2 == 0 else 7
    series = (NOTHING | PLANTED)[name](seed)
    verdict = backtest(Forecaster(horizon, random_state=seed), series).verdict
    return verdict.outcome, verdict.best_baseline, verdict.ratio


def _rows_of_this_commit() -> dict[str, Facts]:
    if not PARTIAL.exists():
        return {}
    kept: Facts = json.loads(PARTIAL.read_text(encoding="utf-8"))
    return dict(kept["rows"]) if kept["commit"] == commit() else {}


def _write_partial(rows: dict[str, Facts]) -> None:
    text = json.dumps({"commit": commit(), "rows": rows}, indent=2)
    write_atomically(PARTIAL, lambda new: new.write_text(text, encoding="utf-8"))


if __name__ == "__main__":
    main(run)
