"""Threads of torch: as many as the process may use and the caller allows, while a piece of work runs."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from pathlib import Path
from typing import Any

import torch

from unrolled.kernels.loading import compiled
from unrolled.kernels.processors import usable_processors
from unrolled.nn.ops.forked_child import leave_lost_threads

_MIN_SHARED_OPERATIONS = 2e6  # a tenth of a millisecond of one thread


@contextmanager
def shared_processors() -> Iterator[None]:
    """Work on no more threads than the process may use, and let other processes have their share meanwhile.

    Where `torch.set_num_threads` allows more threads than there are processors for this process
    (`usable_processors`), it uses as many as there are; fewer threads are left as they are, and all is as it
    was afterwards, also where an error or Ctrl-C ends it. Only the calling thread is concerned: what runs in
    other threads, and threads that begin meanwhile, keep their number. Calls may be nested.

    While others want the processors, threads that wait sleep where they would spin
    (`kernels/runtime/contention.hpp`); their number, and so every result, stays what it is.

    >>> with shared_processors():
    ...     torch.get_num_threads() <= usable_processors()
    True
    """
    leave_lost_threads()
    if compiled is not None:
        compiled.watch_contention()
    before, usable = torch.get_num_threads(), usable_processors()
    if before <= usable:
        yield
        return
    restore = _set_threads(usable)
    try:
        yield
    finally:
        restore()


@contextmanager
def single_thread() -> Iterator[None]:
    """Work on one thread, for steps too small to share: two would wait for each other at every one.

    The number is as it was afterwards; other threads keep theirs, as with `shared_processors`.

    >>> with single_thread():
    ...     torch.get_num_threads()
    1
    """
    if torch.get_num_threads() == 1:
        yield
        return
    restore = _set_threads(1)
    try:
        yield
    finally:
        restore()


def threads_for(n_operations: float) -> AbstractContextManager[None]:
    """Run torch's operators on one thread where all of them together are less than it costs to share them.

    Beside busy processes each shared operator would wait for its second thread.

    Args:
        n_operations: numbers that the operators multiply or write.

    >>> with threads_for(100):
    ...     torch.get_num_threads()
    1
    """
    is_shared = n_operations >= _MIN_SHARED_OPERATIONS or torch.get_num_threads() == 1
    return nullcontext() if is_shared else single_thread()


def _set_threads(number: int) -> Any:
    """Set the number of torch's threads in the calling thread; return a function that undoes it.

    `torch.set_num_threads` would set it for all threads that begin later, too. OpenMP and MKL each keep
    one for a thread, which torch reads.
    """
    before = torch.get_num_threads()
    set_openmp, set_mkl = _setters()
    if set_openmp is None:
        torch.set_num_threads(number)
        return lambda: torch.set_num_threads(before)
    set_openmp(number)
    mkl_before = set_mkl(number) if set_mkl is not None else 0

    def restore() -> None:
        set_openmp(before)
        if set_mkl is not None:
            set_mkl(mkl_before)  # 0 where it followed OpenMP's

    return restore


@cache
def _setters() -> tuple[Any, Any]:
    """Return omp_set_num_threads and MKL_Set_Num_Threads_Local of the libraries that torch uses.

    The first is None where they cannot be told: without OpenMP, or with an MKL that torch does not show.
    """
    if not sys.platform.startswith("linux") or not torch.backends.openmp.is_available():  # type: ignore[no-untyped-call]
        return None, None
    try:
        openmp: Any = ctypes.CDLL(None).omp_set_num_threads
    except (AttributeError, OSError):
        return None, None
    if not torch.backends.mkl.is_available():  # type: ignore[no-untyped-call]
        return openmp, None
    try:
        library = ctypes.CDLL(str(Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"))
        return openmp, library.MKL_Set_Num_Threads_Local
    except (AttributeError, OSError):
        return None, None
