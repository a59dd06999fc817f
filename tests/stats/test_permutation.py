"""The permutation p-value counts the observed statistic and every tie."""

import numpy as np

from unrolled.stats.permutation import permutation_p


def test_ties_count_against_the_observed_statistic() -> None:
    """Those that rounding makes unequal, too."""
    assert permutation_p(0.5, np.array([0.5 + 1e-10, 0.5 - 1e-10, 0.3])) == 0.75
    assert permutation_p(0.5, np.array([0.5 - 1e-7, 0.3, 0.2]), rtol=1e-6) == 0.5
    assert permutation_p(0.5, np.array([0.4, 0.3, 0.2])) == 0.25


def test_negative_statistics_have_their_tolerance_too() -> None:
    """A loss is tested by its negative: small losses are the extreme ones."""
    assert permutation_p(-0.5, -np.array([0.5 + 1e-10, 0.6, 0.4])) == 0.75


def test_the_level_is_kept_under_exchangeability() -> None:
    """Of 2,000 draws where all statistics are alike, p at most 0.1 comes in a tenth, exactly in theory."""
    rng = np.random.default_rng(0)
    p = np.array([permutation_p(draw[0], draw[1:]) for draw in rng.normal(size=(2000, 20))])
    assert abs((p <= 0.1).mean() - 0.1) < 3 * np.sqrt(0.09 / 2000)
