"""M3: one network for each frequency, default settings, on the 3,003 series of the competition.

sMAPE is the mean of 200 |y − ŷ| / (|y| + |ŷ|) over all points of all series, as published; the rivals'
figures are the published ones: Makridakis and Hibon (2000) and, for N-BEATS, Oreshkin et al. (2020). The
series are read from m3/m3.jsonl.gz in the folder UNROLLED_DATA, by default ../shared/data.

    python -m benchmarks.m3 [--toy]
"""

import gzip
import json
from fractions import Fraction

import numpy as np
import pandas as pd

from benchmarks.panel import Floats, forecast, made_up, sequences, smape
from benchmarks.record import DATA, Facts, main, print_now, require_file, table

FREQUENCIES = {"YEARLY": "YS", "QUARTERLY": "QS", "MONTHLY": "MS", "OTHER": "1"}
SEASONS = {"YEARLY": 1, "QUARTERLY": 4, "MONTHLY": 12, "OTHER": 1}
HORIZONS = {"YEARLY": 6, "QUARTERLY": 8, "MONTHLY": 18, "OTHER": 8}
PUBLISHED = {  # sMAPE
    "YEARLY": {"Naive2": 17.88, "Theta": 16.97, "N-BEATS": None},
    "QUARTERLY": {"Naive2": 9.95, "Theta": 8.96, "N-BEATS": None},
    "MONTHLY": {"Naive2": 16.89, "Theta": 13.89, "N-BEATS": None},
    "OTHER": {"Naive2": 6.30, "Theta": 4.41, "N-BEATS": None},
    "ALL": {"Naive2": 15.46, "Theta": 13.05, "N-BEATS": 12.46},
}
TOY = 24


def run(toy: bool) -> Facts:
    rows, errors, inside, seconds = [], [], [], 0.0
    for period, freq in FREQUENCIES.items():
        values, starts, actual = _made_up(period) if toy else read_period(period)
        print_now(f"{period}: {len(values)} series, horizon {actual.shape[1]} ...")
        series = sequences(values, None if freq == "1" else starts, freq)
        answer = forecast(series, actual, toy=toy)
        errors.append(smape(actual, answer.point).ravel())
        inside.append(answer.inside.ravel())
        seconds += answer.seconds
        rows.append(_row(period, len(values), errors[-1], inside[-1], answer.seconds))
        model = answer.model
        rows[-1] |= {"transform": model.transform_, "season": model.season_, "window": model.window_}
        print_now(table(rows[-1:]))
    whole = _row(
        "ALL", sum(row["series"] for row in rows), np.concatenate(errors), np.concatenate(inside), seconds
    )
    rows.append(whole | {"transform": "", "season": None, "window": None})
    print_now("\n" + table(rows))
    return {"measure": "sMAPE, mean over all points", "settings": "Forecaster(horizon)", "rows": rows}


def _row(period: str, count: int, errors: Floats, inside: Floats, seconds: float) -> Facts:
    return {
        "frequency": period,
        "series": count,
        "unrolled": round(float(errors.mean()), 2),
        **PUBLISHED[period],
        "coverage_80": round(float(inside.mean()), 3),
        "seconds": round(seconds, 1),
    }


def read_period(period: str) -> tuple[list[Floats], list[pd.Timestamp], Floats]:
    """The series of one frequency: past values, first moments, and what came."""
    values, starts, actual = [], [], []
    with gzip.open(require_file(DATA / "m3" / "m3.jsonl.gz"), "rt", encoding="utf-8") as lines:
        for line in lines:
            one = json.loads(line)
            if one["period"] == period:
                values.append(np.array(one["x"], dtype=np.float64))
                actual.append(one["xx"])
                starts.append(_start(one["start"]))
    return values, starts, np.array(actual, dtype=np.float64)


def _start(text: str) -> pd.Timestamp:
    """The first moment: "7939/4" is October 1984; where no year is given, January 1950 is made up."""
    year = Fraction(text)
    if not 1800 < year < 2000:
        year = Fraction(1950)
    return pd.Timestamp(int(year), 1 + int(12 * (year % 1)), 1)


def _made_up(period: str) -> tuple[list[Floats], list[pd.Timestamp], Floats]:
    horizon = HORIZONS[period]
    series = made_up(TOY, 42 + horizon, SEASONS[period])
    actual = np.stack([one[-horizon:] for one in series])
    return [one[:-horizon] for one in series], [_start("1")] * TOY, actual


if __name__ == "__main__":
    main(run)
