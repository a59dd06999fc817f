"""The worlds on which the verdict of comparisons is measured."""

import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

NOTHING = ["balanced", "imbalanced, 90 to 10", "leaked order", "duplicates"]
PLANTED = ["last mark", "first mark"]


@pytest.fixture(scope="module")
def worlds() -> Iterator[ModuleType]:
    """benchmarks/labelled_worlds.py."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parents[3]))
        yield importlib.import_module("benchmarks.labelled_worlds")


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
