"""The environment variable that chooses an instruction set, and the whole suite on each of them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from unrolled import kernels

ROOT = Path(__file__).parents[3]
RUNNABLE = kernels.build_info()["runnable"].split()

pytestmark = pytest.mark.skipif(not kernels.available(), reason="the compiled kernels are not installed")


def _python(forced: str, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "UNROLLED_INSTRUCTION_SET": forced}
    return subprocess.run(
        [sys.executable, *words], env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("forced", [*RUNNABLE, ""])
def test_the_environment_variable_selects_the_instruction_set(forced: str) -> None:
    """A name is obeyed, and nothing is the fastest."""
    ran = _python(
        forced, "-c", "from unrolled import kernels; print(kernels.build_info()['instruction_set'])"
    )
    assert (ran.stdout, ran.stderr) == (f"{forced or RUNNABLE[-1]}\n", "")


def test_an_unknown_instruction_set_is_refused() -> None:
    """With those that run here; nobody measures another set than the one that was asked for."""
    ran = _python("mmx", "-c", "import unrolled.kernels")
    assert ran.stderr.splitlines()[-1] == (
        "unrolled.errors.ArgumentError: UNROLLED_INSTRUCTION_SET: expected an instruction set that this"
        f" processor runs ({', '.join(RUNNABLE)}), got 'mmx'. Unset it for the fastest."
    )


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("forced", RUNNABLE)
def test_the_suite_passes_on_each_instruction_set(forced: str) -> None:
    """Of the recurrences: every cell, activation, option, size and gradient."""
    folders = ["tests/conformance", "tests/nn"]
    ran = _python(forced, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not slow", *folders)
    assert ran.returncode == 0, ran.stdout[-4000:]
