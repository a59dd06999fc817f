"""P-value of a permutation test.

Source: Phipson and Smyth 2010, "Permutation P-values Should Never Be Zero".
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


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
