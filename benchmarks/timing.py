"""Interleaved timing: all sides run in turns, so that a busy moment slows all of them."""

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.record import Facts

TURNS, TURN_S = 11, 0.1
WIDE = 0.1  # an interquartile range of the ratios beyond this share of their median: measured again

Side = Callable[[int], float]  # runs that many times, and returns the seconds of all runs together


class Timed(NamedTuple):
    """Median time of one side, and its ratio to the first side, turn by turn."""

    ms: float
    times: float
    quartiles: tuple[float, float]

    @property
    def spread(self) -> float:
        """Interquartile range as a share of the median."""
        return (self.quartiles[1] - self.quartiles[0]) / self.times


def interleaved(ours: Callable[[], Any], rival: Callable[[], Any], *, repeats: int) -> Facts:
    """Median times and the median of the paired ratios, below 1 where ours is the faster.

    Args:
        ours: the first two calls are not counted.
        rival: nor are its.
        repeats: pairs that are.
    """
    seconds = np.empty((repeats + 2, 2))
    for k in range(repeats + 2):
        # who goes first changes from pair to pair: the second finds warmer caches
        for column in (0, 1) if k % 2 else (1, 0):
            start_s = time.perf_counter()
            (ours, rival)[column]()
            seconds[k, column] = time.perf_counter() - start_s
    seconds = seconds[2:]
    low, middle, high = np.quantile(seconds[:, 0] / seconds[:, 1], (0.25, 0.5, 0.75))
    return {
        "ours_us": round(float(np.median(seconds[:, 0])) * 1e6, 1),
        "rival_us": round(float(np.median(seconds[:, 1])) * 1e6, 1),
        "ratio": round(float(middle), 3),
        "ratio_quartiles": [round(float(low), 3), round(float(high), 3)],
    }


def in_process(step: Callable[[], Any]) -> Side:
    """Make a side that runs in this process."""

    def run(times: int) -> float:
        start_s = time.perf_counter()
        for _ in range(times):
            step()
        return time.perf_counter() - start_s

    return run


def in_turns(sides: Mapping[str, Side], *, toy: bool, turn_s: float = TURN_S) -> tuple[dict[str, Timed], int]:
    """Median times of every side, and the median of what each takes over the first, turn by turn.

    Args:
        sides: by name, ours first.
        toy: one turn of one call.
        turn_s: how long each side runs at its turn, if one call does not take longer.

    Returns:
        Each side's figures, and how often all was measured: twice where the quartiles of some ratio lay
        further apart than `WIDE` the first time; the second measurement counts.
    """
    counts = {name: 1 if toy else _count(side, turn_s) for name, side in sides.items()}
    turns = 1 if toy else TURNS
    timings = _summaries(sides, _measured(sides, counts, turns))
    if toy or max(side.spread for side in timings.values()) <= WIDE:
        return timings, 1
    return _summaries(sides, _measured(sides, counts, turns)), 2


def _count(side: Side, turn_s: float) -> int:
    """Count the calls of a turn; the very first call is not timed."""
    side(1)
    return int(np.clip(turn_s / side(1), 1, 10_000))


def _measured(sides: Mapping[str, Side], counts: Mapping[str, int], turns: int) -> NDArray[np.float64]:
    """(turns, sides) seconds a call."""
    seconds = np.empty((turns, len(sides)))
    named = list(enumerate(sides.items()))
    for turn in range(turns):
        first = turn % len(named)  # who begins changes: the next finds the caches as the last left them
        for column, (name, side) in named[first:] + named[:first]:
            time.sleep(0.01)  # threads of the last one that still spin for work would slow this one
            side(1)
            seconds[turn, column] = side(counts[name]) / counts[name]
    return seconds


def _summaries(names: Mapping[str, Side], seconds: NDArray[np.float64]) -> dict[str, Timed]:
    summaries = {}
    for name, column in zip(names, seconds.T, strict=True):
        low, middle, high = np.quantile(column / seconds[:, 0], (0.25, 0.5, 0.75)).tolist()
        ms = float(np.median(column)) * 1e3
        summaries[name] = Timed(_digits(ms), round(middle, 3), (round(low, 3), round(high, 3)))
    return summaries


def _digits(value: float) -> float:
    """Round to four significant digits."""
    return float(f"{value:.4g}")


def spread(seconds: list[float]) -> Facts:
    """Median, quartiles and range of some wall times."""
    low, middle, high = np.quantile(seconds, (0.25, 0.5, 0.75))
    return {
        "median_s": round(float(middle), 3),
        "quartiles_s": [round(float(low), 3), round(float(high), 3)],
        "range_s": [round(min(seconds), 3), round(max(seconds), 3)],
        "runs": len(seconds),
    }
