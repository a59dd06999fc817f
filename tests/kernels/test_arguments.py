"""What goes into a kernel is checked before a pointer is taken, and the sentence names the argument."""

import sys
import threading
from typing import Any

import numpy as np
import pytest

from unrolled import kernels
from unrolled.errors import ArgumentError

X = np.linspace(-2, 3, 24, dtype=np.float32).reshape(4, 6)


@pytest.mark.parametrize(
    ("x", "sentence"),
    [
        ([1.0, 2.0], r"tanh x: expected a NumPy array of float32 or float64, got list\. Convert it"),
        (X.astype(np.float16), r"tanh x: expected float32 or float64, got <f2\. Convert it with x\.astype"),
        (np.arange(3), r"tanh x: expected float32 or float64, got <i8\."),
        (X.astype(">f4"), r"tanh x: expected float32 or float64, got >f4\."),
        (X.T, r"tanh x: expected a C-contiguous array, got shape \(6, 4\) with strides \(4, 24\)\. Pass"),
        (X[:, ::2], r"tanh x: expected a C-contiguous array, got shape \(4, 3\)"),
        (X[0][::-1], r"tanh x: expected a C-contiguous array"),
    ],
)
def test_an_invalid_input_is_refused(x: Any, sentence: str) -> None:
    """Nothing is converted or copied behind the caller's back: the sentence says how to do it."""
    with pytest.raises(ArgumentError, match=sentence):
        kernels.tanh(x)


@pytest.mark.parametrize(
    ("out", "sentence"),
    [
        (
            np.empty((6, 4), np.float32),
            r"sigmoid out: expected the shape and dtype of x, \(4, 6\) float32; got",
        ),
        (np.empty((4, 6)), r"sigmoid out: expected the shape and dtype of x, .* got \(4, 6\) float64\."),
        (np.empty((6, 4), np.float32).T, r"sigmoid out: expected a C-contiguous array"),
        (np.broadcast_to(np.float32(0), (4, 6)), r"sigmoid out: expected a C-contiguous array"),
    ],
)
def test_an_invalid_out_is_refused(out: Any, sentence: str) -> None:
    """`out` must be able to hold the answer as it is."""
    with pytest.raises(ArgumentError, match=sentence):
        kernels.sigmoid(X, out)


def test_a_read_only_out_is_refused() -> None:
    """A read-only array stays as it is."""
    out = np.zeros_like(X)
    out.flags.writeable = False
    with pytest.raises(ArgumentError, match="tanh out: expected an array that can be written"):
        kernels.tanh(X, out)
    assert not out.any()


def test_an_out_that_overlaps_in_part_is_refused() -> None:
    """Writing would change what is still to be read."""
    memory = np.linspace(0, 1, 40)
    with pytest.raises(ArgumentError, match="tanh out: expected x itself or other memory"):
        kernels.tanh(memory[:32], memory[1:33])
    kernels.tanh(memory[:20], memory[20:])


def test_a_read_only_input_is_accepted() -> None:
    """Only the target is written."""
    x = X.copy()
    x.flags.writeable = False
    np.testing.assert_array_equal(kernels.tanh(x), kernels.tanh(X))


@pytest.mark.parametrize("name", ["tanh", "sigmoid"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 33])
def test_only_out_is_written(name: str, dtype: Any, size: int) -> None:
    """`out` is returned; in place gives the same bits; the memory on both sides is untouched."""
    function = getattr(kernels, name)
    x = np.random.default_rng(3).normal(size=size).astype(dtype)
    expected = function(x)
    memory = np.full(size + 64, 7, dtype)
    out = memory[32 : 32 + size]
    assert function(x, out) is out
    np.testing.assert_array_equal(out, expected)
    assert (memory[:32] == 7).all()
    assert (memory[32 + size :] == 7).all()
    assert function(x, x) is x
    np.testing.assert_array_equal(x, expected)


def test_a_kernel_releases_the_gil() -> None:
    """The interpreter is let go: with no forced switches, this thread wakes before the other is done."""
    if not kernels.available():
        pytest.skip("the compiled kernels are not installed")
    x = np.full(1_000_000, 0.5)
    started, finished = threading.Event(), []

    def work() -> None:
        started.set()
        for _ in range(60):
            kernels.tanh(x, x)
        finished.append(True)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1000)
    try:
        worker = threading.Thread(target=work)
        worker.start()
        started.wait()
        seen = list(finished)
        worker.join()
    finally:
        sys.setswitchinterval(interval)
    assert seen == []
    assert finished == [True]
