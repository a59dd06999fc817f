"""The verdict of whole comparisons, where labels mean nothing and where memory tells them."""

import importlib
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from scipy import stats

SEEDS = 30
NOTHING = ["balanced", "imbalanced, 90 to 10", "leaked order", "duplicates"]
PLANTED = ["last mark", "first mark"]


@pytest.fixture(scope="module")
def trust() -> Iterator[ModuleType]:
    """benchmarks/comparison_trust.py, which counts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parents[3]))
        yield importlib.import_module("benchmarks.comparison_trust")


@pytest.fixture(scope="module")
def worlds(trust: ModuleType) -> ModuleType:
    """benchmarks/labelled_worlds.py."""
    del trust
    return importlib.import_module("benchmarks.labelled_worlds")


@pytest.fixture(scope="module")
def pool(trust: ModuleType) -> Iterator[ProcessPoolExecutor]:
    """As many processes as the benchmark has."""
    del trust
    with ProcessPoolExecutor(
        2, mp_context=get_context("spawn"), initializer=torch.set_num_threads, initargs=(1,)
    ) as pool:
        yield pool


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("world", NOTHING)
def test_where_labels_mean_nothing_one_verdict_in_twenty_at_most_is_a_win(
    world: str, trust: ModuleType, pool: ProcessPoolExecutor
) -> None:
    """5 % of the seeds, and what chance adds once in a hundred times."""
    row = trust.trust(world, SEEDS, pool)
    assert row["wins"] <= stats.binom.ppf(0.99, SEEDS, 0.05), row


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("world", PLANTED)
def test_where_memory_tells_labels_four_verdicts_in_five_are_wins(
    world: str, trust: ModuleType, pool: ProcessPoolExecutor
) -> None:
    """80 % of the seeds, less what chance takes once in a hundred times."""
    row = trust.trust(world, SEEDS, pool)
    assert row["wins"] >= stats.binom.ppf(0.01, SEEDS, 0.8), row


def test_every_seed_is_another_world_and_the_same_twice(worlds: ModuleType) -> None:
    """Two classes, no missing value, a label a sequence."""
    assert (list(worlds.NOTHING), list(worlds.PLANTED)) == (NOTHING, PLANTED)
    for world in (worlds.NOTHING | worlds.PLANTED).values():
        (X, y), (X_again, _), (other, _) = world(0), world(0), world(1)
        assert len(X) == len(y)
        assert np.unique(y).tolist() == [0, 1]
        np.testing.assert_array_equal(X, X_again)
        assert not np.array_equal(X, other)


def test_labels_are_as_the_worlds_say(worlds: ModuleType) -> None:
    """Shares, copies, and the rules that are planted."""
    assert worlds.imbalanced(2)[1].mean() == 0.1
    X, y = worlds.duplicates(2)
    copies = {x.tobytes(): set() for x in X}
    for x, label in zip(X, y, strict=True):
        copies[x.tobytes()].add(label)
    assert len(copies) == len(X) // 3
    assert all(len(labels) == 1 for labels in copies.values())
    _, y = worlds.leaked_order(2)
    assert (np.diff(y) != 0).mean() < 0.4
    for world, place in ((worlds.last_mark, -1), (worlds.first_mark, 0)):
        X, y = world(2)
        at = [np.flatnonzero(x[:, 1])[place] for x in X]
        assert (X[:, :, 1].sum(axis=1) == 3).all()
        assert ((X[np.arange(len(X)), at, 0] > 0) == y).mean() > 0.99
