"""How often is `compare` wrong: a win where labels mean nothing, no win where only memory tells them?

One small SequenceClassifier, three folds and the default baselines on the worlds of
`benchmarks.labelled_worlds`, a comparison a seed. Where labels mean nothing, every win is false. Worlds that
are done are kept in `results/comparison_trust.partial.json`, so that an interrupted run of the same commit
goes on where it was.

    python -m benchmarks.comparison_trust [--toy]
"""

from concurrent.futures import ProcessPoolExecutor
from functools import partial

from benchmarks.labelled_worlds import NOTHING, PLANTED
from benchmarks.record import RESULTS, Facts, main
from benchmarks.trust import Verdict, count_outcomes, run_worlds
from unrolled import SequenceClassifier, compare

SMALL = {"hidden_size": 24, "n_members": 1}
TOY = {"hidden_size": 4, "n_members": 1, "max_epochs": 2}


def run(toy: bool) -> Facts:
    names = [*NOTHING, *PLANTED]
    kept_in = RESULTS / "comparison_trust.partial.json"
    return run_worlds(names, partial(trust, toy=toy), kept_in, toy=("balanced", "first mark") if toy else ())


def trust(name: str, seeds: int, pool: ProcessPoolExecutor, *, toy: bool = False) -> Facts:
    """Outcomes of the verdict over seeds, with the median lead in accuracy over the best baseline."""
    counts = count_outcomes(partial(_verdict, name, toy=toy), seeds, pool)
    lead, seconds = counts.pop("median"), counts.pop("seconds")
    return {
        "world": name, "planted": name in PLANTED, **counts,
        "median_lead": lead, "seconds_a_comparison": seconds,
    }  # fmt: skip


def _verdict(name: str, seed: int, *, toy: bool) -> Verdict:
    X, y = (NOTHING | PLANTED)[name](seed)
    model = SequenceClassifier(random_state=seed, **(TOY if toy else SMALL))
    result = compare(model, X, y, folds=2 if toy else 3)
    network, *baselines = result.rows
    best = next(row for row in baselines if row.name == result.best_baseline)
    assert network.accuracy is not None
    assert best.accuracy is not None
    return result.outcome, result.best_baseline, network.accuracy - best.accuracy


if __name__ == "__main__":
    main(run)
