"""Store in Redis: one hash a stream, one script that compares and writes; any worker may serve any stream."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from unrolled.errors import ArgumentError, MissingDependencyError, StoreError
from unrolled.stream.store.row import Sizes, StreamRow
from unrolled.validation import check_choice

if TYPE_CHECKING:
    from redis import Redis
    from redis.client import Pipeline

_FORMAT = "1"
_TIMEOUT_S = 5
_FIELDS = ("last", "length", "previous", "history", "state", "answer")

# KEYS: hash about the store. ARGV: format, model, whether states may begin anew.
# Returns the format, the model and the generation of what is there now, and whether it begins anew.
_OPEN = """
local about = redis.call('HMGET', KEYS[1], 'format', 'model', 'generation')
if not about[1] then about = {ARGV[1], ARGV[2], '0'} end
local restart = about[1] == ARGV[1] and about[2] ~= ARGV[2] and ARGV[3] == 'restart'
if restart then about = {ARGV[1], ARGV[2], tostring(tonumber(about[3]) + 1)} end
redis.call('HSET', KEYS[1], 'format', about[1], 'model', about[2], 'generation', about[3])
return {about[1], about[2], about[3], restart and 1 or 0}
"""

# KEYS: hash of the stream, sorted set of all streams by when they were seen, hash about the store.
# ARGV: generation, stream, seconds, history that the row follows on (empty: a new stream), fields of the row.
_WRITE = """
if redis.call('HGET', KEYS[3], 'generation') ~= ARGV[1] then return -1 end
if (redis.call('HGET', KEYS[1], 'history') or '') ~= ARGV[4] then return 0 end
redis.call('HSET', KEYS[1], 'generation', ARGV[1], unpack(ARGV, 5))
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[2])
return 1
"""

# KEYS: hash of the stream, sorted set of all streams. ARGV: stream, seconds before which it was seen.
_DELETE = """
local seen = redis.call('ZSCORE', KEYS[2], ARGV[1])
if not seen or tonumber(seen) >= tonumber(ARGV[2]) then return 0 end
redis.call('DEL', KEYS[1])
redis.call('ZREM', KEYS[2], ARGV[1])
return 1
"""


class RedisStore:
    """Rows in Redis, or Valkey, that several processes and machines share.

    A row is written by a script that compares the history of the stream first, so two workers that take the
    same message apply it once. What "acknowledged" is worth is for Redis to say: with `appendonly yes` and
    `appendfsync always` it survives a kill and a loss of power; with `everysec`, Redis' default, a second may
    be lost, and with it messages that were acknowledged.

    Args:
        url: such as redis://localhost:6379/0.
        model: hash of the model whose states it holds.
        on_new_model: as `SQLiteStore`; workers that still have the old model are refused from then on.
        prefix: beginning of all keys; another one is another store. No cluster mode.

    Raises:
        MissingDependencyError: the package redis is not installed.
        ArgumentError: the address is none of Redis.
        StoreError: it cannot be reached, or is of another model or format.
    """

    is_shared = True

    def __init__(
        self,
        url: str,
        *,
        model: str,
        on_new_model: Literal["refuse", "restart"] = "refuse",
        prefix: str = "unrolled",
    ) -> None:
        check_choice("on_new_model", on_new_model, ("refuse", "restart"))
        self._redis = _connect(url)
        place = self._redis.connection_pool.connection_kwargs
        host = place.get("path") or f"{place.get('host', 'localhost')}:{place.get('port', 6379)}"
        self._name = f"redis {host}/{place.get('db', 0)}"
        self._prefix, self._seen, self._about = f"{prefix}:stream:", f"{prefix}:seen", f"{prefix}:about"
        self._write, self._delete = map(self._redis.register_script, (_WRITE, _DELETE))
        with self._explained():
            about = self._redis.eval(_OPEN, 1, self._about, _FORMAT, model, on_new_model)
        written, owner, self._generation = (value.decode() for value in about[:3])
        self.restarted = bool(about[3])
        if written != _FORMAT:
            raise StoreError(
                f"{self._name}: expected format {_FORMAT}, got {written}. Choose another prefix."
            )
        if owner != model:
            raise StoreError(
                f"{self._name}: the states in it are of another model ({owner[:12]}), this one is "
                f"{model[:12]}. Use that model, another prefix, or on_new_model='restart', which keeps "
                "streams and their numbers and begins their states anew.",
                "other_model",
            )

    def read(self, streams: Iterable[str]) -> dict[str, StreamRow | StoreError]:
        """Read the rows of those streams that there are."""
        fields = self._fetch(streams, *_FIELDS, "generation")
        return {stream: self._row(stream, values) for stream, values in fields.items()}

    def read_histories(self, streams: Iterable[str]) -> dict[str, bytes]:
        """Read `history` alone; streams that there are not are left out."""
        return {stream: history for stream, (history,) in self._fetch(streams, "history").items()}

    def commit(self, rows: Mapping[str, tuple[bytes, StreamRow]], *, now: int) -> set[str]:
        """Write rows, each whole or not at all, in one round trip."""
        with self._pipeline() as pipeline:
            for stream, (history, row) in rows.items():
                fields: list[Any] = [part for field in zip(_FIELDS, row, strict=True) for part in field]
                keys = [self._prefix + stream, self._seen, self._about]
                self._write(keys, [self._generation, stream, now, history, *fields], client=pipeline)
            written = pipeline.execute()
        if -1 in written:
            raise StoreError(
                f"{self._name}: it was emptied, or another model has taken it over, since this process "
                "opened it. Start again.",
                "other_model",
            )
        return {stream for stream, is_written in zip(rows, written, strict=True) if not is_written}

    def delete(self, stream: str) -> bool:
        """Remove a stream; return whether there was one."""
        return bool(self._remove([stream], math.inf))

    def expire(self, before: int, *, most: int = 1000) -> list[str]:
        """Remove streams not seen since `before`, those that were idle for longest first."""
        with self._explained():
            idle: Any = self._redis.zrange(self._seen, "-inf", f"({before}", byscore=True, offset=0, num=most)
        return self._remove([stream.decode() for stream in idle], before)

    def names(self, after: str = "", *, most: int = 1000) -> list[str]:
        """List streams in the order of their names; all are read and sorted."""
        with self._explained():
            members: Any = self._redis.zrange(self._seen, 0, -1)
        return sorted(name for member in members if (name := member.decode()) > after)[:most]

    def __len__(self) -> int:
        with self._explained():
            return int(self._redis.zcard(self._seen))

    def sizes(self) -> Sizes:
        """Count the streams, and the bytes of memory that all of this Redis uses."""
        with self._explained():
            memory: Any = self._redis.info("memory")
        return Sizes(len(self), int(memory["used_memory"]))

    def maintain(self) -> None:
        """Do nothing: Redis looks after itself."""

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()

    def _fetch(self, streams: Iterable[str], *fields: str) -> dict[str, list[Any]]:
        streams = list(streams)
        with self._pipeline() as pipeline:
            for stream in streams:
                pipeline.hmget(self._prefix + stream, list(fields))
            replies = pipeline.execute()
        return {
            stream: values for stream, values in zip(streams, replies, strict=True) if values[0] is not None
        }

    def _row(self, stream: str, values: list[Any]) -> StreamRow | StoreError:
        """Make the row of a stream; its state is empty where another model wrote it."""
        if None in values:
            sentence = f"{stream}: fields of its hash in {self._name} are missing. Delete this stream."
            return StoreError(sentence, "storage_corrupt")
        last, length, previous, history, state, answer, generation = values
        is_ours = generation.decode() == self._generation
        return StreamRow(int(last), int(length), previous, history, state if is_ours else b"", answer)

    def _remove(self, streams: list[str], before: float) -> list[str]:
        with self._pipeline() as pipeline:
            for stream in streams:
                self._delete([self._prefix + stream, self._seen], [stream, before], client=pipeline)
            removed = pipeline.execute()
        return [stream for stream, is_removed in zip(streams, removed, strict=True) if is_removed]

    @contextmanager
    def _pipeline(self) -> Iterator[Pipeline]:
        """Begin a pipeline: many commands, one round trip, no transaction."""
        with self._explained(), self._redis.pipeline(transaction=False) as pipeline:
            yield pipeline

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn an error of Redis into a StoreError with a code."""
        from redis.exceptions import OutOfMemoryError, RedisError  # noqa: PLC0415 (an extra)

        try:
            yield
        except OutOfMemoryError as fault:
            sentence = f"{self._name}: its memory is full ({fault}). Raise maxmemory and send it again."
            raise StoreError(sentence, "storage_full") from fault
        except RedisError as fault:
            sentence = f"{self._name}: it cannot be used ({fault}). See that it runs, and send it again."
            raise StoreError(sentence) from fault


def _connect(url: str) -> Redis:
    try:
        from redis import Redis  # noqa: PLC0415 (an extra)
    except ImportError as fault:
        raise MissingDependencyError(
            "A store in Redis needs the package redis: pip install 'unrolled[redis]'"
        ) from fault
    try:
        return Redis.from_url(url, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S)
    except (ValueError, AttributeError) as fault:
        raise ArgumentError(
            f"store: expected an address such as redis://localhost:6379/0, got {url!r} ({fault})."
        ) from fault
