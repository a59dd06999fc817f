"""Servers of the recurrence, one at a time, forked from a process that has imported what they need.

serve_child.py STORE PORT: a file of SQLite, or an address of Redis. The first line of the standard input
starts a server, and its process id and address are the answer; the second waits for its end, and its status
is the answer; and so on.
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from kill_child import open_store
from recurrence import Recurrence

from unrolled.stream.server.core import Core
from unrolled.stream.server.run import run_server
from unrolled.stream.server.settings import ServerSettings
from unrolled.stream.server.wire import encode_answers
from unrolled.stream.session import Session


def _tell(words: str) -> None:
    sys.stdout.write(words + "\n")
    sys.stdout.flush()


def _serve(store: str, port: int) -> None:
    """Serve until SIGTERM."""
    session = Session(Recurrence(capacity=64), open_store(store), encode=encode_answers)
    core = Core(session, ServerSettings(port=port))
    run_server(core, on_ready=lambda address: _tell(f"{os.getpid()} {address}"))


def main() -> None:
    """Start and wait by turns."""
    while sys.stdin.readline():
        pid = os.fork()
        if pid == 0:
            _serve(sys.argv[1], int(sys.argv[2]))
            return
        sys.stdin.readline()
        _tell(str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])))


if __name__ == "__main__":
    main()
