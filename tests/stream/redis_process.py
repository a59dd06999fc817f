"""A Redis of the test's own, which it may kill and start again."""

import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest


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
