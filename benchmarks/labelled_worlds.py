"""Made-up labelled sequences: worlds whose labels nothing tells, and worlds in which memory does.

Each world is a function from a seed to sequences X (N, T, F) and labels y (N,), drawn anew for every seed.
"""

from collections.abc import Callable

import numpy as np

COUNT, STEPS = 100, 12
MARKED, LONG = 400, 24  # sequences of the planted worlds, and steps over which a reservoir forgets

Sample = tuple[np.ndarray, np.ndarray]
LabelledWorld = Callable[[int], Sample]


def balanced(seed: int) -> Sample:
    """Noise, and labels that are drawn by a coin."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(COUNT, STEPS, 1)), rng.permutation(np.arange(COUNT) % 2)


def imbalanced(seed: int) -> Sample:
    """Noise, and labels of which nine in ten are 0."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(COUNT, STEPS, 1)), rng.permutation((np.arange(COUNT) % 10 == 0).astype(int))


def leaked_order(seed: int) -> Sample:
    """Recordings whose level drifts from one to the next, and labels that drift by themselves.

    The level tells when a sequence was recorded, and so, among recordings of the same days, its label.
    """
    rng = np.random.default_rng(seed)
    level, lean = (rng.normal(size=COUNT).cumsum() for _ in range(2))
    X = rng.normal(size=(COUNT, STEPS, 1)) + 0.5 * level[:, None, None]
    return X, (lean + rng.normal(size=COUNT) > np.median(lean)).astype(int)


def duplicates(seed: int) -> Sample:
    """Noise of which each sequence occurs three times, with its label, in any order."""
    rng = np.random.default_rng(seed)
    which = rng.permutation(np.repeat(np.arange(COUNT // 2), 3))
    y = rng.permutation(np.arange(COUNT // 2) % 2)
    return rng.normal(size=(COUNT // 2, STEPS, 1))[which], y[which]


def last_mark(seed: int) -> Sample:
    """Planted: three steps are marked in a second feature; the label is the sign of the last of them."""
    return _marked(seed, -1, STEPS)


def first_mark(seed: int) -> Sample:
    """Planted: three steps are marked in a second feature; the label is the sign of the first of them."""
    return _marked(seed, 0, LONG)


NOTHING: dict[str, LabelledWorld] = {
    "balanced": balanced, "imbalanced, 90 to 10": imbalanced, "leaked order": leaked_order,
    "duplicates": duplicates,
}  # fmt: skip
PLANTED: dict[str, LabelledWorld] = {"last mark": last_mark, "first mark": first_mark}


def _marked(seed: int, place: int, steps: int) -> Sample:
    """Signs with noise, three steps of them marked, and the sign of the marked step at one place."""
    rng = np.random.default_rng(seed)
    signs = rng.choice([-1.0, 1.0], size=(MARKED, steps))
    marked = np.sort(np.array([rng.choice(steps, size=3, replace=False) for _ in range(MARKED)]))
    marks = np.zeros((MARKED, steps))
    np.put_along_axis(marks, marked, 1.0, axis=1)
    X = np.stack([signs + 0.2 * rng.normal(size=signs.shape), marks], axis=2)
    return X, (signs[np.arange(MARKED), marked[:, place]] > 0).astype(int)
