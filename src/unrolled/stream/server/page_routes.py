"""Routes of the page: its files, and the traces that it draws."""

from __future__ import annotations

import asyncio
from importlib.resources import files
from typing import Any, Final

from starlette.routing import Route

from unrolled.errors import StreamError
from unrolled.stream.server.core import Core
from unrolled.stream.server.guard import Receive, Scope, Send, send_response
from unrolled.stream.server.steps import RequestError, read_body
from unrolled.stream.server.wire import STATUS, Malformed, decode_trace, encode_error, encode_record

_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript"}
_NAMES = ("page.css", "main.js", "client.js", "events.js", "values.js", "picture.js")
PAGE_PATHS: Final = frozenset({"/", *(f"/page/{name}" for name in _NAMES)})  # open to all: they hold no data
_MOST_TRACES = 2  # at a time


def page_routes(core: Core) -> list[Route]:
    """Make the routes of the page's files and of traces."""
    routes = [Route(path, _File(_file_of(path)), methods=["GET"]) for path in sorted(PAGE_PATHS)]
    return [*routes, Route("/trace", TraceRoute(core))]


def _file_of(path: str) -> str:
    return "index.html" if path == "/" else path.rpartition("/")[2]


class _File:
    """ASGI application that sends a file of the page, read once."""

    def __init__(self, name: str) -> None:
        self._type = f"{_TYPES[name.rpartition('.')[2]]}; charset=utf-8".encode()
        self._content = (files("unrolled.stream.page") / "static" / name).read_bytes()

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Send it; the page may load nothing from elsewhere, nor be framed."""
        policy = b"default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'"
        headers = [(b"content-security-policy", policy), (b"cache-control", b"no-cache")]
        await send_response(send, 200, self._content, content_type=self._type, headers=headers)


class TraceRoute:
    """ASGI application of POST /trace: steps from a snapshot on, moving no stream.

    Args:
        core: settings, and the tracer.
    """

    def __init__(self, core: Core) -> None:
        self._core, self._may_trace = core, asyncio.Semaphore(_MOST_TRACES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            status, record = 200, encode_record(await self._record(scope, receive))
        except (RequestError, StreamError) as fault:
            status, record = STATUS[fault.code], encode_error(fault.code, str(fault))
        except Malformed as fault:
            status, record = STATUS["bad_message"], encode_error("bad_message", str(fault))
        await send_response(send, status, record)

    async def _record(self, scope: Scope, receive: Receive) -> dict[str, Any]:
        if scope["method"] != "POST":
            raise RequestError("Traces are asked for with POST.", "not_allowed")
        if self._core.tracer is None:
            raise RequestError("This server has no model to trace.", "not_found")
        body = decode_trace(await read_body(scope, receive, self._core.settings.max_body))
        async with self._may_trace:  # beside the batches: it uses no state of theirs
            return await asyncio.to_thread(self._core.tracer, body.snapshot, body.x, body.network, body.start)
