"""Tasks in phases: the claims that phases.cpp proves, one process a claim."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

KERNELS = Path(__file__).parents[3] / "src" / "unrolled" / "kernels"
DRIVER = Path(__file__).with_name("phases.cpp")
CLAIMS = re.findall(r"^ +CLAIM\((\w+)\)", DRIVER.read_text("utf-8"), re.MULTILINE)
COMPILER = shutil.which("g++")
CHILD = "a_forked_child_has_helpers_of_its_own"  # the thread sanitizer ends a child that starts threads

pytestmark = pytest.mark.skipif(COMPILER is None, reason="g++ is not here")


def _built(program: Path, *options: str) -> Path:
    sources = [DRIVER, KERNELS / "runtime/phases.cpp", KERNELS / "runtime/thread_pool.cpp"]
    words = ["-std=c++20", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-pthread", "-I", KERNELS, *options]
    subprocess.run([str(COMPILER), *words, "-o", program, *sources, "-ldl"], check=True)
    return program


def _said(program: Path, claim: str) -> tuple[int, str, str]:
    ran = subprocess.run([program, claim], capture_output=True, text=True, check=False, timeout=120)
    return ran.returncode, ran.stdout, ran.stderr


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The driver as it is."""
    return _built(tmp_path_factory.mktemp("phases") / "plain")


@pytest.mark.parametrize("claim", CLAIMS)
def test_the_claim_holds(claim: str, plain: Path) -> None:
    """Its name is the sentence; a claim that fails says its line."""
    assert _said(plain, claim) == (0, f"{claim}\n", "")


@pytest.mark.slow
@pytest.mark.parametrize("sanitizer", ["address,undefined", "thread"])
def test_sanitizers_find_nothing(sanitizer: str, tmp_path: Path) -> None:
    """No race, no leak, nothing undefined, in any claim they can run."""
    program = _built(tmp_path / "sanitized", f"-fsanitize={sanitizer}", "-fno-sanitize-recover=all")
    claims = [claim for claim in CLAIMS if sanitizer != "thread" or claim != CHILD]
    assert len(claims) >= 7
    assert [_said(program, claim) for claim in claims] == [(0, f"{claim}\n", "") for claim in claims]
