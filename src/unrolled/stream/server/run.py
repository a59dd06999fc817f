"""Run a server: uvicorn with limits on silent connections, and a shutdown that answers what it took."""

from __future__ import annotations

import asyncio
import gc
import resource
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from unrolled.errors import StorageError
from unrolled.stream.json_log import log_as_json
from unrolled.stream.server.app import streams_app
from unrolled.stream.server.core import Core
from unrolled.stream.server.wire import encode_error
from unrolled.stream.workers import stays_here

_HEADERS_S = 10.0  # for the headers of the first request
_SHUTDOWN_S = 10
_FILES = 256  # open beside connections


def run_server(
    core: Core,
    *,
    moved: Callable[[str], str | None] = stays_here,
    on_ready: Callable[[str], object],
) -> None:
    """Serve until SIGTERM or Ctrl-C; then answer what was taken, close the store and return.

    Args:
        core: session and settings.
        moved: the address of the worker that has a stream; None where it is this one.
        on_ready: is called with the address when it listens.

    Raises:
        StorageError: the port is taken, or may not be listened at.
    """
    listener = open_listener(core.settings.host, core.settings.port)
    allow_connections(core.settings.max_connections)
    log_as_json()
    server = make_server(core, moved, lambda: on_ready(address_text(listener)))
    with _frozen_heap():
        server.run([listener])


def make_server(
    core: Core,
    moved: Callable[[str], str | None] = stays_here,
    on_ready: Callable[[], object] = lambda: None,
) -> uvicorn.Server:
    """Make the server, which `run` starts on a socket; `should_exit = True` stops it."""
    config = uvicorn.Config(
        streams_app(core, moved),
        http=_protocol(core.settings.max_connections),
        ws="websockets-sansio",
        loop="uvloop",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        ws_max_size=core.settings.max_body,
        ws_per_message_deflate=False,  # it costs more than loopback saves, and memory of each connection
        timeout_keep_alive=30,
        timeout_graceful_shutdown=_SHUTDOWN_S,
    )
    return _Server(config, core.drain, on_ready)


@contextmanager
def _frozen_heap() -> Iterator[None]:
    """Keep what was imported and loaded so far out of the garbage collector.

    A decoded message is hundreds of small objects, so collections are frequent, and each full one would walk
    through the libraries' million objects for a tenth of a second, in which no message is answered.
    """
    was_frozen = gc.get_freeze_count() > 0  # by the caller, whose objects stay so
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        if not was_frozen:
            gc.unfreeze()


def open_listener(host: str, port: int) -> socket.socket:
    """Listen at an address; port 0 takes a free one.

    Raises:
        StorageError: it is taken, or may not be listened at.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        listener = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as fault:
        raise StorageError(
            f"{host}:{port}: cannot be listened at ({fault.strerror or fault}). Choose another host or port."
        ) from fault
    listener.set_inheritable(True)
    return listener


def allow_connections(count: int) -> None:
    """Let this process have so many connections open, as far as the system lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = count + _FILES if hard == resource.RLIM_INFINITY else min(count + _FILES, hard)
    if most > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def address_text(listener: socket.socket) -> str:
    """Return the address at which a socket listens, such as http://127.0.0.1:8000."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Server(uvicorn.Server):
    """Server that drains before it closes its connections."""

    def __init__(
        self, config: uvicorn.Config, drain: Callable[[], Awaitable[None]], on_ready: Callable[[], object]
    ) -> None:
        super().__init__(config)
        self._drain, self._on_ready = drain, on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        await self._drain()
        await super().shutdown(sockets)
        self._captured_signals.clear()  # uvicorn would raise them again, and end with their status


def _protocol(max_connections: int) -> type[asyncio.Protocol]:
    """Make the HTTP protocol with a limit on connections and on how long one may say nothing."""
    body = encode_error("busy", f"There are {max_connections} connections, and no more may be.")
    head = b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 1\r\n"
    refusal = head + b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body) + body

    class LimitedProtocol(HttpToolsProtocol):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            if len(self.connections) > max_connections:
                transport.write(refusal)
                transport.close()
            else:
                self.loop.call_later(_HEADERS_S, self._close_if_silent)

        def _close_if_silent(self) -> None:
            if self.cycle is None and self.transport.get_protocol() is self:  # else it is a WebSocket by now
                self.transport.close()

    return LimitedProtocol
