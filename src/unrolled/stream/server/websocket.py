"""WebSocket of steps: many streams on one connection, each message answered when it is stored."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from math import inf
from time import monotonic

from unrolled.errors import StoreError, StreamError
from unrolled.stream.replies import Message, Refused, Reply
from unrolled.stream.server.core import Core
from unrolled.stream.server.guard import Receive, Scope, Send, address_of
from unrolled.stream.server.wire import (
    Malformed,
    SocketMessage,
    decode_socket,
    encode_error,
    encode_record,
    encode_reply,
    whole_number,
)

_TOKEN_S = 10.0  # to send the token in
_WINDOW = 256  # messages of a connection that may be without an answer; then it is read no further
_MOST_BYTES = 1 << 20  # of a connection's messages and unread answers; likewise
_UNREAD_S = 60.0  # that a client may read nothing
_POLICY = 1008  # code of RFC 6455 for closing


class StepsSocket:
    """ASGI application of the WebSocket.

    Args:
        core: session and settings.
        moved: the address of the worker that has a stream; None where it is this one.
    """

    def __init__(self, core: Core, moved: Callable[[str], str | None]) -> None:
        self._core, self._moved = core, moved

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection until it is closed."""
        await receive()  # websocket.connect
        await send({"type": "websocket.accept"})
        self._core.metrics.connections += 1
        try:
            if scope["state"]["is_authorized"] or await self._has_token(receive, send):
                await _Connection(self._core, self._moved, address_of(scope), send).serve(receive)
        finally:
            self._core.metrics.connections -= 1

    async def _has_token(self, receive: Receive, send: Send) -> bool:
        """Wait for a first message with the token; close the connection where it does not come."""
        token = None
        try:
            async with asyncio.timeout(_TOKEN_S):
                event = await receive()
            if event["type"] == "websocket.disconnect":
                return False
            token = decode_socket(event.get("text") or event.get("bytes") or b"").token
        except (TimeoutError, Malformed):
            pass
        if self._core.settings.accepts_token(token):
            await send({"type": "websocket.send", "text": '{"ready":true}'})
            return True
        record = encode_error("unauthorized", 'The first message must be {"token": "..."}.')
        await send({"type": "websocket.send", "text": record.decode()})
        await send({"type": "websocket.close", "code": _POLICY, "reason": "unauthorized"})
        return False


class _Connection:
    """Messages in, replies out; the two sides run at their own pace, within the window."""

    def __init__(self, core: Core, moved: Callable[[str], str | None], address: str, send: Send) -> None:
        self._core, self._moved, self._address, self._send = core, moved, address, send
        self._outbox: deque[bytes] = deque()
        self._bytes = 0  # of messages without an answer, and of answers that were not sent
        self._wakes, self._window = asyncio.Event(), asyncio.Semaphore(_WINDOW)
        self._sending_since = inf  # by the monotonic clock; inf where nothing is being sent
        self._may_read = asyncio.Event()
        self._may_read.set()

    async def serve(self, receive: Receive) -> None:
        """Read and write until the client leaves; what was taken is applied all the same."""
        sides = [asyncio.ensure_future(side) for side in (self._read(receive), self._write())]

        def let_go(now_s: float) -> None:
            if now_s - self._sending_since > _UNREAD_S:  # what it sent is applied, and is answered again
                sides[1].cancel()

        self._core.outboxes[id(self)], self._core.watched[id(self)] = self._outbox, let_go
        try:
            await asyncio.wait(sides, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._core.outboxes.pop(id(self))
            self._core.watched.pop(id(self))
            for side in sides:
                side.cancel()
            await asyncio.gather(*sides, return_exceptions=True)

    async def _read(self, receive: Receive) -> None:
        while (event := await receive())["type"] == "websocket.receive":
            await self._window.acquire()
            if not self._may_read.is_set():
                await self._may_read.wait()
            await self._take(event.get("text") or event.get("bytes") or b"")

    async def _take(self, data: bytes | str) -> None:
        """Take one message: submit it, or reply at once."""
        while (wait_s := self._core.rate.wait_s(self._address)) > 0:  # noqa: ASYNC110 (it is time that passes)
            await asyncio.sleep(wait_s)
        if self._core.batcher.is_full:  # before it is decoded, which takes ten times its bytes
            await self._core.batcher.room()
        try:
            message = decode_socket(data)
        except Malformed as fault:
            self._reply("bad_message", encode_error("bad_message", str(fault)))
            return
        stream = message.stream
        if stream is None:
            sentence = (
                "Name the stream that this is for." if message.token is None else "The token came before."
            )
            self._reply("bad_message", encode_error("bad_message", sentence))
        elif address := self._moved(stream):
            sentence = f"Another worker has this stream: {address}."
            self._reply("moved", encode_error("moved", sentence, stream, to=address))
        elif self._core.is_draining:
            self._reply(
                "draining", encode_error("draining", "The server is stopping: send it again.", stream)
            )
        elif message.n is None and message.x is None:
            await self._tell_last(stream)
        else:
            self._submit(stream, message, len(data))

    def _submit(self, stream: str, message: SocketMessage, size: int) -> None:
        """Let a message wait for the next batch; until then it counts as much as its answer may."""
        held = int(size * self._core.answer_growth)
        n = None if message.n is None else whole_number(message.n)
        self._core.batcher.submit(
            Message(stream, n, message.x, message.start),  # type: ignore[arg-type]  # the session checks n
            lambda reply: self._answer(stream, reply, size, held),
            size=size,
        )
        self._count_bytes(held)

    def _answer(self, stream: str, reply: Reply, size: int, held: int) -> None:
        self._count_bytes(-held)
        code, record = encode_reply(stream, reply)
        if code == "ok":
            self._core.answer_growth = max(self._core.answer_growth, len(record) / size)
        self._reply(code, record)

    async def _tell_last(self, stream: str) -> None:
        try:
            last = await self._core.batcher.call(self._core.session.last, stream)
            self._reply("ok", encode_record({"stream": stream, "last": last or 0}))
        except (StreamError, StoreError) as fault:
            self._reply(*encode_reply(stream, Refused(fault.code, str(fault))))

    def _reply(self, code: str, record: bytes) -> None:
        self._core.metrics.count_reply(code)
        self._outbox.append(record)
        self._count_bytes(len(record))
        self._wakes.set()

    def _count_bytes(self, more: int) -> None:
        self._bytes += more
        if self._bytes > _MOST_BYTES:
            self._may_read.clear()
        else:
            self._may_read.set()

    async def _write(self) -> None:
        """Send what is in the outbox; a client that does not read makes this wait, and so its reading too."""
        while True:
            await self._wakes.wait()
            self._wakes.clear()
            while self._outbox:
                self._sending_since = monotonic()
                await self._send({"type": "websocket.send", "text": self._outbox[0].decode()})
                self._sending_since = inf
                self._count_bytes(-len(self._outbox.popleft()))
                self._window.release()
