"""A server of the recurrence in a process of its own; prints its address.

serve_child.py STORE PORT: a file of SQLite, or an address of Redis.
"""

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


def _tell(address: str) -> None:
    sys.stdout.write(address + "\n")
    sys.stdout.flush()


def main() -> None:
    """Serve until SIGTERM."""
    session = Session(Recurrence(capacity=64), open_store(sys.argv[1]), encode=encode_answers)
    run_server(Core(session, ServerSettings(port=int(sys.argv[2]))), on_ready=_tell)


if __name__ == "__main__":
    main()
