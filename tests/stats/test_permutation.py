"""The permutation p-value counts the observed statistic and every tie."""

import numpy as np

from unrolled.stats.permutation import permutation_p, swap_p


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


def _ratio(sums: np.ndarray) -> np.ndarray:
    """Score that is no mean of its rows."""
    return sums[..., 0] / sums[..., 1]


def test_swaps_of_rows_are_those_of_a_loop() -> None:
    """Written from the definition, for a score of sums."""
    rng = np.random.default_rng(0)
    one, other = (rng.integers(1, 9, size=(12, 2)).astype(float) for _ in range(2))
    if _ratio(one.sum(0)) < _ratio(other.sum(0)):
        one, other = other, one
    observed = _ratio(one.sum(0)) - _ratio(other.sum(0))
    reached, draws = 0, 4000
    for swap in rng.random(size=(draws, 12)) < 0.5:
        first, second = np.where(swap[:, None], other, one), np.where(swap[:, None], one, other)
        reached += _ratio(first.sum(0)) - _ratio(second.sum(0)) >= observed - 1e-12
    assert abs(swap_p(one, other, _ratio) - reached / draws) < 0.04


def test_swaps_keep_the_level_and_find_a_difference() -> None:
    """A tenth of p-values is at most 0.1 on each side where systems are alike; all are where they are not."""
    rng = np.random.default_rng(1)
    p = []
    for _ in range(200):
        one, other = (rng.integers(1, 20, size=(30, 2)).astype(float) for _ in range(2))
        if _ratio(one.sum(0)) < _ratio(other.sum(0)):
            one, other = other, one
        p.append(swap_p(one, other, _ratio))
    share = np.mean(np.array(p) <= 0.1)  # of the better of two: both directions
    assert abs(share - 0.2) < 3 * np.sqrt(0.16 / 200)
    better = one + np.array([5.0, 0.0])
    assert swap_p(better, one, _ratio) < 0.001
