"""How often does `describe` suspect averaging where there is none, and where there is?

Random walks, values at the end of a month: every alarm is false. Averages of the same walks over the
month: every alarm is true. Then the 3,003 series of the M3 competition, of which nobody knows how each was
made: some are averages or sums of finer series, so that their alarms are counted, not judged.

    python -m benchmarks.averaging_alarms [--toy]

M3 is read from m3/m3.jsonl.gz in the folder UNROLLED_DATA, by default ../shared/data; not at toy size.
"""

import gzip
import json
from collections import Counter

import numpy as np

from benchmarks.record import DATA, Facts, main, print_now, require_file, table
from unrolled.data.describe.diagnostics import detect_averaging

SEASONS = {"YEARLY": 1, "QUARTERLY": 4, "MONTHLY": 12, "OTHER": 1}
DAYS = 21  # in a month


def walks(months: int, count: int) -> Facts:
    """Alarms on month ends and on monthly means of the same `count` random walks in the logarithm."""
    rng = np.random.default_rng(months)
    ends = means = 0
    for _ in range(count):
        days = np.exp(0.01 * rng.normal(size=(months, DAYS)).cumsum().reshape(months, DAYS))
        ends += detect_averaging(days[:, -1], 12).suspected
        means += detect_averaging(days.mean(axis=1), 12).suspected
    return {"months": months, "walks": count, "false_alarms": ends / count, "averages_found": means / count}


def m3() -> Facts:
    """Alarms on M3 by frequency."""
    alarms, series = Counter(), Counter()
    with gzip.open(require_file(DATA / "m3" / "m3.jsonl.gz"), "rt", encoding="utf-8") as lines:
        for line in lines:
            one = json.loads(line)
            values = np.array(one["x"] + one["xx"], dtype=np.float64)
            series[one["period"]] += 1
            alarms[one["period"]] += detect_averaging(values, SEASONS[one["period"]]).suspected
    rows = {period: {"series": series[period], "alarms": int(alarms[period])} for period in SEASONS}
    return {**rows, "ALL": {"series": series.total(), "alarms": int(alarms.total())}}


def run(toy: bool) -> Facts:
    found = {} if toy else m3()
    if found:
        print_now(table([{"M3": period.lower(), **row} for period, row in found.items()]) + "\n")
    rows = [walks(months, 50 if toy else 5000) for months in (60, 100, 200, 400, 900)]
    print_now(table(rows))
    return {"random_walks": rows, "m3": found}


if __name__ == "__main__":
    main(run)
