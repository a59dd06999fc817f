"""Streams of a SequenceTagger that run much longer than the sequences it was trained on.

Sequence estimators are trained on whole sequences, from their first step to their last, so that the state is
carried on through all of each. Beyond their length a stream is in steps that no training saw. Two tasks, with
tags that follow from all steps so far: `regime` is the hidden state of a noisy switch, which fades; `parity`
counts marks modulo 2, where an error stays. Networks are trained on equally many steps in all, as sequences
of 50 or of 400, and then run for 4,000. Accuracy over 100 streams, in steps up to 50, from there up to 400,
and to the end; `best` is the rule that made the tags, of `regime` Bayes' filter.

    python -m benchmarks.stream_length [--toy]
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

import unrolled as ur
from benchmarks.record import Facts, main, print_now, table
from benchmarks.recurrent import limit_threads

LENGTHS, SEEDS = (50, 400), (0, 1)
TRAINED_STEPS, STREAM, N_STREAMS = 40_000, 4_000, 100
SWITCHES, NOISE = 0.03, 1.5  # of `regime`: probability a step; spread of what is seen of -1 or 1
MARKS = 0.1  # of `parity`: probability a step

Floats = NDArray[np.float64]
Data = tuple[Floats, NDArray[np.int64], NDArray[np.int64]]  # values (T,), tags, tags by the best rule


def run(toy: bool) -> Facts:
    limit_threads(toy=toy)
    lengths, seeds = ((10, 20), SEEDS[:1]) if toy else (LENGTHS, SEEDS)
    steps, n_stream = (200, 40) if toy else (TRAINED_STEPS, STREAM)
    facts = []
    for name, task in TASKS.items():
        for length in lengths:
            runs = [_scores(task, length, lengths, steps, n_stream, seed, toy=toy) for seed in seeds]
            means = {key: round(float(np.mean([each[key] for each in runs])), 4) for key in runs[0]}
            facts.append({"task": name, "trained_on_length": length} | means)
            print_now(facts[-1])
    print_now(table(facts))
    return {"stream": n_stream, "seeds": list(seeds), "rows": facts}


def _regime(rng: np.random.Generator, n: int) -> Data:
    """Noisy sight of a switch, whose state is the tag."""
    hidden = np.cumsum(rng.random(n) < SWITCHES) % 2
    values = 2.0 * hidden - 1 + rng.normal(0, NOISE, n)
    evidence, odds = 2 * values / NOISE**2, 0.0  # of state 1
    best = np.empty(n, dtype=np.int64)
    for t in range(n):
        p = 1 / (1 + np.exp(-odds))
        p = p * (1 - SWITCHES) + (1 - p) * SWITCHES
        odds = np.log(p / (1 - p)) + evidence[t]
        best[t] = odds > 0
    return values, hidden, best


def _parity(rng: np.random.Generator, n: int) -> Data:
    """Marks, 1 among zeros; the tag is whether their number so far is odd."""
    marks = rng.random(n) < MARKS
    tags = np.cumsum(marks) % 2
    return marks.astype(np.float64), tags, tags


TASKS: dict[str, Callable[[np.random.Generator, int], Data]] = {"regime": _regime, "parity": _parity}


def _scores(
    task: Callable[[np.random.Generator, int], Data],
    length: int,
    lengths: tuple[int, ...],
    steps: int,
    n_stream: int,
    seed: int,
    *,
    toy: bool,
) -> dict[str, float]:
    """Train on sequences of one length, step one endless stream, and score its parts."""
    rng = np.random.default_rng(seed)
    sequences = [task(rng, length) for _ in range(steps // length)]
    size: dict[str, Any] = {"hidden_size": 4, "max_epochs": 1} if toy else {"hidden_size": 32}
    model = ur.SequenceTagger(random_state=seed, n_members=1, **size)
    data, tags = ([each[part] for each in sequences] for part in (0, 1))
    model.fit(data, tags, lengths=[length] * len(sequences))
    streams = [task(np.random.default_rng((1, seed, k)), n_stream) for k in range(4 if toy else N_STREAMS)]
    values = [each[0] for each in streams]
    predicted = np.stack(list(model.predict(values, lengths=[n_stream] * len(values))))  # as streams answer
    tags, best = (np.stack([each[part] for each in streams]) for part in (1, 2))
    right, ends = predicted == tags, [0, *lengths, n_stream]
    scores = {f"steps_to_{end}": float(right[:, start:end].mean()) for start, end in pairwise(ends)}
    return scores | {"best": float((best == tags).mean())}


if __name__ == "__main__":
    main(run)
