"""One owner of a database file, on a file system whose locks can be relied on."""

from __future__ import annotations

import os
import re
from pathlib import Path

from unrolled.errors import StoreError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_MOUNTS = Path("/proc/self/mountinfo")
_NETWORK = {
    "9p", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "fuse.ceph", "fuse.davfs2", "fuse.gcsfuse",
    "fuse.glusterfs", "fuse.rclone", "fuse.s3fs", "fuse.sshfs", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs",
    "nfs4", "orangefs", "smb3", "smbfs",
}  # fmt: skip
_OWNED: set[tuple[int, int]] = set()  # device and number of the files that this process owns
_IN_USE = (
    "{path}: another process, or another store here, owns this file, and a file has one owner. "
    "Stop that one, or choose another file."
)


class FileLock:
    """Ownership of a file, made if it is missing, until `close` or the end of the process.

    SQLite before 3.51.3 may corrupt a file in WAL mode when one connection writes while another copies the
    WAL into the database, so one process owns the file for both.

    Args:
        path: an absolute path.

    Raises:
        StoreError: another process owns it, it lies on a network file system, or it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        if fcntl is None:
            raise StoreError(f"{path}: a store in a file needs Linux or macOS. Use Redis, or one in memory.")
        if (kind := file_system(path)) in _NETWORK:
            raise StoreError(
                f"{path}: expected a local disk, got a network file system ({kind}), whose locks SQLite "
                "cannot rely on. Put it on a local disk, or use Redis."
            )
        if path.exists() and _identity(path.stat()) in _OWNED:  # to open it would be to lose SQLite's locks
            raise StoreError(_IN_USE.format(path=path))
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as fault:
            raise StoreError(f"{path}: cannot be opened ({fault.strerror}). Choose another place.") from fault
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as fault:
            os.close(self._descriptor)
            raise StoreError(_IN_USE.format(path=path)) from fault
        self._identity = _identity(os.fstat(self._descriptor))
        _OWNED.add(self._identity)

    def holds(self, path: Path) -> bool:
        """Tell whether the file at a path is still the one that is owned: it may be moved or deleted."""
        try:
            return _identity(path.stat()) == self._identity
        except OSError:
            return False

    def close(self) -> None:
        """Let go of the file; after SQLite has closed it, whose own locks would be lost."""
        if self._descriptor >= 0:
            _OWNED.discard(self._identity)
            os.close(self._descriptor)
        self._descriptor = -1


def file_system(path: Path, mounts: str | None = None) -> str:
    r"""Return the type of the file system that a path lies on, such as ext4; empty where it is not known.

    Args:
        path: an absolute path, which need not exist.
        mounts: text of /proc/self/mountinfo; None to read it.

    >>> file_system(Path("/srv/a.db"), "1 0 8:1 / / rw - ext4 /dev/a rw\n2 1 0:9 / /srv rw - nfs4 host:/ rw")
    'nfs4'
    """
    if mounts is None:
        try:
            mounts = _MOUNTS.read_text()
        except OSError:  # not Linux
            return ""
    kinds = {}
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        point = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), before.split()[4])
        kinds[Path(point)] = after.split()[0]  # a later mount hides an earlier one
    return next((kinds[place] for place in (path, *path.parents) if place in kinds), "")


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
