"""Folds of cross-validation: each class in every fold alike, each group in one fold only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import DataError

Ints = NDArray[np.int64]


def stratified_folds(strata: Ints, folds: int, groups: Ints | None) -> Ints:
    """(N,) the fold that judges each sequence, from 0 on; the same for the same data.

    Without groups the members of each class, in random order, are dealt to the folds in turn. Groups are
    dealt whole, the largest first, each to the fold that holds least of the same classes.

    Args:
        strata: (N,) the class of each, from 0 on; all 0 where there are numbers to learn.
        folds: how many, from 2 on.
        groups: (N,) the group of each, from 0 on; None where there are none.

    Raises:
        DataError: there are fewer sequences, or groups, than folds.

    >>> fold = stratified_folds(np.repeat([0, 1], [10, 5]), 5, None)
    >>> np.bincount(fold).tolist(), np.bincount(fold[10:]).tolist()
    ([3, 3, 3, 3, 3], [1, 1, 1, 1, 1])
    """
    units, what = (len(strata), "sequences") if groups is None else (int(groups.max()) + 1, "groups")
    if units < folds:
        raise DataError(f"folds: expected at most {units}, as there are {units} {what}; got {folds}.")
    rng = np.random.default_rng(0)
    if groups is not None:
        return _folds_of_groups(strata, folds, groups, rng)[groups]
    fold = np.empty(len(strata), dtype=np.int64)
    shuffled = rng.permutation(len(strata))
    fold[shuffled[np.argsort(strata[shuffled], kind="stable")]] = np.arange(len(strata)) % folds
    return fold


def _folds_of_groups(strata: Ints, folds: int, groups: Ints, rng: np.random.Generator) -> Ints:
    """(G,) the fold of each group."""
    counts = np.zeros((int(groups.max()) + 1, int(strata.max()) + 1))  # (G, classes)
    np.add.at(counts, (groups, strata), 1)
    shares = counts / counts.sum(axis=0)
    shuffled = rng.permutation(len(counts))
    held, fold = np.zeros((folds, counts.shape[1])), np.empty(len(counts), dtype=np.int64)
    for group in shuffled[np.argsort(-counts[shuffled].sum(axis=1), kind="stable")]:
        fold[group] = np.lexsort((held.sum(axis=1), held @ shares[group]))[0]
        held[fold[group]] += shares[group]
    return fold


def require_learnable(labels: NDArray[np.generic], strata: Ints, fold: Ints, *, grouped: bool) -> None:
    """Pass if every class is in at least two folds, so that none is judged that could not be learned.

    Args:
        labels: (N,) as people know them.
        strata: (N,) their numbers, from 0 on.
        fold: (N,) the fold that judges each.
        grouped: whether groups were kept together.

    Raises:
        DataError: one is in a single fold.
    """
    for stratum in range(int(strata.max()) + 1):
        of_class = strata == stratum
        if len(np.unique(fold[of_class])) == 1:
            name = labels[int(np.argmax(of_class))].item()
            held = "one group" if grouped else "one sequence"
            raise DataError(
                f"y: expected every class in at least two folds, got class {name!r} in {held} only: the fold "
                "that judges it leaves none to learn from. Leave it out, or judge on test=(X_test, y_test)."
            )
