"""Stores of each kind, and rows to put into them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from unrolled.stream.store.memory import MemoryStore
from unrolled.stream.store.row import START, StreamRow
from unrolled.stream.store.sqlite import SQLiteStore


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """An empty store of each kind."""
    made = MemoryStore() if request.param == "memory" else SQLiteStore(tmp_path / "streams.db", model="m")
    yield made
    made.close()


@pytest.fixture(scope="session")
def row() -> Callable[..., StreamRow]:
    """Makes rows that differ in every field."""

    def make(last: int, previous: bytes = START) -> StreamRow:
        mark = b"%d" % last
        return StreamRow(last, 1, previous, b"history" + mark, b"state\0" + mark, b"answer" + mark)

    return make
