"""Parts of a training step, from the lessons' small networks to many monthly series, on one and two threads.

What is timed is `fit` itself with its default settings, cut short: clocks around the functions that a step
calls tell its parts. `gather` makes the batch; `stem`, `core`, `pool` and `head` go forward and back, a
Forecaster's head with the loss; `rest` is what is left of a step: loop, closures, checks. It is the
processor time of the thread that trains, at the first decile of the steps: those whose caches others on the
machine left alone. Where two threads share a part it is that thread's share, and its waiting for the other.

    python -m benchmarks.step_profile [--toy]
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from benchmarks.epoch import REGRESSOR, WINDOWS, windows
from benchmarks.panel import made_up, sequences
from benchmarks.record import Facts, main, print_now, table
from benchmarks.small_fits import LESSON, TOY_X, TOY_Y, curves
from unrolled import Forecaster, SequenceClassifier, SequenceRegressor, SequenceTagger
from unrolled.models.forecasting import network as forecasting
from unrolled.models.forecasting.windows import ForecastDataset
from unrolled.models.sequence import labels, regressor
from unrolled.models.sequence.dataset import SequenceDataset
from unrolled.models.sequence.network import SequenceNetwork
from unrolled.nn.layers.base import RecurrentLayer
from unrolled.nn.modules.conv_stem import ConvStem
from unrolled.nn.modules.pooling import Pooling
from unrolled.train import loop
from unrolled.train.optimizer import AdamW

PARTS = ("gather", "stem", "core", "pool", "head", "loss", "optimizer", "rest")
SKIPPED = 20  # steps of a task that are not counted: the first make buffers
_STEP = (loop._Run, "_step")  # noqa: SLF001 (the clocks go where the time goes)
# Functions of each part; where one is a vjp, the function for the way back belongs to it.
_FUNCTIONS: dict[str, list[tuple[Any, str]]] = {
    "gather": [(SequenceDataset, "batch"), (ForecastDataset, "batch")],
    "stem": [(ConvStem, "vjp")],
    "core": [(RecurrentLayer, "vjp")],
    "pool": [(Pooling, "vjp")],
    "head": [
        (SequenceNetwork, "head_vjp"),
        (forecasting, "quantile_readout"),
        (forecasting, "quantile_readout_backward"),
    ],
    "loss": [(labels, "cross_entropy"), (regressor, "squared_error")],
    "optimizer": [(AdamW, "zero_grad"), (AdamW, "step")],
    "rest": [_STEP],
}


class _Clocks:
    """Seconds of each part in each step: of a function without those of the functions that it calls."""

    def __init__(self) -> None:
        self.steps: list[dict[str, float]] = []
        self._inner_s = [0.0]

    @contextmanager
    def installed(self) -> Iterator[None]:
        with ExitStack() as patches:
            for part, functions in _FUNCTIONS.items():
                for owner, name in functions:
                    patches.enter_context(patch.object(owner, name, self._around(getattr(owner, name), part)))
            yield

    def deciles_us(self) -> dict[str, float]:
        steps = self.steps[min(SKIPPED, len(self.steps) // 2) :]
        deciles = {part: float(np.quantile([step[part] for step in steps], 0.1)) for part in PARTS}
        return {part: round(1e6 * seconds, 1) for part, seconds in deciles.items()}

    def _around(self, function: Callable[..., Any], part: str) -> Callable[..., Any]:
        @wraps(function)
        def timed(*arguments: Any, **named: Any) -> Any:
            if function.__name__ == _STEP[1]:
                self.steps.append(defaultdict(float))
            self._inner_s.append(0.0)
            start_s = time.thread_time()
            result = function(*arguments, **named)
            seconds = time.thread_time() - start_s
            inner_s = self._inner_s.pop()
            if self.steps:
                self.steps[-1][part] += seconds - inner_s
            self._inner_s[-1] += seconds
            if function.__name__.endswith("vjp"):
                return result[0], self._around(result[1], part)
            return result

        return timed


def run(toy: bool) -> Facts:
    before, rows = torch.get_num_threads(), []
    try:
        for threads in (1,) if toy else (1, 2):
            torch.set_num_threads(threads)
            for task, fit in _tasks(toy=toy).items():
                clocks = _Clocks()
                with clocks.installed():
                    fit()
                parts = clocks.deciles_us()
                step_us = round(sum(parts.values()), 1)
                rows.append({"task": task, "threads": threads, "step_us": step_us} | parts)
    finally:
        torch.set_num_threads(before)
    print_now(table(rows))
    return {"rows": rows}


def _tasks(*, toy: bool) -> dict[str, Callable[[], Any]]:
    """Fits of some hundred steps, the smallest first."""
    quiet: dict[str, Any] = {"verbose": False}
    small = quiet | ({"hidden_size": 4, "max_epochs": 2} if toy else {})
    one = {"n_members": 1} | small
    short = {"max_epochs": 20} | one
    steps = quiet | ({"max_steps": 4, "hidden_size": 4, "window": 16} if toy else {"max_steps": 120})
    lesson_x, lesson_y = (each.numpy() for each in windows(40 if toy else WINDOWS))
    lesson = SequenceRegressor(**REGRESSOR | {"max_epochs": 20} | small)
    long_x, long_y = curves(*(6, 9, 1) if toy else (28, 286, 1))
    wide_x, wide_y = curves(*(8, 9, 2) if toy else (256, 30, 6))
    is_rising = (np.diff(wide_x[..., 0], prepend=0, axis=1) > 0).astype(int)
    yearly = sequences(made_up(1, 60, 1), None, "1")
    monthly = sequences(made_up(3 if toy else 1428, 126, 12), None, "1")
    return {
        "toy, as the lesson has it": lambda: SequenceClassifier(**LESSON | small).fit(TOY_X, TOY_Y),
        "toy, 2 of 5 steps": lambda: SequenceClassifier(**one).fit(TOY_X, TOY_Y),
        "733 windows of 12 steps": lambda: lesson.fit(lesson_x, lesson_y[:, 0]),
        "one yearly series": lambda: Forecaster(6, season=1, **steps).fit(yearly),
        "256 of 30 steps": lambda: SequenceClassifier(**short).fit(wide_x, wide_y),
        "256 of 30 steps, a tag each": lambda: SequenceTagger(**short).fit(wide_x, is_rising),
        "28 of 286 steps": lambda: SequenceClassifier(**short).fit(long_x, long_y),
        "many monthly series": lambda: Forecaster(18, season=12, **steps).fit(monthly),
    }


if __name__ == "__main__":
    main(run)
