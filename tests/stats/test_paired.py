"""Paired tests equal SciPy's where it has them, and keep their level where folds depend on each other."""

import tracemalloc

import numpy as np
import pytest
from scipy import stats

from unrolled.data.splits import seeded_folds
from unrolled.stats.dependence import fold_inflation
from unrolled.stats.paired import corrected_t_p, mcnemar_p, sign_flip_p, sign_patterns

SIMULATIONS = 400


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


def test_differences_that_are_all_alike_are_certain() -> None:
    """In the direction that they have; none at all count against a difference."""
    assert corrected_t_p(np.full(4, 0.3)) == 0.0
    assert corrected_t_p(np.full(4, -0.3)) == corrected_t_p(np.zeros(4)) == 1.0


def _fold_differences(seed: int) -> np.ndarray:
    """(5,) differences of the folds' losses, where both sides learn the mean of noise.

    Folds depend on each other as much as they can: what two of them share by chance, each finds in the other.
    """
    rng = np.random.default_rng(seed)
    sides, folds, differences = rng.normal(size=(2, 60)), seeded_folds(np.zeros(60, int), 5, seed), []
    for fold in range(5):
        test = folds == fold
        losses = [-(side[test] * side[~test].mean()).mean() for side in sides]
        differences.append(losses[1] - losses[0])
    return np.array(differences)


def test_the_fold_corrected_t_keeps_its_level_where_the_plain_one_does_not() -> None:
    """At .01, .05 and .1 no more false alarms than chance adds once in a thousand times."""
    samples = [_fold_differences(seed) for seed in range(SIMULATIONS)]
    p = np.array([corrected_t_p(d, fold_inflation(5), correct_skewness=False) for d in samples])
    plain = np.array([stats.ttest_1samp(d, 0, alternative="greater").pvalue for d in samples])
    for level in (0.01, 0.05, 0.1):
        assert (p <= level).sum() <= stats.binom.ppf(0.999, SIMULATIONS, level)
    assert (plain <= 0.1).sum() > stats.binom.ppf(0.999, SIMULATIONS, 0.1)  # what the correction is for
