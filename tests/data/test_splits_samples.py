"""Hold-outs and folds of samples keep the shares of classes, and groups whole."""

import numpy as np
import pytest

from unrolled.data.splits import holdout_mask, seeded_folds, stratified_folds
from unrolled.errors import DataError


def test_a_share_of_each_class_is_held_out() -> None:
    """Of a rare one too, but never its last."""
    strata = np.repeat([0, 1, 2], [900, 95, 5])
    mask = holdout_mask(1000, 0.1, 0, strata=strata, groups=None)
    assert sorted(np.bincount(strata[mask], minlength=3).tolist()) in ([0, 10, 90], [1, 9, 90])
    mask = holdout_mask(1000, 0.5, 0, strata=np.repeat([0, 1], [999, 1]), groups=None)
    assert not mask[999]


def test_hold_outs_of_small_classes_are_drawn_by_lot() -> None:
    """A tenth of four is none of them, and of a hundred times four it is forty, whatever the class."""
    strata = np.arange(400) % 100
    masks = [holdout_mask(400, 0.1, seed, strata=strata, groups=None) for seed in range(2)]
    assert [np.bincount(strata[mask]).max() for mask in masks] == [1, 1]
    assert [mask.sum() for mask in masks] == [40, 40]
    assert set(strata[masks[0]]) != set(strata[masks[1]])
    mask_of_three = holdout_mask(90, 0.5, 0, strata=np.arange(90) // 3, groups=None)
    assert np.bincount(np.arange(90)[mask_of_three] // 3).tolist() == [1] * 30  # not two of three


def test_groups_take_half_at_most() -> None:
    """Though half was asked for, and the next group would bring more."""
    groups = np.repeat(np.arange(3), 40)
    sizes = [holdout_mask(120, 0.5, seed, strata=None, groups=groups).sum() for seed in range(5)]
    assert sizes == [40] * 5


def test_another_seed_holds_out_others() -> None:
    """And the same seed the same."""
    first, again, other = (holdout_mask(500, 0.2, seed, strata=None, groups=None) for seed in (0, 0, 1))
    assert (first == again).all()
    assert (first != other).any()
    assert first.sum() == other.sum() == 100


def test_groups_are_held_out_whole() -> None:
    """No speaker is both trained on and judged by."""
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 20, 600)
    strata = rng.integers(0, 4, 600)
    mask = holdout_mask(600, 0.1, 3, strata=strata, groups=groups)
    assert 60 <= mask.sum() <= 120
    assert not set(groups[mask]) & set(groups[~mask])


def test_a_hold_out_of_groups_leaves_every_class() -> None:
    """Of two groups that hold all of a class one stays, whatever the seed."""
    groups, strata = np.repeat(np.arange(10), 60), np.repeat([0, 0, 0, 0, 1, 1, 1, 1, 2, 2], 60)
    for seed in range(20):
        mask = holdout_mask(600, 0.5, seed, strata=strata, groups=groups)
        assert mask.sum() == 300
        assert set(strata[~mask]) == {0, 1, 2}


def test_one_group_leaves_nothing_to_hold_out() -> None:
    """All of it would go."""
    assert not holdout_mask(600, 0.1, 0, strata=None, groups=np.zeros(600, dtype=np.int64)).any()


@pytest.mark.parametrize(("count", "fraction"), [(294, 0.1), (20, 0.5), (1000, 0.0), (2, 0.1)])
def test_fewer_than_30_samples_are_not_held_out(count: int, fraction: float) -> None:
    """Fewer than thirty would pick the epoch by luck."""
    assert not holdout_mask(count, fraction, 0, strata=None, groups=None).any()


def test_each_class_is_in_every_fold_alike() -> None:
    """Counts of a class differ by one at most between folds, and so do the folds."""
    strata = np.random.default_rng(0).permutation(np.repeat([0, 1, 2], [40, 13, 9]))
    fold = stratified_folds(strata, 5, None)
    for members in (fold, *(fold[strata == k] for k in range(3))):
        counts = np.bincount(members, minlength=5)
        assert counts.max() - counts.min() <= 1


def test_equal_data_give_equal_folds() -> None:
    """But not in the order in which they came."""
    strata = np.zeros(50, dtype=np.int64)
    fold = stratified_folds(strata, 5, None)
    np.testing.assert_array_equal(fold, stratified_folds(strata, 5, None))
    assert (np.diff(fold[:20]) != 1).any()


def test_a_group_is_in_one_fold_and_classes_are_spread() -> None:
    """Twenty uneven groups, each of one class: no fold is without either class, none twice as large."""
    rng = np.random.default_rng(1)
    groups = np.repeat(np.arange(20), rng.integers(2, 9, size=20))
    strata = (groups % 2).astype(np.int64)
    fold = stratified_folds(strata, 4, groups)
    assert all(len(np.unique(fold[groups == g])) == 1 for g in range(20))
    for k in range(4):
        assert set(strata[fold == k]) == {0, 1}
    assert np.bincount(fold).max() < 2 * np.bincount(fold).min()


def test_groups_of_numbers_are_spread_by_size() -> None:
    """No classes: folds are as even as whole groups allow."""
    groups = np.repeat(np.arange(6), [8, 4, 4, 2, 2, 4])
    fold = stratified_folds(np.zeros(24, dtype=np.int64), 3, groups)
    assert np.bincount(fold).tolist() == [8, 8, 8]


@pytest.mark.parametrize(
    ("groups", "what"), [(None, "6 sequences"), (np.array([0, 0, 1, 1, 2, 2]), "3 groups")]
)
def test_too_few_samples_for_the_folds_raise(groups: np.ndarray | None, what: str) -> None:
    """The largest number that fits is said."""
    with pytest.raises(DataError, match=rf"folds: expected at most {what[0]}, as there are {what}; got 7\."):
        stratified_folds(np.zeros(6, dtype=np.int64), 7, groups)


def test_seeded_folds_deal_each_class_evenly() -> None:
    """Of 23 and 9 members no fold has two more than another, of each class and in all."""
    strata = np.repeat([0, 1, 2], [23, 9, 1])
    fold = seeded_folds(strata, 5, seed=1)
    for members in (fold[:23], fold[23:32], fold[:32]):
        counts = np.bincount(members, minlength=5)
        assert counts.max() - counts.min() <= 1
    assert fold[32] == -1
