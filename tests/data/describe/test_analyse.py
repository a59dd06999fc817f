"""What `describe` says, first of all in the exercises of the lesson on what makes data a sequence."""

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from statsmodels import datasets

from unrolled.data.describe.analyse import describe
from unrolled.data.describe.description import Description
from unrolled.data.io import examples
from unrolled.data.sequences import Sequences
from unrolled.errors import DataError


def _monthly(values: np.ndarray, start: str = "1950-01") -> pd.DataFrame:
    return pd.DataFrame({"date": pd.date_range(start, periods=len(values), freq="MS"), "price": values})


def test_daily_closes_are_a_sequence_and_temporal() -> None:
    """Exercise: the S&P 500 day by day; the order of its values carries information."""
    said = describe(examples.load("sp500-daily"))
    assert (said.is_sequence, said.is_temporal, said.order.outcome) == (True, True, "carries information")
    assert (said.freq, said.holidays, said.gaps) == ("B", 611, 0)
    assert said.warnings == ()


def test_a_table_of_customers_is_neither() -> None:
    """Exercise: age and income of customers, in no order; shuffled rows lose nothing."""
    rng = np.random.default_rng(0)
    customers = {"id": range(60), "age": rng.integers(18, 80, 60), "income": rng.normal(5e4, 9e3, 60).round()}
    said = describe(customers)
    assert (said.is_sequence, said.is_temporal, said.order.outcome) == (False, False, "no sign")
    assert said.ranges["age"] == (float(customers["age"].min()), float(customers["age"].max()))
    assert said.transform is None


def test_the_letters_of_machine_are_a_sequence_and_not_temporal() -> None:
    """Exercise: seven letters, all different: declared a sequence, too few to show that order matters."""
    said = describe("machine")
    assert (said.is_sequence, said.is_temporal, said.order.outcome) == (True, False, "too few to tell")
    assert said.rows == 7


def test_hourly_temperatures_are_both() -> None:
    """Exercise: three weeks of hours, warm by day: a season of 24 steps."""
    rng = np.random.default_rng(0)
    hours = np.arange(24 * 21)
    celsius = 12 + 5 * np.sin(2 * np.pi * hours / 24) + rng.normal(size=len(hours))
    said = describe({"time": pd.date_range("2024-06-01", periods=len(hours), freq="h"), "celsius": celsius})
    assert (said.is_sequence, said.is_temporal, said.order.outcome) == (True, True, "carries information")
    assert (said.freq, said.season, said.seasonal) == ("h", 24, True)


def test_a_random_walk_is_ordered_and_its_changes_are_not() -> None:
    """Levels carry information because today's is near yesterday's; the changes show no sign of any."""
    walk = np.exp(0.02 * np.random.default_rng(0).normal(size=400).cumsum())
    said = describe(_monthly(walk))
    assert said.order.outcome == "carries information"
    assert said.order_of_changes.outcome == "no sign"
    assert describe(_monthly(np.random.default_rng(0).normal(size=400))).order_of_changes is None


def test_averages_are_warned_of_and_month_ends_are_not() -> None:
    """The same walk, averaged over each month or taken at its end."""
    days = np.exp(0.01 * np.random.default_rng(3).normal(size=900 * 21).cumsum().reshape(900, 21))
    averaged = describe(_monthly(days.mean(axis=1)))
    assert averaged.averaging.suspected
    assert averaged.warnings == (
        (
            "the values look like averages over each month, not values at its end (changes correlate "
            f"{averaged.averaging.lag_1:.2f} one step apart and {averaged.averaging.lag_2:.2f} two steps "
            "apart). Averaging alone makes changes predictable, which gives every model a skill it does "
            "not have: use values at the end, or judge against an AR(1) on changes."
        ),
    )
    assert describe(_monthly(days[:, -1])).warnings == ()


def test_many_averaged_series_are_counted() -> None:
    """The warning says how many, and comes only where they are more than chance makes."""
    rng = np.random.default_rng(0)
    days = 100 + rng.normal(size=(20, 500 * 21)).cumsum(axis=1).reshape(20, 500, 21)
    times = pd.date_range("1950", periods=500, freq="MS")
    means = pd.DataFrame(days.mean(axis=2).T).assign(date=times)
    ends = pd.DataFrame(days[:, :, -1].T).assign(date=times)
    assert "of 20 series look like averages over each month" in describe(means).warnings[0]
    assert describe(ends).warnings == ()


def test_growth_and_yearly_means() -> None:
    """Two years of 10 % a month: the mean growth, the last steps, and a mean for each year."""
    values = 100 * 1.1 ** np.arange(24)
    said = describe(_monthly(values, "2000-01"))
    assert said.mean_growth == pytest.approx(10.0)
    assert len(said.recent_growth) == 12
    assert said.recent_growth[-1] == ("2001-12-01", pytest.approx(10.0))
    assert said.yearly_means == {
        2000: pytest.approx(values[:12].mean()),
        2001: pytest.approx(values[12:].mean()),
    }
    assert (said.multiplicative, said.transform) == (True, "log-difference")
    assert said.multiplicative_reason.startswith("the size of changes follows the level")
    assert said.transform_reason.startswith(said.multiplicative_reason)


def test_noise_and_seasons_show_no_growth() -> None:
    """The mean of percentages is far above 0 for each of these; what grows geometrically is said."""
    rng, t = np.random.default_rng(0), np.arange(144)
    season = 0.3 * np.sin(t * np.pi / 6)
    for values in (np.tile([10.0, 200.0], 72), 100 + 10 * rng.normal(size=144), 100 * np.exp(season)):
        said = describe(_monthly(values))
        assert said.mean_growth is None
        assert said.mean_pct_change > 0.3
    halved = describe(_monthly(100 * np.exp(-np.log(2) * t / 144 + 0.02 * rng.normal(size=144).cumsum() / 5)))
    assert halved.mean_growth == pytest.approx(-0.48, abs=0.15)
    grown = describe(_monthly(np.exp(0.01 * t + season + 0.02 * rng.normal(size=144))))
    assert grown.mean_growth == pytest.approx(1.0, abs=0.1)
    panel = pd.concat(
        [_monthly(values).assign(unique_id=k) for k, values in enumerate(rng.lognormal(0, 1, (9, 60)))]
    )
    assert describe(panel).mean_growth is None


def test_growth_is_not_taken_over_a_gap() -> None:
    """Three steps in one would look like three times the growth."""
    frame = _monthly(100 * 1.1 ** np.arange(24)).drop(index=[5, 6])
    said = describe(frame)
    assert said.mean_growth == pytest.approx(10.0)
    assert (said.gaps, said.missing_steps) == (1, 2)
    assert "Fill the gaps with unrolled.read(..., fill='linear')." in said.warnings[0]


def test_irregularities_become_warnings() -> None:
    """Gaps, duplicates and missing values are warnings here, faults in forecasting."""
    days = pd.to_datetime(["2020-01-01", "2020-01-02", "2020-01-02", "2020-01-05", "2020-01-06"])
    said = describe({"ds": days, "y": [1.0, 2.0, 2.5, 3.0, None]})
    assert (said.duplicates, said.gaps, said.missing_steps, said.missing) == (1, 1, 2, 1)
    assert len(said.warnings) == 3


def test_a_constant_series_is_warned_of() -> None:
    """Nothing changes, nothing can be told, nothing divides by zero."""
    said = describe(_monthly(np.full(50, 5.0)))
    assert said.warnings == ("data frame: every value is 5, so that there is nothing to forecast.",)
    assert (said.order.outcome, said.transform, said.seasonal) == ("too few to tell", None, None)


def test_nothing_but_missing_values() -> None:
    """Even that is described."""
    said = describe(Sequences.from_arrays([[np.nan] * 9]))
    assert (said.missing, said.ranges, said.lowest, said.highest) == (9, {}, None, None)


def test_one_row_is_refused() -> None:
    """A single value has no order, step or growth."""
    Path("flow.csv").write_text("date,price\n2020-01-01,5\n")
    with pytest.raises(DataError) as fault:
        describe("flow.csv")
    assert str(fault.value) == (
        "flow.csv: expected at least two rows, got 1. One value has no order, step or growth to describe."
    )


def test_many_series_are_summed_up() -> None:
    """Lengths, common span and the most common transform, without a yearly mean for each."""
    rng = np.random.default_rng(0)
    parts = [
        _monthly(100 * np.exp(0.05 * rng.normal(size=n).cumsum())).assign(unique_id=f"s{n}")
        for n in range(30, 90)
    ]
    said = describe(pd.concat(parts))
    assert (said.series, said.length, said.rows) == (60, (30, 89), sum(range(30, 90)))
    assert said.yearly_means == {}
    assert said.averaging is None
    assert "of 60 series" in said.multiplicative_reason
    assert "of 60 series" in said.transform_reason


@pytest.mark.parametrize("source", ["machine", [1.0, 2.0, 3.0], {"a": [1.0, 2.0], "b": [3.0, 4.0]}])
def test_every_description_is_json(source: object) -> None:
    """Numbers, words and lists, nothing else; the kind and the two answers stand first."""
    said = json.loads(json.dumps(describe(source).to_dict(), allow_nan=False))
    assert list(said)[:3] == ["kind", "is_sequence", "is_temporal"]
    assert said["kind"] == Description.kind == "description"


def test_a_full_description_is_json() -> None:
    """With yearly means, growth, evidence and averaging."""
    said = json.loads(json.dumps(describe(examples.load("sp500")).to_dict(), allow_nan=False))
    assert said["order"]["outcome"] == "carries information"
    assert len(said["yearly_means"]) == 66
    assert set(said["averaging"]) == {"lag_1", "lag_2", "suspected"}
    assert said["lowest"] == pytest.approx(17.05)


def test_series_of_statsmodels() -> None:
    """CO2 misses 59 weeks and repeats by the year; sunspots and the Nile are yearly."""
    co2 = describe(datasets.co2.load_pandas().data)
    assert (co2.missing, co2.seasonal, co2.freq) == (59, True, "W-SAT")
    assert describe(datasets.sunspots.load_pandas().data).lowest == 0.0
    assert describe(datasets.nile.load_pandas().data).yearly_means[1871] == 1120.0


def test_the_published_monthly_file(data_dir: Path) -> None:
    """917 rows, 1950-01-01 to 2026-05-01, monthly, no gaps, 16.88 to 7412.55, averaged."""
    said = describe(data_dir / "sp500" / "sp500_monthly_917.csv")
    assert (said.rows, said.start, said.end) == (917, "1950-01-01", "2026-05-01")
    assert (said.freq, said.gaps, said.duplicates, said.missing) == ("MS", 0, 0, 0)
    assert (said.lowest, said.highest) == (16.88, 7412.55)
    prices = pd.read_csv(data_dir / "sp500" / "sp500_monthly_917.csv", parse_dates=["date"])
    assert math.isclose(said.mean_pct_change, 100 * prices["price"].pct_change().mean())
    assert 100 * np.log(prices["price"]).diff().mean() == pytest.approx(said.mean_growth, abs=0.02)
    by_year = prices.groupby(prices["date"].dt.year)["price"].mean()
    np.testing.assert_allclose(list(said.yearly_means.values()), by_year.to_numpy())
    assert said.transform == "log-difference"
    assert [w for w in said.warnings if w.startswith("the values look like averages over each month")]


def test_the_month_ends_are_not_averaged(data_dir: Path) -> None:
    """The same index at the end of each month raises no warning, and its changes show no order."""
    said = describe(data_dir / "sp500" / "sp500_monthly_close.csv")
    assert said.warnings == ()
    assert said.order_of_changes.outcome == "no sign"


def test_a_description_is_one_line_of_size_and_order() -> None:
    """In a notebook, not a wall of facts."""
    line = repr(describe(np.arange(40.0)))
    assert line.startswith(
        "<description: arrays: 40 rows, ordered by position. Does the order carry information?"
    )
    assert line.endswith("yes (p < 0.001).>")
