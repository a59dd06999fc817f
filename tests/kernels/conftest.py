"""Every implementation of the kernels in turn, and their recurrences as a program without Python."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from unrolled import kernels

TABLES = kernels.build_info()["runnable"].split()
KERNELS = Path(__file__).parents[2] / "src" / "unrolled" / "kernels"
FLAGS = {  # as in CMakeLists.txt
    "baseline": [],
    "avx2": ["-mavx2", "-mfma"],
    "avx512": ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl"],
}


@pytest.fixture(params=[*TABLES, "reference"])
def implementation(request: pytest.FixtureRequest) -> Iterator[Callable[..., NDArray[Any]]]:
    """`implementation(name, x)`: each instruction set that this processor runs, and the NumPy reference."""
    if request.param == "reference":
        yield _reference
        return
    before = kernels._compiled.selected()
    assert kernels._compiled.select(request.param)
    yield lambda name, x: getattr(kernels, name)(x)
    kernels._compiled.select(before)


def _reference(name: str, x: NDArray[Any]) -> NDArray[Any]:
    out = np.empty_like(x)
    getattr(kernels.reference, name)(x, out)
    return out


@pytest.fixture
def flags() -> dict[str, list[str]]:
    """What the compiler is told for each instruction set."""
    return FLAGS


@pytest.fixture
def recurrence_driver(tmp_path: Path) -> Callable[..., Path]:
    """`recurrence_driver(table, *options, compiler="g++")` builds rnn/rnn.cpp with that table alone."""

    def build(table: str, *options: str, compiler: str = "g++") -> Path:
        if shutil.which(compiler) is None:
            pytest.skip(f"{compiler} is not here")
        program = tmp_path / "recurrence"
        names = ("runtime/isa", "rnn/rnn", "runtime/thread_pool", "runtime/phases")
        sources = [KERNELS / f"{name}.cpp" for name in names]
        words = ["-std=c++20", "-ffp-contract=fast", "-Wno-psabi", "-pthread", f"-DUNROLLED_ISA={table}"]
        words += [*FLAGS[table], *options, "-I", str(KERNELS), "-o", str(program)]
        driver = Path(__file__).with_name("rnn") / "rnn.cpp"
        subprocess.run([compiler, *words, driver, *sources, "-ldl"], check=True)
        return program

    return build
