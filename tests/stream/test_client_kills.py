"""A client loses nothing and repeats nothing, whichever process is killed under load."""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ALWAYS = ("--appendonly", "yes", "--appendfsync", "always")
HUNDRED = pytest.param(100, marks=pytest.mark.slow)


def _kill_server(server: Any) -> Callable[[], None]:
    def kill_and_start() -> None:
        server.end(signal.SIGKILL)
        server.start()

    return kill_and_start


@pytest.mark.parametrize("n_kills", [1, HUNDRED])
@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_a_server_killed_under_load_loses_nothing(
    request: pytest.FixtureRequest,
    start_server: Callable[[object], Any],
    tmp_path: Path,
    recurrence: Any,
    killed: Any,
    kind: str,
    n_kills: int,
) -> None:
    """SIGKILL at random moments; the client sends again, and every answer is that of one run."""
    place: Any = tmp_path / "streams.db"
    server = start_server(place if kind == "sqlite" else request.getfixturevalue("new_redis")().url)
    n_answered = killed.serve_and_kill(
        server.url, _kill_server(server), n_kills=n_kills, recurrence=recurrence
    )
    assert n_answered > n_kills
    server.end(signal.SIGTERM)
    assert (server.status, "Traceback" in server.log.read_text()) == (0, False)


@pytest.mark.parametrize("n_kills", [2, HUNDRED])
def test_a_redis_killed_under_load_loses_nothing(
    start_server: Callable[[object], Any],
    new_redis: Callable[..., Any],
    recurrence: Any,
    killed: Any,
    n_kills: int,
) -> None:
    """It syncs always, so what was acknowledged is there when it is back; the server goes on by itself."""
    redis = new_redis(*ALWAYS)
    server = start_server(redis.url)

    def kill_and_start() -> None:
        redis.kill()
        redis.start()

    n_answered = killed.serve_and_kill(server.url, kill_and_start, n_kills=n_kills, recurrence=recurrence)
    assert n_answered > n_kills
    server.end(signal.SIGTERM)
    assert (server.status, "Traceback" in server.log.read_text()) == (0, False)
