"""This side of the rivals: start each in its process, hand it arrays, let it run, read what it found.

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
    """Where rivals are installed: in a folder, by a goal of make; or in the Python that a variable names."""

    folder: str
    goal: str
    packages: str
    variable: str

    def python(self) -> Path | None:
        """Its Python, where there is one."""
        path = Path(os.environ.get(self.variable, ROOT / self.folder / "bin" / "python"))
        return path if path.exists() else None

    def absent(self) -> str:
        """How to get it, in a sentence."""
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
    """A living process each, by name; none at toy size where their environment is not there."""
    found = environment.python()
    if found is None and not toy:
        sys.exit(environment.absent())
    if found is None:
        print(environment.absent())
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(Worker(f"benchmarks.rivals.{module}", found))
            for name, module in (modules.items() if found else ())
        }


class Worker:
    """A process that holds one framework; see `worker`."""

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
        """Of the packages that make this rival."""
        return self._ask(do="tell versions")

    def load(self, kind: str, arrays: Arrays, **settings: Any) -> None:
        """Get one job ready; the module has a function of this name."""
        path = Path(self._folder.name) / "given.npz"
        np.savez(path, **arrays)
        self._ask(do="load", kind=kind, arrays=str(path), settings=settings)

    def answers(self) -> Arrays:
        """What the job computes."""
        path = Path(self._folder.name) / "answers.npz"
        self._ask(do="answer", arrays=str(path))
        with np.load(path) as arrays:
            return dict(arrays)

    def run(self, times: int) -> float:
        """Do the job so many times; the seconds it took there."""
        return float(self._ask(do="run", times=times)["seconds"])

    def _ask(self, **told: Any) -> Facts:
        try:
            self._process.stdin.write(json.dumps(told) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        answer = json.loads(line) if line else {"fault": self._log.read_text(encoding="utf-8")}
        if "fault" in answer:
            sys.exit(f"{self._module} could not {told['do']}.\n{answer['fault']}")
        return answer


def _settings() -> dict[str, str]:
    """Threads, and silence, for every framework; TensorFlow and ONNX Runtime are told theirs in Python."""
    return {
        "UNROLLED_BENCH_THREADS": str(THREADS),
        "OMP_NUM_THREADS": str(THREADS),
        "NPROC": str(THREADS),  # XLA's pool
        "XLA_FLAGS": f"--xla_cpu_multi_thread_eigen=true intra_op_parallelism_threads={THREADS}",
        "JAX_PLATFORMS": "cpu",
        "CUDA_VISIBLE_DEVICES": "",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
