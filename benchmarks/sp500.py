"""The S&P 500, one month ahead from the last 181 months: is a network any better than AR(1)?

sp500_monthly_917.csv holds averages of daily closes, whose changes can be foreseen a little from the
change before; sp500_monthly_close.csv the closes themselves, whose changes cannot. Errors are MAE in index
points. Five seeds of Forecaster(horizon=1), each fitted once on what was known at the first origin, beside
the last value, drift and AR(1), on levels and on the logarithm's changes, each fitted anew at every origin.
For scale the usual recipe: a plain torch.nn.RNN of 64 units on min-max scaled levels, windows of 12, squared
error, Adam, 100 epochs. The files lie in sp500/ in the folder UNROLLED_DATA, by default ../shared/data.

    python -m benchmarks.sp500 [--toy]
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from benchmarks.record import DATA, Facts, main, print_now, require_file, table
from unrolled import Forecaster, backtest, examples, read
from unrolled.data.preprocess.transforms import Transform
from unrolled.evaluate.forecasting.baselines import LinearBaseline

Floats = NDArray[np.float64]

ORIGINS, WINDOW = 181, 12
FILES = {"monthly averages": "sp500_monthly_917.csv", "month-end closes": "sp500_monthly_close.csv"}
# By whoever prepared the data; AR(1) fitted once, not at every origin.
STATED: dict[str, dict[str, float]] = {
    "monthly averages": {"last value": 86.9, "AR(1) on levels": 84.0, "AR(1) on log changes": 79.2},
    "month-end closes": {
        "last value": 103.1, "drift": 102.0, "log drift": 98.4, "AR(1) on levels": 103.2
    },
}  # fmt: skip
BASELINES = {
    "last value": LinearBaseline("Naive"),
    "drift": LinearBaseline("RWD", "levels", has_drift=True),
    "log drift": LinearBaseline("RWD", "transform", has_drift=True),
    "AR(1) on levels": LinearBaseline("AR1", "levels", has_drift=True, has_slope=True),
    "AR(1) on log changes": LinearBaseline("AR1", "transform", has_drift=True, has_slope=True),
}


def run(toy: bool) -> Facts:
    seeds = range(1 if toy else 5)
    rows, verdicts = [], []
    for name, file in FILES.items():
        series = (
            examples.load("sp500").head(np.array([120])) if toy else read(require_file(DATA / "sp500" / file))
        )
        origins = np.arange(len(series.target) - 1)[-(12 if toy else ORIGINS) :]
        for rival, mae in _baselines(series.target, origins).items():
            rows.append(_row(name, rival, mae, STATED[name].get(rival)))
        for seed in seeds:
            mae, verdict = _network(series, seed, len(origins), toy=toy)
            rows.append(_row(name, f"unrolled, seed {seed}", mae))
            verdicts.append({"series": name, "seed": seed, **verdict})
            print_now(f"{name}, seed {seed}: MAE {mae:.1f}. {verdict['sentence']}")
        for seed in seeds:
            mae = _usual_recipe(series.target, origins, seed, epochs=2 if toy else 100)
            rows.append(_row(name, f"usual recipe, seed {seed}", mae))
    print_now("\n" + table(rows))
    return {"measure": "MAE, one step ahead", "origins": ORIGINS, "rows": rows, "verdicts": verdicts}


def _row(series: str, model: str, mae: float, stated: float | None = None) -> Facts:
    return {"series": series, "model": model, "mae": round(mae, 2), "stated": stated}


def _baselines(y: Floats, origins: NDArray[np.int64]) -> dict[str, float]:
    at: dict[str, Any] = {"transform": Transform("log-difference"), "refit": True}
    points = {
        name: baseline.forecast(y, origins, 1, np.array([0.5]), **at).point[:, 0]
        for name, baseline in BASELINES.items()
    }
    return {name: float(np.abs(y[origins + 1] - point).mean()) for name, point in points.items()}


def _network(series: Any, seed: int, origins: int, *, toy: bool) -> tuple[float, Facts]:
    smaller: dict[str, Any] = {"hidden_size": 4, "max_steps": 8} if toy else {}
    model = Forecaster(horizon=1, random_state=seed, **smaller)
    names = ["Naive", "AR1"] if toy else None
    result = backtest(model, series, origins=origins, baselines=names)
    return result.table[0]["mae"], result.verdict.to_dict()


def _usual_recipe(y: Floats, origins: NDArray[np.int64], seed: int, *, epochs: int) -> float:
    """MAE of a plain RNN on levels scaled to [0, 1] over the steps up to the first origin."""
    torch.manual_seed(seed)
    known = y[: origins[0] + 1]
    low, span = known.min(), known.max() - known.min()
    scaled = torch.tensor((y - low) / span, dtype=torch.float32)
    windows = scaled.unfold(0, WINDOW, 1)[:, :, None]  # (T − 11, 12, 1)
    train = windows[: len(known) - WINDOW], scaled[WINDOW : len(known)]
    core, readout = nn.RNN(1, 64, batch_first=True), nn.Linear(64, 1)
    optimizer = torch.optim.Adam([*core.parameters(), *readout.parameters()])
    for _ in range(epochs):
        for chosen in torch.randperm(len(train[1])).split(32):
            optimizer.zero_grad()
            answer = readout(core(train[0][chosen])[0][:, -1])[:, 0]
            nn.functional.mse_loss(answer, train[1][chosen]).backward()
            optimizer.step()
    with torch.no_grad():
        answer = readout(core(windows[origins - WINDOW + 1])[0][:, -1])[:, 0]
    point = answer.double().numpy() * span + low
    return float(np.abs(y[origins + 1] - point).mean())


if __name__ == "__main__":
    main(run)
