"""Store in one file of SQLite: one owner, one commit a batch, its own checkpoints."""

from __future__ import annotations

import logging
import os
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NoReturn

from unrolled.errors import StoreError
from unrolled.stream.store.file_lock import FileLock
from unrolled.stream.store.row import START, Sizes, StreamRow
from unrolled.validation import check_choice, check_path

_LOG = logging.getLogger(__name__)
_APPLICATION = 0x756E726C  # "unrl", which `file streams.db` prints
_VERSION = 1
_CHECKPOINT_ROWS = 4000  # rows in the WAL, about 16 MB, before they are copied into the database
_SYNCHRONOUS = {"power": "FULL", "process": "NORMAL"}
_FULL = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE}
_CORRUPT = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_UNCONFIRMED = {sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC}

_SCHEMA = """
CREATE TABLE about (key TEXT PRIMARY KEY, value ANY) STRICT;
CREATE TABLE streams (
    id INTEGER PRIMARY KEY,
    stream TEXT NOT NULL UNIQUE,
    generation INTEGER NOT NULL,
    seen INTEGER NOT NULL,
    last INTEGER NOT NULL,
    length INTEGER NOT NULL,
    previous BLOB NOT NULL,
    history BLOB NOT NULL,
    state BLOB NOT NULL,
    answer BLOB NOT NULL,
    checksum INTEGER NOT NULL
) STRICT;
"""

_COLUMNS = "seen, last, length, previous, history, state, answer, checksum, generation"
_INSERT = (
    f"INSERT INTO streams ({_COLUMNS}, stream) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "  # noqa: S608 (no input)
    "ON CONFLICT (stream) DO NOTHING"
)
_UPDATE = (
    f"UPDATE streams SET ({_COLUMNS}) = (?, ?, ?, ?, ?, ?, ?, ?, ?) "  # noqa: S608 (no input)
    "WHERE stream = ? AND history = ?"
)


class SQLiteStore:
    """Rows in a table of a SQLite database in WAL mode, whose only owner is this process.

    What was acknowledged survives a kill of the process, and with durability="power" a loss of power, as far
    as the disk keeps what it confirmed.

    Args:
        path: the file, made if it is missing; on a local disk.
        model: hash of the model whose states it holds.
        durability: "power" waits for the disk at each commit; "process" does not: a loss of power may take
            the last commits, a kill of the process none.
        on_new_model: of a file that another model wrote: "refuse" it, or "restart": keep streams and their
            numbers, and begin their states anew.
        partition: which part of the streams it holds, such as "2 of 4"; the file remembers it.

    Raises:
        StoreError: another process owns the file, it is damaged or of another kind, model, version or
            partition, or it cannot be written; it lies on a network file system.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = SQLiteStore(folder + "/streams.db", model="3f2a")
    ...     row = StreamRow(last=1, length=1, previous=START, history=b"1", state=b"s", answer=b"[0.5]")
    ...     _ = store.commit({"a": (START, row)}, now=0)
    ...     store.close()
    ...     SQLiteStore(folder + "/streams.db", model="3f2a").read(["a"])["a"] == row
    True
    """

    is_shared = False

    def __init__(
        self,
        path: str | Path,
        *,
        model: str,
        durability: Literal["power", "process"] = "power",
        on_new_model: Literal["refuse", "restart"] = "refuse",
        partition: str = "1 of 1",
    ) -> None:
        check_choice("durability", durability, tuple(_SYNCHRONOUS))
        check_choice("on_new_model", on_new_model, ("refuse", "restart"))
        self.path = Path(os.path.realpath(check_path("store", path)))
        self._failure: StoreError | None = None  # after which nothing may be written
        self._expired_to = self._n_rows_in_wal = 0
        self._lock = FileLock(self.path)
        try:
            # the event loop opens it, one worker thread uses it
            self._database = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
            try:
                with self._explained():
                    self._prepare(_SYNCHRONOUS[durability])
                    self.restarted = self._check_about(model, on_new_model, partition)
                    (self._count,) = self._database.execute("SELECT count(*) FROM streams").fetchone()
            except BaseException:
                self._database.close()
                raise
        except BaseException:
            self._lock.close()
            raise

    def read(self, streams: Iterable[str]) -> dict[str, StreamRow | StoreError]:
        """Read the rows of those streams that there are; a damaged row is an error, the others are read."""
        rows: dict[str, StreamRow | StoreError] = {}
        for stream in streams:
            try:
                with self._explained():
                    fields = self._select(stream, _COLUMNS)
            except StoreError as fault:
                if fault.code != "storage_corrupt":
                    raise
                rows[stream] = fault
            else:
                if fields:
                    rows[stream] = self._row(stream, fields)
        return rows

    def read_histories(self, streams: Iterable[str]) -> dict[str, bytes]:
        """Read `history` alone; streams that there are not are left out."""
        with self._explained():
            histories = {stream: self._select(stream, "history") for stream in streams}
        return {stream: row[0] for stream, row in histories.items() if row}

    def commit(self, rows: Mapping[str, tuple[bytes, StreamRow]], *, now: int) -> set[str]:
        """Write rows in one transaction, each where its stream has the history given."""
        values = {
            stream: (now, *row, _checksum(stream, row), self._generation, stream)
            for stream, (_, row) in rows.items()
        }
        new = [values[stream] for stream, (history, _) in rows.items() if history == START]
        changed = [(*values[stream], history) for stream, (history, _) in rows.items() if history != START]
        with self._transaction() as database:
            n_new = database.executemany(_INSERT, new).rowcount if new else 0
            n_changed = database.executemany(_UPDATE, changed).rowcount if changed else 0
        self._count += n_new
        self._n_rows_in_wal += n_new + n_changed
        if self._n_rows_in_wal >= _CHECKPOINT_ROWS:
            self.maintain()
        if n_new + n_changed == len(rows):
            return set()
        stored = self.read_histories(rows)
        return {stream for stream, (_, row) in rows.items() if stored.get(stream) != row.history}

    def delete(self, stream: str) -> bool:
        """Remove a stream; return whether there was one."""
        with self._transaction() as database:
            n_rows = database.execute("DELETE FROM streams WHERE stream = ?", (stream,)).rowcount
        self._count -= n_rows
        self._n_rows_in_wal += n_rows
        return n_rows > 0

    def expire(self, before: int, *, most: int = 1000) -> list[str]:
        """Look at the next streams in the order of their rows, and remove those not seen since `before`."""
        with self._explained():
            rows = self._database.execute(
                "SELECT id, stream, seen FROM streams WHERE id > ? ORDER BY id LIMIT ?",
                (self._expired_to, most),
            ).fetchall()
        idle = {row: stream for row, stream, seen in rows if seen < before}
        if idle:
            with self._transaction() as database:
                database.executemany("DELETE FROM streams WHERE id = ?", [(row,) for row in idle])
            self._count -= len(idle)
            self._n_rows_in_wal += len(idle)
        self._expired_to = rows[-1][0] if len(rows) == most else 0
        return list(idle.values())

    def names(self, after: str = "", *, most: int = 1000) -> list[str]:
        """List streams in the order of their names, those after a name."""
        query = "SELECT stream FROM streams WHERE stream > ? ORDER BY stream LIMIT ?"
        with self._explained():
            return [stream for (stream,) in self._database.execute(query, (after, most))]

    def __len__(self) -> int:
        return int(self._count)

    def sizes(self) -> Sizes:
        """Count the streams, and the bytes of the file and its WAL."""
        paths = (self.path, self.path.with_name(self.path.name + "-wal"))
        return Sizes(self._count, sum(path.stat().st_size for path in paths if path.exists()))

    def maintain(self) -> None:
        """Copy the WAL into the database, if there is anything in it; where that fails, the WAL keeps it."""
        if not self._n_rows_in_wal:
            return
        self._n_rows_in_wal = 0
        try:
            with self._explained():
                self._database.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        except StoreError as fault:  # every commit is in the WAL
            _LOG.warning("checkpoint failed: %s", fault)

    def close(self) -> None:
        """Copy the WAL into the database and let another process own the file."""
        self._database.close()
        self._lock.close()

    def _prepare(self, synchronous: str) -> None:
        """Check whose file it is, before anything is written; make the tables of an empty one."""
        database = self._database
        database.execute("PRAGMA locking_mode = EXCLUSIVE")  # nobody else opens it, though they ignore flock
        (application,) = database.execute("PRAGMA application_id").fetchone()
        (version,) = database.execute("PRAGMA user_version").fetchone()
        (n_tables,) = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if n_tables and application != _APPLICATION:
            raise StoreError(
                f"{self.path}: expected a store of streams, got another database. Name another file."
            )
        if n_tables and version != _VERSION:
            raise StoreError(
                f"{self.path}: expected a store of version {_VERSION}, got version {version}. Use the "
                "release of unrolled that wrote it, or another file."
            )
        (mode,) = database.execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            raise StoreError(
                f"{self.path}: this file system has no WAL mode of SQLite. Choose another place."
            )
        database.execute(f"PRAGMA synchronous = {synchronous}")
        database.execute("PRAGMA wal_autocheckpoint = 0")  # `maintain` does it
        database.execute("PRAGMA cell_size_check = ON")
        database.execute("PRAGMA trusted_schema = OFF")
        database.execute("PRAGMA cache_size = -16384")  # KiB
        if not n_tables:
            script = f"PRAGMA application_id = {_APPLICATION}; PRAGMA user_version = {_VERSION};{_SCHEMA}"
            with self._transaction():
                for statement in script.split(";"):
                    database.execute(statement)

    def _check_about(self, model: str, on_new_model: str, partition: str) -> bool:
        """Check whose states these are; return whether they begin anew."""
        about = dict(self._database.execute("SELECT key, value FROM about"))
        if about.setdefault("partition", partition) != partition:
            raise StoreError(
                f"{self.path}: expected part {partition} of the streams, got part {about['partition']}. Use "
                "as many workers as before, or another file."
            )
        is_new = bool(about.setdefault("model", model) != model)
        if is_new and on_new_model == "refuse":
            raise StoreError(
                f"{self.path}: the states in it are of another model ({about['model'][:12]}), this one is "
                f"{model[:12]}. Use that model, another file, or on_new_model='restart', which keeps streams "
                "and their numbers and begins their states anew.",
                "other_model",
            )
        self._generation = int(about.get("generation", 0)) + is_new
        with self._transaction() as database:
            values = {"partition": partition, "model": model, "generation": self._generation}
            database.executemany("INSERT OR REPLACE INTO about VALUES (?, ?)", list(values.items()))
        return is_new

    def _select(self, stream: str, columns: str) -> Any:
        query = f"SELECT {columns} FROM streams WHERE stream = ?"  # noqa: S608 (columns are ours)
        return self._database.execute(query, (stream,)).fetchone()

    def _row(self, stream: str, fields: Any) -> StreamRow | StoreError:
        """Make the row of a stream; its state is empty where another model wrote it."""
        _, *values, checksum, generation = fields
        row = StreamRow(*values)
        if _checksum(stream, row) != checksum:
            return StoreError(
                f"{stream}: its row in {self.path} is damaged. Delete this stream, or restore it.",
                "storage_corrupt",
            )
        return row if generation == self._generation else row._replace(state=b"")

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Begin a transaction and commit it, or roll it back."""
        if not self._failure and not self._lock.holds(self.path):
            self._failure = StoreError(
                f"{self.path}: the file was moved, replaced or deleted while this server had it open; what is"
                " written to it now would be lost. Put it back and start the server again."
            )
        if self._failure:
            raise self._failure
        with self._explained():
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn an error of SQLite into a StoreError with a code."""
        try:
            yield
        except sqlite3.Error as fault:
            self._explain(fault)

    def _explain(self, fault: sqlite3.Error) -> NoReturn:
        code = getattr(fault, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
        what, way_out, word = _reason(code)
        name = getattr(fault, "sqlite_errorname", "no code")
        error = StoreError(f"{self.path}: {what} ({fault}, {name}). {way_out}", word)
        if code in _UNCONFIRMED:  # what the disk has not confirmed may be gone, though a later call succeeds
            self._failure = error
        raise error from fault


def _reason(code: int) -> tuple[str, str, str]:
    """Say in words what an error of SQLite means: what is wrong, the way out, the code."""
    if code in _FULL:
        return "the disk is full", "Free some space and send it again.", "storage_full"
    if code & 0xFF in _CORRUPT:
        return "the database is damaged", "Restore a copy, or name another file.", "storage_corrupt"
    if code & 0xFF == sqlite3.SQLITE_BUSY:
        return "another program has it open", "Close that one.", "storage_failed"
    return "it cannot be used", "See whether its disk is healthy.", "storage_failed"


def _checksum(stream: str, row: StreamRow) -> int:
    """CRC-32 of a row: SQLite itself finds no bit that has changed within a value."""
    checksum = zlib.crc32(f"{stream} {row.last} {row.length}".encode())
    for part in (row.previous, row.history, row.state, row.answer):
        checksum = zlib.crc32(part, checksum)
    return checksum
