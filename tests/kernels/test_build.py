"""Which build is under test, and what a build without a compiler gives."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from unrolled import kernels

ROOT = Path(__file__).parents[2]


def test_the_compiled_build_is_the_one_under_test() -> None:
    """`make test` sets UNROLLED_REQUIRE_KERNELS, so that a build that fell back cannot pass unseen."""
    if os.environ.get("UNROLLED_REQUIRE_KERNELS") != "1" and not kernels.available():
        pytest.skip("the compiled room is not there, and UNROLLED_REQUIRE_KERNELS is not 1")
    assert kernels.available()
    info = kernels.build_info()
    assert info["compiler"] != "none"
    assert info["instruction_set"] == info["runnable"].split()[-1]


@pytest.fixture
def _missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "_compiled", None)
    monkeypatch.setattr(kernels.loading, "_has_warned", False)


@pytest.mark.usefixtures("_missing")
def test_a_missing_room_is_said_once(recwarn: pytest.WarningsRecorder) -> None:
    """The first call warns, at the caller's line, and says what to install; later calls do not."""
    x = np.array([-3.0, 0.5])
    with pytest.warns(
        kernels.KernelsMissingWarning, match=r"built without a compiler.*Install g\+\+"
    ) as said:
        tanh = kernels.tanh(x)
    assert [w.filename for w in said] == [__file__]
    sigmoid = kernels.sigmoid(x)
    assert not recwarn.list
    np.testing.assert_allclose(tanh, np.tanh(x), rtol=1e-15)
    np.testing.assert_allclose(sigmoid, 1 / (1 + np.exp(-x)), rtol=1e-15)


@pytest.mark.usefixtures("_missing")
def test_a_missing_room_is_reported() -> None:
    """Without the compiled room nothing claims to be compiled."""
    assert not kernels.available()
    assert kernels.build_info() == {"compiler": "none", "instruction_set": "numpy", "runnable": ""}


def test_the_room_imports_without_its_compiled_part() -> None:
    """A module that is not there is no error, and says nothing until a function is called."""
    code = (
        "import sys; sys.modules['unrolled.kernels._compiled'] = None; "
        "from unrolled import kernels; print(kernels.available())"
    )
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )
    assert ran.stdout == "False\n"


def test_a_broken_room_is_an_error(tmp_path: Path) -> None:
    """A compiled part that is there but does not load is not taken for a missing one."""
    package = tmp_path / "unrolled"
    shutil.copytree(
        ROOT / "src" / "unrolled" / "kernels", package / "kernels", ignore=shutil.ignore_patterns("*.so")
    )
    (package / "__init__.py").touch()
    shutil.copy(ROOT / "src" / "unrolled" / "errors.py", package)
    (package / "kernels" / "_compiled.py").write_text("raise ImportError('undefined symbol: gates')")
    # an editable installation answers from sys.meta_path, before the path is asked
    code = "import sys; sys.meta_path[:] = sys.meta_path[-3:]; import unrolled.kernels"
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert ran.returncode == 1
    assert ran.stderr.endswith("ImportError: undefined symbol: gates\n")


def _wheel(tmp_path: Path, **environment: str) -> tuple[str, set[str]]:
    """Build a wheel of a copy of the sources; its name and what it holds."""
    copy = tmp_path / "copy"
    for part in ("src", "pyproject.toml", "CMakeLists.txt", "README.md", "LICENSE"):
        copied = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        copy.mkdir(exist_ok=True)
        copied(ROOT / part, copy / part)
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "-q",
        "-w",
        "out",
        ".",
    ]
    subprocess.run(
        command, cwd=copy, env=os.environ | environment, check=True, capture_output=True, timeout=170
    )
    (wheel,) = (copy / "out").iterdir()
    with zipfile.ZipFile(wheel) as held:
        return wheel.name, set(held.namelist())


@pytest.mark.slow
def test_a_wheel_holds_the_compiled_room_and_no_sources_of_it(tmp_path: Path) -> None:
    """A wheel for this platform: the extension, the type marker, the licence; no C++."""
    name, held = _wheel(tmp_path)
    assert not name.endswith("-none-any.whl")
    assert any(n.startswith("unrolled/kernels/_compiled.") and n.endswith(".so") for n in held)
    assert {"unrolled/py.typed", "unrolled-0.1.0.dist-info/licenses/LICENSE"} <= held
    assert not [n for n in held if n.endswith((".cpp", ".hpp"))]


@pytest.mark.slow
def test_without_a_compiler_the_wheel_is_plain_python(tmp_path: Path) -> None:
    """A compiler that fails costs the compiled room and nothing else."""
    name, held = _wheel(tmp_path, CC="false", CXX="false")
    assert name.endswith("-none-any.whl")
    assert "unrolled/kernels/__init__.py" in held
    assert not [n for n in held if n.endswith(".so")]
