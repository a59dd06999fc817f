"""Account for losses that depend on each other: groups of cases, and folds of cross-validation.

Source: Nadeau and Bengio 2003, "Inference for the Generalization Error", eq. 18.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def group_contributions(values: Floats, groups: NDArray[np.int64]) -> Floats:
    """Return one value a group (G, ...), with the mean of values (n, ...) and the spread of that mean.

        m + G / n · Σ over the group of (value − m)        what the group adds to the mean m

    Args:
        values: (n, ...) one of each case.
        groups: (n,) the group of each case, from 0 on.

    >>> group_contributions(np.array([1.0, 1.0, 4.0]), np.array([0, 0, 1])).round(2).tolist()
    [0.67, 3.33]
    """
    mean = values.mean(axis=0)
    sums = np.zeros((int(groups.max()) + 1, *values.shape[1:]))
    np.add.at(sums, groups, values - mean)
    return np.asarray(mean + sums * (len(sums) / len(values)))


def fold_inflation(folds: int, n_test: float = 1.0, n_train: float | None = None) -> float:
    """Return the factor by which shared training data inflate the variance of a mean over all folds.

        1 + K · n_test / n_train

    Args:
        folds: K, at least 2.
        n_test: cases tested by a fold, or their mean number.
        n_train: cases trained on for a fold; None for all other folds, K − 1 times n_test.

    >>> fold_inflation(5)
    2.25
    """
    return 1 + folds * n_test / ((folds - 1) * n_test if n_train is None else n_train)
