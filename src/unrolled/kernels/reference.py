"""NumPy reference of the kernels: tests compare with it, and it computes where nothing is compiled."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Real = TypeVar("Real", np.float32, np.float64)


def tanh(x: NDArray[Real], out: NDArray[Real]) -> None:
    """Write the hyperbolic tangent of `x` to `out`.

    >>> y = np.array([-1.0, 1.0])
    >>> tanh(y, out=y)
    >>> y.round(4)
    array([-0.7616,  0.7616])
    """
    np.tanh(x, out=out)


def sigmoid(x: NDArray[Real], out: NDArray[Real]) -> None:
    """Write 1 / (1 + z) for x >= 0 and z / (1 + z) for x < 0, z = e^-|x|, to `out`.

    >>> y = np.array([-1.0, 1.0])
    >>> sigmoid(y, out=y)
    >>> y.round(4)
    array([0.2689, 0.7311])
    """
    z = np.exp(-np.abs(x))
    np.divide(np.where(x < 0, z, x.dtype.type(1)), 1 + z, out=out)
