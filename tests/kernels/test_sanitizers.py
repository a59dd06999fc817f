"""The kernels under the address and undefined-behaviour sanitizers, one program an instruction set."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from unrolled import kernels

ROOT = Path(__file__).parents[2]
KERNELS = ROOT / "src" / "unrolled" / "kernels"
every_table = pytest.mark.parametrize("name", ["baseline", "avx2", "avx512"])


@pytest.mark.slow
@every_table
def test_sanitizers_find_nothing(name: str, flags: dict[str, list[str]], tmp_path: Path) -> None:
    """No read or write leaves a buffer, and nothing undefined is done, at any length and shape."""
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("g++ is not here")
    if name not in kernels.build_info()["runnable"].split():
        pytest.skip(f"this processor does not run {name}")
    program = tmp_path / "sanitized"
    runtime = ("isa", "thread_pool", "phases", "buffer_cache")
    sources = [KERNELS / "runtime" / f"{part}.cpp" for part in runtime]
    sources.append(Path(__file__).with_name("sanitized.cpp"))
    options = ["-std=c++20", "-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    named = [f"-DUNROLLED_ISA={name}", "-I", KERNELS, "-o", program, *sources, "-ldl", "-lpthread"]
    subprocess.run([compiler, *options, "-Wno-psabi", *flags[name], *named], check=True)
    ran = subprocess.run([program], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, f"{name}\n", "")


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("sanitizer", ["address,undefined", "thread"])
@every_table
def test_sanitizers_find_nothing_in_the_recurrences(
    name: str, sanitizer: str, recurrence_driver: Callable[..., Path]
) -> None:
    """No race, and nothing outside a buffer, whichever way the members of a team share the work."""
    if name not in kernels.build_info()["runnable"].split():
        pytest.skip(f"this processor does not run {name}")
    program = recurrence_driver(name, "-O1", "-g", f"-fsanitize={sanitizer}", "-fno-sanitize-recover=all")
    ran = subprocess.run([program, "1500"], capture_output=True, text=True, check=False, timeout=600)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, f"{name}\n", "")
