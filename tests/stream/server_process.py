"""A server of the recurrence in a process that may be killed and started again at the same address."""

import os
import socket
import subprocess
import sys
from pathlib import Path

CHILD = Path(__file__).with_name("serve_child.py")


class ServerProcess:
    """A server whose store is a file of SQLite or an address of Redis; its log goes to a file."""

    def __init__(self, store: object, log: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url, self.log, self.status = f"http://127.0.0.1:{port}", log, 0
        with log.open("wb") as file:
            self._parent = subprocess.Popen(
                [sys.executable, CHILD, str(store), str(port)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=file, text=True,
            )  # fmt: skip
        self.start()

    def start(self) -> None:
        pid, url = self._ask().split()
        assert url == self.url
        self._pid: int | None = int(pid)

    def end(self, number: int) -> None:
        """End it by a signal, and wait."""
        assert self._pid is not None
        os.kill(self._pid, number)
        self._pid, self.status = None, int(self._ask())

    def close(self) -> None:
        if self._pid is not None:
            self.end(9)
        self._parent.communicate()

    def _ask(self) -> str:
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        print(file=self._parent.stdin, flush=True)
        answer = self._parent.stdout.readline()
        assert answer, self.log.read_text()
        return answer
