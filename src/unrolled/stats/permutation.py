"""P-values of permutation tests.

Source: Phipson and Smyth 2010, "Permutation P-values Should Never Be Zero".
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

_SWAPS = 1999
_NUMBERS_AT_ONCE = 1 << 21


def permutation_p(statistic: float, permuted: NDArray[np.float64], *, rtol: float = 1e-9) -> float:
    """Return the share of statistics at least as large as the observed one, which counts among them.

        (1 + number of permuted ≥ statistic) / (1 + R)

    Args:
        statistic: of the data as they are; large values speak against exchangeability.
        permuted: (R,) of R random permutations.
        rtol: relative difference up to which two are a tie; ties count against the observed one. Sums may
            depend on the order of their terms, so that equal statistics differ by rounding.

    >>> permutation_p(0.5, np.array([0.4, 0.5, 0.6]))
    0.75
    """
    reached = permuted >= statistic - rtol * abs(statistic)
    return float((1 + reached.sum()) / (1 + len(permuted)))


def swap_p(
    one: NDArray[np.float64],
    other: NDArray[np.float64],
    score: Callable[[NDArray[np.float64]], NDArray[np.float64]],
) -> float:
    """Return the one-sided p-value of the lead of one system over another on the same rows.

    For scores of sums that are no means, such as BLEU. If there were no difference, each row could be either
    system's: rows are swapped with probability 1/2, and both sums are scored again. The draws are seeded.

    Args:
        one: (n, J) counts of the system that is ahead, a row a unit that may be swapped.
        other: (n, J) of the other, in the same order.
        score: of sums (..., J), to (...,).

    Source: Noreen 1989, approximate randomisation.

    >>> rows = np.ones((20, 1))
    >>> swap_p(rows, rows, lambda sums: sums[..., 0]), swap_p(rows, 0 * rows, lambda sums: sums[..., 0])
    (1.0, 0.0005)
    """
    rng = np.random.default_rng(0)
    moved = other - one
    total, n = one.sum(axis=0), len(one)
    both = total + other.sum(axis=0)
    permuted = []
    at_once = max(1, _NUMBERS_AT_ONCE // n)
    for start in range(0, _SWAPS, at_once):
        swapped = rng.integers(0, 2, size=(min(at_once, _SWAPS - start), n)).astype(np.float64)
        first = total + swapped @ moved
        permuted.append(score(first) - score(both - first))
    observed = float(score(total) - score(both - total))
    return permutation_p(observed, np.concatenate(permuted))
