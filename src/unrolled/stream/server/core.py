"""State shared by all routes of a server: its session behind a batcher, its settings, its state of health."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from unrolled.errors import StoreError
from unrolled.stream.replies import Message, Reply
from unrolled.stream.server.batcher import Batcher
from unrolled.stream.server.guard import RateLimit
from unrolled.stream.server.metrics import Metrics
from unrolled.stream.server.settings import ServerSettings
from unrolled.stream.session import Session

_LOG = logging.getLogger("unrolled.stream")
_TICK_S = 0.5


@dataclass
class Core:
    """Session, batcher and settings of one server.

    Args:
        session: is closed at the end.
        settings: of the server.
        model: what clients may know of the model.
        tracer: traces steps from a snapshot on, for the page; None for none.
        generator: writes on from a snapshot; None where the model writes no text.
        batcher: the one way to the session.
        metrics: counters.
        rate: limit on messages of an address.
        is_draining: whether it takes no more messages.
        outboxes: replies of WebSockets that are not sent yet, by connection.
        watched: calls, by connection, that let it go where it reads nothing; with seconds that pass.
        answer_growth: bytes of an answer for each of its message, the most so far: a letter that a language
            model reads is answered with ten likely ones.
    """

    session: Session
    settings: ServerSettings
    model: dict[str, Any] = field(default_factory=dict)
    tracer: Callable[..., dict[str, Any]] | None = None
    generator: Callable[..., dict[str, Any]] | None = None
    metrics: Metrics = field(default_factory=Metrics)
    is_draining: bool = False
    outboxes: dict[int, Any] = field(default_factory=dict)
    watched: dict[int, Callable[[float], None]] = field(default_factory=dict)
    answer_growth: float = 1.0

    def __post_init__(self) -> None:
        self.batcher = Batcher(self.session, self.metrics, clock=self.now)
        self.rate = RateLimit(self.settings.max_rate)
        self._started = time.time() - time.monotonic()
        self._upkeep: asyncio.Task[None] | None = None

    def now(self) -> int:
        """Return the seconds by which streams are seen and expire: a clock that is set moves none of them."""
        return int(self._started + time.monotonic())

    def start(self) -> None:
        """Begin to work; call it on the event loop."""
        self.batcher.start()
        self._upkeep = asyncio.get_running_loop().create_task(self._keep_up())

    async def stop(self) -> None:
        """Finish what waits, and close the store."""
        if self._upkeep:
            self._upkeep.cancel()
        await self.batcher.drained()
        await self.batcher.call(self.session.close)
        await self.batcher.stop()

    async def drain(self, timeout_s: float = 10.0) -> None:
        """Take no more messages, and wait until those that were taken are answered."""
        self.is_draining = True
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self.batcher.drained()
                while any(self.outboxes.values()):  # noqa: ASYNC110 (many writers, once)
                    await asyncio.sleep(0.01)

    async def apply(self, message: Message, *, size: int) -> Reply:
        """Apply one message of so many bytes, in the next batch."""
        return await self.batcher.ask(message, size=size)

    async def _keep_up(self) -> None:
        """Let go of who reads nothing, copy the WAL when there is time, and expire idle streams."""
        while True:
            await asyncio.sleep(_TICK_S)
            for let_go in list(self.watched.values()):
                let_go(time.monotonic())
            try:
                if self.settings.idle_s is not None:
                    before = self.now() - self.settings.idle_s
                    if idle := await self.batcher.call(self.session.expire, before):
                        _LOG.info("expired %d streams", len(idle))
                if self.batcher.is_idle:
                    await self.batcher.call(self.session.maintain)
            except StoreError as fault:  # it is tried again
                _LOG.warning("upkeep of the store failed: %s", fault)
