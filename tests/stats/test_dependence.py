"""Groups keep the mean and its spread; folds inflate the variance as Nadeau and Bengio say."""

import numpy as np
import pytest

from unrolled.stats.dependence import fold_inflation, group_contributions


def test_groups_keep_the_mean_and_show_what_they_share() -> None:
    """Ten groups of eight alike: the mean of 80, the spread of 10."""
    rng = np.random.default_rng(1)
    group_values = rng.normal(size=10)
    groups = np.repeat(np.arange(10), 8)
    values = group_contributions(group_values[groups], groups)
    assert values.mean() == pytest.approx(group_values.mean())
    np.testing.assert_allclose(values, group_values)


def test_uneven_groups_weigh_by_their_size() -> None:
    """The interval's middle stays the mean of all sequences."""
    groups = np.array([0, 0, 0, 1, 2])
    values = np.array([1.0, 0.0, 1.0, 1.0, 0.0])
    assert group_contributions(values, groups).mean() == pytest.approx(values.mean())
    assert group_contributions(np.stack([values, -values], axis=1), groups).shape == (3, 2)


def test_more_folds_inflate_the_variance_less() -> None:
    """1 + k / (k − 1): from 3 for two folds down to 2; sizes count where folds are uneven."""
    assert [fold_inflation(k) for k in (2, 5, 11)] == [3.0, 2.25, 2.1]
    assert fold_inflation(5, 20.0) == fold_inflation(5, 20.0, 80.0) == 2.25
    assert fold_inflation(5, 10.0, 80.0) == 1.625
