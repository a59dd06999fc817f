"""How often does `describe` suspect averaging where there is none, and where there is?

Random walks, values at the end of a month: every alarm is false. Averages of the same walks over the
month: every alarm is true. Then the 3,003 series of the M3 competition, of which nobody knows how each was
made: some are averages or sums of finer series, so that their alarms are counted, not judged.

    python benchmarks/averaging_alarms.py [--toy]

M3 is looked for in the folder UNROLLED_DATA, by default ../shared/data.
"""

import gzip
import json
import os
import platform
import subprocess
import sys
import time
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from unrolled.data.changes import averaging

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "benchmarks" / "results" / "averaging_alarms.json"
M3 = Path(os.environ.get("UNROLLED_DATA", ROOT.parent / "shared" / "data")) / "m3" / "m3.jsonl.gz"
SEASONS = {"YEARLY": 1, "QUARTERLY": 4, "MONTHLY": 12, "OTHER": 1}
DAYS = 21  # in a month


def walks(months: int, count: int) -> dict[str, Any]:
    """Alarms on month ends and on monthly means of the same `count` random walks in the logarithm."""
    rng = np.random.default_rng(months)
    ends = means = 0
    for _ in range(count):
        days = np.exp(0.01 * rng.normal(size=(months, DAYS)).cumsum().reshape(months, DAYS))
        ends += averaging(days[:, -1], 12).suspected
        means += averaging(days.mean(axis=1), 12).suspected
    return {"months": months, "walks": count, "false_alarms": ends / count, "averages_found": means / count}


def m3() -> dict[str, Any] | None:
    """Alarms on M3 by frequency; None where the data is not here."""
    if not M3.exists():
        return None
    alarms, series = Counter(), Counter()
    with gzip.open(M3, "rt", encoding="utf-8") as lines:
        for line in lines:
            one = json.loads(line)
            values = np.array(one["x"] + one["xx"], dtype=np.float64)
            series[one["period"]] += 1
            alarms[one["period"]] += averaging(values, SEASONS[one["period"]]).suspected
    rows = {period: {"series": series[period], "alarms": int(alarms[period])} for period in SEASONS}
    return {**rows, "ALL": {"series": series.total(), "alarms": int(alarms.total())}}


def machine() -> dict[str, Any]:
    """What the numbers were measured on."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    cpu = next(
        (s.split(":")[1].strip() for s in _cpu_lines() if s.startswith("model name")), platform.machine()
    )
    versions = {"python": platform.python_version(), "numpy": version("numpy")}
    return {"commit": commit.stdout.strip(), "cpu": cpu, "threads": 1, "versions": versions}


def _cpu_lines() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def main() -> None:
    toy = "--toy" in sys.argv
    start = time.perf_counter()
    rows = [walks(months, 50 if toy else 5000) for months in (60, 100, 200, 400, 900)]
    print("months  false alarms  averages found")
    for row in rows:
        print(f"{row['months']:>6}  {row['false_alarms']:>12.2%}  {row['averages_found']:>14.1%}")
    found = m3()
    for period, row in (found or {}).items():
        print(f"M3 {period.lower():<9}  {row['alarms']:>3} of {row['series']:,}")
    if found is None:
        print(f"no {M3.name}: set UNROLLED_DATA")
    if not toy:
        RESULT.parent.mkdir(exist_ok=True)
        seconds = round(time.perf_counter() - start, 1)
        result = {**machine(), "seconds": seconds, "random_walks": rows, "m3": found}
        RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
