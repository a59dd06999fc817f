"""A curve of influence as a few numbers."""

import math

import numpy as np
import pytest
from scipy.stats import spearmanr

from unrolled.probe.measure.half_life import memory_span, overlap, rank_correlation


@pytest.mark.parametrize("rho", [0.3, 0.5, 0.9, 0.97])
def test_a_geometric_fall_has_its_half_life(rho: float) -> None:
    """It is ln 2 / -ln ρ, wherever it lies between two steps; the window from the sum of squares."""
    K = 400
    span = memory_span(rho ** np.arange(K), np.ones(K, int))
    assert span.peak == 0
    assert span.half_life == pytest.approx(math.log(2) / -math.log(rho))
    assert span.window == math.ceil(math.log(0.05) / (2 * math.log(rho)) - 1)


@pytest.mark.parametrize("k", [0, 1, 5, 20])
def test_the_peak_of_a_spike_is_its_position(k: int) -> None:
    """Peak and window are k, and the half-life lies before the next step, though all others are not 0."""
    curve = np.full(30, 0.01)
    curve[k] = 1.0
    span = memory_span(curve, np.full(30, 7))
    assert (span.peak, span.window) == (k, k)
    assert k < span.half_life < k + 1


def test_a_constant_influence_has_no_half_life() -> None:
    """Flat, rising, or one step long; a second peak counts, and the last crossing is taken."""
    for curve in (np.ones(9), np.arange(1.0, 10.0), np.ones(1)):
        assert memory_span(curve, np.ones(len(curve), int)).half_life is None
    assert memory_span(np.array([1.0, 0.1, 0.8, 0.1]), np.ones(4, int)).half_life > 2


def test_zero_influence_has_no_reach() -> None:
    """No influence anywhere; and one that ends at once."""
    assert memory_span(np.zeros(5), np.ones(5, int)) == (0, None, 0)
    assert memory_span(np.array([1.0, 0.0]), np.ones(2, int)) == (0, 0.0, 0)


def test_steps_of_few_sequences_weigh_little() -> None:
    """The window is of the influence that there is: two sequences of 100 are long."""
    curve, many, few = np.ones(4), np.full(4, 100), np.array([100, 100, 2, 2])
    assert memory_span(curve, many).window == 3
    assert memory_span(curve, few).window == 1


def test_ranks_are_spearmans() -> None:
    """With ties and without; of a constant 0."""
    rng = np.random.default_rng(0)
    for a, b in ((rng.normal(size=20), rng.normal(size=20)), (rng.integers(4, size=20), rng.normal(size=20))):
        assert rank_correlation(a.astype(float), b) == pytest.approx(spearmanr(a, b).statistic)
    assert rank_correlation(np.ones(5), np.arange(5.0)) == 0


def test_shares_overlap_from_0_to_1() -> None:
    """Of squares; two that are 0 throughout are alike."""
    assert overlap(np.array([3.0, 4.0]), np.array([6.0, 8.0])) == pytest.approx(1)
    assert overlap(np.array([1.0, 0.0]), np.array([0.0, 5.0])) == 0
    assert overlap(np.zeros(2), np.zeros(2)) == 1
    assert overlap(np.zeros(2), np.ones(2)) == 0
