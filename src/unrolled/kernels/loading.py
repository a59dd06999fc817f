"""Load the compiled kernels, or warn that this installation has none."""

import warnings

try:  # `from ... import` would raise the same error for a module that is there but does not load
    import unrolled.kernels._compiled as compiled
except ModuleNotFoundError:
    compiled = None  # type: ignore[assignment]


__all__ = ["KernelsMissingWarning", "compiled", "warn_missing"]


class KernelsMissingWarning(RuntimeWarning):
    """This installation has no compiled kernels; NumPy and torch do the work, more slowly."""


_has_warned = False


def warn_missing(stacklevel: int = 2) -> None:
    """Warn that the compiled kernels are missing, once a process whatever the warning filters.

    Args:
        stacklevel: as of `warnings.warn`, were it called in place of this function.
    """
    global _has_warned  # noqa: PLW0603 (once a process)
    if not _has_warned:
        _has_warned = True
        warnings.warn(
            "unrolled.kernels: this installation was built without a compiler, so NumPy and torch do the "
            "work, more slowly. Install g++ (at least 11) or clang++ and reinstall unrolled with pip install "
            "--force-reinstall --no-deps --no-cache-dir.",
            KernelsMissingWarning,
            stacklevel=stacklevel + 1,
        )
