"""tanh and sigmoid: every instruction set and the NumPy twin against more exact arithmetic."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

Implementation = Callable[[str, NDArray[Any]], NDArray[Any]]

# Units in the last place of the rounded truth; math.hpp says what was measured.
BOUND_ULP = 3.0
SIZES = [0, 1, 2, 3, 7, 15, 16, 17, 31, 33, 1000]


def _truth(name: str, x: NDArray[Any]) -> NDArray[Any]:
    if name == "tanh":
        return np.tanh(x)
    z = np.exp(-np.abs(x))
    return np.where(x < 0, z, 1) / (1 + z)


def _worst_ulp(got: NDArray[Any], truth: NDArray[Any]) -> float:
    ulp = np.spacing(np.abs(truth.astype(got.dtype))).astype(truth.dtype)
    return float((np.abs(got - truth) / ulp).max())


def _sweep(dtype: type[np.floating[Any]]) -> NDArray[Any]:
    """Every magnitude from the smallest subnormal number to the largest, and the bend in detail."""
    word = np.uint32 if dtype is np.float32 else np.uint64
    top = int(np.array(np.inf, dtype).view(word))
    every = np.arange(0, top, top // 400_003, dtype=word).view(dtype)
    bend = np.linspace(0, 25, 200_003, dtype=dtype)
    tail = np.linspace(25, 760, 50_021, dtype=dtype)
    positive = np.concatenate([every, bend, tail])
    return np.concatenate([positive, -positive])


@pytest.mark.parametrize("name", ["tanh", "sigmoid"])
def test_float32_is_within_the_bound(implementation: Implementation, name: str) -> None:
    """No float32 answer is further from the truth than the docstring says; float64 is the truth."""
    x = _sweep(np.float32)
    assert _worst_ulp(implementation(name, x), _truth(name, x.astype(np.float64))) <= BOUND_ULP


@pytest.mark.skipif(np.finfo(np.longdouble).nmant < 60, reason="long double is no wider than double here")
@pytest.mark.parametrize("name", ["tanh", "sigmoid"])
def test_float64_is_within_the_bound(implementation: Implementation, name: str) -> None:
    """No float64 answer is further from the truth than the docstring says; long double is the truth."""
    x = _sweep(np.float64)
    assert _worst_ulp(implementation(name, x), _truth(name, x.astype(np.longdouble))) <= BOUND_ULP


@pytest.mark.parametrize("name", ["tanh", "sigmoid"])
def test_the_bound_catches_a_worse_function(name: str) -> None:
    """The measure sees a function that is off by ten units in the last place."""
    x = _sweep(np.float32)
    truth = _truth(name, x.astype(np.float64))
    worse = (truth * (1 + 10 * np.finfo(np.float32).eps)).astype(np.float32)
    assert _worst_ulp(worse, truth) > BOUND_ULP


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_special_values_are_exact(implementation: Implementation, dtype: type[np.floating[Any]]) -> None:
    """Zeros keep their sign, infinities saturate, NaN stays, the smallest subnormal comes back."""
    tiny = np.nextafter(dtype(0), dtype(1))
    x = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, tiny, -tiny], dtype)
    tanh = np.array([0.0, -0.0, 1.0, -1.0, np.nan, tiny, -tiny], dtype)
    got = implementation("tanh", x)
    np.testing.assert_array_equal(got, tanh)
    np.testing.assert_array_equal(np.signbit(got[:2]), [False, True])
    np.testing.assert_array_equal(
        implementation("sigmoid", x), np.array([0.5, 0.5, 1, 0, np.nan, 0.5, 0.5], dtype)
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_tanh_is_odd_to_the_bit(implementation: Implementation, dtype: type[np.floating[Any]]) -> None:
    """tanh(-x) is -tanh(x) exactly."""
    x = _sweep(dtype)
    np.testing.assert_array_equal(implementation("tanh", -x), -implementation("tanh", x))


@pytest.mark.parametrize("name", ["tanh", "sigmoid"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", SIZES)
def test_a_value_does_not_depend_on_its_position(
    implementation: Implementation, name: str, dtype: type[np.floating[Any]], size: int
) -> None:
    """A piece of an array gives that piece of the answer to the bit, whatever its start and length."""
    x = np.random.default_rng(7).normal(size=1100).astype(dtype) * dtype(3)
    whole = implementation(name, x)
    for start in (0, 1, 5):
        piece = implementation(name, x[start : start + size])
        assert piece.shape == (size,)
        np.testing.assert_array_equal(piece, whole[start : start + size])


def test_shape_is_preserved(implementation: Implementation) -> None:
    """Axes of any number come back as they were, none and an empty one as well."""
    rng = np.random.default_rng(8)
    for shape in [(), (2, 3, 5), (4, 0, 3)]:
        x = np.asarray(rng.normal(size=shape), dtype=np.float32)
        got = implementation("tanh", x)
        assert got.shape == shape
        np.testing.assert_allclose(got, np.tanh(x), rtol=1e-6)
