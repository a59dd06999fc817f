"""States in memory are those of the store, up to the capacity; the oldest are dropped first."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.stream.session import Session
from unrolled.stream.state_cache import StateCache
from unrolled.stream.store.memory import MemoryStore


def test_what_was_not_used_for_longest_is_dropped(recurrence: Any, events: NDArray[np.float64]) -> None:
    """A stream that is loaded again is used again."""
    store, streams = MemoryStore(), recurrence(capacity=2)
    writer = Session(recurrence(), store)
    for name in "abc":
        writer.apply(name, 1, events[:1])
    cache = StateCache(streams, store)
    for names, held in [
        ("a", "a"),
        ("b", "ab"),
        ("a", "ab"),
        ("c", "ac"),
        ("b", "bc"),
        ("ab", "ab"),
        ("x", "b"),
    ]:
        heads, refusals = cache.load(names)
        assert (sorted(heads), refusals) == ([name for name in names if name != "x"], {})
        assert sorted(streams.states) == list(held)
    assert streams.states["b"].tolist() == writer._streams.states["b"].tolist()


def test_a_dropped_state_is_read_again(recurrence: Any, events: NDArray[np.float64]) -> None:
    """Its row keeps no state in memory besides the one in the streams."""
    store, streams = MemoryStore(), recurrence()
    Session(recurrence(), store).apply("a", 1, events[:3])
    cache = StateCache(streams, store)
    heads, _ = cache.load(["a"])
    assert (heads["a"].state, heads["a"].last) == (b"", 3)
    streams.states["a"] = np.zeros(5)
    cache.drop(["a", "unknown"])
    assert len(streams) == 0
    cache.load(["a"])
    assert streams.snapshot("a") == store.read(["a"])["a"].state
