"""The NumPy reference: values, in place, at the ends of the range."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from unrolled.kernels import reference

FORMULAS: dict[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
    "tanh": lambda x: (np.exp(2 * x) - 1) / (np.exp(2 * x) + 1),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
}


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values_are_those_of_the_formula(name: str, dtype: Any) -> None:
    """Written to `out`, which may be the input, in the input's dtype."""
    x = np.linspace(-4, 5, 23, dtype=dtype)
    expected = FORMULAS[name](x.astype(np.float64))
    out = np.empty_like(x)
    getattr(reference, name)(x, out)
    np.testing.assert_allclose(out, expected, rtol=4 * np.finfo(dtype).eps)
    getattr(reference, name)(x, x)
    np.testing.assert_array_equal(x, out)


def test_sigmoid_neither_overflows_nor_cancels() -> None:
    """Far out to the left the result is e^x, without a warning."""
    x = np.array([-700.0, 700.0, -np.inf, np.inf])
    out = np.empty_like(x)
    reference.sigmoid(x, out)
    np.testing.assert_allclose(out, [np.exp(-700.0), 1, 0, 1], rtol=1e-15)
