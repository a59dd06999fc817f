"""A server of the recurrence in a process that may be killed and started again at the same address."""

import socket
import subprocess
import sys
from pathlib import Path

CHILD = Path(__file__).with_name("serve_child.py")


class ServerProcess:
    """A server whose store is a file of SQLite or an address of Redis."""

    def __init__(self, store: object) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url, self._store = f"http://127.0.0.1:{self.port}", store
        self.start()

    def start(self) -> None:
        words = [sys.executable, CHILD, str(self._store), str(self.port)]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        assert self.process.stdout.readline().strip() == self.url

    def end(self, number: int) -> str:
        """End it by a signal; return what it logged."""
        self.process.send_signal(number)
        return self.process.communicate(timeout=60)[1]
