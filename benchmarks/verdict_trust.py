"""How often is the verdict wrong: a win where there is nothing to find, no win where there is something?

The default Forecaster, the default origins and the default baselines on the worlds of `benchmarks.worlds`, a
backtest a seed. Where there is nothing to find, seeds take the horizons 1 and 7 in turn, and every win is
false. Where something is planted, the horizon is 1. Worlds that are done are kept in
`results/verdict_trust.partial.json`, so that an interrupted run of the same commit goes on where it was.

    python -m benchmarks.verdict_trust [--toy]
"""

from concurrent.futures import ProcessPoolExecutor
from functools import partial

from benchmarks.record import RESULTS, Facts, main
from benchmarks.trust import Verdict, count_outcomes, run_worlds
from benchmarks.worlds import NOTHING, PLANTED
from unrolled import Forecaster, backtest


def run(toy: bool) -> Facts:
    names = [*NOTHING, *PLANTED]
    kept_in = RESULTS / "verdict_trust.partial.json"
    return run_worlds(names, trust, kept_in, toy=(names[1], names[-1]) if toy else ())


def trust(name: str, seeds: int, pool: ProcessPoolExecutor) -> Facts:
    """Outcomes of the verdict over seeds, with the median ratio to the best baseline and which that was."""
    counts = count_outcomes(partial(_verdict, name), seeds, pool)
    ratio, seconds = counts.pop("median"), counts.pop("seconds")
    return {
        "world": name, "planted": name in PLANTED, **counts,
        "median_ratio": ratio, "seconds_a_backtest": seconds,
    }  # fmt: skip


def _verdict(name: str, seed: int) -> Verdict:
    horizon = 1 if name in PLANTED or seed % 2 == 0 else 7
    series = (NOTHING | PLANTED)[name](seed)
    verdict = backtest(Forecaster(horizon, random_state=seed), series).verdict
    return verdict.outcome, verdict.best_baseline, verdict.ratio


if __name__ == "__main__":
    main(run)
