"""An installation without compiled kernels warns once; one whose module does not load is an error."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from unrolled import kernels

ROOT = Path(__file__).parents[2]


@pytest.fixture
def _missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "_compiled", None)
    monkeypatch.setattr(kernels.loading, "_has_warned", False)


@pytest.mark.usefixtures("_missing")
def test_missing_kernels_warn_once(recwarn: pytest.WarningsRecorder) -> None:
    """The first call warns, at the caller's line, and says what to install; later calls do not."""
    x = np.array([-3.0, 0.5])
    with pytest.warns(
        kernels.KernelsMissingWarning, match=r"built without a compiler.*Install g\+\+"
    ) as warned:
        tanh = kernels.tanh(x)
    assert [w.filename for w in warned] == [__file__]
    sigmoid = kernels.sigmoid(x)
    assert not recwarn.list
    np.testing.assert_allclose(tanh, np.tanh(x), rtol=1e-15)
    np.testing.assert_allclose(sigmoid, 1 / (1 + np.exp(-x)), rtol=1e-15)


@pytest.mark.usefixtures("_missing")
def test_missing_kernels_are_reported() -> None:
    """Without the compiled kernels nothing claims to be compiled."""
    assert not kernels.available()
    assert kernels.build_info() == {"compiler": "none", "instruction_set": "numpy", "runnable": ""}


def test_the_package_imports_without_its_compiled_module() -> None:
    """A module that is not there is no error, and says nothing until a function is called."""
    code = (
        "import sys; sys.modules['unrolled.kernels._compiled'] = None; "
        "from unrolled import kernels; print(kernels.available())"
    )
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )
    assert ran.stdout == "False\n"


def test_a_compiled_module_that_does_not_load_is_an_error(tmp_path: Path) -> None:
    """A compiled module that is there but does not load is not taken for a missing one."""
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
