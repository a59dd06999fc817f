"""While other processes want the processors, a team of sleeping OpenMP threads is held; then it goes."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

KERNELS = Path(__file__).parents[3] / "src" / "unrolled" / "kernels"
DRIVER = Path(__file__).with_name("contention.cpp")
CLAIMS = re.findall(r"^ +CLAIM\((\w+)\)", DRIVER.read_text("utf-8"), re.MULTILINE)
COMPILER = shutil.which("g++")

pytestmark = pytest.mark.skipif(COMPILER is None, reason="g++ is not here")

_BUSY = """
import os, time
os.sched_setaffinity(0, {processor})
print("ready", flush=True)
while True:
    pass
"""

_CODE = """
import ctypes, os, time
import torch
print("ready", flush=True)
input()
library = ctypes.CDLL(LIBRARY)
watch_contention = library["_ZN8unrolled16watch_contentionEv"]
is_contended = library["_ZN8unrolled12is_contendedEv"]
is_contended.restype = ctypes.c_bool

def n_tasks():
    return len(os.listdir("/proc/self/task"))

def compute_until(is_enough, limit_s=20.0):
    start_s = time.monotonic()
    while not is_enough() and time.monotonic() - start_s < limit_s:
        watch_contention()
        x.tanh()
    return is_enough()

torch.set_num_threads(2)
x = torch.randn(400_000)
x.tanh()
watch_contention()
before = n_tasks()  # with the thread that watches
assert compute_until(is_contended)
is_held = compute_until(lambda: n_tasks() - before >= 2)  # the holder's threads begin after it is said
time.sleep(2.5)
print(is_held, is_contended(), n_tasks() <= before)
if os.fork() == 0:
    watch_contention()
    os._exit(3 if is_contended() or n_tasks() > 1 else 0)
print(os.waitstatus_to_exitcode(os.wait()[1]))
"""


def _built(program: Path, *words: str | Path) -> Path:
    options = ["-std=c++20", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-pthread", "-I", KERNELS]
    sources = [KERNELS / "runtime/contention.cpp", *words]
    subprocess.run([str(COMPILER), *options, "-o", program, *sources, "-ldl"], check=True)
    return program


def _started(code: str) -> subprocess.Popen[str]:
    """Start Python, and wait for its first line, "ready"."""
    pipe = subprocess.PIPE
    process = subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_threads_sleep_while_others_want_the_processors(tmp_path: Path) -> None:
    """Beside one busy process a processor: a team is held, by a thread of its own; unused, it goes.

    In the child of a fork nothing is watched. The others are busy once torch is imported.
    """
    library = _built(tmp_path / "contention.so", "-shared", "-fPIC")
    processors = sorted(os.sched_getaffinity(0))[:4]
    code = f"import os; os.sched_setaffinity(0, {set(processors)})\nLIBRARY = {str(library)!r}\n{_CODE}"
    processes = [_started(code)]
    try:
        processes += [_started(_BUSY.replace("{processor}", f"{{{k}}}")) for k in processors]
        out, err = processes[0].communicate("go\n", timeout=100)
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    assert (processes[0].returncode, out, err) == (0, "True False True\n0\n", "")


@pytest.mark.slow
@pytest.mark.parametrize("sanitizer", ["address,undefined", "thread"])
@pytest.mark.parametrize("claim", CLAIMS)
def test_sanitizers_find_nothing(claim: str, sanitizer: str, tmp_path: Path) -> None:
    """No race between the watch, its team and those who compute; no leak, nothing undefined."""
    options = ["-rdynamic", f"-fsanitize={sanitizer}", "-fno-sanitize-recover=all"]
    program = _built(tmp_path / "sanitized", *options, DRIVER)
    ran = subprocess.run([program, claim], capture_output=True, text=True, check=False, timeout=120)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, f"{claim}\n", "")
