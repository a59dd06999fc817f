"""The kernels under the address and undefined-behaviour sanitizers, one program an instruction set."""

import shutil
import subprocess
from pathlib import Path

import pytest

from unrolled import kernels

ROOT = Path(__file__).parents[2]
ROOM = ROOT / "src" / "unrolled" / "kernels"
FLAGS = {
    "baseline": [],
    "avx2": ["-mavx2", "-mfma"],
    "avx512": ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl"],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", FLAGS)
def test_the_sanitizers_find_nothing(name: str, tmp_path: Path) -> None:
    """No read or write leaves a buffer, and nothing undefined is done, at any length up to 70."""
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("g++ is not here")
    if name not in kernels.build_info()["runnable"].split():
        pytest.skip(f"this processor does not run {name}")
    program = tmp_path / "sanitized"
    sources = [ROOM / "table.cpp", Path(__file__).with_name("sanitized.cpp")]
    options = ["-std=c++20", "-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    named = [f"-DUNROLLED_ISA={name}", "-I", ROOM, "-o", program, *sources]
    subprocess.run([compiler, *options, "-Wno-psabi", *FLAGS[name], *named], check=True)
    ran = subprocess.run([program], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, f"{name}\n", "")
