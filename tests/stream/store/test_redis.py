"""Several sessions on one Redis are one; what it cannot do has a code."""

import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from unrolled.errors import ArgumentError, StoreError
from unrolled.stream.replies import Again, Applied, Gap, Message, Old
from unrolled.stream.session import Session
from unrolled.stream.store.redis import RedisStore
from unrolled.stream.store.row import START, StreamRow

Array = NDArray[np.float64]
Make = Callable[..., StreamRow]


def test_any_worker_serves_any_stream(redis_server: Any, prefix: str, recurrence: Any, events: Array) -> None:
    """Each takes on where the other stopped; a message that one applied comes again at the other."""
    sessions = [
        Session(recurrence(), RedisStore(redis_server.url, model="m", prefix=prefix)) for _ in range(2)
    ]
    whole = recurrence().steps({"a": events})["a"]
    for n in range(1, 13):
        who = n % 3 % 2
        reply = sessions[who].apply("a", n, events[n - 1 : n])
        assert isinstance(reply, Applied)
        assert reply.y == b"[" + str(whole[n - 1].tolist()).replace(" ", "").encode() + b"]"
        assert sessions[1 - who].apply("a", n, events[n - 1 : n]) == Again(n, reply.y)
    assert sessions[0].apply("a", 14, events[:1]) == Gap(13)
    sessions[0].delete("a")
    assert sessions[1].apply("a", 13, events[:1]) == Gap(1)
    for session in sessions:
        session.close()


def test_workers_that_race_apply_each_event_once(
    redis_server: Any, prefix: str, recurrence: Any, events: Array
) -> None:
    """Two threads send the same messages at once; together they are one run."""
    replies: dict[int, list[Any]] = {0: [], 1: []}

    def send(who: int) -> None:
        session = Session(recurrence(), RedisStore(redis_server.url, model="m", prefix=prefix))
        for n in range(1, 41):
            replies[who].append(session.apply("a", n, events[n - 1 : n]))
        session.close()

    threads = [threading.Thread(target=send, args=(who,)) for who in replies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    whole = recurrence().steps({"a": events})["a"]
    applied = 0
    for n, both in enumerate(zip(replies[0], replies[1], strict=True), start=1):
        answers = {reply.y for reply in both if isinstance(reply, Applied | Again)}
        assert answers == {b"[" + str(whole[n - 1].tolist()).replace(" ", "").encode() + b"]"}
        applied += sum(isinstance(reply, Applied) for reply in both)
        assert all(isinstance(reply, Applied | Again | Old) for reply in both)
    assert applied == 40


def test_killed_at_random_moments_no_event_is_lost(redis_server: Any, recurrence: Any, killed: Any) -> None:
    """SIGKILL of the worker under load; the keys are those of its default prefix."""
    counts = killed.run_and_kill(redis_server.url, n_kills=2, recurrence=recurrence)
    assert counts["messages"] > 50
    assert counts["resent"] > 0


@pytest.mark.slow
def test_killed_a_hundred_times_no_event_is_lost(new_redis: Any, recurrence: Any, killed: Any) -> None:
    """Redis goes on; some messages are answered from it."""
    counts = killed.run_and_kill(new_redis().url, n_kills=100, recurrence=recurrence)
    assert counts["again"] > 0


def test_a_killed_redis_that_syncs_always_has_what_was_acknowledged(
    new_redis: Any, recurrence: Any, events: Array
) -> None:
    """While it is down nothing is applied; the message goes through when it is back."""
    server = new_redis("--appendonly", "yes", "--appendfsync", "always")
    session = Session(recurrence(), RedisStore(server.url, model="m"))
    whole = recurrence().steps({"a": events})["a"]
    for n in range(1, 9):
        if n % 3 == 0:
            server.kill()
            with pytest.raises(StoreError, match="it cannot be used") as caught:
                session.apply("a", n, events[n - 1 : n])
            assert caught.value.code == "storage_failed"
            server.start()
        reply = session.apply("a", n, events[n - 1 : n])
        assert isinstance(reply, Applied)
        assert reply.y == b"[" + str(whole[n - 1].tolist()).replace(" ", "").encode() + b"]"
    session.close()


def test_states_of_another_model_are_refused_or_begin_anew(
    redis_server: Any, prefix: str, recurrence: Any, events: Array
) -> None:
    """After a restart with a new model, workers with the old one can write no more."""
    old = Session(recurrence(name=b"one"), RedisStore(redis_server.url, model="one", prefix=prefix))
    old.apply("a", 1, events[:3])
    with pytest.raises(StoreError, match=r"of another model \(one\), this one is two") as caught:
        RedisStore(redis_server.url, model="two", prefix=prefix)
    assert caught.value.code == "other_model"
    store = RedisStore(redis_server.url, model="two", prefix=prefix, on_new_model="restart")
    assert store.restarted
    new = Session(recurrence(name=b"two"), store)
    with pytest.raises(StoreError, match="another model has taken it over"):
        old.apply("a", 4, events[3:4])
    reply = new.apply("a", 4, events[3:4])
    assert isinstance(reply, Applied)
    assert reply.y.startswith(b"[[" + repr(recurrence().steps({"a": events[3:4]})["a"][0, 0].item()).encode())
    assert not RedisStore(redis_server.url, model="two", prefix=prefix, on_new_model="restart").restarted


def test_an_emptied_redis_is_found_out(new_redis: Any, recurrence: Any, events: Array) -> None:
    """Without a log on disk it forgets all when it ends: streams do not begin anew unseen."""
    server = new_redis()
    session = Session(recurrence(), RedisStore(server.url, model="m"))
    session.apply("a", 1, events[:1])
    server.kill()
    server.start()
    with pytest.raises(StoreError, match="it was emptied"):
        session.apply("b", 1, events[:1])


def test_a_full_redis_applies_nothing(new_redis: Any, recurrence: Any, events: Array) -> None:
    """Its limit on memory is a full store."""
    server = new_redis("--maxmemory", "3mb", "--maxmemory-policy", "noeviction")
    session = Session(recurrence(2000), RedisStore(server.url, model="m"))
    batches = ([Message(f"s{k}-{n}", 1, events[:20]) for n in range(100)] for k in range(200))
    with pytest.raises(StoreError) as caught:
        list(map(session.apply_many, batches))
    assert caught.value.code == "storage_full"
    assert session.last("s0-0") == 20
    session.close()


def test_an_address_that_is_none_is_refused(recurrence: Any) -> None:
    """And one at which nobody answers."""
    with pytest.raises(ArgumentError, match="expected an address such as redis://"):
        RedisStore("http://localhost", model="m")
    with pytest.raises(StoreError, match=r"redis 127\.0\.0\.1:1/0: it cannot be used") as caught:
        RedisStore("redis://user:secret@127.0.0.1:1/0", model="m")
    assert "secret" not in str(caught.value)


def test_without_the_package_the_install_command_is_named() -> None:
    """The module itself can be imported."""
    code = (
        "import sys; sys.modules['redis'] = None\n"
        "from unrolled.stream.store.redis import RedisStore\n"
        "try: RedisStore('redis://127.0.0.1', model='m')\n"
        "except ImportError as fault: print(fault)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'unrolled[redis]'" in ran.stdout


def test_a_hash_with_a_missing_field_is_damaged(redis_server: Any, prefix: str, row: Make) -> None:
    """Its stream is refused; the others are read."""
    store = RedisStore(redis_server.url, model="m", prefix=prefix)
    store.commit({name: (START, row(1)) for name in "ab"}, now=0)
    store._redis.hdel(f"{prefix}:stream:a", "state")
    rows = store.read("ab")
    assert isinstance(rows["a"], StoreError)
    assert rows["a"].code == "storage_corrupt"
    assert rows["b"] == row(1)
    store.close()
