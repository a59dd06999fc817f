"""Forecasts from the past: nothing later than an origin reaches them, and planted leaks are caught."""

from dataclasses import replace
from importlib.util import find_spec
from typing import Any, Self

import numpy as np
import pandas as pd
import pytest

from unrolled import Forecaster, read
from unrolled.data.gaps import fill_gaps
from unrolled.data.sequences import Role, Sequences
from unrolled.errors import DataError
from unrolled.evaluate.forecasting.backtest import backtest, has_lookahead
from unrolled.evaluate.forecasting.rolling_origin import RollingOrigins, perturbed_after

SMALL = {"horizon": 2, "hidden_size": 4, "max_steps": 8, "window": 8}


@pytest.fixture
def two() -> Sequences:
    """Two series of different lengths, always above 0."""
    rng = np.random.default_rng(0)
    return Sequences.from_arrays([np.exp(np.cumsum(rng.normal(0, 0.1, n))) for n in (60, 75)])


class ScaledOnEverything(Forecaster):
    """Planted: forecasts lean on the mean of the whole series, what comes later included."""

    def forecast_origins(self, series: Sequences, origins: Any, *, level: float = 80) -> dict[str, Any]:
        forecasts = super().forecast_origins(series, origins, level=level)
        means = np.array([one.target.mean() for one in series])[:, None, None]
        return forecasts | {"point": 0.9 * forecasts["point"] + 0.1 * means}


class TargetAmongInputs(Forecaster):
    """Planted: the window reaches one step too far, over the first step of its own horizon."""

    def forecast_origins(self, series: Sequences, origins: Any, *, level: float = 80) -> dict[str, Any]:
        return super().forecast_origins(series, origins + 1, level=level)


class ShuffledSplit(Forecaster):
    """Planted: trained on steps from anywhere in the series, tested on the rest."""

    def forecast_origins(self, series: Sequences, origins: Any, *, level: float = 80) -> dict[str, Any]:
        return Forecaster(**self.get_params()).fit(series).forecast_origins(series, origins, level=level)


class CovariateFromAhead(Forecaster):
    """Planted: reads a past covariate one step after the origin."""

    def forecast_origins(self, series: Sequences, origins: Any, *, level: float = 80) -> dict[str, Any]:
        forecasts = super().forecast_origins(series, origins, level=level)
        ahead = series.values[series.offsets[:-1, None] + origins + 1, 1]
        return forecasts | {"point": forecasts["point"] + ahead[..., None]}


class Interrupted(Forecaster):
    """Planted: Ctrl-C comes in its training."""

    def fit(self, *args: Any, **kwargs: Any) -> Self:
        super().fit(*args, **kwargs)
        self.history_ = replace(self.history_, stopped="interrupted")
        return self


def test_ctrl_c_in_a_training_is_ctrl_c_of_the_backtest(two: Sequences) -> None:
    """The half-trained network is never judged."""
    with pytest.raises(KeyboardInterrupt):
        backtest(Interrupted(**SMALL), two, origins=2, baselines=["Naive"])


@pytest.mark.parametrize("planted", [ScaledOnEverything, TargetAmongInputs, ShuffledSplit])
def test_a_planted_leak_is_caught(two: Sequences, planted: type[Forecaster]) -> None:
    """A scaler on all data, a shuffled split, the target among the inputs: each is seen."""
    assert has_lookahead(planted(**SMALL), two, origins=1)


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm", "feedforward"])
def test_the_forecaster_does_not_see_the_future(two: Sequences, cell: str) -> None:
    """Altering what comes after an origin changes no forecast from it."""
    assert not has_lookahead(Forecaster(cell=cell, **SMALL), two, origins=2)


def test_fitting_at_every_origin_does_not_open_the_future(two: Sequences) -> None:
    """The same with refit: an honest model stays honest, a planted leak is caught."""
    assert not has_lookahead(Forecaster(**SMALL), two, origins=2, refit=True)
    assert has_lookahead(TargetAmongInputs(**SMALL), two, origins=2, refit=True)


def test_covariates_known_up_to_the_origin_are_altered_too() -> None:
    """A model that reads a past covariate ahead is caught; one that reads it up to the origin is not."""
    rng = np.random.default_rng(1)
    both = Sequences.from_arrays([np.exp(rng.normal(0, 0.1, (60, 2)))])
    assert both.roles == (Role.TARGET, Role.PAST)
    assert has_lookahead(CovariateFromAhead(**SMALL), both, origins=1)
    assert not has_lookahead(Forecaster(**SMALL), both, origins=1)


@pytest.mark.parametrize("transform", ["log-difference", "scale", "minmax", "log"])
def test_no_transform_sees_the_future(two: Sequences, transform: str) -> None:
    """Not even those that learn a range or a level."""
    assert not has_lookahead(Forecaster(**SMALL, transform=transform), two, origins=1)


def test_nothing_in_a_backtest_changes_with_what_comes_later(two: Sequences) -> None:
    """Network, twin and baselines: every row up to an origin's forecast is as it was.

    (Drift and AR1 are left out: which of their scales is shown is chosen after the fact, on purpose.)
    """
    settings: dict[str, Any] = {"origins": 4, "step": 3}
    classical = ["Theta", "AutoETS"] if find_spec("statsforecast") else []
    settings["baselines"] = ["Naive", *classical, "feedforward"]
    before = backtest(Forecaster(**SMALL), two, **settings).columns
    origin = two.lengths - 3 - 3 * 2  # the second of four
    after = backtest(Forecaster(**SMALL), perturbed_after(two, origin), **settings).columns
    early = np.isin(before["cutoff"], [origin[0], origin[0] - 3, origin[1], origin[1] - 3])
    assert early.sum() == 2 * 2 * 2
    for name in set(before) - {"unique_id", "ds", "cutoff", "y"}:
        np.testing.assert_allclose(before[name][early], after[name][early], rtol=1e-5, err_msg=name)
        assert (before[name][~early] != after[name][~early]).any()


@pytest.fixture
def ragged() -> pd.DataFrame:
    """Two series of months: one ends in 2006, the other in 2008."""
    rng = np.random.default_rng(3)
    return pd.concat(
        pd.DataFrame(
            {
                "unique_id": name,
                "ds": pd.date_range("2000-01-01", periods=n, freq="MS"),
                "y": np.exp(np.cumsum(rng.normal(0, 0.1, n))),
            }
        )
        for name, n in (("a", 80), ("b", 104))
    )


@pytest.mark.parametrize("refit", [False, True])
def test_no_network_is_fitted_on_what_another_series_knew_later(ragged: pd.DataFrame, refit: bool) -> None:
    """Series that end two years apart: an origin is one day, and no row after it, of whichever, counts."""
    settings: dict[str, Any] = {"origins": 2, "refit": refit, "baselines": ["Naive"]}
    before = backtest(Forecaster(**SMALL), ragged, **settings)
    days, counts = np.unique(before.columns["cutoff"], return_counts=True)
    altered = ragged.assign(y=ragged["y"].where(ragged["ds"] <= days[0], ragged["y"] * 3 + 1))
    after = backtest(Forecaster(**SMALL), altered, **settings)
    first = before.columns["cutoff"] == days[0]
    for name in ("lstm", "Naive"):
        np.testing.assert_allclose(before.columns[name][first], after.columns[name][first], rtol=1e-9)
    assert days.astype("datetime64[D]").astype(str).tolist() == ["2006-04-01", "2006-06-01"]
    assert counts.tolist() == [2 * 2] * 2


def test_origins_counted_from_the_earliest_end_are_remarked_on(ragged: pd.DataFrame) -> None:
    """The result says from where."""
    sentence = (
        "Series end at different times: origins are counted back from 2006-08-01, the end of 'a'; "
        "what comes later in others is not used."
    )
    settings: dict[str, Any] = {"step": 2, "baselines": ["Naive"]}
    model = Forecaster(**SMALL)
    assert backtest(model, ragged, origins=4, **settings).remarks == (sentence,)
    even = ragged[ragged["ds"] <= "2006-08-01"]
    assert backtest(model, even, origins=4, **settings).remarks == ()


def test_values_after_the_origin_alone_are_altered(two: Sequences) -> None:
    """Each series from the step after its own origin on, to other numbers of the same sign."""
    other = perturbed_after(two, np.array([9, 70]))
    for one, changed, origin in zip(two, other, (9, 70), strict=True):
        np.testing.assert_array_equal(one.target[: origin + 1], changed.target[: origin + 1])
        assert (changed.target[origin + 1 :] > one.target[origin + 1 :]).all()


def test_alterations_keep_the_sign() -> None:
    """A small loss stays a loss, further from 0."""
    changes = np.random.default_rng(4).normal(0, [0.05, 1.0], (50, 2)).T.ravel()
    after = perturbed_after(Sequences.from_arrays([changes]), np.array([-1])).target
    assert (np.sign(after) == np.sign(changes)).all()
    assert (np.abs(after) > np.abs(changes)).all()


class Counting:
    """A stand-in for a Forecaster that forecasts how many steps it was fitted on."""

    cell, horizon, transform_, season = "counting", 2, "difference", 1

    def get_params(self) -> dict[str, Any]:
        return {}

    def fit(self, series: Sequences) -> Self:
        self.known_ = series.lengths
        return self

    def forecast_origins(self, series: Sequences, origins: Any, *, level: float) -> dict[str, Any]:
        point = np.ones((*origins.shape, 2)) * self.known_[:, None, None]
        return {"point": point, "lo": point, "hi": point, "quantiles": point[..., None]}


def test_each_fit_ends_at_its_origin(two: Sequences) -> None:
    """Once, at the first origin; with refit, anew at each, series by series."""
    grid = np.array([[20, 25, 30], [40, 45, 50]])
    for refit, n_steps in ((False, [[21] * 3, [41] * 3]), (True, grid + 1)):
        fitted, forecasts = RollingOrigins(two, grid, 2, 80, refit=refit).forecast_model(Counting())
        assert forecasts.point[..., 0].tolist() == np.asarray(n_steps).tolist()
        assert fitted.known_.tolist() == [21, 41]  # the network that speaks for all is the first


def test_the_users_model_stays_as_it_is(two: Sequences) -> None:
    """A copy is fitted; an unfitted model stays unfitted."""
    model = Forecaster(**SMALL)
    RollingOrigins(two, np.array([[40, 42], [50, 52]]), 2, 80, refit=False).forecast_model(model)
    assert not hasattr(model, "window_")


def test_future_rows_are_no_targets() -> None:
    """Rows after the last known target are not tested."""
    n_steps = Sequences.from_arrays([np.array([1.0, 2.0, 3.0, 4.0, np.nan, np.nan])])
    assert RollingOrigins(n_steps, np.array([[1]]), 2, 80, refit=False).actual.tolist() == [[[3.0, 4.0]]]


def test_a_series_below_zero_is_held_against_plain_changes() -> None:
    """One network for all: where the log cannot be taken, its baselines go without."""
    rng = np.random.default_rng(2)
    both = Sequences.from_arrays([rng.normal(size=20), np.exp(rng.normal(size=20))])
    fitted = Counting()
    for name, names in (
        ("log-difference", ["difference", "log-difference"]),
        ("log", ["scale", "log"]),
        ("minmax", ["minmax", "minmax"]),
    ):
        fitted.transform_ = name
        rolling = RollingOrigins(both, np.array([[10], [10]]), 2, 80, refit=False)
        assert [transform.name for transform in rolling.transforms(fitted)] == names


def test_too_few_steps_before_the_first_origin_are_refused(two: Sequences) -> None:
    """The model's own sentence, and why it has so little to go by."""
    grid = np.array([[3, 40], [4, 50]])
    with pytest.raises(DataError) as caught:
        RollingOrigins(two, grid, 2, 80, refit=False).forecast_model(Forecaster(**SMALL))
    assert str(caught.value).startswith("backtest: only 5 steps are known at the first of 2 origins. ")


@pytest.fixture
def falling() -> Sequences:
    """Two series that grow by percentages; the first falls below 0 at step 64, the other at none."""
    rng = np.random.default_rng(0)
    y = [np.exp(np.cumsum(rng.normal(0.03, 0.1, 80))) for _ in range(2)]
    y[0][64:70] = [0.0, -1.0, -2.0, 3.0, 4.0, 5.0]
    return Sequences.from_arrays(y)


@pytest.mark.parametrize("refit", [False, True])
def test_a_logarithm_that_ends_is_dropped_where_that_is_known(falling: Sequences, refit: bool) -> None:
    """From the first value at or below 0 on the transform is chosen anew; before it nothing changes."""
    origins = np.array([[60, 62, 64, 66]] * 2)
    model = Forecaster(**SMALL)
    fitted, forecasts = RollingOrigins(falling, origins, 2, 80, refit=refit).forecast_model(model)
    assert fitted.transform_.startswith("log")
    assert np.isfinite(forecasts.quantiles).all()
    assert "From step 64 on values at or below 0 are known" in forecasts.remark
    grown = replace(falling, values=np.where(falling.values > 0, falling.values, 7.0))
    others = RollingOrigins(grown, origins, 2, 80, refit=refit).forecast_model(model)[1]
    np.testing.assert_array_equal(forecasts.point[:, :2], others.point[:, :2])
    assert not others.remark
    anew = (
        Forecaster(**SMALL)
        .fit(falling.head(np.array([65, 65])))
        .forecast_origins(falling.head(np.array([65, 65])), origins[:, 2:3])
    )
    np.testing.assert_allclose(forecasts.point[:, 2], anew["point"][:, 0], rtol=1e-6)


def test_a_backtest_of_a_series_that_falls_below_zero_says_so(falling: Sequences) -> None:
    """No error, one remark for the network and its twin; a transform asked for is refused as before."""
    result = backtest(Forecaster(**SMALL), falling, origins=8, baselines=["Naive", "feedforward"])
    assert len([remark for remark in result.remarks if "which have no logarithm" in remark]) == 1
    with pytest.raises(DataError, match="needs values above 0"):
        backtest(Forecaster(**SMALL, transform="log-difference"), falling, origins=8, baselines=["Naive"])


def test_bounds_that_are_passed_later_are_no_matter_of_logarithms(falling: Sequences) -> None:
    """The fault is told as it is."""
    with pytest.raises(DataError, match="bounds"):
        backtest(Forecaster(**SMALL, bounds=(0, None)), falling, origins=8, baselines=["Naive"])


@pytest.mark.parametrize("how", ["forward", "mask", "linear"])
def test_filled_steps_are_not_scored(how: str) -> None:
    """Nor is anything after an origin on a straight line, which holds what comes later."""
    y = np.arange(40.0) ** 2
    gaps = y.copy()
    gaps[[31, 32, 35]] = np.nan
    series = fill_gaps(read(gaps), how)
    rolling = RollingOrigins(series, np.array([[30, 32, 34, 36]]), 2, 80, refit=False)
    expected = np.array([[np.nan, np.nan], y[[33, 34]], [np.nan, y[36]], y[[37, 38]]])
    if how == "linear":
        expected[1] = np.nan
    np.testing.assert_array_equal(rolling.actual[0], expected)
    n_left_out = int(np.isnan(expected).sum())
    assert rolling.filled_remark.startswith(f"{n_left_out} of 8 steps were left out of the scores")
    whole = RollingOrigins(read(y), rolling.origins, 2, 80, refit=False)
    assert (whole.filled_remark, np.isnan(whole.actual).any()) == ("", False)
