"""Folds: each class in all of them alike, each group in one."""

import numpy as np
import pytest

from unrolled.errors import DataError
from unrolled.evaluate.sequence.folds import require_learnable, stratified_folds


def test_each_class_is_in_every_fold_alike() -> None:
    """Counts of a class differ by one at most between folds, and so do the folds."""
    strata = np.random.default_rng(0).permutation(np.repeat([0, 1, 2], [40, 13, 9]))
    fold = stratified_folds(strata, 5, None)
    for members in (fold, *(fold[strata == k] for k in range(3))):
        counts = np.bincount(members, minlength=5)
        assert counts.max() - counts.min() <= 1


def test_the_same_data_are_dealt_alike() -> None:
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
def test_too_few_for_the_folds_are_told(groups: np.ndarray | None, what: str) -> None:
    """The largest number that fits is said."""
    with pytest.raises(DataError, match=rf"folds: expected at most {what[0]}, as there are {what}; got 7\."):
        stratified_folds(np.zeros(6, dtype=np.int64), 7, groups)


def test_a_class_in_one_fold_only_is_told() -> None:
    """Nobody could learn it where it is judged; with groups the sentence says so."""
    labels = np.array(["a", "a", "b", "b", "c"])
    strata, fold = np.array([0, 0, 1, 1, 2]), np.array([0, 1, 0, 1, 0])
    with pytest.raises(
        DataError, match="y: expected every class in at least two folds, got class 'c' in one seq"
    ):
        require_learnable(labels, strata, fold, grouped=False)
    with pytest.raises(DataError, match="got class 'b' in one group only"):
        require_learnable(labels[:4], strata[:4], np.array([0, 1, 0, 0]), grouped=True)
    require_learnable(labels[:4], strata[:4], fold[:4], grouped=False)
