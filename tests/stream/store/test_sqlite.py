"""One file, one owner: it survives kills, says what is wrong with it, and applies nothing when full."""

import json
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from unrolled.errors import ArgumentError, StoreError
from unrolled.stream.replies import Again, Applied, Gap, Message, Refused
from unrolled.stream.session import Session
from unrolled.stream.store import sqlite
from unrolled.stream.store.row import START, StreamRow
from unrolled.stream.store.sqlite import SQLiteStore

Make = Callable[..., StreamRow]


Array = NDArray[np.float64]


def test_a_store_is_there_when_it_is_opened_again(tmp_path: Path, row: Make) -> None:
    """Rows, count and what was deleted."""
    path = tmp_path / "streams.db"
    store = SQLiteStore(path, model="m")
    store.commit({name: (START, row(1)) for name in "abc"}, now=5)
    store.delete("b")
    store.close()
    assert [child.name for child in tmp_path.iterdir()] == ["streams.db"]  # the WAL is in it
    store = SQLiteStore(path, model="m")
    assert (store.read("abc"), len(store), store.restarted) == ({"a": row(1), "c": row(1)}, 2, False)
    store.close()


def test_killed_at_random_moments_nothing_is_lost_or_doubled(
    tmp_path: Path, recurrence: Any, killed: Any
) -> None:
    """SIGKILL under load, four times; whoever sends again gets the answers of an uninterrupted run."""
    counts = killed.run_and_kill(tmp_path / "s.db", n_kills=4, recurrence=recurrence)
    assert counts["messages"] > 100
    assert counts["resent"] > 0


@pytest.mark.slow
def test_killed_a_hundred_times_nothing_is_lost_or_doubled(
    tmp_path: Path, recurrence: Any, killed: Any
) -> None:
    """Some kills fall between commit and answer: those messages are answered from the store."""
    counts = killed.run_and_kill(tmp_path / "s.db", n_kills=100, recurrence=recurrence)
    assert counts["again"] > 0
    assert counts["resent"] > 100


def test_a_file_has_one_owner(tmp_path: Path) -> None:
    """A second process is refused, by any name of the file; other programs find it locked."""
    path = tmp_path / "streams.db"
    store = SQLiteStore(path, model="m")
    (tmp_path / "link.db").symlink_to(path)
    os.link(path, tmp_path / "hard.db")
    for name in ("streams.db", "link.db", "hard.db"):
        with pytest.raises(StoreError, match="owns this file"):
            SQLiteStore(tmp_path / name, model="m")
    code = f"import sqlite3; sqlite3.connect({str(path)!r}, timeout=0).execute('SELECT 1 FROM about')"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "database is locked" in ran.stderr
    store.close()
    SQLiteStore(tmp_path / "link.db", model="m").close()


def test_another_database_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    """Of another program, of another version, or no database at all."""
    path = tmp_path / "other.db"
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE songs (title)")
    database.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"other.db: expected a store of streams, got another database"):
        SQLiteStore(path, model="m")
    assert path.read_bytes() == before
    SQLiteStore(tmp_path / "newer.db", model="m").close()
    database = sqlite3.connect(tmp_path / "newer.db")
    database.execute("PRAGMA user_version = 2")
    database.close()
    with pytest.raises(StoreError, match="expected a store of version 1, got version 2"):
        SQLiteStore(tmp_path / "newer.db", model="m")
    (tmp_path / "text.db").write_text("a note\n" * 1000)
    with pytest.raises(StoreError, match="the database is damaged") as caught:
        SQLiteStore(tmp_path / "text.db", model="m")
    assert caught.value.code == "storage_corrupt"
    assert (tmp_path / "text.db").read_text() == "a note\n" * 1000


def test_an_empty_database_becomes_a_store(tmp_path: Path, row: Make) -> None:
    """As a kill leaves it between the file and its tables."""
    path = tmp_path / "streams.db"
    database = sqlite3.connect(path)
    database.execute("PRAGMA journal_mode = WAL")
    database.close()
    store = SQLiteStore(path, model="m")
    assert store.commit({"a": (START, row(1))}, now=0) == set()
    store.close()


def test_a_damaged_row_stops_its_stream_alone(tmp_path: Path, recurrence: Any, events: Array) -> None:
    """One bit in a stored state; the streams beside it go on, and it can be deleted."""
    path = tmp_path / "streams.db"
    session = Session(recurrence(), SQLiteStore(path, model="m"))
    session.apply_many([Message(name, 1, events[:3]) for name in "abc"])
    saved = session.snapshot("b")
    session.close()
    database = sqlite3.connect(path)
    (state,) = database.execute("SELECT state FROM streams WHERE stream = 'b'").fetchone()
    database.execute(
        "UPDATE streams SET state = ? WHERE stream = 'b'", (state[:-1] + bytes([state[-1] ^ 1]),)
    )
    database.commit()
    database.close()
    session = Session(recurrence(), SQLiteStore(path, model="m"))
    replies = session.apply_many([Message(name, 4, events[3:4]) for name in "abc"])
    assert [type(reply) for reply in replies] == [Applied, Refused, Applied]
    assert isinstance(replies[1], Refused)
    assert replies[1].code == "storage_corrupt"
    assert replies[1].sentence.startswith("b: its row")
    with pytest.raises(StoreError, match="is damaged"):
        session.snapshot("b")
    assert saved is not None
    session.restore("b", saved)
    assert isinstance(session.apply("b", 4, events[3:4]), Applied)
    session.close()


def test_a_damaged_page_stops_the_streams_on_it(tmp_path: Path, row: Make) -> None:
    """The other rows are read."""
    path = tmp_path / "streams.db"
    store = SQLiteStore(path, model="m")
    names = [f"s{k:03d}" for k in range(200)]
    store.commit({name: (START, row(1)._replace(state=bytes(300))) for name in names}, now=0)
    store.close()
    content = bytearray(path.read_bytes())
    page = content.rfind(b"s150") // 4096  # of the table or of its index
    content[page * 4096 : page * 4096 + 4096] = b"\xff" * 4096
    path.write_bytes(content)
    store = SQLiteStore(path, model="m")
    rows = store.read(names)
    damaged = [name for name in names if isinstance(rows.get(name), StoreError)]
    assert "s150" in damaged
    assert len(damaged) < 40
    assert all(rows[name].code == "storage_corrupt" for name in damaged)  # type: ignore[union-attr]
    assert store.commit({"s000": (b"history1", row(2, b"history1"))}, now=0) == set()
    store.close()


def test_states_of_another_model_are_refused_or_begin_anew(
    tmp_path: Path, recurrence: Any, events: Array
) -> None:
    """With on_new_model="restart" streams keep their numbers, and the last answers are still given."""
    path = tmp_path / "streams.db"
    session = Session(recurrence(name=b"one"), SQLiteStore(path, model="one"))
    first = session.apply("a", 1, events[:3])
    session.close()
    with pytest.raises(
        StoreError, match=r"another model \(one\), this one is two.*on_new_model='restart'"
    ) as caught:
        SQLiteStore(path, model="two")
    assert caught.value.code == "other_model"
    store = SQLiteStore(path, model="two", on_new_model="restart")
    assert store.restarted
    session = Session(recurrence(name=b"two"), store)
    assert session.apply("a", 1, events[:3]) == Again(3, first.y)  # type: ignore[union-attr]
    assert session.apply("a", 5, events[4:5]) == Gap(4)
    reply = session.apply("a", 4, events[3:4])
    assert isinstance(reply, Applied)
    assert json.loads(reply.y) == recurrence().steps({"a": events[3:4]})["a"].tolist()
    session.close()
    store = SQLiteStore(path, model="two", on_new_model="restart")
    assert not store.restarted
    store.close()


def test_a_part_of_the_streams_is_no_other_part(tmp_path: Path) -> None:
    """Streams are spread by the number of workers."""
    SQLiteStore(tmp_path / "s.db", model="m", partition="2 of 4").close()
    with pytest.raises(StoreError, match="expected part 2 of 3 of the streams, got part 2 of 4"):
        SQLiteStore(tmp_path / "s.db", model="m", partition="2 of 3")


@pytest.mark.parametrize("argument", ["durability", "on_new_model"])
def test_a_misspelt_argument_is_refused(tmp_path: Path, argument: str) -> None:
    """Before a file is made."""
    with pytest.raises(ArgumentError, match=f"{argument}: expected one of"):
        SQLiteStore(tmp_path / "s.db", model="m", **{argument: "maybe"})  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("durability", "level"), [("power", 2), ("process", 1)])
def test_durability_is_what_sqlite_is_told(tmp_path: Path, durability: Any, level: int) -> None:
    """FULL or NORMAL, in WAL mode, without checkpoints of its own."""
    store = SQLiteStore(tmp_path / "s.db", model="m", durability=durability)
    names = ("synchronous", "journal_mode", "wal_autocheckpoint", "locking_mode")
    values = [store._database.execute(f"PRAGMA {name}").fetchone()[0] for name in names]
    assert values == [level, "wal", 0, "exclusive"]
    store.close()


def test_the_wal_stays_small(tmp_path: Path, row: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is copied into the database after so many rows, and when there is time."""
    monkeypatch.setattr(sqlite, "_CHECKPOINT_ROWS", 50)
    store = SQLiteStore(tmp_path / "s.db", model="m", durability="process")
    last: dict[str, bytes] = {}
    for k in range(1, 301):
        name = f"s{k % 30}"
        store.commit({name: (last.get(name, START), row(k))}, now=k)
        last[name] = row(k).history
    assert (tmp_path / "s.db-wal").stat().st_size < 150 * 3 * 4200
    store.maintain()
    shutil.copy(tmp_path / "s.db", tmp_path / "copy.db")
    copy = SQLiteStore(tmp_path / "copy.db", model="m")
    assert copy.read(last) == store.read(last)
    copy.close()
    store.close()


def test_a_full_disk_applies_nothing_and_goes_on(tmp_path: Path, killed: Any, events: Array) -> None:
    """A limit on the size of files, of a child process; the message that met it goes through later."""
    child = subprocess.Popen(
        [sys.executable, killed.CHILD, tmp_path / "s.db"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert child.stdin is not None
    assert child.stdout is not None

    def send(*messages: Any) -> Any:
        print(json.dumps(messages), file=child.stdin, flush=True)
        return json.loads(child.stdout.readline())  # type: ignore[union-attr]

    first = send(["a", 1, events[:2].tolist()])
    used = (tmp_path / "s.db-wal").stat().st_size
    resource.prlimit(child.pid, resource.RLIMIT_FSIZE, (used + 5000, resource.RLIM_INFINITY))
    n, refused = 1, None
    while refused is None and n < 500:
        reply = send(*[[f"s{k}", n, events[n % 20 : n % 20 + 1].tolist()] for k in range(4)])
        refused = reply if isinstance(reply, dict) else None
        n += refused is None
    assert refused is not None
    assert refused["code"] == "storage_full"
    assert "Free some space" in refused["sentence"]
    assert send(["a", 1, events[:2].tolist()])[0]["y"] == first[0]["y"]  # what is stored is still answered
    resource.prlimit(child.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    reply = send(*[[f"s{k}", n, events[n % 20 : n % 20 + 1].tolist()] for k in range(4)])
    assert [each["kind"] for each in reply] == ["Applied"] * 4
    child.communicate("")
    assert child.returncode == 0


def test_after_a_commit_that_the_disk_did_not_confirm_nothing_is_written(tmp_path: Path, row: Make) -> None:
    """A later fsync may succeed though pages were lost: until it is opened again, writes are refused."""
    store = SQLiteStore(tmp_path / "s.db", model="m")
    fault = sqlite3.OperationalError("disk I/O error")
    fault.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
    with pytest.raises(StoreError):
        store._explain(fault)
    for _ in range(2):
        with pytest.raises(StoreError, match="disk I/O error"):
            store.commit({"a": (START, row(1))}, now=0)
    assert store.read("a") == {}
    store.close()


@pytest.mark.parametrize("how", ["moved", "deleted", "replaced"])
def test_a_file_that_is_no_longer_there_takes_no_answer(tmp_path: Path, row: Make, how: str) -> None:
    """What would be written is in no file that a next server opens; other readers wait for the old one."""
    path = tmp_path / "s.db"
    store = SQLiteStore(path, model="m")
    first = row(1)
    store.commit({"a": (START, first)}, now=0)
    if how == "deleted":
        path.unlink()
    else:
        path.rename(tmp_path / "elsewhere.db")
    if how == "replaced":
        path.write_bytes(b"")
    for _ in range(2):
        with pytest.raises(StoreError, match="moved, replaced or deleted") as caught:
            store.commit({"b": (START, row(1))}, now=0)
        assert caught.value.code == "storage_failed"
    store.close()
