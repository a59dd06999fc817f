"""Several workers: which one has a stream, and how they are started and ended together."""

from __future__ import annotations

import signal
import subprocess
import time
import zlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unrolled.stream.server.settings import ServerSettings


def worker_of(stream: str, workers: int) -> int:
    """Return the number of the worker, from 1, that has a stream.

    >>> [worker_of(name, 4) for name in ("a", "b", "c")]
    [4, 2, 4]
    """
    return zlib.crc32(stream.encode("utf-8", "surrogatepass")) % workers + 1


def stays_here(stream: str) -> str | None:
    """Say that no other worker has a stream."""
    del stream
    return None


def other_worker(settings: ServerSettings, worker: int, workers: int) -> Callable[[str], str | None]:
    """Make the function that names the address of a stream's worker; None where it is this one.

    Args:
        settings: of this worker; workers listen at consecutive ports.
        worker: number of this one.
        workers: how many there are.
    """
    host = settings.public_host
    first = settings.port - worker + 1

    def address(stream: str) -> str | None:
        other = worker_of(stream, workers)
        return None if other == worker else f"http://{host}:{first + other - 1}"

    return address


def run_workers(commands: Sequence[Sequence[str]]) -> int:
    """Run a process a worker until a signal, or until one of them ends; then end all.

    Returns:
        0, or the status of the first that failed.
    """
    processes = [subprocess.Popen(command) for command in commands]  # noqa: S603 (our own words)
    is_ending = False

    def end(*_: Any) -> None:
        nonlocal is_ending
        is_ending = True

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        while not is_ending and all(process.poll() is None for process in processes):
            time.sleep(0.1)
    finally:
        for process in processes:
            process.terminate()
        statuses = [process.wait() for process in processes]
        for number, handler in before.items():
            signal.signal(number, handler)
    return next((status for status in statuses if status), 0)
