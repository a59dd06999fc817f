"""Write files and folders whole or not at all.

Everything goes to a new name in the same folder first, is flushed to the disk, and takes its place by
a rename. A full disk, Ctrl-C or a kill leaves what was there before. Temporary files that a killed process
left beside the target are removed by the next write to it: their names hold the process that made them.
"""

import ctypes
import errno
import hashlib
import os
import platform
import re
import secrets
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import time

from unrolled.errors import StorageError

_CURRENT_FOLDER = -100  # AT_FDCWD of fcntl.h
_EXCHANGE = 2  # RENAME_EXCHANGE of linux/fs.h
_DAY_S = 86_400
_PROCESS = secrets.token_hex(4)  # this one, among those that get its number before and after it
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def write_atomically(path: str | Path, write: Callable[[Path], object]) -> Path:
    """Let `write` make the file at a temporary path, then move it to `path` in one step.

    Args:
        path: the file to make or replace; a symbolic link is followed.
        write: called once with the temporary path, whose suffix is that of `path`.

    Returns:
        The path written to.

    Raises:
        StorageError: the disk is full, the folder is missing or not writable, or `path` is a folder or
            a device. What stood there before still stands, and no temporary file is left.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = write_atomically(folder + "/note.txt", lambda temporary: temporary.write_text("whole"))
    ...     Path(folder, "note.txt").read_text()
    'whole'
    """
    final = Path(os.path.realpath(path))
    with _explained_errors(path), _temporary(final) as temporary:
        if final.exists() and not final.is_file():
            # A rename would put a plain file where the device was.
            raise IsADirectoryError(errno.EISDIR, f"it is a {_file_type(final)}, not a file")
        write(temporary)
        _flush(temporary)
        if final.exists():
            shutil.copymode(final, temporary)
        temporary.replace(final)
        _flush(final.parent)
    return Path(path)


def replace_folder(path: str | Path, fill: Callable[[Path], object]) -> Path:
    """Let `fill` make a new folder beside `path`, then swap the two.

    On Linux the swap is one step (renameat2), so a kill at any moment leaves the old or the new folder
    whole at `path`. Where the system or its file system has no such call, the old folder is first
    renamed: a kill between the two renames leaves both whole, side by side, under names that start
    with a dot and the folder's name, and nothing at `path`; they stay until a later save succeeds.

    Args:
        path: the folder to make or replace; a symbolic link is followed.
        fill: called once with the new, empty folder.

    Returns:
        The path written to.

    Raises:
        StorageError: as `write_atomically`; also when `path` is a file.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as base:
    ...     _ = replace_folder(base + "/model", lambda new: (new / "config.json").write_text("{}"))
    ...     [inside.name for inside in Path(base, "model").iterdir()]
    ['config.json']
    """
    final = Path(os.path.realpath(path))
    with _explained_errors(path), _temporary(final) as new:
        if final.exists() and not final.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, f"it is a {_file_type(final)}, not a folder")
        new.mkdir()
        fill(new)
        for inside in [*new.rglob("*"), new]:
            _flush(inside)
        _take_place(new, final)
        _flush(final.parent)
    return Path(path)


def list_folder(path: Path) -> set[str]:
    """List the names in a folder, though another process may replace it meanwhile."""
    while True:
        try:
            before = path.stat()
            names = {inside.name for inside in path.iterdir()}
            if os.path.samestat(before, path.stat()):
                return names
        except FileNotFoundError:  # between two folders there may be none
            return set()


def read_pair(first: Path, second: Path) -> tuple[bytes, bytes]:
    """Read two files of one folder, though another process may replace it meanwhile.

    The first differs from one folder to the next, as by a digest of the second in it.
    """
    content = first.read_bytes()
    while True:
        other = second.read_bytes()
        again = first.read_bytes()
        if again == content:
            return content, other
        content = again


def _take_place(new: Path, final: Path) -> None:
    """Rename a complete folder to its final name and remove the folder that had it."""
    if not final.exists():
        try:
            new.rename(final)
        except OSError:
            if not final.is_dir():
                raise
        else:
            return
    shutil.copymode(final, new)
    _swap(new, final)  # `new` now names the old folder
    shutil.rmtree(new, ignore_errors=True)


@contextmanager
def _temporary(final: Path) -> Iterator[Path]:
    """Yield a temporary path, removed if the write fails; remove what dead processes left.

    Leftovers go first, so that a full disk has space again; but last where `final` does not exist, since a
    leftover may then be the only complete copy.
    """
    is_new = not final.exists()
    if not is_new:
        _remove_leftovers(final)
    temporary = _temporary_name(final)
    try:
        yield temporary
    except BaseException:
        with suppress(OSError):
            _remove(temporary)
        raise
    if is_new:
        _remove_leftovers(final)


def _temporary_name(final: Path) -> Path:
    """Make a new name in the same folder that identifies this process.

    The suffix is kept for writers that read it.
    """
    owner = f"{_machine()}-{os.getpid()}-{_PROCESS}"
    return final.with_name(f"{_prefix(final)}-{owner}-{secrets.token_hex(4)}{final.suffix[:20]}")


def _prefix(final: Path) -> str:
    """Return the prefix of all temporary names of `final` and of no other file: a digest is in it."""
    return f".{final.stem[:32]}-{hashlib.sha256(os.fsencode(final.name)).hexdigest()[:8]}"


def _machine() -> str:
    """Return a digest of where a process id is unique: this boot of this machine, this container."""
    parts = [platform.node()]
    with suppress(OSError):  # Linux only
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text())
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:8]


def _remove_leftovers(final: Path) -> None:
    """Remove temporary files of processes that died while they wrote to the same path."""
    start, suffix = re.escape(_prefix(final)), re.escape(final.suffix[:20])
    pattern = re.compile(rf"{start}-([0-9a-f]{{8}})-(\d{{1,9}})-([0-9a-f]{{8}})-[0-9a-f]{{8}}{suffix}")
    with suppress(OSError):
        for path in final.parent.iterdir():
            match = pattern.fullmatch(path.name)
            with suppress(OSError):  # another may be removing it
                if match and _is_abandoned(path, match[1], int(match[2]), match[3]):
                    _remove(path)


def _is_abandoned(path: Path, machine: str, pid: int, process: str) -> bool:
    """Tell whether its process is gone; of a process elsewhere, whether nothing was written for a day."""
    if machine == _machine() and pid == os.getpid():
        return process != _PROCESS
    if machine == _machine() and os.name != "nt":  # there, os.kill would end it
        return not _is_running(pid)
    inside = path.rglob("*") if path.is_dir() else []
    return time() - max(max(at.lstat().st_mtime, at.lstat().st_ctime) for at in [path, *inside]) > _DAY_S


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)  # sends nothing
    except ProcessLookupError:
        return False
    except OSError:
        return True  # somebody else's
    return True


def _remove(path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def _swap(new: Path, old: Path) -> None:
    """Exchange two folders, in one step where the system can."""
    if _exchange(new, old):
        return
    aside = _temporary_name(old)
    old.rename(aside)
    try:
        new.rename(old)
    except BaseException:
        aside.rename(old)
        raise
    aside.rename(new)


def _exchange(one: Path, other: Path) -> bool:
    """Call Linux's renameat2 with RENAME_EXCHANGE; return False where the system or file system lacks it."""
    if sys.platform != "linux":
        return False
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if call is None:
        return False
    status: int = call(_CURRENT_FOLDER, os.fsencode(one), _CURRENT_FOLDER, os.fsencode(other), _EXCHANGE)
    return status == 0


def _flush(path: Path) -> None:
    """Flush a file to the disk, or a folder, so that a rename in it survives a crash."""
    if path.is_dir() and os.name == "nt":
        return  # Windows cannot open a folder
    handle = os.open(path, os.O_RDONLY if os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _explained_errors(path: str | Path) -> Iterator[None]:
    """Turn an OSError into a StorageError with one sentence about `path`."""
    try:
        yield
    except StorageError:
        raise
    except OSError as fault:
        raise StorageError(_explain(Path(path), fault)) from fault


def _explain(path: Path, fault: OSError) -> str:
    reason = fault.strerror or str(fault)
    consequence = "what stood there before is unchanged" if path.exists() else "nothing was left there"
    if fault.errno in _FULL:
        full = f"disk full ({reason}); {consequence}"
        return f"{path}: cannot be written, {full}. Free some space or write elsewhere."
    if not path.parent.exists():
        return f"{path}: cannot be written, there is no folder {path.parent}. Make it or write elsewhere."
    return f"{path}: cannot be written ({reason}); {consequence}. Choose another place."


def _file_type(path: Path) -> str:
    mode = path.stat().st_mode
    return "folder" if stat.S_ISDIR(mode) else "file" if stat.S_ISREG(mode) else "device"
