"""The pool of large results: lent once at a time, bounded, given back by itself."""

import random
import threading

import numpy as np
import torch

from unrolled.kernels.memory_pool import LEAST_BYTES, MemoryPool

MIB = 2**20


def test_small_arrays_never_touch_the_pool() -> None:
    """They are ordinary memory, and so is what is larger than the whole pool."""
    pool = MemoryPool(limit_bytes=4 * MIB)
    arrays = [pool.empty((LEAST_BYTES - 1,), "u1"), pool.empty((5 * MIB,), "u1")]
    assert [a.nbytes for a in arrays] == [LEAST_BYTES - 1, 5 * MIB]
    assert pool.pooled_bytes == 0


def test_a_block_is_reused_once_its_array_is_gone() -> None:
    """Two at once lie apart; after both are gone, the next two lie where they lay."""
    pool = MemoryPool()
    first, second = pool.empty((MIB,), "f4"), pool.empty((MIB,), "f4")
    assert not np.may_share_memory(first, second)
    addresses = {first.ctypes.data, second.ctypes.data}
    tensor = torch.from_numpy(first)  # which holds on to the array
    del first, second
    assert pool.empty((MIB,), "f4").ctypes.data in addresses - {tensor.data_ptr()}
    view = tensor[5:]
    del tensor
    again = [pool.empty((MIB,), "f4") for _ in range(2)]
    assert view.data_ptr() - 20 not in {a.ctypes.data for a in again}
    assert {a.shape for a in again} == {(MIB,)}


def test_arrays_are_aligned_and_shaped() -> None:
    """To 64 bytes, whatever the dtype."""
    pool = MemoryPool()
    for shape, dtype in (((3, 7, 50001), "f4"), ((200001,), "f8")):
        actual = pool.empty(shape, dtype)
        assert (actual.shape, actual.dtype, actual.ctypes.data % 64) == (shape, np.dtype(dtype), 0)
        assert actual.flags.c_contiguous
        assert actual.flags.writeable


def test_memory_outside_the_pool_is_aligned_too() -> None:
    """It is full, asked for more than its limit or for little, or busy."""
    pool, actual = MemoryPool(limit_bytes=4 * MIB), []
    taken = pool.empty((3 * MIB,), "u1")
    for _ in range(4):
        actual += [
            pool.empty((2 * MIB + 8,), "u1"),
            pool.empty((5 * MIB + 8,), "u1"),
            pool.empty((99,), "u1"),
        ]
        with pool._lock:
            actual.append(pool.empty((MIB + 8,), "u1"))
    assert {array.ctypes.data % 64 for array in actual} == {0}
    assert pool.pooled_bytes == taken.nbytes


def test_varying_sizes_do_not_grow_the_pool() -> None:
    """Thousands of sizes, some of them held for a while: never more than the limit, and always memory."""
    pool, draw, members = MemoryPool(limit_bytes=64 * MIB), random.Random(1), []
    for _ in range(2000):
        members.append(pool.empty((draw.randrange(MIB, 40 * MIB),), "u1"))
        members[-1][-1] = 7
        if len(members) > 3:
            members.pop(draw.randrange(len(members)))
        assert pool.pooled_bytes <= 64 * MIB
    assert {int(array[-1]) for array in members} == {7}
    members.clear()
    assert pool.release() > 0
    assert pool.pooled_bytes == 0


def test_nearly_equal_sizes_share_a_block() -> None:
    """As batches of ragged rows have it."""
    pool = MemoryPool()
    for size in range(9 * MIB - 900_000, 9 * MIB, 100_000):
        pool.empty((size,), "u1")
    assert pool.pooled_bytes == 9 * MIB


def test_threads_never_share_a_block() -> None:
    """Each finds in its array what it wrote."""
    pool, wrong = MemoryPool(), []

    def work(mark: int) -> None:
        for _ in range(200):
            mine = pool.empty((MIB,), "u1")
            mine[::4096] = mark
            wrong.extend(mine[::4096][mine[::4096] != mark])

    threads = [threading.Thread(target=work, args=(k,)) for k in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_locked_pool_falls_back_to_ordinary_memory() -> None:
    """As after a fork while another thread was in it: nobody waits for ever."""
    pool = MemoryPool()
    with pool._lock:
        assert pool.empty((MIB,), "u1").nbytes == MIB
    assert pool.pooled_bytes == 0
