"""Follow a CSV file into a stream: rows are read at least once; each, and each answer, counts exactly once.

    unrolled serve model --store streams.db
    python examples/tail_csv.py readings.csv answers.jsonl http://127.0.0.1:8000/streams/pump-7/steps

Row k of the file, after its header, is event k of the stream. A line of the answers is that to a message,
{"n": number of its first row, "y": an answer a row}, and so says how far this script came. Killed and started
again it sends the rows without an answer: the server applies those that are new to it, and answers its last
message again from its store. Standard library only.
"""

import json
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

MOST_ROWS = 256  # in one message
PAUSE_S = 0.2


def whole_lines(path: Path) -> list[bytes]:
    """Return the lines of a file that are written to their end."""
    return path.read_bytes().split(b"\n")[:-1] if path.exists() else []


def new_rows(path: Path, after: int) -> Iterator[list[list[float | None]]]:
    """Yield rows of a growing file, those after a number, as they come; an empty cell is a missing value."""
    n_lines, line, rows = 0, b"", []
    with path.open("rb") as file:
        while True:
            line += file.readline()
            if is_whole := line.endswith(b"\n"):
                n_lines += 1
                if n_lines > after + 1:  # beyond the header too
                    rows.append([float(cell) if cell else None for cell in line.decode().strip().split(",")])
                line = b""
            if rows and (not is_whole or len(rows) == MOST_ROWS):
                yield rows
                rows = []
            elif not is_whole:
                time.sleep(PAUSE_S)


def send(address: str, n: int, rows: list[Any]) -> dict[str, Any]:
    """Send events until the server answers, and return its record."""
    body = json.dumps({"n": n, "x": rows}).encode()
    while True:
        try:
            with urllib.request.urlopen(address, body, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as fault:
            record = json.load(fault)
            if fault.code != 503:  # busy, stopping, or its store is away
                return record
        except OSError:
            pass  # it is not there
        time.sleep(PAUSE_S)


def follow(source: Path, answers: Path, address: str) -> None:
    """Send the rows of a file for ever, and write a line of answers a message."""
    answered = whole_lines(answers)
    last = json.loads(answered[-1]) if answered else {"n": 1, "y": []}
    n = last["n"] + len(last["y"])
    with answers.open("ab") as out:
        out.truncate(sum(len(line) + 1 for line in answered))  # without a line that a kill has cut
        for rows in new_rows(source, n - 1):
            message, reply = rows, send(address, n, rows)
            if reply.get("error") == "old":  # its first rows were applied, and a kill came before their line
                message = rows[: reply["last"] - n + 1]
                reply = send(address, n, message)
                n = write(out, n, message, reply)
                message = rows[len(message) :]
                reply = send(address, n, message)
            n = write(out, n, message, reply)


def write(out: BinaryIO, n: int, message: list[Any], reply: dict[str, Any]) -> int:
    """Write the answers to a message; return the number of the next row."""
    if "error" in reply:
        raise SystemExit(f"row {n}: {reply['message']}")
    out.write(json.dumps({"n": n, "y": reply["y"]}).encode() + b"\n")
    out.flush()
    return n + len(message)


if __name__ == "__main__":
    follow(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
