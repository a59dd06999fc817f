"""How often is `probe.order` wrong: order where there is none, none where there is?

    bag of steps    steps in no order; the label is the sign of their mean, one in ten wrong. Nothing to find.
    slow curves     sums of two slow waves and a level; the label is the sign of the mean. Order is there, and
                    tells nothing: the data do not reward it, whatever the model does with it.
    rise or fall    sorted steps, up or down, one in twenty wrong. Order alone tells the label.

    python -m benchmarks.probe_trust [--toy]

Every seed is new data, a small GRU fitted on one half and asked about the other, and twenty trainings on
that other half for the question to the data. Counted is how many of the p-values are at most .01, .05 and .1.
"""

import time
from collections.abc import Callable

import numpy as np
import torch

from benchmarks.record import Facts, main, print_now, table
from unrolled import SequenceClassifier, probe

SEEDS, SEQUENCES = 200, 50
LEVELS = (0.01, 0.05, 0.1)
SETTINGS = {
    "cell": "gru", "hidden_size": 8, "stem": False, "pooling": "last", "dropout": 0.0,
    "max_epochs": 15, "learning_rate": 2e-2,
}  # fmt: skip

Sample = tuple[list[np.ndarray], np.ndarray]


def bag_of_steps(rng: np.random.Generator, count: int) -> Sample:
    X = [rng.normal(size=(steps, 1)) for steps in rng.integers(6, 15, size=count)]
    return X, _with_faults(np.array([x.mean() > 0 for x in X]), 0.1, rng)


def slow_curves(rng: np.random.Generator, count: int) -> Sample:
    X = []
    for steps in rng.integers(10, 20, size=count):
        t = np.arange(steps)[:, None]
        waves = np.sin(t / rng.uniform(2, 5, size=2) + rng.uniform(0, 6.3, size=2))
        X.append(waves.sum(1, keepdims=True) + rng.normal())
    return X, _with_faults(np.array([x.mean() > 0 for x in X]), 0.1, rng)


def rise_or_fall(rng: np.random.Generator, count: int) -> Sample:
    rises = rng.random(count) < 0.5
    X = [np.sort(rng.normal(size=(steps, 1)), 0) for steps in rng.integers(6, 15, size=count)]
    X = [x if up else x[::-1].copy() for x, up in zip(X, rises, strict=True)]
    return X, _with_faults(rises, 0.05, rng)


def _with_faults(labels: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    return labels ^ (rng.random(len(labels)) < share)


TASKS: dict[str, Callable[[np.random.Generator, int], Sample]] = {
    "bag of steps": bag_of_steps,
    "slow curves": slow_curves,
    "rise or fall": rise_or_fall,
}


def p_values(name: str, seed: int, sequences: int) -> tuple[float, float]:
    """Of the model and of the data, on one sample of a task."""
    rng = np.random.default_rng(seed)
    X, y = TASKS[name](rng, 2 * sequences)
    half = slice(0, sequences), slice(sequences, None)
    model = SequenceClassifier(random_state=seed, **SETTINGS).fit(X[half[0]], y[half[0]])
    result = probe.order(model, X[half[1]], y[half[1]], random_state=seed)
    assert result.retrained is not None
    assert result.retrained.p_value is not None
    return result.p_value, result.retrained.p_value


def trust(name: str, seeds: int, sequences: int) -> list[Facts]:
    """How many p-values are at most each level, of the model and of the data."""
    start_s = time.perf_counter()
    p_values_by_seed = np.array([p_values(name, seed, sequences) for seed in range(seeds)])
    seconds = round((time.perf_counter() - start_s) / seeds, 2)
    rows = []
    for asked, own in zip(("model", "data"), p_values_by_seed.T, strict=True):
        counts = {f"p <= {level}": int((own <= level).sum()) for level in LEVELS}
        rows.append({"task": name, "asked": asked, "seeds": seeds, **counts, "seconds_a_seed": seconds})
    return rows


def run(toy: bool) -> Facts:
    torch.set_num_threads(1)  # such small networks only wait for a second one
    rows: list[Facts] = []
    for name in [*TASKS][: 1 if toy else None]:
        rows += trust(name, 1, SEQUENCES // 2) if toy else trust(name, SEEDS, SEQUENCES)
        print_now("\n" + table(rows[-2:]))
    return {"settings": SETTINGS, "sequences": SEQUENCES, "rows": rows}


if __name__ == "__main__":
    main(run)
