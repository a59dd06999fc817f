"""Memory pool for large results: fresh pages of hundreds of MB cost a tenth of a step.

A block is lent as an array and returns by itself when the last reference to that array goes. At most
`LIMIT_BYTES` are pooled, lent and idle together; what exceeds them, and what is smaller than `LEAST_BYTES`,
is fresh memory outside the pool. All of it begins on a cache line, as the kernels' widest stores require.
"""

import threading
import weakref
from math import prod
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

LIMIT_BYTES = 512 * 2**20
LEAST_BYTES = 2**20
_ALIGNMENT = 64  # bytes: a line of the cache, a vector of AVX-512


class MemoryPool:
    """Pool of memory blocks that are lent again and again.

    >>> pool = MemoryPool()
    >>> lent = pool.empty((1024, 1024), "float32")
    >>> pool.pooled_bytes >> 20, pool.release() >> 20  # what is lent cannot be freed
    (4, 0)
    >>> del lent
    >>> pool.release() >> 20
    4
    """

    def __init__(self, limit_bytes: int = LIMIT_BYTES) -> None:
        self._limit = limit_bytes
        self._lock = threading.Lock()
        self._blocks: list[tuple[NDArray[np.uint8], weakref.ref[NDArray[Any]]]] = []  # used last comes last

    @property
    def pooled_bytes(self) -> int:
        """Bytes in the pool, lent and idle."""
        return sum(block.nbytes for block, _ in self._blocks)

    def empty(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """Allocate an array of this shape, its values undefined, from the pool where it is large and fits."""
        dtype = np.dtype(dtype)
        size = prod(shape) * dtype.itemsize
        if not LEAST_BYTES <= size <= self._limit:
            return _shaped(_aligned(size), shape, dtype)
        if not self._lock.acquire(blocking=False):  # locked at a fork, by another thread, or by our caller
            return _shaped(_aligned(size), shape, dtype)
        try:
            block = self._take(size)
            if block is None:
                return _shaped(_aligned(size), shape, dtype)
            lent = _shaped(block[:size], shape, dtype)
            self._blocks.append((block, weakref.ref(lent)))
            return lent
        finally:
            self._lock.release()

    def release(self) -> int:
        """Free the blocks that are not lent; return how many bytes that was."""
        if not self._lock.acquire(timeout=1):  # a fork can leave it locked for ever
            return 0
        try:
            before = self.pooled_bytes
            self._blocks = [entry for entry in self._blocks if entry[1]() is not None]
            return before - self.pooled_bytes
        finally:
            self._lock.release()

    def _take(self, size: int) -> NDArray[np.uint8] | None:
        """Take the smallest idle block less than twice too large, else a new one if the limit allows it."""
        idle = [k for k, (_, lent) in enumerate(self._blocks) if lent() is None]
        fitting = [k for k in idle if size <= self._blocks[k][0].nbytes <= 2 * size]
        if fitting:
            return self._blocks.pop(min(fitting, key=lambda k: self._blocks[k][0].nbytes))[0]
        block_size = _rounded(size)
        excess = self.pooled_bytes + block_size - self._limit
        evicted = set()
        for k in idle:  # those used longest ago go first
            if excess <= 0:
                break
            evicted.add(k)
            excess -= self._blocks[k][0].nbytes
        self._blocks = [entry for k, entry in enumerate(self._blocks) if k not in evicted]
        return None if excess > 0 else _aligned(block_size)


def _rounded(size: int) -> int:
    """Round up to the next eighth of a power of two, so that batches of nearly one size share a block."""
    step = 1 << max(0, size.bit_length() - 4)
    return -(-size // step) * step


def _aligned(size: int) -> NDArray[np.uint8]:
    """Allocate fresh memory that begins on a cache line; pages that nobody touches cost nothing."""
    raw = np.empty(size + _ALIGNMENT, np.uint8)
    return raw[-raw.ctypes.data % _ALIGNMENT :][:size]


def _shaped(block: NDArray[np.uint8], shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """View the bytes as an array of this shape."""
    return block.view(dtype).reshape(shape)


SHARED = MemoryPool()  # of all layers
