"""POST of steps: one message of one stream, answered when it is stored."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from urllib.parse import quote

from unrolled.stream.replies import Message
from unrolled.stream.server.core import Core
from unrolled.stream.server.guard import Receive, Scope, Send, send_response
from unrolled.stream.server.wire import (
    STATUS,
    Malformed,
    decode_steps,
    encode_error,
    encode_reply,
    whole_number,
)

_BODY_S = 30.0  # for a body to come in


class RequestError(Exception):
    """A request cannot be taken; `code` is that of its record."""

    def __init__(self, sentence: str, code: str) -> None:
        super().__init__(sentence)
        self.code = code


async def read_body(scope: Scope, receive: Receive, most: int) -> bytes:
    """Read the body of a request.

    Raises:
        RequestError: it is too large, too slow, or the client left.
    """
    length = dict(scope["headers"]).get(b"content-length", b"0")
    too_large = RequestError(
        f"A body of more than {most} bytes: split the events into several messages.", "too_large"
    )
    if length.isdigit() and int(length) > most:
        raise too_large
    body: bytes = b""
    try:
        async with asyncio.timeout(_BODY_S):
            while True:
                event = await receive()
                if event["type"] == "http.disconnect":
                    raise RequestError("The client left before the end of the body.", "bad_message")
                body += event.get("body", b"")
                if len(body) > most:
                    raise too_large
                if not event.get("more_body"):
                    return body
    except TimeoutError:
        raise RequestError(f"The body did not come within {_BODY_S:g} seconds.", "bad_message") from None


class StepsRoute:
    """ASGI application of POST /streams/{stream}/steps.

    Args:
        core: session and settings.
        moved: the address of the worker that has a stream; None where it is this one.
    """

    def __init__(self, core: Core, moved: Callable[[str], str | None]) -> None:
        self._core, self._moved = core, moved

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        stream = scope["path_params"]["stream"]
        if address := self._moved(stream):
            await _redirect(send, stream, address)
            return
        code, record = await self._answer(scope, stream, receive)
        self._core.metrics.count_reply(code)
        await send_response(send, STATUS.get(code, 200), record)

    async def _answer(self, scope: Scope, stream: str, receive: Receive) -> tuple[str, bytes]:
        if scope["method"] != "POST":
            return "not_allowed", encode_error("not_allowed", "Steps are sent with POST.", stream)
        try:
            content = await read_body(scope, receive, self._core.settings.max_body)
        except RequestError as fault:
            return fault.code, encode_error(fault.code, str(fault), stream)
        if self._core.is_draining:
            return "draining", encode_error("draining", "The server is stopping: send it again.", stream)
        if self._core.batcher.is_full:
            return "busy", encode_error("busy", "Too many messages wait: send it again.", stream)
        try:
            body = decode_steps(content)
        except Malformed as fault:
            return "bad_message", encode_error("bad_message", str(fault), stream)
        message = Message(stream, whole_number(body.n), body.x, body.start)  # type: ignore[arg-type]
        return encode_reply(stream, await self._core.apply(message, size=len(content)))


async def _redirect(send: Send, stream: str, address: str) -> None:
    body = encode_error("moved", f"Another worker has this stream: {address}.", stream, to=address)
    location = f"{address}/streams/{quote(stream)}/steps".encode()
    headers = [(b"location", location), (b"content-type", b"application/json")]
    headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": 307, "headers": headers})
    await send({"type": "http.response.body", "body": body})
