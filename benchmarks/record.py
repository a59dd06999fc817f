"""Shared parts of all benchmarks: command line, facts on the machine, result files.

A benchmark is a module whose docstring says what it measures and whose `run(toy)` prints as it goes
and returns its facts. `main` offers `--toy` and `--name`, and writes `results/<name>.json` whole or not at
all.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from inspect import signature
from pathlib import Path
from typing import Any

from unrolled.atomic_write import write_atomically
from unrolled.formatting import UNDEFINED, aligned_table

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
DATA = Path(os.environ.get("UNROLLED_DATA", ROOT.parent / "shared" / "data"))
_PARTS = ("torch", "numpy", "pandas", "statsforecast")

Facts = dict[str, Any]


def main(run: Callable[..., Facts]) -> None:
    """Run a benchmark from the command line.

    Args:
        run: takes whether it is a toy; one that also takes `only`, beginnings of names, can measure some of
            its rows and keep the others.
    """
    has_parts = "only" in signature(run).parameters
    module = sys.modules[run.__module__]
    name = Path(str(module.__file__)).stem
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{name}",
        description=module.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--toy", action="store_true", help="a size that shows it still runs; nothing written")
    parser.add_argument(
        "--name",
        default=name,
        help="of the file in results/: a second machine's numbers stand beside the first's",
    )
    if has_parts:
        parser.add_argument(
            "--only",
            action="append",
            default=[],
            metavar="PART",
            help="measure what begins so; the other rows stay as they are in results/",
        )
    given = parser.parse_args()
    toy = given.toy
    if Path(given.name).name != given.name or (toy and given.name != name):
        parser.error("--name: a name in results/, of a run that is written; not with --toy.")
    start_s = time.perf_counter()
    facts = run(toy, given.only) if has_parts else run(toy)
    if not toy:
        record = {**machine(), "seconds": round(time.perf_counter() - start_s, 1), **facts}
        text = json.dumps(record, indent=2) + "\n"
        RESULTS.mkdir(exist_ok=True)
        path = write_atomically(
            RESULTS / f"{given.name}.json", lambda new: new.write_text(text, encoding="utf-8")
        )
        print_now(f"written to {path.relative_to(ROOT)}")


def machine() -> Facts:
    """Describe what the numbers were measured on, and when."""
    import torch  # noqa: PLC0415 (only now: a benchmark of start-up does not use it itself)

    return {
        "commit": commit(),
        "changed_since": bool(_git("status", "--porcelain", "--", "src", "benchmarks/*.py")),
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "versions": {"python": platform.python_version(), **{part: version(part) for part in _PARTS}},
    }


def commit() -> str:
    """Return the commit that is checked out."""
    return _git("rev-parse", "--short", "HEAD")


def resumed(names: Sequence[str], compute: Callable[[str], Facts], kept_in: Path | None) -> Iterator[Facts]:
    """Compute a result for each name; those of this commit that an interrupted run left behind are kept.

    Args:
        names: distinct.
        compute: from a name to facts that JSON can hold.
        kept_in: the file of results so far, which goes when all are there; None keeps nothing.
    """
    results = {} if kept_in is None else _results_of_this_commit(kept_in)
    for name in names:
        if name not in results:
            results[name] = compute(name)
            if kept_in is not None:
                text = json.dumps({"commit": commit(), "rows": results}, indent=2)
                write_atomically(kept_in, lambda new, text=text: new.write_text(text, encoding="utf-8"))
        yield results[name]
    if kept_in is not None:
        kept_in.unlink(missing_ok=True)


def _results_of_this_commit(path: Path) -> dict[str, Facts]:
    if not path.exists():
        return {}
    kept: Facts = json.loads(path.read_text(encoding="utf-8"))
    return dict(kept["rows"]) if kept["commit"] == commit() else {}


def measured(
    names: Sequence[str],
    compute: Callable[[str], Facts],
    file: str,
    *,
    part: str,
    name_of: Callable[[Facts], str],
    only: Sequence[str],
    toy: bool,
) -> dict[str, Facts]:
    """Measure the rows that `only` chooses, beside those of results/<file>.json, and print each as it comes.

    Args:
        names: of all rows that can be measured here.
        compute: from a name to a row.
        file: of the results, which are kept in results/<file>.partial.json until all are there.
        part: of the results that holds the rows.
        name_of: the name of a row.
        only: beginnings of names; none for all, without the rows of before.
        toy: whether nothing is kept.

    Returns:
        Rows by their names, those of before first.
    """
    rows = earlier(file, part, name_of) if only else {}
    kept_in = None if toy else RESULTS / f"{file}.partial.json"
    for row in resumed(chosen(names, only), compute, kept_in):
        rows[name_of(row)] = row
        print_now(table([row]))
    return rows


def chosen(names: Sequence[str], only: Sequence[str]) -> list[str]:
    """Select the names that begin with one of `only`, or all without any; exit where one begins none."""
    if wrong := [part for part in only if not any(name.startswith(part) for name in names)]:
        raise SystemExit(f"--only: expected beginnings of {', '.join(names)}; got {', '.join(wrong)}.")
    return [name for name in names if not only or name.startswith(tuple(only))]


def earlier(file: str, part: str, name_of: Callable[[Facts], str]) -> dict[str, Facts]:
    """Read the rows of a part of results/<file>.json by their names, each with its commit and processor."""
    path = RESULTS / f"{file}.json"
    record: Facts = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {part: []}
    return {name_of(row): row | measured_at(record | row) for row in record[part]}


def measured_at(record: Facts) -> Facts:
    """Select what a row says of its own: rows of one file may be of several commits and machines."""
    return {name: record[name] for name in ("commit", "cpu")}


def table(rows: Sequence[Facts]) -> str:
    """Lay out rows of the same keys as a table, numbers to the right.

    >>> print(table([{"model": "lstm", "mae": 1.5}, {"model": "Naive", "mae": 12.25}]))
    model    mae
    lstm     1.5
    Naive  12.25
    """
    head = list(rows[0])
    words = [k for k, name in enumerate(head) if isinstance(rows[0][name], str)]
    return aligned_table([head, *([_cell(row[name]) for name in head] for row in rows)], left=words)


def print_now(line: str) -> None:
    """Print and flush, so that a long benchmark shows its progress."""
    print(line, flush=True)


def require_file(path: Path) -> Path:
    """Return the path of a file of real data; exit with a sentence where it is missing."""
    if not path.exists():
        sys.exit(f"{path}: no such file; set UNROLLED_DATA to the folder of real data, or try --toy.")
    return path


def _cell(value: Any) -> str:
    if value is None:
        return UNDEFINED
    return f"{value:,}" if isinstance(value, int) else str(value)


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _cpu() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    named = (line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())
