"""Two rivals timed in turn in the same run, so that a busy moment slows both."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.record import Facts


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


def spread(seconds: list[float]) -> Facts:
    """Median, quartiles and range of some wall times."""
    low, middle, high = np.quantile(seconds, (0.25, 0.5, 0.75))
    return {
        "median_s": round(float(middle), 3),
        "quartiles_s": [round(float(low), 3), round(float(high), 3)],
        "range_s": [round(min(seconds), 3), round(max(seconds), 3)],
        "runs": len(seconds),
    }
