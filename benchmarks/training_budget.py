"""Training of small sets: what twice the epochs, or larger batches of windows, would add to the defaults.

Sequences are the training parts of the sets of `classification`, a third of each scored and the rest learned
from, another cut each seed: accuracy and log loss of SequenceClassifier(), and with twice the epochs that it
chose. Series come one at a time: the S&P 500 up to moments before the test part of `sp500`, and monthly
series of M3 without their last months: the mean absolute error of Forecaster(12) in mean moves of a series,
and with batches of up to 64 windows, an eighth of all. No test part is read. `difference` is `more` less
`default`, the mean over the cuts with its standard error; seconds are processor time on one thread.

    python -m benchmarks.training_budget [--toy]
"""

import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold

from benchmarks import m3
from benchmarks.classification import SETS
from benchmarks.labelled_sets import official_parts, two_shapes
from benchmarks.panel import made_up, sequences
from benchmarks.record import DATA, Facts, main, print_now, require_file, table
from benchmarks.sp500 import FILES, ORIGINS
from unrolled import Forecaster, SequenceClassifier, Sequences, read

FOLDS, SEEDS = 3, 9  # one fold of each seed is scored
HORIZON, M3_SERIES, LEAST_MONTHS = 12, 40, 110
MONTHS_APART = 42  # cuts of the S&P 500


class Cut(NamedTuple):
    """Scores by measure and seconds of a default fit, and of one with more."""

    default: dict[str, float]
    more: dict[str, float]
    seconds: tuple[float, float]


def run(toy: bool) -> Facts:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        rows = []
        for name in ("two shapes",) if toy else SETS:
            X, y = (two_shapes() if toy else official_parts(name))[:2]
            rows += _rows(name, [_classify(X, y, seed, toy=toy) for seed in range(1 if toy else SEEDS)])
            print_now(table(rows[-2:]))
        for name, cases in _single_series(toy=toy).items():
            rows += _rows(name, [_forecast(series, actual, toy=toy) for series, actual in cases])
            print_now(table(rows[-1:]))
    finally:
        torch.set_num_threads(before)
    print_now("\n" + table(rows))
    return {"threads": 1, "rows": rows}


def _classify(X: Any, y: Any, seed: int, *, toy: bool) -> Cut:
    y = np.asarray(y)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(y, y)
    learned, scored = list(folds)[seed % FOLDS]
    small: dict[str, Any] = {"hidden_size": 4, "n_members": 1, "max_epochs": 2} if toy else {}
    default = SequenceClassifier(random_state=seed, verbose=False, **small)
    seconds = [_processor_s(lambda: default.fit(_take(X, learned), y[learned]))]
    more = SequenceClassifier(**default.get_params() | {"max_epochs": 2 * default.n_epochs_})
    seconds.append(_processor_s(lambda: more.fit(_take(X, learned), y[learned])))
    scores = []
    for model in (default, more):
        shares = model.predict_proba(_take(X, scored))
        accuracy = float((model.classes_[shares.argmax(1)] == y[scored]).mean())
        scores.append({
            "accuracy": accuracy, "log loss": float(log_loss(y[scored], shares, labels=model.classes_))
        })  # fmt: skip
    return Cut(scores[0], scores[1], (seconds[0], seconds[1]))


def _take(X: Any, rows: NDArray[np.int64]) -> Any:
    return X.select(rows) if isinstance(X, Sequences) else X[rows]


def _single_series(*, toy: bool) -> dict[str, Iterator[tuple[Sequences, NDArray[np.float64]]]]:
    """Series, each with the months after it, by name."""
    if toy:
        (values,) = made_up(1, 80, 12)
        return {"made up": iter([(sequences([values[:-HORIZON]], None, "1"), values[-HORIZON:])])}
    return {"S&P 500, one series": _stocks(), "M3, one series": _monthly()}


def _stocks() -> Iterator[tuple[Sequences, NDArray[np.float64]]]:
    for file in FILES.values():
        series = read(require_file(DATA / "sp500" / file))
        assert series.times is not None
        start, y = pd.Timestamp(series.times[0]), series.target[:-ORIGINS]
        for end in range(250, len(y) - HORIZON, MONTHS_APART):
            yield sequences([y[:end]], [start], "MS"), y[end : end + HORIZON]


def _monthly() -> Iterator[tuple[Sequences, NDArray[np.float64]]]:
    values, starts, _ = m3.read_period("MONTHLY")
    long = [k for k, one in enumerate(values) if len(one) > LEAST_MONTHS]
    for k in np.random.default_rng(0).choice(long, M3_SERIES, replace=False):
        yield sequences([values[k][:-HORIZON]], [starts[k]], "MS"), values[k][-HORIZON:]


def _forecast(series: Sequences, actual: NDArray[np.float64], *, toy: bool) -> Cut:
    small: dict[str, Any] = {"hidden_size": 4, "max_steps": 4, "window": 16} if toy else {}
    batch = min(64, max(8, len(series.target) // 8))
    scale, scores, seconds = float(np.abs(np.diff(series.target)).mean()), [], []
    for more in ({}, {"batch_size": batch}):
        model = Forecaster(HORIZON, verbose=False, **small | more)
        seconds.append(_processor_s(lambda model=model: model.fit(series)))
        error = np.abs(model.predict()["lstm"].to_numpy() - actual).mean() / scale
        scores.append({"error": float(error)})
    return Cut(scores[0], scores[1], (seconds[0], seconds[1]))


def _processor_s(work: Callable[[], Any]) -> float:
    start_s = time.process_time()
    work()
    return time.process_time() - start_s


def _rows(task: str, cuts: list[Cut]) -> list[Facts]:
    """One row for each measure: means over the cuts."""
    rows = []
    for measure in cuts[0].default:
        default, more = np.array([(cut.default[measure], cut.more[measure]) for cut in cuts]).T
        error = np.std(more - default) / np.sqrt(max(len(cuts) - 1, 1))
        default_s, more_s = (round(float(each), 2) for each in np.mean([cut.seconds for cut in cuts], 0))
        rows.append({
            "task": task, "cuts": len(cuts), "measure": measure,
            "default": round(float(default.mean()), 4), "more": round(float(more.mean()), 4),
            "difference": round(float((more - default).mean()), 4), "error": round(float(error), 4),
            "default_s": default_s, "more_s": more_s,
        })  # fmt: skip
    return rows


if __name__ == "__main__":
    main(run)
