"""Upkeep and the end of a server."""

import time
from collections.abc import Callable
from typing import Any

import pytest


def test_idle_streams_expire(new_server: Callable[..., Any]) -> None:
    """By the clock of the server."""
    served = new_server(idle_s=1)
    served.request("POST", "/streams/a/steps", {"n": 1, "x": [[1, 2, 3]]})
    until = time.monotonic() + 30
    while served.request("GET", "/streams").record["count"]:
        assert time.monotonic() < until
        time.sleep(0.1)
    assert served.request("GET", "/streams/a").status == 404


def test_what_was_taken_is_answered_before_the_end(
    new_server: Callable[..., Any], tmp_path: Any, ask: Any
) -> None:
    """Then the connection is closed, and the store holds it."""
    from websockets.exceptions import ConnectionClosed

    served = new_server(tmp_path / "s.db")
    session = served.core.session
    apply_many = session.apply_many

    def slowly(*args: Any, **kwargs: Any) -> Any:
        time.sleep(0.5)
        return apply_many(*args, **kwargs)

    session.apply_many = slowly
    with served.socket() as connection:
        connection.send('{"stream": "a", "n": 1, "x": [[1, 2, 3]]}')
        time.sleep(0.2)
        served.stop()
        assert '"last":1' in connection.recv(timeout=30)
        with pytest.raises(ConnectionClosed):
            connection.recv(timeout=30)
    again = new_server(tmp_path / "s.db")
    assert again.request("GET", "/streams/a").record == {"stream": "a", "last": 1}


def test_a_clock_that_is_set_ages_no_stream(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds pass as they do, whatever the machine's date becomes."""
    before = served.core.now()
    assert abs(before - time.time()) < 5
    monkeypatch.setattr(time, "time", lambda: 4e9)
    assert served.core.now() - before <= 5
