"""A process that serves one session over its pipes: a line of JSON in, a line of JSON out, after the commit.

kill_child.py STORE: a file of SQLite, or an address of Redis.
"""

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from recurrence import Recurrence

from unrolled.errors import StoreError
from unrolled.stream.replies import Applied, Gap, Message, Old
from unrolled.stream.session import Session


def open_store(place: str) -> Any:
    """Open the store at an address of Redis, or in a file."""
    if place.startswith("redis://"):
        from unrolled.stream.store.redis import RedisStore

        return RedisStore(place, model="one")
    from unrolled.stream.store.sqlite import SQLiteStore

    return SQLiteStore(place, model="one")


def _record(reply: Any) -> dict[str, Any]:
    if isinstance(reply, Gap | Old):
        return {"kind": type(reply).__name__, "last": getattr(reply, "last", 0)}
    return {
        "kind": "Applied" if isinstance(reply, Applied) else "Again",
        "last": reply.last,
        "y": reply.y.decode(),
    }


def main() -> None:
    """Apply batches until the pipe ends."""
    session = Session(Recurrence(capacity=4), open_store(sys.argv[1]))
    for line in sys.stdin:
        messages = [Message(stream, n, x) for stream, n, x in json.loads(line)]
        try:
            answer: Any = [_record(reply) for reply in session.apply_many(messages)]
        except StoreError as fault:
            answer = {"code": fault.code, "sentence": str(fault)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
