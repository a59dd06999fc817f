"""Losses in pairs and intervals: equal to the books where there is one, and honest where chance rules."""

import tracemalloc

import numpy as np
import pytest
from scipy import stats

from unrolled.stats.paired import (
    corrected_t_p,
    fold_inflation,
    group_contributions,
    mcnemar_p,
    mean_interval,
    sign_flip_p,
    sign_patterns,
    wilson_interval,
)

RUNS = 400


@pytest.mark.parametrize(("wins", "losses"), [(1, 0), (0, 3), (7, 2), (40, 31), (3, 3)])
def test_mcnemar_is_the_exact_binomial_test(wins: int, losses: int) -> None:
    """One-sided, as scipy has it."""
    expected = stats.binomtest(wins, wins + losses, alternative="greater").pvalue
    assert mcnemar_p(wins, losses) == pytest.approx(expected, rel=1e-12)


def test_pairs_worth_half_give_the_p_of_half_as_many() -> None:
    """Twenty wins and four losses of which two are worth one: ten and two."""
    assert mcnemar_p(20, 4, inflation=2.0) == pytest.approx(mcnemar_p(10, 2))


def test_many_pairs_need_little_memory() -> None:
    """Two thousand pairs: patterns of signs come in parts of some MB, and none are kept."""
    gains = np.random.default_rng(8).normal(0.02, 1, size=(2000, 1))
    tracemalloc.start()
    p_value = sign_flip_p(gains)
    left, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 0.01 < p_value < 0.99
    assert peak < 40e6
    assert left < 1e6


def test_signs_in_parts_are_the_patterns_at_once() -> None:
    """All of them where they are few, each once; beyond that the sample that one draw would give."""
    few = np.concatenate(list(sign_patterns(11)))
    assert len({tuple(row) for row in few}) == len(few) == 2**11
    many = np.concatenate(list(sign_patterns(13)))
    at_once = np.random.default_rng(0).integers(0, 2, size=(9999, 13))
    np.testing.assert_array_equal(many, 2.0 * at_once - 1)


def test_flips_of_right_and_wrong_are_mcnemar() -> None:
    """Differences of ±1: enumerated signs count what the coin counts."""
    assert sign_flip_p(np.array([[1.0]] * 7 + [[-1.0]] * 2)) == pytest.approx(mcnemar_p(7, 2))


def test_the_corrected_t_is_students_without_skewness() -> None:
    """Symmetric differences: Student's own t; of half the worth, t smaller by the root of 2."""
    d = np.array([2.0, -1.0] * 10) + 0.2
    t, p = stats.ttest_1samp(d, 0, alternative="greater")
    assert corrected_t_p(d) == pytest.approx(p)
    assert corrected_t_p(d, inflation=2.0) == pytest.approx(stats.t.sf(t / np.sqrt(2), 19))


@pytest.mark.parametrize(("right", "n"), [(0, 5), (5, 5), (9, 10), (371, 1029)])
def test_the_interval_of_a_share_is_wilsons(right: int, n: int) -> None:
    """As scipy has it, at 95 and 80 per cent."""
    for level in (95, 80):
        expected = stats.binomtest(right, n).proportion_ci(level / 100, method="wilson")
        assert wilson_interval(right, n, level) == pytest.approx(tuple(expected), abs=1e-12)


def test_the_interval_of_a_mean_is_students_without_skewness() -> None:
    """Symmetric values; a single one, or all alike, is its own interval."""
    values = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.9)
    assert mean_interval(values, 90) == pytest.approx(tuple(expected))
    assert mean_interval(np.array([2.0]), 95) == (2.0, 2.0)
    assert mean_interval(np.full(7, 0.3), 95) == pytest.approx((0.3, 0.3))


def test_the_interval_of_a_skewed_mean_covers_it() -> None:
    """Squared normal errors, 30 of them: at least 92 % of intervals hold the mean, of Student's fewer."""
    rng = np.random.default_rng(0)
    holds = students = 0
    for _ in range(4 * RUNS):
        values = rng.normal(size=30) ** 2
        low, high = mean_interval(values, 95)
        holds += low <= 1 <= high
        low, high = stats.ttest_1samp(values, 0).confidence_interval(0.95)
        students += low <= 1 <= high
    assert holds >= 0.92 * 4 * RUNS
    assert students < holds


def test_groups_keep_the_mean_and_show_what_they_share() -> None:
    """Ten groups of eight alike: the mean of 80, the spread of 10."""
    rng = np.random.default_rng(1)
    own = rng.normal(size=10)
    groups = np.repeat(np.arange(10), 8)
    values = group_contributions(own[groups], groups)
    assert values.mean() == pytest.approx(own.mean())
    np.testing.assert_allclose(values, own)


def test_uneven_groups_weigh_by_their_size() -> None:
    """The interval's middle stays the mean of all sequences."""
    groups = np.array([0, 0, 0, 1, 2])
    values = np.array([1.0, 0.0, 1.0, 1.0, 0.0])
    assert group_contributions(values, groups).mean() == pytest.approx(values.mean())
    assert group_contributions(np.stack([values, -values], axis=1), groups).shape == (3, 2)


def test_more_folds_share_a_little_less() -> None:
    """1 + k / (k − 1): from 3 for two folds down to 2."""
    assert [fold_inflation(k) for k in (2, 5, 11)] == [3.0, 2.25, 2.1]
