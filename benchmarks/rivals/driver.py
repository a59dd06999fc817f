"""Client of the rival frameworks: start each in a process, pass it arrays, run it, read its results.

They live in environments of their own (`FRAMEWORKS`, `CLASSIFIERS`): a folder that make fills from a list of
packages, or whatever Python a variable of the shell names.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from benchmarks.record import ROOT, Facts
from benchmarks.recurrent import THREADS
from benchmarks.rivals.job import Arrays

ABSENT = "the rivals are not here"


class Environment(NamedTuple):
    """Environment of rivals: a folder that a goal of make fills, or the Python that a variable names."""

    folder: str
    goal: str
    packages: str
    variable: str

    def python(self) -> Path | None:
        """Return its Python, or None."""
        path = Path(os.environ.get(self.variable, ROOT / self.folder / "bin" / "python"))
        return path if path.exists() else None

    def absent(self) -> str:
        """Return the sentence that says how to install it."""
        return (
            f"{ABSENT}: make their environment with `make {self.goal}`, or set {self.variable} to a Python "
            f"that has what {self.packages} names."
        )


FRAMEWORKS = Environment(".rivals", "rivals", "benchmarks/rivals.txt", "UNROLLED_RIVALS_PYTHON")
CLASSIFIERS = Environment(
    ".rivals-classifiers", "rivals-classifiers", "benchmarks/rivals-classifiers.txt",
    "UNROLLED_CLASSIFIERS_PYTHON",
)  # fmt: skip


@contextmanager
def rivals(
    modules: Mapping[str, str], *, toy: bool, environment: Environment = FRAMEWORKS
) -> Iterator[dict[str, "Worker"]]:
    """Start a process for each, by name; none at toy size where their environment is missing."""
    python = environment.python()
    if python is None and not toy:
        sys.exit(environment.absent())
    if python is None:
        print(environment.absent())
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(Worker(f"benchmarks.rivals.{module}", python))
            for name, module in (modules.items() if python else ())
        }


class Worker:
    """Process that runs one framework; see `worker`."""

    def __init__(self, module: str, python: Path) -> None:
        self._module = module
        self._folder = tempfile.TemporaryDirectory()
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [str(python), "-m", "benchmarks.rivals.worker", module],
                cwd=ROOT, env=os.environ | _settings(), text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
            )  # fmt: skip

    @property
    def _log(self) -> Path:
        return Path(self._folder.name) / "log"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()
        self._folder.cleanup()

    def versions(self) -> dict[str, str]:
        """Return the versions of its packages."""
        return self._request(do="tell versions")

    def load(self, kind: str, arrays: Arrays, **settings: Any) -> None:
        """Prepare a job; the module has a function of this name."""
        path = Path(self._folder.name) / "given.npz"
        np.savez(path, **arrays)
        self._request(do="load", kind=kind, arrays=str(path), settings=settings)

    def answers(self) -> Arrays:
        """Return what the job computes."""
        path = Path(self._folder.name) / "answers.npz"
        self._request(do="answer", arrays=str(path))
        with np.load(path) as arrays:
            return dict(arrays)

    def run(self, times: int) -> float:
        """Run the job that many times; return the seconds it took there."""
        return float(self._request(do="run", times=times)["seconds"])

    def _request(self, **request: Any) -> Facts:
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        answer = json.loads(line) if line else {"fault": self._log.read_text(encoding="utf-8")}
        if "fault" in answer:
            sys.exit(f"{self._module} could not {request['do']}.\n{answer['fault']}")
        return answer


def _settings() -> dict[str, str]:
    """Threads and log levels of every framework; TensorFlow and ONNX Runtime get theirs in Python."""
    return {
        "UNROLLED_BENCH_THREADS": str(THREADS),
        "OMP_NUM_THREADS": str(THREADS),
        "NPROC": str(THREADS),  # XLA's pool
        "XLA_FLAGS": f"--xla_cpu_multi_thread_eigen=true intra_op_parallelism_threads={THREADS}",
        "JAX_PLATFORMS": "cpu",
        "CUDA_VISIBLE_DEVICES": "",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
