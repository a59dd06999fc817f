"""A digest of all messages tells one state from any other."""

import numpy as np

from unrolled.stream.store.row import START, extend_history


def test_histories_differ_where_anything_differs() -> None:
    """Value, number, shape, order and what came before."""
    x = np.arange(6.0).reshape(2, 3)
    one = extend_history(START, 1, x)
    others = [
        extend_history(START, 2, x),
        extend_history(START, 1, x.reshape(3, 2)),
        extend_history(START, 1, x[::-1].copy()),
        extend_history(START, 1, x + 1e-15),
        extend_history(one, 1, x),
        extend_history(extend_history(START, 1, x[:1]), 2, x[1:]),
    ]
    assert one == extend_history(START, 1, x.copy())
    assert len({one, *others}) == 7
    assert len(one) == 16
