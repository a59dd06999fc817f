"""The compiled room: functions on flat arrays in C++, chosen for this processor when they first run.

They take C-contiguous NumPy arrays of float32 or float64, write into `out` or a new array, and let
other Python threads run meanwhile. Every element is computed alike wherever it stands, so a piece of
an array gives that piece of the answer, to the bit.

The environment variable UNROLLED_INSTRUCTION_SET, read at import, names another choice among those
that `build_info()` calls runnable.

Without a compiler the package installs without this room. `available()` says so, and the first
function called warns once; the numbers then come from `unrolled.kernels.reference`, in NumPy.

>>> from unrolled import kernels
>>> sorted(kernels.build_info())
['compiler', 'instruction_set', 'runnable']
"""

import os
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import ArgumentError
from unrolled.kernels import memory_pool, reference

try:  # `from ... import` would raise the same error for a module that is there but does not load
    import unrolled.kernels._compiled as _compiled  # noqa: PLR0402
except ModuleNotFoundError:
    _compiled = None  # type: ignore[assignment]

__all__ = [
    "KernelsMissingWarning", "available", "build_info", "release", "say_missing_once", "sigmoid", "tanh",
]  # fmt: skip

Real = TypeVar("Real", np.float32, np.float64)


class KernelsMissingWarning(RuntimeWarning):
    """This installation has no compiled room; NumPy and torch do the work, more slowly."""


def _obey(variable: str) -> None:
    """Use the instruction set that this environment variable names; nothing where it is not set."""
    name = os.environ.get(variable)
    if name and (_compiled is None or not _compiled.select(name)):
        runnable = (
            "none, for the kernels are missing" if _compiled is None else ", ".join(_compiled.runnable())
        )
        raise ArgumentError(
            f"{variable}: expected an instruction set that this processor runs ({runnable}), got {name!r}."
            " Unset it for the fastest."
        )


_obey("UNROLLED_INSTRUCTION_SET")


def available() -> bool:
    """Whether the compiled room is there."""
    return _compiled is not None


def build_info() -> dict[str, str]:
    """What was compiled, and what of it runs here.

    Returns:
        `compiler` that built the room ("none" without it), `instruction_set` in use ("numpy"
        without it) and all that are `runnable` on this processor, the plainest first.
    """
    if _compiled is None:
        return {"compiler": "none", "instruction_set": "numpy", "runnable": ""}
    return {
        "compiler": _compiled.compiler(),
        "instruction_set": _compiled.selected(),
        "runnable": " ".join(_compiled.runnable()),
    }


def release() -> int:
    """Free the memory that is kept between calls and in use by none.

    The compiled room keeps at most 512 MiB of what it computes with, and the pool of large results
    (`unrolled.kernels.memory_pool`) at most 512 MiB, what is lent included.

    Returns:
        How many bytes that was.
    """
    return memory_pool.release() + (0 if _compiled is None else _compiled.release())


def tanh(x: NDArray[Real], out: NDArray[Real] | None = None) -> NDArray[Real]:
    """Hyperbolic tangent: (e^2x - 1) / (e^2x + 1).

    Args:
        x: any shape, float32 or float64, C-contiguous.
        out: where the answer goes; the shape and dtype of `x`. It may be `x` itself.

    Returns:
        `out`, or a new array: every value within 3 ulp, and the sign of `x` kept.

    Raises:
        ArgumentError: an array is of another kind, not contiguous, or overlaps in part.

    Edge cases: ±0 and subnormal numbers come back as they are, ±inf gives ±1, NaN gives NaN.

    Source: Cody and Waite, Software Manual for the Elementary Functions (1980), ch. 6, for the
    reduction; the polynomial is our own (`math.hpp`).

    >>> import numpy as np
    >>> tanh(np.array([-1.0, 0.0, 1.0])).round(4)
    array([-0.7616,  0.    ,  0.7616])
    """
    return _run("tanh", x, out)


def sigmoid(x: NDArray[Real], out: NDArray[Real] | None = None) -> NDArray[Real]:
    """Logistic sigmoid: 1 / (1 + e^-x).

    Args:
        x: any shape, float32 or float64, C-contiguous.
        out: where the answer goes; the shape and dtype of `x`. It may be `x` itself.

    Returns:
        `out`, or a new array: every value within 3 ulp, far out to the left as well, where
        the answer is subnormal.

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
    _require_plain(f"{name} x", x)
    if out is None:
        out = np.empty_like(x)
    else:
        _require_target(name, x, out)
    if _compiled is None:
        say_missing_once()
    source: Any = reference if _compiled is None else _compiled
    kernel: Callable[[NDArray[Real], NDArray[Real]], None] = getattr(source, name)
    kernel(x, out)
    return out


def _require_plain(argument: str, array: NDArray[Any]) -> None:
    """Refuse what a bare pointer cannot describe; nothing is copied behind the caller's back."""
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


def _require_target(name: str, x: NDArray[Any], out: NDArray[Any]) -> None:
    argument = f"{name} out"
    _require_plain(argument, out)
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


def say_missing_once(stacklevel: int = 4) -> None:
    """Warn, once a process, that slower code does what the compiled room would do; at the caller's line."""
    global _missing_said  # noqa: PLW0603 (once a process, whatever the warning filters)
    if not _missing_said:
        _missing_said = True
        warnings.warn(
            "unrolled.kernels: this installation was built without a compiler, so NumPy and torch do the "
            "work, more slowly. Install g++ (at least 11) or clang++ and reinstall unrolled with pip install "
            "--force-reinstall --no-deps --no-cache-dir.",
            KernelsMissingWarning,
            stacklevel=stacklevel,
        )


_missing_said = False
