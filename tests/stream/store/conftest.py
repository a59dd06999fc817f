"""Stores of each kind, and rows to put into them."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from unrolled.stream.store.memory import MemoryStore
from unrolled.stream.store.redis import RedisStore
from unrolled.stream.store.row import START, StreamRow
from unrolled.stream.store.sqlite import SQLiteStore

_PREFIXES = count()


@pytest.fixture
def prefix() -> str:
    """A beginning of keys that no other test has."""
    return f"test{next(_PREFIXES)}"


@pytest.fixture(params=["memory", "sqlite", "redis"])
def store(request: pytest.FixtureRequest, tmp_path: Path, prefix: str) -> Iterator[Any]:
    """An empty store of each kind."""
    made: Any
    if request.param == "memory":
        made = MemoryStore()
    elif request.param == "sqlite":
        made = SQLiteStore(tmp_path / "streams.db", model="m")
    else:
        made = RedisStore(request.getfixturevalue("redis_server").url, model="m", prefix=prefix)
    yield made
    made.close()


@pytest.fixture(scope="session")
def row() -> Callable[..., StreamRow]:
    """Makes rows that differ in every field."""

    def make(last: int, previous: bytes = START) -> StreamRow:
        mark = b"%d" % last
        return StreamRow(last, 1, previous, b"history" + mark, b"state\0" + mark, b"answer" + mark)

    return make
