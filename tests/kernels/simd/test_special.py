"""Softplus, asinh and GELU of the readout's kernels, on every instruction set, against float64."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from unrolled.kernels.loading import compiled

BOUND_ULP = 2.5  # units in the last place; special.hpp says what was measured
GELU_BOUND = 2e-7  # of max(1, |x|)


@pytest.fixture(params=compiled.runnable() if compiled is not None else [])
def table(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each instruction set that this processor runs."""
    before = compiled.selected()
    assert compiled.select(request.param)
    yield request.param
    compiled.select(before)


def _run(name: str, x: NDArray[Any]) -> NDArray[Any]:
    out = np.empty_like(x)
    getattr(compiled, name)(x, out)
    return out


def _worst_ulp(got: NDArray[Any], truth: NDArray[Any]) -> float:
    return float((np.abs(got - truth) / np.spacing(np.abs(truth).astype(np.float32))).max())


def _sweep(most: float) -> NDArray[Any]:
    sizes = np.concatenate([np.geomspace(1e-30, most, 200_003), np.linspace(0, 100, 100_003)])
    return np.concatenate([sizes[sizes <= most], -sizes[sizes <= most]]).astype(np.float32)


@pytest.mark.usefixtures("table")
def test_softplus_is_within_the_bound() -> None:
    """As far to the left as its value is a normal number."""
    x = _sweep(3e38)
    x = x[x > -87]
    assert _worst_ulp(_run("softplus", x), np.logaddexp(0, x.astype(np.float64))) <= BOUND_ULP
    far = np.array([-1e30, 1e30], np.float32)
    np.testing.assert_array_equal(_run("softplus", far), [0, far[1]])


@pytest.mark.usefixtures("table")
def test_asinh_is_within_the_bound() -> None:
    """From the tiniest to 1e38, of either sign; a zero keeps its own."""
    x = _sweep(1e38)
    assert _worst_ulp(_run("asinh", x), np.arcsinh(x.astype(np.float64))) <= BOUND_ULP
    np.testing.assert_array_equal(np.signbit(_run("asinh", np.array([0.0, -0.0], np.float32))), [False, True])


@pytest.mark.usefixtures("table")
def test_gelu_is_within_the_bound() -> None:
    """Beside the normal distribution's probability, computed by the error function."""
    x = _sweep(1e4)
    truth = np.array([v * 0.5 * math.erfc(-v / math.sqrt(2)) for v in x.astype(np.float64)])
    assert (np.abs(_run("gelu", x) - truth) / np.maximum(1, np.abs(x))).max() <= GELU_BOUND


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize("name", ["softplus", "asinh", "gelu"])
def test_nan_is_passed_on(name: str) -> None:
    """A training that breaks must show it."""
    assert np.isnan(_run(name, np.array([1.0, np.nan, -2.0], np.float32))).tolist() == [False, True, False]


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize("name", ["softplus", "asinh", "gelu"])
def test_a_value_does_not_depend_on_its_position(name: str) -> None:
    """A piece of an array gives that piece of the answer to the bit."""
    x = np.random.default_rng(7).normal(size=1100).astype(np.float32) * np.float32(3)
    whole = _run(name, x)
    for start, size in ((0, 1), (1, 7), (5, 33), (3, 1000)):
        np.testing.assert_array_equal(_run(name, x[start : start + size].copy()), whole[start : start + size])
