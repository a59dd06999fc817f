"""A store's file lies on a local disk and has one owner."""

from pathlib import Path

import pytest

from unrolled.errors import StoreError
from unrolled.stream.store import file_lock
from unrolled.stream.store.file_lock import FileLock, file_system

MOUNTS = r"""
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:40 / /srv/team\040share rw - nfs4 host:/share rw
31 30 8:1 / /srv/team\040share/local rw - xfs /dev/sdb rw
32 22 0:41 / /win rw - 9p drvfs rw
33 22 0:42 / /over rw - ext4 /dev/vdb rw
34 33 0:43 / /over rw - cifs //host/over rw
""".strip()


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/a.db", "ext4"),
        ("/srv/team share/x/a.db", "nfs4"),
        ("/srv/team share/local/a.db", "xfs"),
        ("/srv/team/a.db", "ext4"),
        ("/win/a.db", "9p"),
        ("/over/a.db", "cifs"),
    ],
)
def test_the_deepest_mount_says_the_file_system(path: str, kind: str) -> None:
    """Names may hold spaces, and a later mount hides an earlier one."""
    assert file_system(Path(path), MOUNTS) == kind


def test_this_machines_file_system_is_known(tmp_path: Path) -> None:
    """Read from the kernel."""
    assert file_system(tmp_path.resolve() / "a.db") != ""


def test_a_network_file_system_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before a file is made there."""
    monkeypatch.setattr(file_lock, "file_system", lambda path: "nfs4")
    with pytest.raises(StoreError, match=r"expected a local disk, got a network file system \(nfs4\)"):
        FileLock(tmp_path / "a.db")
    assert not (tmp_path / "a.db").exists()


def test_a_file_has_one_owner_until_it_is_closed(tmp_path: Path) -> None:
    """Within one process too."""
    lock = FileLock(tmp_path / "a.db")
    with pytest.raises(StoreError, match="owns this file"):
        FileLock(tmp_path / "a.db")
    lock.close()
    lock.close()
    FileLock(tmp_path / "a.db").close()


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    """A folder, a missing folder."""
    for path in (tmp_path, tmp_path / "none" / "a.db"):
        with pytest.raises(StoreError, match=r"cannot be opened \(.*Choose another place"):
            FileLock(path)


def test_a_system_without_flock_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the stores that work there."""
    monkeypatch.setattr(file_lock, "fcntl", None)
    with pytest.raises(StoreError, match="Use Redis, or one in memory"):
        FileLock(tmp_path / "a.db")
