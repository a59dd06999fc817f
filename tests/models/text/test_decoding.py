"""The likeliest sequence of tags that a scheme allows."""

from itertools import pairwise, product

import numpy as np
import pytest

from unrolled.data.text.spans import allowed_transitions
from unrolled.models.text.decoding import likeliest_path

TAGS = ["B-X", "I-X", "O"]


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_it_is_the_best_of_all_allowed_sequences(steps: int) -> None:
    """Against every sequence, tried one by one."""
    rng = np.random.default_rng(steps)
    first, follow = allowed_transitions(TAGS)
    for _ in range(20):
        p = rng.dirichlet(np.ones(3), steps)

        def value(path: tuple[int, ...], p: np.ndarray = p) -> float:
            is_allowed = first[path[0]] and all(follow[a, b] for a, b in pairwise(path))
            return float(np.prod(p[np.arange(steps), path])) if is_allowed else -1.0

        best = max(product(range(3), repeat=steps), key=value)
        assert tuple(likeliest_path(p, first, follow)) == best


def test_certain_probabilities_never_break_the_scheme() -> None:
    """Zeros have no logarithm: an allowed tag of probability zero is taken before one that is not allowed."""
    p = np.array([[0.0, 1.0, 0.0], [0.0, 1.0, 0.0]])
    path = likeliest_path(p, *allowed_transitions(TAGS))
    assert [TAGS[k] for k in path] == ["B-X", "I-X"]
