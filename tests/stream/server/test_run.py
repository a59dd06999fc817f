"""Connections that say nothing, too many of them, and the end by a signal."""

import contextlib
import gc
import os
import resource
import signal
import socket
from collections.abc import Callable
from typing import Any

import pytest

from unrolled.errors import StorageError
from unrolled.stream.server import run
from unrolled.stream.server.core import Core
from unrolled.stream.server.run import allow_connections
from unrolled.stream.server.settings import ServerSettings
from unrolled.stream.session import Session
from unrolled.stream.store.memory import MemoryStore


def test_a_connection_that_says_nothing_is_closed(
    new_server: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """So is one whose headers do not end; a WebSocket may be silent."""
    monkeypatch.setattr(run, "_HEADERS_S", 0.3)
    served = new_server()
    with served.socket() as quiet:
        for start in (b"", b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: "):
            with socket.create_connection(("127.0.0.1", served.port), timeout=30) as raw:
                raw.sendall(start)
                assert raw.recv(1000) == b""
        quiet.send('{"stream": "a"}')
        assert quiet.recv(timeout=30) == '{"stream":"a","last":0}'


def test_connections_have_a_limit(new_server: Callable[..., Any]) -> None:
    """The next one is told; those that are open are served, and a place is free again when one leaves."""
    served = new_server(max_connections=20)
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(served.socket())
        for _ in range(19):
            stack.enter_context(socket.create_connection(("127.0.0.1", served.port), timeout=30))
        response = served.request("GET", "/healthz")
        assert (response.status, response.record["error"]) == (503, "busy")
        first.send('{"stream": "a", "n": 1, "x": [[1, 2, 3]]}')
        assert '"last":1' in first.recv(timeout=30)
    for _ in range(100):
        if (response := served.request("GET", "/healthz")).status == 200:
            break
    assert response.status == 200


def test_a_port_that_is_taken_is_named() -> None:
    """With the reason."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StorageError, match=rf"127.0.0.1:{port}: cannot be listened at"):
            run.open_listener("127.0.0.1", port)


def test_an_address_is_written_as_clients_need_it() -> None:
    """IPv6 in brackets."""
    with run.open_listener("127.0.0.1", 0) as listener:
        assert run.address_text(listener) == f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize(
    ("hard", "count", "soft"),
    [(20_000, 10, 300), (20_000, 100, 356), (20_000, 10**9, 20_000), (resource.RLIM_INFINITY, 9_000, 9_256)],
)
def test_a_server_lets_itself_have_as_many_connections_as_the_system_does(
    monkeypatch: pytest.MonkeyPatch, hard: int, count: int, soft: int
) -> None:
    """The usual limit of files is far below 10,000 connections; it is raised up to the hard one."""
    limits = [300, hard]
    monkeypatch.setattr(resource, "getrlimit", lambda _: tuple(limits))
    monkeypatch.setattr(resource, "setrlimit", lambda _, new: limits.__setitem__(slice(None), new))
    allow_connections(count)
    assert limits == [soft, hard]


@pytest.mark.parametrize("was_frozen", [False, True])
def test_the_garbage_collector_leaves_alone_what_a_server_has_loaded(
    recurrence: Any, monkeypatch: pytest.MonkeyPatch, was_frozen: bool
) -> None:
    """While it serves; not before and not after, but for what the caller had frozen."""
    monkeypatch.setattr(run, "log_as_json", lambda: None)
    core = Core(Session(recurrence(capacity=4), MemoryStore()), ServerSettings(port=0))
    if was_frozen:
        gc.freeze()
    frozen = [gc.get_freeze_count()]

    def stop(address: str) -> None:
        del address
        frozen.append(gc.get_freeze_count())
        os.kill(os.getpid(), signal.SIGTERM)

    try:
        run.run_server(core, on_ready=stop)
        frozen.append(gc.get_freeze_count())
    finally:
        gc.unfreeze()
    assert frozen[1] > 10_000
    assert [count > 0 for count in frozen] == [was_frozen, True, was_frozen]
