"""Micro-batches without a timer: what came while the last batch ran is the next one."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from time import perf_counter
from typing import Any, NamedTuple, TypeVar

from unrolled.errors import StoreError
from unrolled.stream.replies import Message, Refused, Reply
from unrolled.stream.server.metrics import Metrics
from unrolled.stream.session import Session

_LOG = logging.getLogger("unrolled.stream")
_MOST_STREAMS = 1024  # in one batch
_MOST_BYTES = 1 << 22  # of its messages
Result = TypeVar("Result")


class _Waiting(NamedTuple):
    message: Message
    deliver: Callable[[Reply], object]
    size: int


class Batcher:
    """Feed a session from an event loop: one worker thread steps and commits, one batch after another.

    A batch holds one message of each stream that has one, in the order in which the streams came, so that
    none can keep the others waiting. Replies are delivered on the event loop after the commit.

    Args:
        session: only the worker thread uses it.
        metrics: counts batches and replies.
        clock: gives the seconds of now.
        max_waiting: messages that may wait; see `is_full` and `room`.
        max_bytes: of these messages together, as they came: an array takes ten times as much as its JSON.
    """

    def __init__(
        self,
        session: Session,
        metrics: Metrics,
        *,
        clock: Callable[[], int],
        max_waiting: int = 16_384,
        max_bytes: int = 1 << 24,
    ) -> None:
        self._session, self._metrics, self._clock = session, metrics, clock
        self._max_waiting, self._max_bytes = max_waiting, max_bytes
        self._queues: dict[str, deque[_Waiting]] = {}
        self._n_waiting = self._bytes_waiting = 0
        self._arrived, self._idle, self._has_room = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._idle.set()
        self._has_room.set()
        self._worker = ThreadPoolExecutor(1, "unrolled-session")
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to work; call it on the event loop."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Finish what waits, and let go of the worker thread."""
        await self._idle.wait()
        if self._task:
            self._task.cancel()
        await asyncio.get_running_loop().run_in_executor(None, self._worker.shutdown)

    async def drained(self) -> None:
        """Wait until nothing waits."""
        await self._idle.wait()

    async def room(self) -> None:
        """Wait until fewer messages wait than may; the caller submits its own before it waits again."""
        while self.is_full:
            await self._has_room.wait()

    @property
    def is_full(self) -> bool:
        """True where as many messages wait as may, or as many bytes."""
        return self._n_waiting >= self._max_waiting or self._bytes_waiting >= self._max_bytes

    @property
    def is_idle(self) -> bool:
        """True where nothing waits and no batch runs."""
        return self._idle.is_set()

    def submit(self, message: Message, deliver: Callable[[Reply], object], *, size: int = 0) -> None:
        """Let a message of so many bytes wait for the next batch; `deliver` is called with its reply."""
        self._queues.setdefault(message.stream, deque()).append(_Waiting(message, deliver, size))
        self._count_waiting(1, size)
        self._idle.clear()
        self._arrived.set()

    async def ask(self, message: Message, *, size: int = 0) -> Reply:
        """Submit a message of so many bytes and wait for its reply."""
        answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self.submit(message, lambda reply: None if answer.done() else answer.set_result(reply), size=size)
        return await answer

    async def call(self, function: Callable[..., Result], *args: Any, **kwargs: Any) -> Result:
        """Run a method of the session on the worker thread, between two batches."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._worker, lambda: function(*args, **kwargs))

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._arrived.wait()
            batch = self._next_batch()
            started = perf_counter()
            replies = await loop.run_in_executor(self._worker, self._apply, [each.message for each in batch])
            self._metrics.count_batch(len(batch), perf_counter() - started)
            for waiting, reply in zip(batch, replies, strict=True):
                waiting.deliver(reply)
            if not self._queues:
                self._arrived.clear()
                self._idle.set()

    def _next_batch(self) -> list[_Waiting]:
        """Take the first message of each of the streams that waited longest, until there are bytes enough."""
        batch, size = [], 0
        for stream in list(islice(self._queues, _MOST_STREAMS)):
            queue = self._queues.pop(stream)
            batch.append(queue.popleft())
            size += batch[-1].size
            if queue:
                self._queues[stream] = queue  # behind those that wait
            if size >= _MOST_BYTES:
                break
        self._count_waiting(-len(batch), -size)
        return batch

    def _count_waiting(self, more: int, more_bytes: int) -> None:
        self._n_waiting += more
        self._bytes_waiting += more_bytes
        self._metrics.waiting = self._n_waiting
        if self.is_full:
            self._has_room.clear()
        else:
            self._has_room.set()

    def _apply(self, messages: list[Message]) -> list[Reply]:
        """Apply a batch, on the worker thread; a store that fails is a reply to each message."""
        try:
            return self._session.apply_many(messages, now=self._clock())
        except StoreError as fault:
            _LOG.warning("a batch of %d messages could not be stored: %s", len(messages), fault)
            refusal = Refused(fault.code, str(fault))
        except Exception:  # noqa: BLE001 (a bug must not end the batches)
            _LOG.exception("a batch of %d messages failed", len(messages))
            refusal = Refused(
                "internal", "The server failed on this batch; nothing was applied. Send it again."
            )
        return [refusal] * len(messages)
