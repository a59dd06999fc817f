"""What came while the last batch ran is the next one; none waits behind another's queue."""

import asyncio
import threading
from collections.abc import Sequence
from typing import Any

from unrolled.errors import StoreError
from unrolled.stream.replies import Applied, Message, Refused, Reply
from unrolled.stream.server.batcher import Batcher
from unrolled.stream.server.metrics import Metrics


class Sessions:
    """Records batches; the first waits until it may go on."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.may_go, self.error = threading.Event(), None
        self.threads: set[int] = set()

    def apply_many(self, messages: Sequence[Message], *, now: int) -> list[Reply]:
        self.threads.add(threading.get_ident())
        self.batches.append([message.stream for message in messages])
        assert self.may_go.wait(30)
        if self.error:
            raise self.error
        return [Applied(message.n, b"[%d]" % now) for message in messages]


async def _until(condition: Any) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 (it is set by another thread)
            await asyncio.sleep(0.001)


def run(test: Any) -> Sessions:
    """Run a test with a batcher, and stop it."""
    session = Sessions()

    async def main() -> None:
        batcher = Batcher(session, Metrics(), clock=lambda: 7, max_waiting=3000)  # type: ignore[arg-type]
        batcher.start()
        await test(batcher, session)
        session.may_go.set()
        await batcher.stop()

    asyncio.run(main())
    return session


def test_a_batch_is_what_came_meanwhile() -> None:
    """One message of each stream, in the order in which the streams came; the worker is another thread."""

    async def test(batcher: Batcher, session: Sessions) -> None:
        first = asyncio.create_task(batcher.ask(Message("a", 1, None)))
        await _until(lambda: session.batches)
        rest = [asyncio.create_task(batcher.ask(Message(name, k, None))) for k, name in enumerate("abcaab")]
        await asyncio.sleep(0.01)
        assert not batcher.is_idle
        session.may_go.set()
        assert await first == Applied(1, b"[7]")
        assert [reply.last for reply in await asyncio.gather(*rest)] == list(range(6))  # type: ignore[union-attr]
        await batcher.drained()
        assert batcher.is_idle

    session = run(test)
    assert session.batches == [["a"], ["a", "b", "c"], ["a", "b"], ["a"]]
    assert threading.get_ident() not in session.threads
    assert len(session.threads) == 1


def test_a_batch_is_bounded_and_fair() -> None:
    """1,024 streams at most; a stream with many messages waits behind those with one."""

    async def test(batcher: Batcher, session: Sessions) -> None:
        batcher.submit(Message("first", 1, None), lambda reply: None)
        await _until(lambda: session.batches)
        for n in range(50):
            batcher.submit(Message("busy", n, None), lambda reply: None)
        for k in range(2000):
            batcher.submit(Message(f"s{k}", 1, None), lambda reply: None)
        session.may_go.set()
        await batcher.drained()

    sizes = [len(batch) for batch in run(test).batches]
    assert sizes[:4] == [1, 1024, 978, 1]  # the second of "busy" came behind the 977 that were left
    assert sum(sizes) == 2051


def test_a_store_that_fails_is_a_reply_to_each() -> None:
    """And so is a bug; the batcher goes on."""

    async def test(batcher: Batcher, session: Sessions) -> None:
        session.may_go.set()
        session.error = StoreError("full.", "storage_full")  # type: ignore[assignment]
        assert await batcher.ask(Message("a", 1, None)) == Refused("storage_full", "full.")
        session.error = ZeroDivisionError("no")  # type: ignore[assignment]
        reply = await batcher.ask(Message("a", 1, None))
        assert isinstance(reply, Refused)
        assert reply.code == "internal"
        session.error = None
        assert await batcher.ask(Message("a", 1, None)) == Applied(1, b"[7]")

    run(test)


def test_as_many_wait_as_may() -> None:
    """Then it says that it is full; those that wait are answered before it stops."""
    delivered: list[Any] = []

    async def test(batcher: Batcher, session: Sessions) -> None:
        for k in range(3001):
            batcher.submit(Message(f"s{k % 7}", k, None), delivered.append)
        assert batcher.is_full
        assert await batcher.call(lambda a, b: a + b, 1, b=2) == 3

    run(test)
    assert len(delivered) == 3001


def test_a_call_runs_between_two_batches() -> None:
    """On the worker thread."""

    async def test(batcher: Batcher, session: Sessions) -> None:
        session.may_go.set()
        await batcher.ask(Message("a", 1, None))
        assert {await batcher.call(threading.get_ident)} == session.threads

    run(test)


def test_bytes_that_wait_and_those_of_a_batch_are_bounded() -> None:
    """However few the messages: a connection waits for room, each before it submits its own."""

    async def test(batcher: Batcher, session: Sessions) -> None:
        batcher.submit(Message("first", 1, None), lambda reply: None)
        await _until(lambda: session.batches)
        most, n_over = 0, 0

        async def send(k: int) -> None:
            nonlocal most, n_over
            await batcher.room()
            n_over += batcher.is_full
            batcher.submit(Message(f"s{k}", 1, None), lambda reply: None, size=1 << 20)
            most = max(most, batcher._bytes_waiting)

        tasks = [asyncio.create_task(send(k)) for k in range(60)]
        await asyncio.sleep(0.05)
        session.may_go.set()
        await asyncio.gather(*tasks)
        await batcher.drained()
        assert (most, n_over) == (1 << 24, 0)

    batches = run(test).batches
    assert sum(map(len, batches)) == 61
    assert max(map(len, batches)) == 4
