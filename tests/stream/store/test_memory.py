"""The store in memory; tests/stream/store/test_store.py holds it to the protocol."""

from unrolled.stream.store.memory import MemoryStore


def test_it_is_not_shared_and_needs_no_care() -> None:
    """Nothing to close, nothing to put off."""
    store = MemoryStore()
    store.maintain()
    store.close()
    assert not store.is_shared
