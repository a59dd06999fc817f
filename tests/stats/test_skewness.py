"""Skewness equals SciPy's; Hall's cubic and its inverse undo each other."""

import numpy as np
import pytest
from scipy import stats

from unrolled.stats.skewness import remove_skewness, restore_skewness, skewness


@pytest.mark.parametrize("n", [3, 4, 17, 200])
def test_skewness_is_the_bias_corrected_one(n: int) -> None:
    """As scipy.stats.skew(bias=False); two values have none."""
    values = np.random.default_rng(n).exponential(size=n)
    assert skewness(values - values.mean()) == pytest.approx(stats.skew(values, bias=False), rel=1e-10)
    assert skewness(np.array([-1.0, 1.0])) == 0.0


@pytest.mark.parametrize("a", [-0.4, -1e-7, 0.0, 1e-5, 0.4])
@pytest.mark.parametrize("t", [-3.0, 0.0, 2.5])
def test_the_inverse_restores_what_the_cubic_removes(a: float, t: float) -> None:
    """To 1e-6, the identity included."""
    assert restore_skewness(remove_skewness(t, a), a) == pytest.approx(t, abs=2e-6)
