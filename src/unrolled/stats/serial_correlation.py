"""Test of serial correlation: could the values as well have come in any order?

The statistic is S = Σ_t a_t a_{t+k}, the a the centred ranks of the values: large where neighbours are
alike, far below zero where they alternate. If order means nothing, all n! orders of the values are equally
likely, and then, exactly, with A2 = Σ a², A4 = Σ a⁴ and P = n − k pairs,

    E[S] = −P A2 / n(n − 1)
    E[S²] = P (A2² − A4) / n(n−1) + Q (2 A4 − A2²) / n(n−1)(n−2) + R (3 A2² − 6 A4) / n(n−1)(n−2)(n−3)

where Q = 2 max(n − 2k, 0) ordered couples of pairs share a value and R = P² − P − Q share none. The p-value
is two-sided and normal, or counted over shuffles for one short series. Many series add up their z-scores.

Source: Wald and Wolfowitz 1943, "An Exact Test for Randomness in the Non-Parametric Case Based on Serial
Correlation" (there circular; here not); ranks as in Bartels 1982, "The Rank Version of von Neumann's Ratio".
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.formatting import p_value_equation
from unrolled.stats.permutation import permutation_p

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MIN_VALUES = 8  # of fewer, hardly any order is a rare one
ALPHA = 0.01
_N_PERMUTATIONS = 1999
_MAX_PERMUTED = 60  # values up to which the p-value of one series comes from permutations
_MIN_SEASONS = 3
_MAX_TOKENS = 5_000  # tested: shuffling a book takes minutes and adds nothing


@dataclass(frozen=True)
class OrderEvidence:
    """Result of an order test.

    Args:
        outcome: "carries information", "no sign" or "too few to tell".
        p_value: probability of so orderly, or so disorderly, a permutation; None where there is too little
            to tell.
        values: how many were tested.
        lag: steps between the values that were compared.
    """

    outcome: str
    p_value: float | None
    values: int
    lag: int = 1

    def corrected_for(self, n_tests: int) -> OrderEvidence:
        """Return the result as the best of several tests: its p-value times their number (Bonferroni)."""
        assert self.p_value is not None
        p = min(1.0, n_tests * self.p_value)
        return replace(self, p_value=p, outcome=_outcome(p))

    def __str__(self) -> str:
        word = {"carries information": "yes", "no sign": "no sign of it"}.get(self.outcome, self.outcome)
        return word if self.p_value is None else f"{word} ({p_value_equation(self.p_value)})"


def _outcome(p_value: float) -> str:
    return "carries information" if p_value <= ALPHA else "no sign"


def order_test(values: Floats, series: Ints, season: int = 1) -> OrderEvidence:
    """Test whether the order of values carries information, one step apart or one season apart.

    Args:
        values: (ΣT,) of one or more series, one after the other; missing values are left out.
        series: (ΣT,) the series of each value, rising.
        season: steps in a season; 1 for none.

    Returns:
        The evidence at the lag that shows more, its p-value doubled where two lags were looked at.

    >>> rng = np.random.default_rng(0)
    >>> str(order_test(rng.normal(size=200).cumsum(), np.zeros(200, int)))
    'yes (p < 0.001)'
    >>> str(order_test(np.array([1.0, 5.0, 2.0]), np.zeros(3, int)))
    'too few to tell'
    """
    is_observed = ~np.isnan(values)
    values, series = values[is_observed], series[is_observed]
    counts = np.bincount(series) if len(series) else np.zeros(1, dtype=np.int64)
    varies = len(values) and bool((np.diff(values) != 0).any())
    too_few = counts.max() < MIN_VALUES and (counts.max() < 4 or counts.sum() < 4 * MIN_VALUES)
    if too_few or not varies:
        return OrderEvidence("too few to tell", None, len(values))
    ranks = _centred_ranks(values, series)
    lags = [1, season] if season > 1 and counts.max() >= _MIN_SEASONS * season else [1]
    p_by_lag = {lag: _p_value(ranks, series, lag) for lag in lags}
    lag = min(p_by_lag, key=lambda lag: p_by_lag[lag])
    p = min(1.0, len(lags) * p_by_lag[lag])
    return OrderEvidence(_outcome(p), p, len(values), lag)


def _centred_ranks(values: Floats, series: Ints) -> Floats:
    """Return the rank (ΣT,) of each value in its series less the mean rank; equal values share one."""
    order = np.lexsort((values, series))
    is_new = np.ones(len(values), dtype=bool)
    is_new[1:] = (np.diff(values[order]) != 0) | (np.diff(series[order]) != 0)
    tie_group = np.cumsum(is_new) - 1
    position = np.arange(len(values), dtype=np.float64)
    shared = np.bincount(tie_group, position) / np.bincount(tie_group)
    ranks = np.empty(len(values))
    ranks[order] = shared[tie_group]
    counts = np.bincount(series)
    return ranks - (np.bincount(series, ranks) / np.maximum(counts, 1))[series]


def _p_value(ranks: Floats, series: Ints, lag: int) -> float:
    """Return the two-sided p-value, by permutations for one short series, else by a normal distribution."""
    if len(ranks) <= _MAX_PERMUTED and series[0] == series[-1]:
        return _permutation_p_value(ranks, lag)
    n = np.bincount(series).astype(np.float64)
    pair = series[lag:] == series[:-lag]
    products = np.where(pair, ranks[lag:] * ranks[:-lag], 0.0)
    total = np.bincount(series[lag:], products, minlength=len(n))
    square, fourth = (np.bincount(series, ranks**k).astype(np.float64) for k in (2, 4))
    mean, variance = _moments(n, square, fourth, lag)
    usable = (n >= max(4, lag + 2)) & (variance > 0)
    z = (total - mean)[usable] / np.sqrt(variance[usable])
    return math.erfc(abs(float(z.sum())) / math.sqrt(2 * len(z))) if len(z) else 1.0


def _moments(n: Floats, a2: Floats, a4: Floats, lag: int) -> tuple[Floats, Floats]:
    """Return mean and variance (N,) of S over all orders of each series' values."""
    n = np.maximum(n, 4.0)
    pairs = np.maximum(n - lag, 0.0)
    sharing = 2 * np.maximum(n - 2 * lag, 0.0)
    apart = pairs**2 - pairs - sharing
    n2, n3, n4 = n * (n - 1), n * (n - 1) * (n - 2), n * (n - 1) * (n - 2) * (n - 3)
    mean = -pairs * a2 / n2
    square = pairs * (a2**2 - a4) / n2 + sharing * (2 * a4 - a2**2) / n3 + apart * (3 * a2**2 - 6 * a4) / n4
    return mean, square - mean**2


def _permutation_p_value(ranks: Floats, lag: int) -> float:
    """Return the p-value of the distance from the mean, over permutations of one series."""
    rng = np.random.default_rng(0)
    orders = rng.permuted(np.tile(ranks, (_N_PERMUTATIONS, 1)), axis=1)
    every = np.concatenate([ranks[None], orders])
    sums = (every[:, lag:] * every[:, :-lag]).sum(axis=1)
    far = np.abs(sums - sums[1:].mean())
    return permutation_p(far[0], far[1:])


def token_order_test(tokens: Ints, series: Ints) -> OrderEvidence:
    """Test whether tokens follow one another as they would not in a shuffled text.

    The statistic is Σ c², c the count of each pair of neighbours. Where every order of the tokens has the
    same pairs, as in a word of distinct letters, nothing can be told.

    Args:
        tokens: (ΣT,) whole numbers from 0; the first 5,000 are tested.
        series: (ΣT,) the text of each, rising; tokens are shuffled within their text.

    >>> str(token_order_test(np.array([0, 1] * 30), np.zeros(60, int)))
    'yes (p = 0.002)'
    >>> str(token_order_test(np.arange(7), np.zeros(7, int)))
    'too few to tell'
    """
    tokens, series = tokens[:_MAX_TOKENS], series[:_MAX_TOKENS]
    rng, n_permutations = np.random.default_rng(0), 499
    is_pair = series[1:] == series[:-1]
    statistic = _repeated_pairs(tokens, is_pair)
    permuted = np.empty(n_permutations)
    for i in range(n_permutations):
        order = np.lexsort((rng.random(len(tokens)), series))
        permuted[i] = _repeated_pairs(tokens[order], is_pair)
    if len(tokens) < MIN_VALUES - 1 or (permuted == statistic).all():
        return OrderEvidence("too few to tell", None, len(tokens))
    p = permutation_p(statistic, permuted)
    return OrderEvidence(_outcome(p), p, len(tokens))


def _repeated_pairs(tokens: Ints, is_pair: NDArray[np.bool_]) -> float:
    codes = (tokens[:-1] * (int(tokens.max()) + 1) + tokens[1:])[is_pair]
    counts: NDArray[Any] = np.unique(codes, return_counts=True)[1]
    return float((counts.astype(np.float64) ** 2).sum())
