"""Decode tags: the likeliest of each word, or the likeliest sequence that a scheme allows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

_NEVER = -1e30


def likeliest_path(probabilities: Floats, first: Mask, follow: Mask) -> Ints:
    """Find the allowed sequence of tags with the largest product of probabilities.

        best[t, k] = log p[t, k] + max over j that k may follow of best[t - 1, j]

    Source: Viterbi (1967), with steps that are allowed or not.

    Args:
        probabilities: (T, K).
        first: (K,) tags that may come first.
        follow: (K, K) true where the tag of the column may follow that of the row.

    Returns:
        (T,) positions of tags.

    >>> p = np.array([[0.1, 0.3, 0.6], [0.1, 0.7, 0.2]])  # B, I, O
    >>> follow = np.array([[1, 1, 1], [1, 1, 1], [1, 0, 1]], dtype=bool)
    >>> likeliest_path(p, np.array([True, False, True]), follow).tolist()
    [2, 2]
    """
    log_p = np.log(np.maximum(probabilities, 1e-300))
    steps = np.where(follow, 0.0, _NEVER)
    best = log_p[0] + np.where(first, 0.0, _NEVER)
    origins = np.empty((len(log_p), len(best)), dtype=np.int64)
    for t in range(1, len(log_p)):
        totals = best[:, None] + steps
        origins[t] = totals.argmax(0)
        best = totals.max(0) + log_p[t]
    path = np.empty(len(log_p), dtype=np.int64)
    path[-1] = best.argmax()
    for t in range(len(log_p) - 1, 0, -1):
        path[t - 1] = origins[t, path[t]]
    return path
