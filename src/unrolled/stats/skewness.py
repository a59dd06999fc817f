"""Correct Student's t for skewness, by Hall's cubic and its inverse.

    g(t) = t + a t² / 3 + a² t³ / 27 + a / 6        a = γ / √n, γ the skewness of n values
    g⁻¹(x) = (3 / a) ((1 + a (x − a / 6))^⅓ − 1)

Source: Hall 1992, "On the Removal of Skewness by Transformation", eq. 2.2.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

_MIN_ABS_A = 1e-6  # below it the inverse divides by almost nothing, and g is the identity to 1e-6


def skewness(centred: NDArray[np.float64]) -> float:
    """Return the bias-corrected skewness of values (n,) whose mean is 0; 0 for fewer than 3.

    >>> round(skewness(np.array([-1.0, -1.0, 2.0])), 4)
    1.7321
    """
    n = len(centred)
    if n < 3:
        return 0.0
    third, second = float((centred**3).mean()), float((centred**2).mean())
    return float(third / second**1.5 * math.sqrt(n * (n - 1)) / (n - 2))


def remove_skewness(t: float, a: float) -> float:
    """Return g(t), which follows Student's distribution where t is skewed.

    >>> remove_skewness(3.0, 0.0)
    3.0
    """
    return t + a * t**2 / 3 + a**2 * t**3 / 27 + a / 6


def restore_skewness(x: float, a: float) -> float:
    """Return g⁻¹(x), the quantile of the skewed t that belongs to Student's quantile x.

    >>> round(restore_skewness(remove_skewness(2.0, 0.3), 0.3), 9)
    2.0
    """
    return float(3 / a * (np.cbrt(1 + a * (x - a / 6)) - 1)) if abs(a) > _MIN_ABS_A else x
