"""Admission of requests: Host and Origin, token and rate, checked before any route is looked up."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, MutableMapping, Sequence
from time import monotonic
from typing import Any, TypeAlias

from unrolled.stream.server.settings import ServerSettings
from unrolled.stream.server.wire import STATUS, encode_error

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

_OPEN = {"/healthz", "/readyz"}  # for whoever watches the process
_SENTENCES = {
    "bad_host": "This server is not called {host!r}: use its address, or start it with that allowed_hosts.",
    "bad_origin": "Pages of {origin!r} may not use this server: start it with that allowed_origins.",
    "unauthorized": "Send the token of this server: Authorization: Bearer TOKEN.",
    "too_many_messages": "More than max_rate requests a second come from your address: send fewer.",
}
_MOST_ADDRESSES = 10_000
_PREFLIGHT = (  # what a browser may send for a page of another origin, which it asks first
    (b"access-control-allow-methods", b"GET, POST, PUT, DELETE"),
    (b"access-control-allow-headers", b"Authorization, Content-Type"),
    (b"access-control-max-age", b"600"),
)


class RateLimit:
    """Token buckets of addresses: `rate` a second, a burst of one second.

    Args:
        rate: a second; None for no limit.
        clock: seconds.
    """

    def __init__(self, rate: float | None, clock: Callable[[], float] = monotonic) -> None:
        self._rate, self._clock = rate, clock
        self._free_at: dict[str, float] = {}  # when the bucket of an address is full again

    def wait_s(self, address: str) -> float:
        """Take one from the bucket of an address; return the seconds to wait for it, 0 for none.

        Where one must wait it is not taken.
        """
        if self._rate is None:
            return 0.0
        now, burst_s = self._clock(), max(1.0, 1 / self._rate)
        free_at = max(self._free_at.get(address, now), now) + 1 / self._rate
        if free_at - now > burst_s:
            return free_at - now - burst_s
        if len(self._free_at) >= _MOST_ADDRESSES:
            self._free_at = {one: at for one, at in self._free_at.items() if at > now}
        self._free_at[address] = free_at
        return 0.0


class Guard:
    """ASGI application that refuses what may not come in, and passes the rest on.

    A WebSocket without a token in its headers is passed on, since a page can send none there:
    `scope["state"]["is_authorized"]` says that its first message must hold it.

    Args:
        app: what is guarded.
        settings: who may come in.
        rate: limit on the requests of an address.
        open_paths: what needs no token.
    """

    def __init__(
        self, app: App, settings: ServerSettings, rate: RateLimit, open_paths: Collection[str] = ()
    ) -> None:
        self._app, self._settings, self._rate = app, settings, rate
        self._open_paths = {*_OPEN, *open_paths}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check a connection and pass it on, or refuse it."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        code, origin = self._fault(scope, headers), headers.get(b"origin", "")
        if scope["type"] == "http" and origin in self._settings.allowed_origins:
            send = _with_cors(send, origin)
            is_preflight = scope["method"] == "OPTIONS" and b"access-control-request-method" in headers
            if is_preflight and code in {None, "unauthorized"}:  # a browser sends no token with it
                await send_response(send, 200, b"", headers=_PREFLIGHT)
                return
        if code is None:
            await self._app(scope, receive, send)
            return
        names = {"host": headers.get(b"host", ""), "origin": origin}
        body = encode_error(code, _SENTENCES[code].format(**names))
        if scope["type"] == "websocket":
            await receive()
            if "websocket.http.response" not in scope.get("extensions", {}):
                await send({"type": "websocket.close", "code": 1008})
                return
        await send_response(send, STATUS[code], body, is_socket=scope["type"] == "websocket")

    def _fault(self, scope: Scope, headers: dict[bytes, str]) -> str | None:
        """Return the code of what is wrong with a request, or None."""
        host = headers.get(b"host", "")
        if not self._settings.accepts_host(host):
            return "bad_host"
        if not self._settings.accepts_origin(headers.get(b"origin"), host):
            return "bad_origin"
        if scope["path"] in self._open_paths:
            return None
        kind, _, token = headers.get(b"authorization", "").partition(" ")
        has_token = kind.lower() == "bearer" and self._settings.accepts_token(token.strip())
        is_authorized = self._settings.token is None or has_token
        scope.setdefault("state", {})["is_authorized"] = is_authorized
        if not is_authorized and (scope["type"] == "http" or b"authorization" in headers):
            return "unauthorized"
        if scope["type"] == "http" and self._rate.wait_s(address_of(scope)) > 0:
            return "too_many_messages"
        return None


def _with_cors(send: Send, origin: str) -> Send:
    """Let a page of this origin read the response."""
    headers = [
        (b"access-control-allow-origin", origin.encode("latin-1")),
        (b"access-control-expose-headers", b"Unrolled-Last, Location, Retry-After"),
        (b"vary", b"Origin"),
    ]

    async def send_readable(event: MutableMapping[str, Any]) -> None:
        if event["type"] == "http.response.start":
            event = {**event, "headers": [*event.get("headers", ()), *headers]}
        await send(event)

    return send_readable


def address_of(scope: Scope) -> str:
    """Return the address of a client, without its port."""
    client = scope.get("client")
    return str(client[0]) if client else ""


async def send_response(
    send: Send,
    status: int,
    body: bytes,
    *,
    is_socket: bool = False,
    content_type: bytes = b"application/json",
    headers: Sequence[tuple[bytes, bytes]] = (),
) -> None:
    """Send a whole response; to a WebSocket's handshake as a refusal of it."""
    kind = "websocket.http.response" if is_socket else "http.response"
    headers = [*headers, (b"content-type", content_type), (b"content-length", b"%d" % len(body))]
    if status == STATUS["unauthorized"]:
        headers.append((b"www-authenticate", b"Bearer"))
    if status == STATUS["not_allowed"]:  # of the routes that send their responses so
        headers.append((b"allow", b"POST"))
    if status in {STATUS["too_many_messages"], STATUS["busy"]}:
        headers.append((b"retry-after", b"1"))
    await send({"type": f"{kind}.start", "status": status, "headers": headers})
    await send({"type": f"{kind}.body", "body": body})
