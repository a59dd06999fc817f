"""Number of processors that this process may use: its affinity and the CPU quota of its control groups."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

_READ_AGAIN_S = 5.0  # a quota seldom changes, and to read it takes as long as a short forecast

_quota = float("inf")
_read_at_s = float("-inf")


def usable_processors() -> int:
    """Count the processors that threads of this process may run on at once.

    That is the least of the affinity (`taskset`, `sched_setaffinity`) and of the CPU quota of the control
    groups that the process is in (`docker run --cpus`, limits of Kubernetes), rounded down: threads beyond a
    quota are all stopped, for a tenth of a second each time, once it is used up. At least 1.
    """
    global _quota, _read_at_s
    now_s = time.monotonic()
    if now_s - _read_at_s > _READ_AGAIN_S:
        _quota, _read_at_s = cpu_quota(), now_s
    return max(1, min(_affinity(), int(min(_quota, 1e9))))


def cpu_quota(root: str | Path = "/") -> float:
    """Return the processors that the control groups of this process grant; infinity where there is no limit.

    The limits of all groups above hold too, so the least counts.

    Args:
        root: the folder in which `proc/self/cgroup` and `sys/fs/cgroup` lie.
    """
    return min((_grant(folder) for folder in _groups(Path(root))), default=float("inf"))


def _affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _groups(root: Path) -> Iterator[Path]:
    """Yield the folders of the groups that limit the CPU, and of all above them."""
    mounts = root / "sys/fs/cgroup"
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if not controllers:  # version 2
            tops = [mounts, mounts / "unified"]
        elif "cpu" in controllers.split(","):
            tops = [mounts / controllers, mounts / "cpu"]
        else:
            continue
        parts = [part for part in path.split("/") if part and part != ".."]
        for top in tops:
            # inside a container the path is often that of the host, and its own group is the top
            yield from (top.joinpath(*parts[:depth]) for depth in range(len(parts) + 1))


def _grant(folder: Path) -> float:
    """Return the processors that one group grants."""
    quota, _, period = _text(folder / "cpu.max").strip().partition(" ")
    if not period:
        quota = _text(folder / "cpu.cfs_quota_us").strip()
        period = _text(folder / "cpu.cfs_period_us").strip()
    try:
        granted = float(quota) / float(period)
    except (ValueError, ZeroDivisionError):  # "max", or no such file
        return float("inf")
    return granted if granted > 0 else float("inf")  # version 1 writes -1 for no limit


def _text(path: Path) -> str:
    try:
        return path.read_text("ascii")
    except (OSError, ValueError):
        return ""
