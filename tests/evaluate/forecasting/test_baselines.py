"""Choice of baselines by name, the feed-forward one, and published figures."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from unrolled.data.preprocess.transforms import Transform
from unrolled.errors import ArgumentError, MissingDependencyError
from unrolled.evaluate.forecasting.baselines import (
    BASELINES,
    DEFAULT_BASELINES,
    available_baselines,
    baseline_variants,
    check_baselines,
    matching_feedforward,
    without_intermittent,
)
from unrolled.evaluate.forecasting.linear_baselines import LinearBaseline
from unrolled.models.forecasting.forecaster import Forecaster

QUANTILES = np.array([0.1, 0.5, 0.9])
MONTHLY = Transform("log-difference", season=12)
SEASONAL = Transform("log-seasonal-difference", season=4)


def test_each_scale_is_tried_once() -> None:
    """Levels, changes and the network's own scale, none twice; no season, no seasonal naive."""
    assert [b.note(MONTHLY) for b in baseline_variants(("RWD", "AR1"), [MONTHLY])] == [
        "on levels", "on log", "on levels", "on changes", "on log changes",
    ]  # fmt: skip
    plain = Transform("difference")
    assert [(b.name, b.note(plain)) for b in baseline_variants(DEFAULT_BASELINES, [plain])] == [
        ("Naive", ""), ("RWD", "on levels"), ("AR1", "on levels"), ("AR1", "on changes"),
        ("Median", "of all steps"), ("Median", "of the last 12 steps"),
        ("Mean", "of all steps"), ("Mean", "of the last 12 steps"), ("Zero", ""),
        ("Croston", "classic"), ("Croston", "SBA"), ("Croston", "TSB"), ("Theta", ""), ("AutoETS", ""),
    ]  # fmt: skip
    assert LinearBaseline("RWD", "transform", has_drift=True).note(SEASONAL) == "on log seasonal changes"
    mixed = [Transform("difference"), Transform("log-difference")]
    assert len(baseline_variants(("RWD",), mixed)) == 2


def test_an_unknown_baseline_is_offered_the_nearest_spelling() -> None:
    """The names, what came, and a guess."""
    assert check_baselines(None) == DEFAULT_BASELINES
    assert check_baselines(["AR1", "AR1", "Naive"]) == ("AR1", "Naive")
    assert check_baselines("Theta") == ("Theta",)
    with pytest.raises(ArgumentError) as caught:
        check_baselines(["Naiv"])
    assert str(caught.value) == (
        f"baselines: expected some of {', '.join(BASELINES)}; got 'Naiv'. Did you mean 'Naive'?"
    )
    with pytest.raises(ArgumentError, match="got none: a network's error means nothing without one"):
        check_baselines([])


def test_without_statsforecast_its_baselines_are_left_out_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless they were named: then the error says how to install it."""
    monkeypatch.setitem(sys.modules, "statsforecast", None)
    names, remark = available_baselines(DEFAULT_BASELINES, is_explicit=False)
    assert names == ("Naive", "RWD", "AR1", "SeasonalNaive", "Median", "Mean", "Zero", "feedforward")
    assert remark == (
        "Croston, Theta and AutoETS left out: they need statsforecast, which is not installed: "
        'pip install "unrolled[baselines]".'
    )
    with pytest.raises(MissingDependencyError) as caught:
        available_baselines(("Naive", "AutoETS"), is_explicit=True)
    assert str(caught.value) == (
        'baselines: AutoETS needs statsforecast, which is not installed: pip install "unrolled[baselines]"'
    )
    assert available_baselines(("Naive", "AR1"), is_explicit=True) == (("Naive", "AR1"), "")


def test_baselines_of_intermittent_data_stand_beside_intermittent_series_only() -> None:
    """Most of the series must be so."""
    counts, sales = np.array([0.0, 0.0, 2.0, 0.0]), np.array([3.0, 4.0, 1.0, 5.0])
    names = ("Naive", "Zero", "Croston")
    assert without_intermittent(names, [counts, counts, sales]) == names
    assert without_intermittent(names, [counts, sales]) == ("Naive",)


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_the_matching_feedforward_has_as_many_weights(cell: str) -> None:
    """Within 5 %, on the same window, and nothing else changed."""
    y = np.random.default_rng(3).normal(size=60)
    model = Forecaster(3, cell=cell, hidden_size=24, max_steps=8, window=16, random_state=5).fit(y)
    flat = matching_feedforward(model).fit(y)
    assert abs(flat.n_parameters_ / model.n_parameters_ - 1) < 0.05
    changed = {"cell", "hidden_size", "activation"}
    assert {k: v for k, v in flat.get_params().items() if k not in changed} == {
        k: v for k, v in model.get_params().items() if k not in changed
    }


def test_matching_the_weights_imports_no_compiler() -> None:
    """Its networks of no memory ask for none of torch's compiler, whose import takes seconds."""
    code = """
import sys, torch
from unrolled.models.forecasting.network import ForecastNetwork, ForecastNetworkConfig
sizes = dict(inputs=2, window=8, recent=3, horizon=4, anchors=1, ahead=1, cell="feedforward", hidden_size=5)
with torch.device("meta"):
    ForecastNetwork(ForecastNetworkConfig(**sizes))
print("torch._dynamo" in sys.modules)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "False\n", "")


PUBLISHED = {  # one step ahead, mean absolute error over the last 181 origins
    "sp500_monthly_917.csv": {"Naive": 86.93, "AR1 on changes": 84.0, "AR1 on log changes": 79.2},
    "sp500_monthly_close.csv": {
        "Naive": 103.1, "RWD on levels": 102.0, "RWD on log": 98.4, "AR1 on changes": 103.2,
    },
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_figures_come_out(data_dir: Path, name: str) -> None:
    """S&P 500, monthly averages and month-end closes."""
    y = pd.read_csv(data_dir / "sp500" / name)["price"].to_numpy(float)
    origins = np.arange(len(y) - 182, len(y) - 1)
    errors = {}
    for baseline in baseline_variants(("Naive", "RWD", "AR1"), [MONTHLY]):
        forecasts = baseline.forecast(y, origins, 1, QUANTILES, transform=MONTHLY, refit=False)
        error = y[origins + 1] - forecasts.point[:, 0]
        errors[f"{baseline.name} {baseline.note(MONTHLY)}".strip()] = np.abs(error).mean()
        if (baseline.name, name) == ("Naive", "sp500_monthly_917.csv"):
            assert round(float(np.sqrt((error**2).mean())), 2) == 127.00
    for row, published in PUBLISHED[name].items():
        assert errors[row] == pytest.approx(published, abs=0.06)
