"""Processors that the process may use: its affinity, and quotas of control groups in made-up folders."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from unrolled.kernels import processors
from unrolled.kernels.processors import cpu_quota, usable_processors

CGROUPS = Path("/sys/fs/cgroup")
V1_QUOTA = "cpu.cfs_quota_us"


def _system(root: Path, groups: str, files: dict[str, str]) -> Path:
    for name, text in {"proc/self/cgroup": groups, **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize(
    ("groups", "files", "expected"),
    [
        pytest.param("0::/\n", {"sys/fs/cgroup/cpu.max": "150000 100000\n"}, 1.5, id="version 2"),
        pytest.param("0::/\n", {"sys/fs/cgroup/cpu.max": "max 100000\n"}, float("inf"), id="no limit"),
        pytest.param(
            "0::/job/step\n",
            {
                "sys/fs/cgroup/job/cpu.max": "200000 100000\n",
                "sys/fs/cgroup/job/step/cpu.max": "400000 100000\n",
            },
            2.0,
            id="the group above grants less",
        ),
        pytest.param(
            "0::/docker/4f0c\n", {"sys/fs/cgroup/cpu.max": "50000 100000\n"}, 0.5, id="the host's path"
        ),
        pytest.param(
            "4:cpu,cpuacct:/a\n",
            {
                "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us": "300000\n",
                "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us": "100000\n",
            },
            3.0,
            id="version 1",
        ),
        pytest.param(
            "1:cpu:/\n2:memory:/m\n0::/\n",
            {"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n"},
            float("inf"),
            id="version 1 without a limit",
        ),
        pytest.param("0::/\n", {"sys/fs/cgroup/cpu.max": "nonsense\n"}, float("inf"), id="damaged"),
        pytest.param("0::/../../x\n", {"sys/fs/cgroup/x/cpu.max": "100000 50000"}, 2.0, id="dots"),
    ],
)
def test_the_least_quota_counts(groups: str, files: dict[str, str], expected: float, tmp_path: Path) -> None:
    """Of the groups of the process and all above them, in either version of control groups."""
    assert cpu_quota(_system(tmp_path, groups, files)) == expected


def test_without_control_groups_there_is_no_quota(tmp_path: Path) -> None:
    """An empty system grants everything."""
    assert cpu_quota(tmp_path) == float("inf")


@pytest.mark.parametrize(
    ("affinity", "quota", "expected"), [(8, 2.9, 2), (8, 0.5, 1), (2, 6.0, 2), (3, float("inf"), 3)]
)
def test_affinity_and_quota_both_hold(
    affinity: int, quota: float, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever is less; a part of a processor is none, but there is always one."""
    monkeypatch.setattr(processors.os, "sched_getaffinity", lambda _: set(range(affinity)), raising=False)
    monkeypatch.setattr(processors, "cpu_quota", lambda: quota)
    monkeypatch.setattr(processors, "_read_at_s", float("-inf"))
    assert usable_processors() == expected


_IN_GROUP = """
import os, sys
from pathlib import Path
from unrolled.kernels.processors import cpu_quota, usable_processors
Path(sys.argv[1], "cgroup.procs").write_text(str(os.getpid()))
print(cpu_quota(), usable_processors())
"""


@pytest.mark.slow
def test_a_quota_of_this_system_is_seen(tmp_path: Path) -> None:
    """A process that joins a control group with half as much again as one processor uses one."""
    top = next((path for path in (CGROUPS / "cpu", CGROUPS) if path.is_dir()), CGROUPS)
    group = top / f"unrolled-test-{os.getpid()}"
    try:
        group.mkdir()
    except OSError as fault:
        pytest.skip(f"no control group can be made here: {fault}")
    try:
        limit, quota = ("cpu.max", "150000 100000") if (group / "cpu.max").exists() else (V1_QUOTA, "150000")
        (group / limit).write_text(quota)
        ran = subprocess.run(
            [sys.executable, "-c", _IN_GROUP, group],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
        )
    finally:
        group.rmdir()
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "1.5 1\n", "")
