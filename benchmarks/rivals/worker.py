"""Worker process of one framework: a line of JSON in, a line of JSON out.

    python -m benchmarks.rivals.worker MODULE

    {"do": "tell versions"}         {"jax": "0.10.2"}
    {"do": "load", "kind": "training", "arrays": PATH, "settings": {"cell": "GRU"}}     {}
    {"do": "answer", "arrays": PATH}                                {}, the arrays written
    {"do": "run", "times": 100}     {"seconds": 0.0123}

MODULE has `VERSIONS`, names of its packages, and a function for each kind: (arrays, **settings) -> Job.
"""

import importlib
import json
import os
import sys
import time
import traceback
from importlib.metadata import version
from typing import Any, TextIO

import numpy as np

from benchmarks.rivals.job import Job


def main() -> None:
    answers = _own_stdout()
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, cores[: int(os.environ["UNROLLED_BENCH_THREADS"])])
    try:
        module = importlib.import_module(sys.argv[1])
        worker = _Worker(module)
        for line in sys.stdin:
            _reply(answers, worker.handle(json.loads(line)))
    except Exception:  # noqa: BLE001 (the client reports it)
        _reply(answers, {"fault": traceback.format_exc()})


class _Worker:
    def __init__(self, module: Any) -> None:
        self._module = module
        self._job: Job

    def handle(self, request: dict[str, Any]) -> dict[str, Any]:
        if request["do"] == "load":
            with np.load(request["arrays"]) as arrays:
                self._job = getattr(self._module, request["kind"])(dict(arrays), **request["settings"])
            return {}
        if request["do"] == "answer":
            np.savez(request["arrays"], **self._job.answers())
            return {}
        if request["do"] == "run":
            return {"seconds": self._seconds(request["times"])}
        return {package: version(package) for package in self._module.VERSIONS}

    def _seconds(self, times: int) -> float:
        start_s = time.perf_counter()
        self._job.run(times)
        return time.perf_counter() - start_s


def _own_stdout() -> TextIO:
    """Return the pipe to the client; what a framework prints goes to stderr."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answers


def _reply(answers: TextIO, request: dict[str, Any]) -> None:
    answers.write(json.dumps(request) + "\n")
    answers.flush()


if __name__ == "__main__":
    main()
