"""The portable build on Arm: cross-compiled, and run by an emulator."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

COMPILER, EMULATOR = "aarch64-linux-gnu-g++", "qemu-aarch64"


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("level", ["-O1", "-O3"])
def test_recurrences_equal_a_slow_loop_on_arm(level: str, recurrence_driver: Callable[..., Path]) -> None:
    """The driver finds nothing there either. On Debian: g++-aarch64-linux-gnu and qemu-user."""
    emulator = shutil.which(EMULATOR) or shutil.which(f"{EMULATOR}-static")
    if emulator is None:
        pytest.skip(f"{EMULATOR} is not here")
    program = recurrence_driver("baseline", level, "-static", compiler=COMPILER)
    ran = subprocess.run(
        [emulator, program, "2000"], capture_output=True, text=True, check=False, timeout=600
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "baseline\n", "")
