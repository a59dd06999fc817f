"""Splits of series by time (hold-outs, origins) and of samples (hold-outs, folds), for every model.

An *origin* is the position of the last observed step; its horizon is the steps after it. Samples are whole
sequences; their *strata* are class numbers from 0 on, whose shares a split keeps.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import ArgumentError, DataError

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

MIN_VALIDATION_SAMPLES = 30  # fewer would pick the epoch by luck
_LARGE_SAMPLE, _DEFAULT_FRACTION = 2000, 0.1  # samples from which on some can be spared, and their share


def rolling_origins(lengths: Ints, horizon: int, origins: int, step: int) -> Ints:
    """Place the K latest origins of each series, `step` apart; the last has just `horizon` steps after it.

    Args:
        lengths: (N,) steps of each series.
        horizon: steps that follow each origin.
        origins: K.
        step: steps between two origins.

    Returns:
        (N, K) positions, rising.

    Raises:
        ArgumentError: the shortest series has not as many.

    >>> rolling_origins(np.array([10, 12]), horizon=2, origins=3, step=2).tolist()
    [[3, 5, 7], [5, 7, 9]]
    """
    steps_back = horizon + np.arange(origins - 1, -1, -1) * step
    positions = lengths[:, None] - 1 - steps_back
    if (positions < 1).any():
        shortest = int(lengths.min())
        raise ArgumentError(
            f"origins: {origins} origins {step} apart with a horizon of {horizon} need "
            f"{int(steps_back[0]) + 2} steps, the shortest series has {shortest}."
        )
    return np.asarray(positions)


def holdout_steps(length: int, horizon: int, fraction: float) -> int:
    """Count the latest steps of a series that are held out for validation.

    A share of them, and at least the horizon where that leaves three quarters to train on.

    >>> holdout_steps(900, 12, 0.1), holdout_steps(14, 6, 0.1), holdout_steps(100, 12, 0.0)
    (90, 3, 0)
    """
    if fraction == 0:
        return 0
    return max(round(fraction * length), min(horizon, length // 4))


def train_lengths(lengths: Ints, horizon: int, fraction: float) -> Ints:
    """Count the steps of each series before its hold-out, (N,).

    >>> train_lengths(np.array([100, 14]), horizon=6, fraction=0.1).tolist()
    [90, 11]
    """
    return np.array([n - holdout_steps(int(n), horizon, fraction) for n in lengths])


def train_origins(first: int, cut: int) -> Ints:
    """List the origins whose first step ahead lies before `cut`: later targets of theirs are masked.

    >>> train_origins(first=2, cut=6).tolist()
    [2, 3, 4]
    """
    return np.arange(first, cut - 1)


def validation_origins(length: int, first: int, cut: int) -> Ints:
    """List the origins all of whose targets lie at `cut` or later, so that none was trained on.

    >>> validation_origins(10, first=2, cut=6).tolist()
    [5, 6, 7, 8]
    """
    return np.arange(max(first, cut - 1), length - 1)


def evenly_spaced_rows(rows: Ints, max_rows: int) -> Ints:
    """Select at most `max_rows` of the rows, evenly spaced."""
    if len(rows) <= max_rows:
        return rows
    return rows[np.linspace(0, len(rows) - 1, max_rows).astype(np.int64)]


def holdout_fraction(fraction: float | None, n_samples: int) -> float:
    """Resolve the share to hold out; None is a tenth of 2,000 samples or more, else nothing.

    Few samples teach more than they validate.

    >>> holdout_fraction(None, 2000), holdout_fraction(None, 1999), holdout_fraction(0.2, 50)
    (0.1, 0.0, 0.2)
    """
    if fraction is not None:
        return fraction
    return _DEFAULT_FRACTION if n_samples >= _LARGE_SAMPLE else 0.0


def holdout_mask(
    n_samples: int, fraction: float, seed: int, *, strata: Ints | None, groups: Ints | None
) -> Mask:
    """Draw the validation set: a share of each class, or whole groups.

    A share is at most half of its class. Groups are drawn until they hold the share, at most half of all
    samples, but none with the last of a class in it.

    Args:
        n_samples: N.
        fraction: the share to hold out, from 0 to 1.
        seed: of the draw.
        strata: (N,) the class of each; None where there are numbers to learn.
        groups: (N,) the group of each; None where there are none.

    Returns:
        (N,) true for the samples held out; nowhere where they would be fewer than 30.

    >>> held_out = holdout_mask(400, 0.1, 0, strata=np.repeat([0, 1], [300, 100]), groups=None)
    >>> int(held_out[:300].sum()), int(held_out[300:].sum())
    (30, 10)
    >>> holdout_mask(20, 0.1, 0, strata=None, groups=None).any().item()
    False
    """
    nothing = np.zeros(n_samples, dtype=bool)
    if round(fraction * n_samples) < MIN_VALIDATION_SAMPLES:
        return nothing
    rng = np.random.default_rng(seed)
    strata = np.zeros(n_samples, dtype=np.int64) if strata is None else strata
    if groups is not None:
        mask = _holdout_groups(strata, groups, fraction, rng)
    else:
        mask = nothing.copy()
        members = [rng.permutation(np.flatnonzero(strata == k)) for k in range(strata.max() + 1)]
        for of_class, share in zip(members, _class_shares(np.bincount(strata), fraction, rng), strict=True):
            mask[of_class[:share]] = True
    return mask if mask.sum() >= MIN_VALIDATION_SAMPLES else nothing


def _class_shares(counts: Ints, fraction: float, rng: np.random.Generator) -> Ints:
    """Apportion the hold-out to classes: whole parts, then the largest remainders, ties by lot."""
    exact, most = fraction * counts, counts // 2
    shares = np.minimum(exact.astype(np.int64), most)
    lots = rng.permutation(len(counts))
    by_remainder = lots[np.argsort((shares - exact)[lots], kind="stable")]
    by_remainder = by_remainder[shares[by_remainder] < most[by_remainder]]
    shares[by_remainder[: round(fraction * counts.sum()) - shares.sum()]] += 1
    return shares


def _holdout_groups(strata: Ints, groups: Ints, fraction: float, rng: np.random.Generator) -> Mask:
    """Draw whole groups until they hold the share; none takes the last of a class with it."""
    n_wanted, mask = round(fraction * len(groups)), np.zeros(len(groups), dtype=bool)
    remaining = np.bincount(strata)
    for group in rng.permutation(np.unique(groups)):
        members = groups == group
        leaving = np.bincount(strata[members], minlength=len(remaining))
        below_half = mask.sum() + members.sum() <= len(groups) // 2
        if below_half and (leaving < remaining)[leaving > 0].all():
            mask |= members
            remaining -= leaving
        if mask.sum() >= n_wanted:
            break
    return mask


def stratified_folds(strata: Ints, n_folds: int, groups: Ints | None) -> Ints:
    """Deal samples to the folds of a cross-validation; equal data give equal folds.

    Without groups the members of each class, in random order, are dealt to the folds in turn. Groups are
    dealt whole, the largest first, each to the fold that holds least of its classes.

    Args:
        strata: (N,) the class of each, from 0 on; all 0 where there are numbers to learn.
        n_folds: how many, from 2 on.
        groups: (N,) the group of each, from 0 on; None where there are none.

    Returns:
        (N,) the test fold of each sample, from 0 on.

    Raises:
        DataError: there are fewer samples, or groups, than folds, or one only.

    >>> fold = stratified_folds(np.repeat([0, 1], [10, 5]), 5, None)
    >>> np.bincount(fold).tolist(), np.bincount(fold[10:]).tolist()
    ([3, 3, 3, 3, 3], [1, 1, 1, 1, 1])
    """
    units, what = (len(strata), "sequences") if groups is None else (int(groups.max()) + 1, "groups")
    if units < 2:
        name = "X" if groups is None else "groups"
        raise DataError(
            f"{name}: expected two at least, got one: nothing would be left to learn from. "
            "Pass test=(X_test, y_test)."
        )
    if units < n_folds:
        raise DataError(f"folds: expected at most {units}, as there are {units} {what}; got {n_folds}.")
    rng = np.random.default_rng(0)
    if groups is not None:
        return _group_folds(strata, n_folds, groups, rng)[groups]
    fold = np.empty(len(strata), dtype=np.int64)
    shuffled = rng.permutation(len(strata))
    fold[shuffled[np.argsort(strata[shuffled], kind="stable")]] = np.arange(len(strata)) % n_folds
    return fold


def _group_folds(strata: Ints, n_folds: int, groups: Ints, rng: np.random.Generator) -> Ints:
    """Deal groups to folds; returns (G,) the fold of each."""
    counts = np.zeros((int(groups.max()) + 1, int(strata.max()) + 1))  # (G, classes)
    np.add.at(counts, (groups, strata), 1)
    shares = counts / counts.sum(axis=0)
    shuffled = rng.permutation(len(counts))
    totals, fold = np.zeros((n_folds, counts.shape[1])), np.empty(len(counts), dtype=np.int64)
    for group in shuffled[np.argsort(-counts[shuffled].sum(axis=1), kind="stable")]:
        fold[group] = np.lexsort((totals.sum(axis=1), totals @ shares[group]))[0]
        totals[fold[group]] += shares[group]
    return fold


def seeded_folds(strata: Ints, n_folds: int, seed: int) -> Ints:
    """Deal the members of each class to folds in an order drawn from `seed`, without groups.

    Unlike in `stratified_folds`, the only sample of a class is in no fold: it is trained on every time, since
    no training without it would know its class.

    Returns:
        (N,) the test fold of each sample, −1 for one that is only trained on.

    >>> seeded_folds(np.array([0, 0, 0, 0, 1, 1, 2]), 2, seed=0).tolist()
    [1, 0, 0, 1, 1, 0, -1]
    """
    rng = np.random.default_rng(seed)
    fold = np.full(len(strata), -1)
    dealt = 0
    for stratum in np.unique(strata):
        members = rng.permutation(np.flatnonzero(strata == stratum))
        if len(members) > 1 or len(strata) == 1:
            fold[members] = (dealt + np.arange(len(members))) % n_folds
            dealt += len(members)
    return fold
