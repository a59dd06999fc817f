"""The backtest as its users meet it: the table, the frames, the sentence, and what it refuses."""

import json
import sys
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import polars as pl
import pytest

from unrolled import Forecaster, read
from unrolled.data.sequences import Sequences
from unrolled.errors import ArgumentError, DataError, MissingDependencyError
from unrolled.evaluate.forecasting.backtest import BacktestResult, backtest
from unrolled.evaluate.forecasting.baselines import BASELINES, DEFAULT_BASELINES
from unrolled.models.forecasting.network import QUANTILES

CHEAP = ["Naive", "RWD", "AR1", "SeasonalNaive"]
COLUMNS = ["model", "note", "mae", "rmse", "mase", "smape", "crps", "coverage"]


class Sure:
    """A stand-in for a Forecaster: what comes, `off` by a share, with a band of that width."""

    transform_, season, window_ = "log-difference", 12, 24

    def __init__(self, horizon: int = 3, off: float = 0.0, cell: str = "gru") -> None:
        self.horizon, self.off, self.cell = horizon, off, cell

    def get_params(self) -> dict[str, Any]:
        return {"horizon": self.horizon, "off": self.off, "cell": self.cell}

    def fit(self, series: Sequences) -> Self:
        if series.lengths.min() < 4:
            raise DataError("arrays: four steps are the least.")
        return self

    def forecast_origins(self, series: Sequences, origins: Any, *, level: float) -> dict[str, Any]:
        steps = origins[..., None] + np.arange(1, self.horizon + 1)
        actual = series.target[series.offsets[:-1, None, None] + steps]
        point = actual * (1 + self.off)
        half = 0.1 * actual * level / 80
        spread = np.array(QUANTILES) - 0.5
        quantiles = point[..., None] + half[..., None] * spread
        return {"point": point, "lo": point - half, "hi": point + half, "quantiles": quantiles}


def monthly(length: int = 120, seed: int = 0, start: str = "2000-01-01") -> pd.DataFrame:
    """One series of months, above 0."""
    walk = np.exp(np.cumsum(np.random.default_rng(seed).normal(0.01, 0.05, length)))
    return pd.DataFrame({"month": pd.date_range(start, periods=length, freq="MS"), "sold": 100 * walk})


@pytest.fixture
def result() -> BacktestResult:
    """Twelve origins of three steps, by a model that is off by 10 %."""
    return backtest(Sure(off=0.1), monthly(), origins=12, baselines=CHEAP)


def test_the_network_comes_first_then_the_baselines_from_the_best_on(result: BacktestResult) -> None:
    """One row a model: of the scales that drift and AR1 were tried on, the best one."""
    assert result.table[0]["model"] == "gru"
    assert sorted(row["model"] for row in result.table[1:]) == sorted(CHEAP)
    errors = [row["mae"] for row in result.table[1:]]
    assert errors == sorted(errors)
    assert all(list(row) == COLUMNS for row in result.table)
    notes = {row["model"]: row["note"] for row in result.table}
    assert notes["Naive"] == notes["gru"] == ""
    assert notes["RWD"] in {"on levels", "on log"}
    assert notes["AR1"] in {"on levels", "on changes", "on log changes"}


def test_the_better_scale_counts() -> None:
    """Steady growth is drift on the log; a steady climb is drift on the levels."""
    noise = np.exp(np.random.default_rng(1).normal(0, 1e-4, 80))
    for y, note in ((1.02 ** np.arange(80.0), "on log"), (50 + np.arange(80.0), "on levels")):
        rows = backtest(Sure(off=0.1), y * noise, origins=12, baselines=["RWD"]).table
        assert [row["note"] for row in rows] == ["", note]


def test_the_verdict_is_on_the_tables_numbers(result: BacktestResult) -> None:
    """Its ratio is the network's error over the best row's, its baseline that row."""
    network, best = result.table[:2]
    assert result.verdict.ratio == pytest.approx(network["mae"] / best["mae"])
    assert result.verdict.best_baseline == best["model"]
    assert f"({best['model']} {best['note']})" in result.verdict.sentence
    assert (result.verdict.origins, result.verdict.independent_origins) == (12, 12)


def test_an_oracle_wins_and_a_bad_model_loses() -> None:
    """Off by a tenth of a per cent, and off by half."""
    good, bad = (backtest(Sure(off=off), monthly(), origins=12, baselines=CHEAP) for off in (0.001, 0.5))
    assert good.verdict.outcome == "better"
    assert bad.verdict.outcome == "worse"
    assert good.table[0]["coverage"] == 1.0


def test_forecasts_are_a_row_a_step(result: BacktestResult) -> None:
    """Id, time, origin, what came, and what each model said."""
    frame = result.forecasts
    models = [row["model"] for row in result.table]
    assert list(frame.columns) == ["unique_id", "month", "cutoff", "y", *models]
    assert len(frame) == 12 * 3
    one = frame.iloc[-1]
    assert (one["month"], one["cutoff"]) == (pd.Timestamp("2009-12-01"), pd.Timestamp("2009-09-01"))
    assert one["y"] == monthly()["sold"].iloc[-1]
    assert one["gru"] == pytest.approx(1.1 * one["y"])
    assert one["Naive"] == pytest.approx(monthly()["sold"].iloc[-4])
    assert np.abs(frame["Naive"] - frame["y"]).mean() == pytest.approx(
        next(row["mae"] for row in result.table if row["model"] == "Naive")
    )


def test_steps_are_counted_where_there_are_no_dates() -> None:
    """The position of each step, from 0."""
    frame = backtest(Sure(horizon=2), monthly()["sold"].to_numpy(), origins=10, baselines="Naive").forecasts
    assert frame["ds"].tolist()[-2:] == [118, 119]
    assert frame["cutoff"].tolist()[-2:] == [117, 117]


def test_the_table_is_a_frame_of_the_users_kind(result: BacktestResult) -> None:
    """Polars in, polars out, and pandas in, pandas out; the band's level stands in the name."""
    frame = result.to_frame()
    assert list(frame.columns) == [*COLUMNS[:-1], "coverage-80"]
    assert frame["mae"].tolist() == [row["mae"] for row in result.table]
    other = backtest(Sure(), pl.from_pandas(monthly()), origins=10, baselines=["Naive"], level=90)
    assert isinstance(other.to_frame(), pl.DataFrame)
    assert isinstance(other.forecasts, pl.DataFrame)
    assert other.to_frame().columns[-1] == "coverage-90"


def test_printed_it_is_a_table_and_a_sentence() -> None:
    """Columns of one width, numbers to the right, the sentence below."""
    printed = str(backtest(Sure(off=0.1), 50 + np.arange(80.0), origins=12, baselines=["Naive", "RWD"]))
    table, sentence = printed.split("\n\n")
    head, *rows = table.splitlines()
    assert head.split() == ["model", "mae", "rmse", "mase", "smape", "crps", "in", "80", "%", "band"]
    assert [row.split("  ")[0] for row in rows] == ["gru", "RWD on levels", "Naive"]
    assert len({len(row) for row in (head, *rows)}) == 1
    assert rows[2].split()[1:] == ["2.00", "2.16", "0.167", "1.82", "1.20", "100", "%"]
    assert sentence.startswith("The GRU is further off than the best of its baselines (RWD on levels)")


def test_the_record_is_json(result: BacktestResult) -> None:
    """Everything but the single forecasts."""
    record = json.loads(json.dumps(result.to_dict()))
    assert record["kind"] == result.kind == "backtest"
    assert record["table"] == result.table
    assert record["verdict"]["sentence"] == str(result.verdict)
    assert (record["horizon"], record["step"], record["level"], record["refit"]) == (3, 3, 80, False)


def test_origins_do_not_overlap_where_there_is_room() -> None:
    """A horizon apart; closer where half of the series would not be left; as asked where asked."""
    for length, origins, step, expected in (
        (120, 12, None, 3),
        (60, 12, None, 2),
        (30, 12, None, 1),
        (120, 12, 5, 5),
    ):
        result = backtest(Sure(), monthly(length), origins=origins, step=step, baselines=["Naive"])
        assert result.step == expected
        cutoffs = result.forecasts["cutoff"].drop_duplicates()
        assert len(cutoffs) == origins
        assert cutoffs.dt.to_period("M").astype("int64").diff().dropna().eq(expected).all()


def test_of_many_series_each_is_measured_in_its_own_unit() -> None:
    """The second series is a thousand times the first: the verdict weighs them alike."""
    small, large = monthly(seed=1)["sold"].to_numpy(), 1000 * monthly(150, seed=2)["sold"].to_numpy()
    together = backtest(Sure(off=0.02), [small, large], origins=12, baselines=CHEAP)
    apart = [backtest(Sure(off=0.02), y, origins=12, baselines=CHEAP) for y in (small, large)]
    for column in ("mae", "rmse", "mase", "smape", "crps", "coverage"):
        mean = np.mean([one.table[0][column] for one in apart])
        assert together.table[0][column] == pytest.approx(mean)
    best = next(row for row in together.table[1:] if row["model"] == together.verdict.best_baseline)
    assert together.verdict.ratio == pytest.approx(together.table[0]["mase"] / best["mase"])
    assert together.verdict.origins == 12


def test_mase_divides_by_changes_before_the_first_origin_alone() -> None:
    """Seasonal changes up to that origin, not those that came later."""
    y = monthly()["sold"].to_numpy()
    network = backtest(Sure(off=0.1), y, origins=12, baselines=["Naive"]).table[0]
    before = y[: 120 - 12 * 3]  # the last step known at the first origin comes 36 before the end
    assert network["mase"] == pytest.approx(network["mae"] / np.abs(before[12:] - before[:-12]).mean())


def test_all_defaults_stand_beside_a_network() -> None:
    """A real one: every default baseline, the feed-forward net among them; AutoARIMA when named."""
    pytest.importorskip("statsforecast")
    model = Forecaster(horizon=2, cell="gru", hidden_size=4, max_steps=8)
    result = backtest(model, monthly(80), origins=11)
    assert {row["model"] for row in result.table} == {"gru", *set(DEFAULT_BASELINES) - {"Zero", "Croston"}}
    assert all(value is not None for row in result.table for value in row.values())
    named = backtest(model, monthly(80)["sold"].to_numpy(), origins=2, baselines=["AutoARIMA"])
    assert [row["model"] for row in named.table] == ["gru", "AutoARIMA"]
    assert named.verdict.outcome == "too few to tell"


def test_without_statsforecast_the_other_baselines_remain(monkeypatch: pytest.MonkeyPatch) -> None:
    """And a remark names the command that adds the rest; one that was named is refused."""
    monkeypatch.setitem(sys.modules, "statsforecast", None)
    result = backtest(Forecaster(horizon=2, cell="gru", hidden_size=4, max_steps=8), monthly(60), origins=4)
    assert {row["model"] for row in result.table} == {"gru", *CHEAP, "Median", "Mean", "feedforward"}
    assert result.remarks[-1].startswith("Theta and AutoETS left out: they need statsforecast")
    with pytest.raises(MissingDependencyError, match=r'pip install "unrolled\[baselines\]"'):
        backtest(Sure(), monthly(60), baselines=["Theta"])


def test_a_feed_forward_net_is_no_baseline_of_itself() -> None:
    """Its row is the network's."""
    model = Forecaster(horizon=2, cell="feedforward", hidden_size=4, max_steps=8)
    result = backtest(model, monthly(60), origins=10, baselines=["Naive", "feedforward"])
    assert [row["model"] for row in result.table] == ["feedforward", "Naive"]
    assert result.verdict.sentence.startswith("The feedforward is ")


def test_a_failing_baseline_is_remarked_on() -> None:
    """Four steps are too few for AutoETS: the result says where the last value stands in."""
    pytest.importorskip("statsforecast")
    y = np.array([1.0, 3.0, 2.0, 4.0, 3.0, 5.0])
    result = backtest(Sure(horizon=1), y, origins=2, step=1, baselines=["AutoETS", "Naive"])
    assert result.remarks == (
        "AutoETS could not be fitted to 1 of 1 series, which are forecast by their last value.",
    )
    assert str(result).endswith(result.remarks[0])
    np.testing.assert_array_equal(result.columns["AutoETS"], result.columns["Naive"])


def test_origins_inside_the_first_season_are_remarked_on() -> None:
    """28 months, the first origin in the eleventh: the seasonal naive has no last year and says so."""
    result = backtest(Sure(horizon=6), monthly(28), origins=12, step=1, baselines=["Naive", "SeasonalNaive"])
    assert result.remarks == (
        "SeasonalNaive could not be fitted to 1 of 1 series, which are forecast by their last value.",
    )
    np.testing.assert_array_equal(result.columns["SeasonalNaive"], result.columns["Naive"])


def test_the_figure_is_the_reports(result: BacktestResult) -> None:
    """`.plot()` draws every model of the table."""
    drawn = {name for trace in result.plot().data for name in trace.y}
    assert len(drawn) == len(result.table)


TOO_MANY = (
    "origins: 50 origins 3 apart with a horizon of 3 need 152 steps, the shortest series has 120. "
    "Use origins=38 at most."
)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"origins": 0}, "origins: expected a whole number at least 1, got 0."),
        ({"step": 0}, "step: expected a whole number at least 1, got 0."),
        ({"level": 100}, "level: expected a number above 0 and below 100, got 100."),
        (
            {"baselines": ["AutoEts"]},
            f"baselines: expected some of {', '.join(BASELINES)}; got 'AutoEts'. Did you mean 'AutoETS'?",
        ),
        ({"origins": 50, "step": 3}, TOO_MANY),
    ],
)
def test_what_cannot_be_done_is_refused_in_a_sentence(arguments: dict[str, Any], sentence: str) -> None:
    """The thing, the demand, what came, the way out; before anything is fitted."""
    with pytest.raises(ArgumentError) as caught:
        backtest(Sure(), monthly(), **arguments)
    assert str(caught.value) == sentence


def test_all_faults_are_reported_at_once() -> None:
    """A line each."""
    with pytest.raises(ArgumentError) as caught:
        backtest(Sure(), monthly(), origins=0, step=-1, level=0, baselines=["x"])
    assert len(str(caught.value).splitlines()) == 4


def test_a_horizon_of_nothing_is_refused() -> None:
    """Before any origin is looked for."""
    with pytest.raises(ArgumentError, match="horizon: expected a whole number at least 1, got 0"):
        backtest(Sure(horizon=0), monthly())


def test_the_number_of_origins_that_is_offered_works() -> None:
    """The next call accepts it, and one more does not: the model could not be fitted before the first."""
    assert backtest(Sure(), monthly(), origins=38, step=3, baselines=["Naive"]).verdict.origins == 38
    with pytest.raises(DataError, match=r"only 3 steps are known at the first of 39 .* Or use origins=38 at"):
        backtest(Sure(), monthly(), origins=39, step=3)


def test_learned_bounds_are_remarked_on() -> None:
    """The table's reader knows that the network's forecasts are kept above 0."""
    y = np.random.default_rng(0).poisson(1, 60)
    result = backtest(Forecaster(horizon=1, hidden_size=4, max_steps=8), y, origins=4, baselines=["Naive"])
    assert result.remarks == ("Forecasts are never below 0, which values reach and never pass.",)


def test_an_irregular_series_is_refused() -> None:
    """A month is missing."""
    with pytest.raises(DataError):
        backtest(Sure(), monthly().drop(index=50))


@pytest.mark.slow
def test_month_end_closes_of_the_sp500_hold_no_skill(data_dir: Path) -> None:
    """Over the last 181 months, one step ahead, three seeds: nothing is found."""
    closes = pd.read_csv(data_dir / "sp500" / "sp500_monthly_close.csv", parse_dates=["date"])
    for seed in range(3):
        result = backtest(Forecaster(1, random_state=seed), closes, origins=181)
        assert result.verdict.outcome != "better"


@pytest.mark.parametrize("model", [None, Forecaster, "lstm"])
def test_a_model_that_does_not_forecast_is_refused(model: object) -> None:
    """Nothing, a class, or a name: one sentence."""
    with pytest.raises(ValueError, match="model: expected a Forecaster, fitted or not, got"):
        backtest(model, np.arange(60.0))


@pytest.mark.parametrize("name", ["y", "cutoff", "Naive"])
def test_a_column_named_like_a_result_is_refused(name: str) -> None:
    """It would take the place of what came, or of a baseline."""
    times = np.arange("2020-01-01", "2020-03-01", dtype="datetime64[D]")
    series = read({name: times, "price": np.arange(60.0)}, time=name, target="price")
    with pytest.raises(ValueError, match=f"column '{name}' has the name of an output. Rename it."):
        backtest(Forecaster(horizon=2), series, baselines=["Naive"])


def test_values_beyond_the_bounds_are_refused_without_a_number_of_origins() -> None:
    """Fewer origins would not help."""
    model = Forecaster(horizon=2, max_steps=2, bounds=(0, 2))
    with pytest.raises(DataError, match=r"from 0 to 2, as the bounds say, got 3.*give wider bounds\.$"):
        backtest(model, [1.0, 2.0, 3.0, 1.0] * 10, origins=4)


def test_a_filled_series_is_scored_where_it_was_observed() -> None:
    """The frame of forecasts has no y there, a remark says how many, and the verdict has fewer origins."""
    y = 50 + np.random.default_rng(2).normal(size=80).cumsum()
    y[60:66] = np.nan
    quick = {"horizon": 2, "hidden_size": 4, "max_steps": 4}
    for model, data in (
        (Forecaster(**quick, missing="forward"), y),
        (Forecaster(**quick), read(y, fill="forward")),
    ):
        result = backtest(model, data, origins=12, baselines=["Naive"])
        assert np.isnan(result.forecasts["y"]).sum() == 6
        assert result.verdict.origins == 9
        assert "6 of 24 steps were left out of the scores" in result.remarks[0]
    y[50:79] = np.nan
    with pytest.raises(DataError, match="expected observed values after the origins, got filled ones"):
        backtest(Forecaster(**quick), read(y, fill="linear"), origins=12, baselines=["Naive"])
