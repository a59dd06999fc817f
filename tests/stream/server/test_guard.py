"""Host, Origin, token and rate, before any route."""

from collections.abc import Callable
from typing import Any

import pytest

from unrolled.stream.server.guard import RateLimit

TOKEN = "0123456789abcdef"


def test_a_page_of_elsewhere_cannot_reach_a_loopback_server(served: Any, ask: Any) -> None:
    """Neither by its own origin nor by its own name led to 127.0.0.1; HTTP and WebSocket alike."""
    from websockets.exceptions import InvalidStatus

    for headers, status, code in [
        ({"Host": f"evil.org:{served.port}"}, 421, "bad_host"),
        ({"Origin": "http://evil.org"}, 403, "bad_origin"),
        ({"Origin": "null"}, 403, "bad_origin"),
    ]:
        response = served.request("GET", "/streams", **headers)
        assert (response.status, response.record["error"]) == (status, code)
        assert served.request("GET", "/healthz", **headers).status == status
    with pytest.raises(InvalidStatus) as caught, served.socket(origin="http://evil.org"):
        pass
    assert caught.value.response.status_code == 403
    with served.socket(origin=f"http://127.0.0.1:{served.port}") as connection:
        assert ask(connection, {"stream": "none"})["last"] == 0


def test_a_page_of_an_allowed_origin_reads_what_it_asked_for(new_server: Callable[..., Any]) -> None:
    """Answers and faults alike; what it may send is said before it has a token. Others read nothing."""
    friend = "https://friend.org"
    locked = new_server(token=TOKEN, allowed_origins=[friend])
    asks = {"Origin": friend, "Access_Control_Request_Method": "PUT"}
    response = locked.request("OPTIONS", "/streams/a/snapshot", **asks)
    assert (response.status, response.body) == (200, b"")
    assert "PUT" in response.headers["access-control-allow-methods"]
    assert "Authorization" in response.headers["access-control-allow-headers"]
    token = {"Authorization": f"Bearer {TOKEN}"}
    for headers, status in (({}, 401), (token, 404), ({"Host": "evil.org"}, 421)):
        response = locked.request("GET", "/streams/a", Origin=friend, **headers)
        assert (response.status, response.headers["access-control-allow-origin"]) == (status, friend)
        assert "Unrolled-Last" in response.headers["access-control-expose-headers"]
    for headers in ({}, {"Origin": f"http://127.0.0.1:{locked.port}"}, {"Origin": "http://evil.org"}):
        response = locked.request("GET", "/streams/a", **headers, **token)
        assert "access-control-allow-origin" not in response.headers
    assert locked.request("OPTIONS", "/streams", **asks | {"Host": "evil.org"}).status == 421
    assert locked.request("OPTIONS", "/streams", **asks | {"Origin": "http://evil.org"}).status == 403


def test_a_token_is_demanded_everywhere_but_for_health(new_server: Callable[..., Any], ask: Any) -> None:
    """In a header; of a WebSocket, in its first message too."""
    from websockets.exceptions import ConnectionClosed, InvalidStatus

    locked = new_server(token=TOKEN)
    assert [locked.request("GET", path).status for path in ("/healthz", "/readyz")] == [200, 200]
    for path in ("/streams", "/metrics", "/model", "/openapi.json", "/streams/a"):
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}):
            response = locked.request("GET", path, **headers)
            assert (response.status, response.record["error"]) == (401, "unauthorized")
            assert response.headers["www-authenticate"] == "Bearer"
    assert locked.request("POST", "/streams/a/steps", {"n": 1, "x": [[1, 2, 3]]}).status == 401
    assert locked.request("GET", "/streams", Authorization=f"Bearer {TOKEN}").status == 200
    with locked.socket(additional_headers={"Authorization": f"Bearer {TOKEN}"}) as connection:
        assert ask(connection, {"stream": "a"}) == {"stream": "a", "last": 0}
    with locked.socket() as connection:
        assert ask(connection, {"token": TOKEN}) == {"ready": True}
        assert ask(connection, {"stream": "a"}) == {"stream": "a", "last": 0}
    for first in ({"token": "wrong"}, {"stream": "a", "n": 1, "x": [[1, 2, 3]]}, "no JSON"):
        with locked.socket() as connection:
            assert ask(connection, first)["error"] == "unauthorized"
            with pytest.raises(ConnectionClosed):
                connection.recv(timeout=30)
    with (
        pytest.raises(InvalidStatus) as caught,
        locked.socket(additional_headers={"Authorization": "Bearer wrong"}),
    ):
        pass
    assert caught.value.response.status_code == 401
    assert locked.request("GET", "/streams/a", Authorization=f"Bearer {TOKEN}").status == 404


def test_a_rate_is_a_bucket_of_one_second() -> None:
    """Each address has its own; one that waited may send again."""
    now = [0.0]
    rate = RateLimit(4, clock=lambda: now[0])
    assert [rate.wait_s("a") for _ in range(4)] == [0] * 4
    assert rate.wait_s("a") == pytest.approx(0.25)
    assert rate.wait_s("b") == 0
    now[0] = 0.25
    assert [rate.wait_s("a") > 0 for _ in range(2)] == [False, True]
    now[0] = 100.0
    assert [rate.wait_s("a") for _ in range(4)] == [0] * 4
    assert RateLimit(None).wait_s("a") == 0
    slow = RateLimit(0.5, clock=lambda: now[0])
    assert slow.wait_s("a") == 0
    assert slow.wait_s("a") == pytest.approx(2.0)


def test_a_rate_forgets_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those whose bucket is full again."""
    from unrolled.stream.server import guard

    monkeypatch.setattr(guard, "_MOST_ADDRESSES", 10)
    now = [0.0]
    rate = RateLimit(100, clock=lambda: now[0])
    for k in range(100):
        now[0] = k
        assert rate.wait_s(f"a{k}") == 0
    assert len(rate._free_at) <= 11


def test_http_beyond_the_rate_is_refused_and_a_websocket_waits(
    new_server: Callable[..., Any], ask: Any
) -> None:
    """429 with Retry-After; on the WebSocket nothing is lost."""
    slow = new_server(max_rate=40.0)
    statuses = [slow.request("GET", "/model") for _ in range(100)]
    refused = [response for response in statuses if response.status == 429]
    assert refused
    assert refused[0].record["error"] == "too_many_messages"
    assert refused[0].headers["retry-after"] == "1"
    with slow.socket() as connection:
        assert [
            ask(connection, {"stream": "a", "n": n, "x": [[1, 2, 3]]})["last"] for n in range(1, 60)
        ] == list(range(1, 60))
