"""Live streams: messages that count once, stores that survive a kill, a server, a client.

    Session      numbered messages in, replies out; no socket and no clock
    MemoryStore, SQLiteStore, RedisStore
    connect      to a server that `unrolled serve` runs

>>> from unrolled import stream
>>> stream.SQLiteStore.__name__
'SQLiteStore'
"""

from typing import TYPE_CHECKING

from unrolled.lazy import lazy_attributes

if TYPE_CHECKING:  # the table below, for type checkers and editors
    from unrolled.stream.client import connect
    from unrolled.stream.session import Session
    from unrolled.stream.store.memory import MemoryStore
    from unrolled.stream.store.redis import RedisStore
    from unrolled.stream.store.sqlite import SQLiteStore

__all__ = ["MemoryStore", "RedisStore", "SQLiteStore", "Session", "connect"]

_SOURCES = {
    "MemoryStore": "unrolled.stream.store.memory",
    "RedisStore": "unrolled.stream.store.redis",
    "SQLiteStore": "unrolled.stream.store.sqlite",
    "Session": "unrolled.stream.session",
    "connect": "unrolled.stream.client",
}

__getattr__, __dir__ = lazy_attributes(__name__, _SOURCES)
