"""CPU kernels in C++, with the instruction set selected at run time.

The functions take C-contiguous NumPy arrays of float32 or float64, write into `out` or a new array, and let
other Python threads run meanwhile. Every element is computed alike wherever it stands, so a piece of
an array gives that piece of the result, to the bit. README.md, beside this file, describes the recurrences.

The environment variable UNROLLED_INSTRUCTION_SET, read at import, selects another of the instruction sets
that `build_info()` calls runnable.

Without a compiler the package installs without its compiled kernels. Then `available()` is false, the first
call of a function warns, and `unrolled.kernels.reference` computes in NumPy.

>>> from unrolled import kernels
>>> sorted(kernels.build_info())
['compiler', 'instruction_set', 'runnable']
"""

import os
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import ArgumentError
from unrolled.kernels import memory_pool, reference
from unrolled.kernels.loading import KernelsMissingWarning, warn_missing
from unrolled.kernels.loading import compiled as _compiled

__all__ = ["KernelsMissingWarning", "available", "build_info", "release", "sigmoid", "tanh"]

Real = TypeVar("Real", np.float32, np.float64)


def _select_instruction_set(variable: str) -> None:
    """Select the instruction set that this environment variable names, if it is set."""
    name = os.environ.get(variable)
    if name and (_compiled is None or not _compiled.select(name)):
        runnable = (
            "none, for the kernels are missing" if _compiled is None else ", ".join(_compiled.runnable())
        )
        raise ArgumentError(
            f"{variable}: expected an instruction set that this processor runs ({runnable}), got {name!r}."
            " Unset it for the fastest."
        )


_select_instruction_set("UNROLLED_INSTRUCTION_SET")


def available() -> bool:
    """Tell whether the compiled kernels are installed."""
    return _compiled is not None


def build_info() -> dict[str, str]:
    """Describe the compiled kernels and what of them runs on this processor.

    Returns:
        The `compiler` that built them ("none" without them), the `instruction_set` in use ("numpy"
        without them) and all that are `runnable` on this processor, the plainest first.
    """
    if _compiled is None:
        return {"compiler": "none", "instruction_set": "numpy", "runnable": ""}
    return {
        "compiler": _compiled.compiler(),
        "instruction_set": _compiled.selected(),
        "runnable": " ".join(_compiled.runnable()),
    }


def release() -> int:
    """Free the memory that is cached between calls and in use by none.

    The kernels cache at most 512 MiB of scratch memory, and the pool of large results
    (`unrolled.kernels.memory_pool`) holds at most 512 MiB, lent blocks included.

    Returns:
        The number of bytes freed.
    """
    return memory_pool.SHARED.release() + (0 if _compiled is None else _compiled.release())


def tanh(x: NDArray[Real], out: NDArray[Real] | None = None) -> NDArray[Real]:
    """Hyperbolic tangent: (e^2x - 1) / (e^2x + 1).

    Args:
        x: any shape, float32 or float64, C-contiguous.
        out: where the result goes; the shape and dtype of `x`. It may be `x` itself.

    Returns:
        `out`, or a new array: every value within 3 ulp, and the sign of `x` kept.

    Raises:
        ArgumentError: an array is of another kind, not contiguous, or overlaps in part.

    Edge cases: ±0 and subnormal numbers come back as they are, ±inf gives ±1, NaN gives NaN.

    Source: Cody and Waite, Software Manual for the Elementary Functions (1980), ch. 6, for the
    reduction; the polynomial is our own (`simd/math.hpp`).

    >>> import numpy as np
    >>> tanh(np.array([-1.0, 0.0, 1.0])).round(4)
    array([-0.7616,  0.    ,  0.7616])
    """
    return _run("tanh", x, out)


def sigmoid(x: NDArray[Real], out: NDArray[Real] | None = None) -> NDArray[Real]:
    """Logistic sigmoid: 1 / (1 + e^-x).

    Args:
        x: any shape, float32 or float64, C-contiguous.
        out: where the result goes; the shape and dtype of `x`. It may be `x` itself.

    Returns:
        `out`, or a new array: every value within 3 ulp, far out to the left as well, where
        the result is subnormal.

    Raises:
        ArgumentError: an array is of another kind, not contiguous, or overlaps in part.

    Edge cases: ±0 gives 0.5, -inf gives 0, inf gives 1, NaN gives NaN.

    Source: as `tanh`; e^-|x| over 1 + e^-|x| on the left, so that nothing cancels.

    >>> import numpy as np
    >>> sigmoid(np.array([-1.0, 0.0, 1.0])).round(4)
    array([0.2689, 0.5   , 0.7311])
    """
    return _run("sigmoid", x, out)


def _run(name: str, x: NDArray[Real], out: NDArray[Real] | None) -> NDArray[Real]:
    _check_array(f"{name} x", x)
    if out is None:
        out = np.empty_like(x)
    else:
        _check_target(name, x, out)
    if _compiled is None:
        warn_missing(stacklevel=3)
    source: Any = reference if _compiled is None else _compiled
    kernel: Callable[[NDArray[Real], NDArray[Real]], None] = getattr(source, name)
    kernel(x, out)
    return out


def _check_array(argument: str, array: NDArray[Any]) -> None:
    """Refuse an array that a bare pointer cannot describe; nothing is copied silently."""
    if not isinstance(array, np.ndarray):
        raise ArgumentError(
            f"{argument}: expected a NumPy array of float32 or float64, got {type(array).__name__}. "
            "Convert it with numpy.asarray(x, dtype=...), or x.numpy() for a tensor."
        )
    if array.dtype.char not in "fd" or not array.dtype.isnative:
        raise ArgumentError(
            f"{argument}: expected float32 or float64, got {array.dtype.str}. Convert it with x.astype(...)."
        )
    if not array.flags.c_contiguous:
        raise ArgumentError(
            f"{argument}: expected a C-contiguous array, got shape {array.shape} with strides "
            f"{array.strides}. Pass numpy.ascontiguousarray(x)."
        )


def _check_target(name: str, x: NDArray[Any], out: NDArray[Any]) -> None:
    argument = f"{name} out"
    _check_array(argument, out)
    if out.shape != x.shape or out.dtype != x.dtype:
        raise ArgumentError(
            f"{argument}: expected the shape and dtype of x, {x.shape} {x.dtype}; "
            f"got {out.shape} {out.dtype}. Leave it out for a new array."
        )
    if not out.flags.writeable:
        raise ArgumentError(f"{argument}: expected an array that can be written, got a read-only one.")
    if out.ctypes.data != x.ctypes.data and np.may_share_memory(x, out):
        raise ArgumentError(
            f"{argument}: expected x itself or other memory, got an array that overlaps x in part. "
            "Leave it out for a new array."
        )
