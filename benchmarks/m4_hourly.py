"""M4 hourly: one network with default settings for the 414 series, 48 hours ahead.

sMAPE and MASE (season 24) as in the competition; OWA is the mean of both, each over that of Naive2. The
rivals' figures are the published ones (Makridakis et al. 2020), but for neuralforecast's LSTM, whose figure
is the one that the project set out with; none is run here. The series are read from m4_hourly/ in the folder
UNROLLED_DATA, by default ../shared/data; their first hours are not in the files, so that all begin at the
same made-up one.

    python -m benchmarks.m4_hourly [--toy]
"""

import csv
import gzip
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.panel import Floats, forecast, made_up, sequences, smape
from benchmarks.record import DATA, Facts, main, print_now, require_file, table

SEASON, HORIZON = 24, 48
NAIVE2 = {"sMAPE": 18.383, "MASE": 2.395}
PUBLISHED: list[Facts] = [
    {"model": "Naive2", **NAIVE2, "OWA": 1.0},
    {"model": "sNaive", "sMAPE": 13.912, "MASE": 1.193, "OWA": 0.628},
    {"model": "neuralforecast LSTM", "sMAPE": None, "MASE": None, "OWA": 0.671},
    {"model": "ES-RNN (winner)", "sMAPE": 9.328, "MASE": 0.893, "OWA": 0.440},
]
FIRST_HOUR = pd.Timestamp("2015-07-01")


def run(toy: bool) -> Facts:
    values, actual = _made_up() if toy else _read()
    print_now(f"{len(values)} series, horizon {actual.shape[1]} ...")
    answer = forecast(sequences(values, [FIRST_HOUR] * len(values), "h"), actual, toy=toy)
    scores = {
        "sMAPE": float(smape(actual, answer.point).mean()),
        "MASE": float(np.mean(np.abs(actual - answer.point).mean(axis=1) / _units(values))),
    }
    owa = np.mean([scores[name] / NAIVE2[name] for name in NAIVE2])
    row = {"model": "unrolled", **{name: round(value, 3) for name, value in scores.items()}}
    rows = [{**row, "OWA": round(float(owa), 3)}, *PUBLISHED]
    print_now("\n" + table(rows))
    coverage, model = float(answer.inside.mean()), answer.model
    print_now(f"{coverage:.1%} inside the 80 % band, {answer.seconds:.0f} s, {model.transform_} transform")
    return {
        "settings": "Forecaster(horizon)",
        "fit_and_forecast_s": round(answer.seconds, 1),
        "coverage_80": round(coverage, 3),
        "transform": model.transform_,
        "season": model.season_,
        "window": model.window_,
        "rows": rows,
    }


def _units(values: list[Floats]) -> Floats:
    """(N,) the mean change over a day of each series before its origin: what MASE divides by."""
    return np.array([np.abs(one[SEASON:] - one[:-SEASON]).mean() for one in values])


def _read() -> tuple[list[Floats], Floats]:
    folder = DATA / "m4_hourly"
    train, test = (_lines(require_file(folder / f"Hourly-{part}.csv.gz")) for part in ("train", "test"))
    return list(train.values()), np.stack([test[name] for name in train])


def _lines(path: Path) -> dict[str, Floats]:
    """The values of each series by its name; lines end in empty cells."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))[1:]
    return {name: np.array([cell for cell in cells if cell], dtype=np.float64) for name, *cells in rows}


def _made_up() -> tuple[list[Floats], Floats]:
    series = made_up(6, 96 + HORIZON, SEASON)
    return [one[:-HORIZON] for one in series], np.stack([one[-HORIZON:] for one in series])


if __name__ == "__main__":
    main(run)
