"""How long until something happens: whole processes, from start to exit.

`import unrolled`, `unrolled --help`, and what `make demo` runs, in turn, each beside a Python that does
nothing. The first process of each kind is not counted.

    python -m benchmarks.startup [--toy]
"""

import re
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.record import ROOT, Facts, main, print_now, table
from benchmarks.timing import spread

UNROLLED = [sys.executable, "-c", "from unrolled.cli import main; main()"]  # as the installed script does
SMALL = {
    "python, doing nothing": [sys.executable, "-c", "pass"],
    "import unrolled": [sys.executable, "-c", "import unrolled"],
    "unrolled --help": [*UNROLLED, "--help"],
}
LIMITS_S = {"import unrolled": 0.1, "unrolled --help": 0.3, "make demo": 20.0}  # what the project promises
RUNS, DEMO_RUNS = 15, 3


def run(toy: bool) -> Facts:
    times: dict[str, list[float]] = {name: [] for name in SMALL}
    for k in range(2 if toy else RUNS + 1):
        for name, command in SMALL.items():
            seconds = _seconds(command)
            if k:
                times[name].append(seconds)
    if not toy:
        demo = _demo()
        print_now(f"unrolled {shlex.join(demo)} ...")
        times["make demo"] = [_seconds([*UNROLLED, *demo]) for _ in range(DEMO_RUNS + 1)][1:]
    rows = [
        {"process": name, **spread(seconds), "limit_s": LIMITS_S.get(name)} for name, seconds in times.items()
    ]
    print_now("\n" + table(rows))
    return {"demo": shlex.join(_demo()), "rows": rows}


def _demo() -> list[str]:
    """What the Makefile runs."""
    match = re.search(r"^DEMO \?= (.+)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    if match is None:
        sys.exit("Makefile: expected a line 'DEMO ?= ...' with the arguments of the demo.")
    return shlex.split(match[1])


def _seconds(command: list[str]) -> float:
    """Wall time of one process, in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        start_s = time.perf_counter()
        done = subprocess.run(command, cwd=Path(folder), capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - start_s
    if done.returncode:
        sys.exit(f"{shlex.join(command)}: ended with {done.returncode}\n{done.stderr}")
    return seconds


if __name__ == "__main__":
    main(run)
