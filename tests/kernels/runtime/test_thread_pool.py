"""Thread pool and buffer cache: the claims that thread_pool.cpp proves, one process a claim."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

KERNELS = Path(__file__).parents[3] / "src" / "unrolled" / "kernels"
DRIVER = Path(__file__).with_name("thread_pool.cpp")
CLAIMS = re.findall(r"^ +CLAIM\((\w+)\)", DRIVER.read_text("utf-8"), re.MULTILINE)
COMPILER = shutil.which("g++")

# Neither sanitizer lives with a limit of the address space, nor can it see into OpenMP; the thread
# sanitizer ends a child that starts threads.
FOR_PLAIN = {"a_refused_thread_is_an_error_before_any_body_runs", "tasks_run_on_openmp_threads"}
CHILD = {"a_forked_child_has_a_pool_of_its_own"}
SANITIZERS = {"address,undefined": FOR_PLAIN, "thread": FOR_PLAIN | CHILD}

pytestmark = pytest.mark.skipif(COMPILER is None, reason="g++ is not here")


def _built(program: Path, *words: str | Path) -> Path:
    sources = [KERNELS / "runtime/thread_pool.cpp", KERNELS / "runtime/buffer_cache.cpp"]
    options = ["-std=c++20", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-pthread", "-I", KERNELS]
    subprocess.run([COMPILER, *options, "-o", program, *sources, *words, "-ldl"], check=True)
    return program


def _said(program: Path, claim: str) -> tuple[int, str, str]:
    ran = subprocess.run([program, claim], capture_output=True, text=True, check=False, timeout=120)
    return ran.returncode, ran.stdout, ran.stderr


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The driver as it is."""
    return _built(tmp_path_factory.mktemp("threads") / "plain", DRIVER)


@pytest.mark.parametrize("claim", CLAIMS)
def test_the_claim_holds(claim: str, plain: Path) -> None:
    """Its name is the sentence; a claim that fails says its line."""
    assert _said(plain, claim) == (0, f"{claim}\n", "")


@pytest.mark.slow
@pytest.mark.parametrize("sanitizer", SANITIZERS)
def test_sanitizers_find_nothing(sanitizer: str, tmp_path: Path) -> None:
    """No race, no leak, nothing outside a buffer, nothing undefined, in any claim they can run."""
    program = _built(tmp_path / "sanitized", f"-fsanitize={sanitizer}", "-fno-sanitize-recover=all", DRIVER)
    claims = [claim for claim in CLAIMS if claim not in SANITIZERS[sanitizer]]
    assert len(claims) >= 10
    assert [_said(program, claim) for claim in claims] == [(0, f"{claim}\n", "") for claim in claims]


def test_tasks_run_on_torchs_threads(tmp_path: Path) -> None:
    """Beside torch, which keeps its threads awake after an operator, no thread is started."""
    library = _built(tmp_path / "team.so", "-shared", "-fPIC")
    code = f"""
import ctypes, os, torch
torch.set_num_threads(2)
torch.ones(1_000_000).tanh()
run = ctypes.CDLL({str(library)!r})["_ZN8unrolled11run_threadsEiPFvPviES0_"]
body = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int)
def count(members):
    seen = []
    run(members, body(lambda _, member: seen.append(member)), None)
    assert sorted(seen) == list(range(members)), seen
    return len(os.listdir("/proc/self/task"))
before = len(os.listdir("/proc/self/task"))
print(count(2) - before, count(4) - before)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "0 3\n", "")
