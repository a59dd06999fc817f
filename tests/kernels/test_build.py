"""Build under test, and the wheels that pip builds with and without a compiler."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from unrolled import kernels

ROOT = Path(__file__).parents[2]


def test_the_compiled_build_is_the_one_under_test() -> None:
    """`make test` sets UNROLLED_REQUIRE_KERNELS, so that a build that fell back cannot pass unseen."""
    if os.environ.get("UNROLLED_REQUIRE_KERNELS") != "1" and not kernels.available():
        pytest.skip("the compiled kernels are not installed, and UNROLLED_REQUIRE_KERNELS is not 1")
    assert kernels.available()
    info = kernels.build_info()
    assert info["compiler"] != "none"
    assert info["instruction_set"] == info["runnable"].split()[-1]


def _wheel(tmp_path: Path, **environment: str) -> tuple[str, set[str]]:
    """Build a wheel of a copy of the sources; its name and what it holds."""
    copy = tmp_path / "copy"
    shutil.copytree(ROOT / "src", copy / "src", ignore=shutil.ignore_patterns("*.so"))
    for part in ("pyproject.toml", "CMakeLists.txt", "README.md", "LICENSE"):
        shutil.copy(ROOT / part, copy / part)
    command = [
        sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-q", "-w", "out", ".",
    ]  # fmt: skip
    subprocess.run(
        command, cwd=copy, env=os.environ | environment, check=True, capture_output=True, timeout=170
    )
    (wheel,) = (copy / "out").iterdir()
    with zipfile.ZipFile(wheel) as members:
        return wheel.name, set(members.namelist())


@pytest.mark.slow
def test_a_wheel_contains_the_compiled_kernels_and_no_cpp(tmp_path: Path) -> None:
    """A wheel for this platform: the extension, the operand list, the type marker, the licence; no C++."""
    name, members = _wheel(tmp_path)
    assert not name.endswith("-none-any.whl")
    assert any(n.startswith("unrolled/kernels/_compiled.") and n.endswith(".so") for n in members)
    assert {
        "unrolled/py.typed",
        "unrolled/kernels/rnn/operands.def",
        "unrolled-0.1.0.dist-info/licenses/LICENSE",
    } <= members
    assert not [n for n in members if n.endswith((".cpp", ".hpp"))]


@pytest.mark.slow
def test_without_a_compiler_the_wheel_is_plain_python(tmp_path: Path) -> None:
    """A compiler that fails costs the compiled kernels and nothing else."""
    name, members = _wheel(tmp_path, CC="false", CXX="false")
    assert name.endswith("-none-any.whl")
    assert "unrolled/kernels/__init__.py" in members
    assert not [n for n in members if n.endswith(".so")]
