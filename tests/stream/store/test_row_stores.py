"""Every kind of store keeps the protocol."""

from collections.abc import Callable
from typing import Any

from unrolled.stream.store.row import START, StreamRow

Make = Callable[..., StreamRow]


def test_what_was_committed_is_read(store: Any, row: Make) -> None:
    """Streams that there are not are left out."""
    rows = {name: row(k) for k, name in enumerate(["b", "a", "Zürich ü", "a b"], start=1)}
    assert store.commit({name: (START, each) for name, each in rows.items()}, now=5) == set()
    assert store.read([*rows, "none"]) == rows
    assert store.read_histories([*rows, "none"]) == {name: each.history for name, each in rows.items()}
    assert (len(store), store.sizes().streams) == (4, 4)
    assert store.sizes().bytes > sum(len(each.state) + len(each.answer) for each in rows.values()) - 1


def test_a_row_follows_on_the_one_before(store: Any, row: Make) -> None:
    """One whose stream has another history is left as it is; those beside it are written."""
    one, two = row(1), row(2, b"history1")
    store.commit({"a": (START, one), "b": (START, one)}, now=5)
    changes = {"a": (b"other", two), "b": (b"history1", two), "c": (b"history1", two), "d": (START, one)}
    assert store.commit(changes, now=6) == {"a", "c"}
    assert store.read("abcd") == {"a": one, "b": two, "d": one}
    assert store.commit({"a": (START, two)}, now=7) == {"a"}
    assert len(store) == 3


def test_a_deleted_stream_is_gone(store: Any, row: Make) -> None:
    """And can be made anew."""
    store.commit({"a": (START, row(1)), "b": (START, row(2))}, now=5)
    assert [store.delete(name) for name in "aac"] == [True, False, False]
    assert (store.read("ab"), len(store)) == ({"b": row(2)}, 1)
    assert store.commit({"a": (START, row(3))}, now=6) == set()
    assert store.read("a") == {"a": row(3)}


def test_names_come_in_order_and_in_pages(store: Any, row: Make) -> None:
    """From after a name on."""
    store.commit({f"s{k:02d}": (START, row(1)) for k in (4, 1, 3, 10, 2)}, now=5)
    assert store.names() == ["s01", "s02", "s03", "s04", "s10"]
    assert store.names(most=2) == ["s01", "s02"]
    assert store.names("s02", most=2) == ["s03", "s04"]
    assert store.names("s10") == []


def test_idle_streams_expire_a_few_at_a_time(store: Any, row: Make) -> None:
    """Several calls look at all; one that was seen again stays."""
    store.commit({f"s{k:02d}": (START, row(1)) for k in range(10)}, now=100)
    store.commit({"s03": (b"history1", row(2, b"history1"))}, now=200)
    assert store.expire(100) == []
    gone: set[str] = set()
    for _ in range(6):
        expired = store.expire(150, most=3)
        assert len(expired) <= 3
        gone |= set(expired)
    assert gone == {f"s{k:02d}" for k in range(10)} - {"s03"}
    assert store.names() == ["s03"]
    assert len(store) == 1
