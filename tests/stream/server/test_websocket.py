"""Many streams on one connection; messages out of turn are answered, not applied."""

import contextlib
import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from websockets.exceptions import ConnectionClosed

from unrolled.stream.server import websocket

Array = NDArray[np.float64]


def test_streams_on_one_connection_equal_one_run_each(served: Any, recurrence: Any, events: Array) -> None:
    """A message of each is sent before the first answer is read."""
    whole = recurrence().steps({"s": events})["s"]
    with served.socket() as connection:
        for n in range(1, 11):
            for k in range(5):
                connection.send(json.dumps({"stream": f"ws{k}", "n": n, "x": [events[n - 1].tolist()]}))
            replies = [json.loads(connection.recv(timeout=30)) for _ in range(5)]
            assert sorted(reply["stream"] for reply in replies) == [f"ws{k}" for k in range(5)]
            assert all(reply["last"] == n and reply["y"] == [whole[n - 1].tolist()] for reply in replies)


def test_gaps_and_old_messages_say_how_to_go_on(served: Any, ask: Any, events: Array) -> None:
    """With the number that is wanted, or the last one."""
    x = events[:2].tolist()
    with served.socket() as connection:
        first = ask(connection, {"stream": "turn", "n": 1, "x": x})
        assert ask(connection, {"stream": "turn", "n": 1, "x": x}) == first
        assert (
            ask(connection, {"stream": "turn", "n": 5, "x": x}).items() >= {"error": "gap", "want": 3}.items()
        )
        assert (
            ask(connection, {"stream": "turn", "n": 2, "x": x}).items() >= {"error": "old", "last": 2}.items()
        )
        assert ask(connection, {"stream": "turn"}) == {"stream": "turn", "last": 2}
        assert (
            ask(connection, b'{"stream": "turn", "n": 3, "x": [[0, 0, 0]]}')["last"] == 3
        )  # binary frames too


def test_messages_of_one_stream_are_applied_in_their_order(
    served: Any, recurrence: Any, events: Array
) -> None:
    """Though the client waits for no answer."""
    with served.socket() as connection:
        for n in range(1, 41):
            connection.send(json.dumps({"stream": "piped", "n": n, "x": [events[n - 1].tolist()]}))
        replies = [json.loads(connection.recv(timeout=30)) for _ in range(40)]
    assert [reply["last"] for reply in replies] == list(range(1, 41))
    assert [reply["y"][0] for reply in replies] == recurrence().steps({"s": events})["s"].tolist()


def test_a_client_that_does_not_read_is_read_no_further(served: Any, events: Array) -> None:
    """Its window fills, and the server keeps no more of its messages; others are served meanwhile."""
    with served.socket() as silent:
        sent = 0
        message = json.dumps({"stream": "silent", "n": 1, "x": events.tolist()})
        silent.socket.settimeout(1.0)
        with contextlib.suppress(TimeoutError, OSError, ConnectionClosed):
            while sent < 20_000:
                silent.send(message)
                sent += 1
        assert sent < 20_000
        assert served.core.batcher._n_waiting <= 256
        assert all(len(outbox) <= 256 for outbox in served.core.outboxes.values())
        assert served.request("GET", "/healthz").status == 200


def test_a_client_that_leaves_loses_answers_only(served: Any, ask: Any, events: Array) -> None:
    """What it sent was applied; its next connection gets the answer again."""
    x = events[:3].tolist()
    with served.socket() as connection:
        connection.send(json.dumps({"stream": "left", "n": 1, "x": x}))
    until = time.monotonic() + 30
    while served.request("GET", "/streams/left").status == 404:
        assert time.monotonic() < until
    with served.socket() as connection:
        assert ask(connection, {"stream": "left", "n": 1, "x": x})["last"] == 3


def test_a_stream_of_another_worker_has_moved(new_server: Callable[..., Any], ask: Any) -> None:
    """With the address to ask."""
    served = new_server(moved=lambda stream: "http://127.0.0.1:9" if stream == "b" else None)
    with served.socket() as connection:
        reply = ask(connection, {"stream": "b", "n": 1, "x": [[1, 2, 3]]})
        assert (reply["error"], reply["to"]) == ("moved", "http://127.0.0.1:9")
        assert ask(connection, {"stream": "a", "n": 1, "x": [[1, 2, 3]]})["last"] == 1


def test_a_draining_server_takes_no_message(new_server: Callable[..., Any], ask: Any) -> None:
    """It says to send it again."""
    served = new_server()
    with served.socket() as connection:
        served.core.is_draining = True
        assert ask(connection, {"stream": "a", "n": 1, "x": [[1, 2, 3]]})["error"] == "draining"
        served.core.is_draining = False
        assert ask(connection, {"stream": "a", "n": 1, "x": [[1, 2, 3]]})["last"] == 1


def test_replies_that_are_not_read_are_bounded(
    new_server: Callable[..., Any], events: Array, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In bytes too; a client that reads nothing for long is let go, and its messages were applied."""
    monkeypatch.setattr(websocket, "_MOST_BYTES", 50_000)
    monkeypatch.setattr(websocket, "_UNREAD_S", 0.5)
    server = new_server()
    with server.socket(close_timeout=0.1) as silent:
        silent.socket.settimeout(1.0)
        x = np.tile(events, (20, 1)).tolist()
        with contextlib.suppress(TimeoutError, OSError, ConnectionClosed):
            for k in range(150):
                silent.send(f'{{"stream": "s{k}", "n": 1, "x": {x}}}')
        until = time.monotonic() + 30
        while server.core.outboxes:
            assert all(sum(map(len, outbox)) < 500_000 for outbox in server.core.outboxes.values())
            assert time.monotonic() < until
            time.sleep(0.05)
    assert server.request("GET", "/streams/s0").record["last"] == 800


def test_answers_larger_than_their_messages_are_bounded_too(
    new_server: Callable[..., Any], language_model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of a language model, ten letters for each one: few messages of a connection wait at a time."""
    monkeypatch.setattr(websocket, "_MOST_BYTES", 50_000)
    server = new_server(model=language_model)
    batches, apply_many = list[int](), server.core.session.apply_many

    def slowly(messages: Any, **options: Any) -> Any:
        batches.append(len(messages))
        time.sleep(0.05)
        return apply_many(messages, **options)

    server.core.session.apply_many = slowly
    with server.socket() as connection:
        for k in range(30):
            connection.send(f'{{"stream": "s{k}", "n": 1, "x": "{"to be " * 50}"}}')
            if k == 0:
                assert '"last":300' in connection.recv(timeout=30)
        for _ in range(29):
            assert '"last":300' in connection.recv(timeout=30)
    assert sum(batches) == 30
    assert max(batches) <= 5
