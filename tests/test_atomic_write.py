"""Files and folders are written whole or not at all."""

import os
import resource
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from unrolled import atomic_write
from unrolled.atomic_write import replace_folder, write_atomically
from unrolled.errors import StorageError
from unrolled.models.persistence import load_model, save_model


@pytest.fixture
def full_disk() -> Iterator[None]:
    """No file may grow beyond 64 KiB: a full disk that root meets as well."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (65_536, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def _text(content: str) -> Callable[[Path], object]:
    return lambda temporary: temporary.write_text(content)


def _names(folder: Path) -> list[str]:
    return sorted(inside.name for inside in folder.iterdir())


def _folder_of(**files: str) -> Callable[[Path], object]:
    def fill(new: Path) -> None:
        for name, content in files.items():
            (new / name).write_text(content)

    return fill


def test_a_file_is_made_and_replaced(tmp_path: Path) -> None:
    """The second write replaces the first, and nothing else is in the folder."""
    path = tmp_path / "page.html"
    write_atomically(path, _text("one"))
    assert write_atomically(path, _text("two")) == path
    assert path.read_text() == "two"
    assert _names(tmp_path) == ["page.html"]


def test_the_temporary_file_is_in_the_same_folder_with_the_same_suffix(tmp_path: Path) -> None:
    """A rename is one step only within a file system, and some writers look at the suffix."""
    seen: list[Path] = []
    write_atomically(tmp_path / "x.parquet", lambda temporary: seen.append(temporary) or temporary.touch())
    assert seen[0].parent == tmp_path
    assert seen[0].suffix == ".parquet"


def test_a_full_disk_leaves_the_old_file_and_says_so(tmp_path: Path, full_disk: None) -> None:
    """The sentence names the file, the reason and the way out; no temporary file is left."""
    path = tmp_path / "page.html"
    write_atomically(path, _text("old"))
    with pytest.raises(StorageError) as caught:
        write_atomically(path, _text("x" * 100_000))
    assert str(caught.value) == (
        f"{path}: cannot be written, disk full (File too large); what stood there before is unchanged. "
        "Free some space or write elsewhere."
    )
    assert isinstance(caught.value.__cause__, OSError)
    assert path.read_text() == "old"
    assert _names(tmp_path) == ["page.html"]


def test_any_failure_of_the_writer_leaves_the_old_file(tmp_path: Path) -> None:
    """An interrupt in the middle is no different from a full disk, and is passed on."""
    path = tmp_path / "page.html"
    write_atomically(path, _text("old"))

    def interrupted(temporary: Path) -> None:
        temporary.write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, interrupted)
    assert path.read_text() == "old"
    assert _names(tmp_path) == ["page.html"]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    """The folder is not made silently: it may be a slip of the finger."""
    path = tmp_path / "no" / "page.html"
    with pytest.raises(StorageError) as caught:
        write_atomically(path, _text("x"))
    assert str(caught.value) == (
        f"{path}: cannot be written, there is no folder {path.parent}. Make it or write elsewhere."
    )


def test_a_folder_or_a_device_is_never_replaced_by_a_file(tmp_path: Path) -> None:
    """A rename onto a device would destroy it for everyone."""
    fifo = tmp_path / "pipe"
    os.mkfifo(fifo)
    with pytest.raises(StorageError, match="it is a device, not a file"):
        write_atomically(fifo, _text("x"))
    with pytest.raises(StorageError, match="it is a folder, not a file"):
        write_atomically(tmp_path, _text("x"))
    assert fifo.is_fifo()


def test_the_mode_of_the_old_file_is_kept(tmp_path: Path) -> None:
    """A private file stays private; a new one follows the umask as any other."""
    path = tmp_path / "page.html"
    write_atomically(path, _text("one"))
    plain = tmp_path / "plain"
    plain.touch()
    assert path.stat().st_mode == plain.stat().st_mode
    path.chmod(0o600)
    write_atomically(path, _text("two"))
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_link_is_followed(tmp_path: Path) -> None:
    """The file behind the link is replaced, not the link."""
    real, link = tmp_path / "real.txt", tmp_path / "link.txt"
    real.write_text("old")
    link.symlink_to(real)
    write_atomically(link, _text("new"))
    assert link.is_symlink()
    assert real.read_text() == "new"


@pytest.mark.parametrize("in_one_step", [True, False])
def test_a_folder_is_made_and_replaced_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_one_step: bool
) -> None:
    """No file of the old folder survives in the new one, with and without the system's exchange."""
    if not in_one_step:
        monkeypatch.setattr(atomic_write, "_exchange", lambda one, other: False)
    path = tmp_path / "model"
    replace_folder(path, _folder_of(a="1", b="2"))
    replace_folder(path, _folder_of(a="3"))
    assert {p.name: p.read_text() for p in path.iterdir()} == {"a": "3"}
    assert _names(tmp_path) == ["model"]


def test_a_full_disk_leaves_the_old_folder(tmp_path: Path, full_disk: None) -> None:
    """The small file that still fitted is not put beside the old weights."""
    path = tmp_path / "model"
    replace_folder(path, _folder_of(config="old", weights="old"))
    with pytest.raises(StorageError, match=r"disk full .*what stood there before is unchanged"):
        replace_folder(path, _folder_of(config="new", weights="x" * 100_000))
    assert {p.name: p.read_text() for p in path.iterdir()} == {"config": "old", "weights": "old"}
    assert _names(tmp_path) == ["model"]


def test_a_file_is_never_replaced_by_a_folder(tmp_path: Path) -> None:
    """Saving a model onto a file is refused."""
    path = tmp_path / "model"
    path.write_text("mine")
    with pytest.raises(StorageError, match="it is a file, not a folder"):
        replace_folder(path, _folder_of(a="1"))
    assert path.read_text() == "mine"


_SAVES_FOR_EVER = textwrap.dedent("""
    import itertools, sys
    from pathlib import Path
    from unrolled.atomic_write import replace_folder

    def fill(new, k):
        for name in "ab":
            (new / name).write_text(str(k))

    for k in itertools.count():
        replace_folder(sys.argv[1], lambda new: fill(new, k))
        print(k, flush=True)
""")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux exchanges two folders in one step")
def test_a_kill_at_any_moment_leaves_one_whole_folder(tmp_path: Path) -> None:
    """Killed at five random moments, both files always come from the same save."""
    path = tmp_path / "model"
    for saves in (1, 3, 7, 12, 20):
        process = subprocess.Popen(
            [sys.executable, "-c", _SAVES_FOR_EVER, str(path)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        for _ in range(saves):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        contents = [(path / name).read_text() for name in "ab"]
        assert contents[0] == contents[1]


_STOPS_HALFWAY = textwrap.dedent("""
    import sys
    from pathlib import Path
    from unrolled import atomic_write

    def half(new):
        place = new / "weights" if new.is_dir() else new
        place.write_text("half")
        print(new.name, flush=True)
        sys.stdin.readline()
        place.write_text("whole")

    getattr(atomic_write, sys.argv[1])(sys.argv[2], half)
""")
WAYS = {"write_atomically": _text("mine"), "replace_folder": _folder_of(weights="mine")}


@contextmanager
def _halfway(way: str, path: Path) -> Iterator[tuple["subprocess.Popen[str]", Path]]:
    """A process in the middle of a save to that path, and what it writes to."""
    words = [sys.executable, "-c", _STOPS_HALFWAY, way, str(path)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process, path.with_name(process.stdout.readline().strip())
        process.kill()


def _left_by_a_kill(way: str, path: Path) -> Path:
    with _halfway(way, path) as (process, temporary):
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert _names(path.parent) == [temporary.name]
    return temporary


@pytest.mark.parametrize("way", WAYS)
def test_the_next_save_removes_what_a_killed_one_left(tmp_path: Path, way: str) -> None:
    """Whether there is something at that place or not yet; what was left beside another place stays."""
    path, left = tmp_path / "model.part", []
    _left_by_a_kill(way, path)
    getattr(atomic_write, way)(tmp_path / "model", WAYS[way])
    assert len(_names(tmp_path)) == 2
    getattr(atomic_write, way)(path, WAYS[way])
    assert _names(tmp_path) == ["model", "model.part"]
    with _halfway(way, path) as (process, temporary):
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert temporary.exists()
    getattr(atomic_write, way)(path, lambda new: (WAYS[way](new), left.append(temporary.exists())))
    assert left == [False]  # gone before the next needs its space
    assert _names(tmp_path) == ["model", "model.part"]


def test_a_long_name_owns_no_more_than_its_own(tmp_path: Path) -> None:
    """What was left of another, whose name begins with the same forty letters, may be its last copy."""
    one, other = (tmp_path / ("sequence_classifier_gru_hidden_64_seed_of" + end) for end in "12")
    left = _left_by_a_kill("replace_folder", one)
    replace_folder(other, WAYS["replace_folder"])
    assert left.exists()


@pytest.mark.parametrize("way", WAYS)
def test_a_save_leaves_a_living_process_its_own(tmp_path: Path, way: str) -> None:
    """Two processes save to one place at once: the later one to end stands there, whole."""
    path = tmp_path / "model.part"
    with _halfway(way, path) as (process, temporary):
        for _ in range(2):
            getattr(atomic_write, way)(path, WAYS[way])
            assert _names(tmp_path) == sorted([temporary.name, path.name])
        process.communicate("go on\n")
        assert process.returncode == 0
    assert _names(tmp_path) == [path.name]
    assert (path if path.is_file() else path / "weights").read_text() == "whole"


@pytest.mark.parametrize("way", WAYS)
def test_a_save_leaves_another_thread_its_own(tmp_path: Path, way: str) -> None:
    """Within one process too, the later one to end stands there."""
    path = tmp_path / "model"
    begun, ended = threading.Event(), threading.Event()

    def slow(temporary: Path) -> None:
        WAYS[way](temporary)
        begun.set()
        ended.wait(30)

    thread = threading.Thread(target=getattr(atomic_write, way), args=(path, slow))
    thread.start()
    begun.wait(30)
    for _ in range(2):
        getattr(atomic_write, way)(path, WAYS[way])
        assert len(_names(tmp_path)) == 2
    ended.set()
    thread.join()
    assert _names(tmp_path) == ["model"]


def test_what_another_machine_left_is_removed_after_a_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its processes cannot be asked whether they live."""
    path = tmp_path / "model"
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(atomic_write, "_machine", lambda: "0" * 8)
        left = atomic_write._temporary_name(path)
    replace_folder(left, _folder_of(weights="half"))
    now = time.time()
    for hours, stays in ((1, True), (23, True), (25, False)):
        monkeypatch.setattr(atomic_write, "time", lambda hours=hours: now + 3600 * hours)
        replace_folder(path, _folder_of(weights="mine"))
        assert left.exists() == stays


def test_a_process_that_had_the_same_number_is_dead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In containers the number of a process is often the same after each start."""
    path = tmp_path / "page.html"
    with monkeypatch.context() as before:
        before.setattr(atomic_write, "_PROCESS", "0" * 8)
        left = atomic_write._temporary_name(path)
    left.write_text("half")
    write_atomically(path, _text("mine"))
    assert _names(tmp_path) == ["page.html"]


def test_a_save_that_fails_removes_no_copy_while_there_is_no_other(tmp_path: Path) -> None:
    """Where a system has no exchange, a kill between two renames leaves the only whole copies so."""
    path = tmp_path / "model"
    left = _left_by_a_kill("replace_folder", path)
    with pytest.raises(ZeroDivisionError):
        replace_folder(path, lambda new: 1 / 0)
    assert _names(tmp_path) == [left.name]


_SAVES_AT_ONCE = textwrap.dedent("""
    import sys
    from pathlib import Path
    import torch
    from unrolled.models.persistence import load_model, save_model

    print("ready", flush=True)
    sys.stdin.readline()
    for k in range(200):
        place = Path(sys.argv[1]) / str(k // 50)
        save_model(place, {"w": torch.tensor([k])}, {"estimator": "E", "number": k}, "card")
        load_model(place, "E")
""")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux exchanges two folders in one step")
def test_two_processes_save_models_to_one_place_at_once(tmp_path: Path) -> None:
    """Neither fails, at a place that is new or not, and nothing but whole models is left."""
    words = [sys.executable, "-c", _SAVES_AT_ONCE, str(tmp_path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    both = [subprocess.Popen(words, text=True, **pipes) for _ in range(2)]
    for process in both:
        process.stdout.readline()
    for process in both:
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [process.communicate()[1] for process in both] == ["", ""]
    assert _names(tmp_path) == list("0123")
    for place in tmp_path.iterdir():
        load_model(place, "E")


def test_a_folder_made_in_the_last_moment_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two first saves at once, neither finds a folder, and only one can be first."""
    path = tmp_path / "model"
    replace_folder(path, _folder_of(weights="theirs"))
    monkeypatch.setattr(Path, "exists", lambda self: False)
    replace_folder(path, _folder_of(weights="mine"))
    assert (path / "weights").read_text() == "mine"
    assert _names(tmp_path) == ["model"]


def test_a_model_replaced_while_its_files_are_listed_is_a_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of the names of one that was just removed are no folder of somebody's work."""
    path = tmp_path / "model"
    save_model(path, {}, {"estimator": "E"}, "card")
    whole, listings = Path.iterdir, []

    def listed(folder: Path) -> Iterator[Path]:
        listings.append(folder)
        if len(listings) > 1:
            return whole(folder)
        replace_folder(path, lambda new: shutil.copytree(path, new, dirs_exist_ok=True))
        return iter([path / "README.md"])

    monkeypatch.setattr(Path, "iterdir", listed)
    save_model(path, {}, {"estimator": "E"}, "card")
    assert _names(tmp_path) == ["model"]
