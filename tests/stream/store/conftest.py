"""Stores of each kind, and rows to put into them."""

import shutil
import socket
import subprocess
import time
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


class RedisServer:
    """Debian's redis-server on a free port, its files in a folder of its own."""

    def __init__(self, folder: Path, *options: str) -> None:
        self._folder, self._options = folder, options
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.process: Any = None
        self.start()

    def start(self) -> None:
        words = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._folder), "--save", ""]
        with (self._folder / "redis.log").open("ab") as log:
            self.process = subprocess.Popen(["redis-server", *words, *self._options], stdout=log, stderr=log)
        for _ in range(600):
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=5) as ask:
                    ask.sendall(b"PING\r\n")
                    if ask.recv(100).startswith(b"+PONG"):  # not LOADING
                        return
            except OSError:
                pass
            time.sleep(0.05)
        raise RuntimeError((self._folder / "redis.log").read_text())

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def start_redis(folder: Path, *options: str) -> RedisServer:
    """Start a server, or skip where there is none."""
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed: apt-get install redis-server")
    return RedisServer(folder, *options)


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One server for many tests, which tell their keys apart by prefixes."""
    server = start_redis(tmp_path_factory.mktemp("redis"))
    yield server
    server.kill()


@pytest.fixture
def new_redis(tmp_path: Path) -> Iterator[Callable[..., RedisServer]]:
    """Starts servers of the test's own, with options."""
    servers: list[RedisServer] = []

    def start(*options: str) -> RedisServer:
        servers.append(start_redis(tmp_path, *options))
        return servers[-1]

    yield start
    for server in servers:
        server.kill()


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
