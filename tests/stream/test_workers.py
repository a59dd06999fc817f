"""Streams are spread over workers, which start and end together."""

import signal
import subprocess
import sys
import time

import pytest

from unrolled.stream.server.settings import ServerSettings
from unrolled.stream.workers import other_worker, run_workers, stays_here, worker_of


def test_streams_are_spread_evenly_and_for_good() -> None:
    """By a digest of the name that does not change from one process to the next."""
    counts = [sum(worker_of(f"s{k}", 4) == worker for k in range(4000)) for worker in range(1, 5)]
    assert min(counts) > 850
    assert [worker_of(name, 3) for name in ("a", "pump 7", "Zürich")] == [1, 3, 1]
    assert worker_of("a", 1) == 1


def test_each_worker_knows_the_addresses_of_the_others() -> None:
    """Consecutive ports, whichever it is itself."""
    for worker in range(1, 4):
        moved = other_worker(ServerSettings(port=9000 + worker - 1), worker, 3)
        for name in ("a", "b", "c", "d", "e"):
            port = 9000 + worker_of(name, 3) - 1
            expected = None if worker_of(name, 3) == worker else f"http://127.0.0.1:{port}"
            assert moved(name) == expected
    assert stays_here("a") is None


def test_a_server_of_every_address_is_called_by_its_allowed_name() -> None:
    """0.0.0.0 leads nowhere."""
    settings = ServerSettings(host="0.0.0.0", token="0" * 16, allowed_hosts=["*", "pumps.example.org"])
    assert settings.public_host == "pumps.example.org"
    assert ServerSettings(host="::1").public_host == "[::1]"


def test_one_that_ends_ends_all() -> None:
    """With its status."""
    sleeps = [sys.executable, "-c", "import time; time.sleep(60)"]
    started = time.monotonic()
    assert run_workers([sleeps, [sys.executable, "-c", "raise SystemExit(3)"]]) in {3, -signal.SIGTERM}
    assert time.monotonic() - started < 30


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_all(number: int) -> None:
    """Each ends as it does alone."""
    code = (
        "import sys; from unrolled.stream.workers import run_workers\n"
        "child = 'import os, signal, time; signal.signal(signal.SIGTERM, lambda *_: exit(0)); '\n"
        "child += 'os.write(1, b\"x\"); time.sleep(60)'\n"
        "raise SystemExit(run_workers([[sys.executable, '-c', child]] * 2))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.read(2) == "xx"
    process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode == 0
