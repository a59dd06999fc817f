"""Other columns: known up to the origin, known ahead, or one value a series."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from unrolled.data.io.read import read
from unrolled.data.sequences import Role
from unrolled.errors import DataError
from unrolled.models.forecasting.forecaster import Forecaster

SMALL = {"hidden_size": 8, "window": 8, "horizon": 2, "max_steps": 48, "learning_rate": 0.02}


def _days(count: int) -> pd.DatetimeIndex:
    return pd.date_range("2023-01-01", periods=count, freq="D")


@pytest.fixture(scope="module")
def promoted() -> pd.DataFrame:
    """Sales that a plan, known ahead, sets all but entirely; 6 rows of it lie in the future."""
    rng = np.random.default_rng(1)
    plan = rng.choice([0.0, 1.0], size=306)
    sold = 10 + 5 * plan + rng.normal(0, 0.2, size=306)
    sold[300:] = np.nan
    return pd.DataFrame({"ds": _days(306), "sold": sold, "plan": plan})


@pytest.fixture(scope="module")
def planner(promoted: pd.DataFrame) -> Forecaster:
    """A model that knows the plan."""
    return Forecaster(**SMALL).fit(read(promoted, target="sold", future=["plan"]))


def _error(model: Forecaster, frame: pd.DataFrame, roles: dict[str, Any]) -> float:
    """Mean absolute error over the last 60 origins."""
    series = read(frame, target="sold", **roles)
    origins = np.arange(238, 298)
    steps = origins[:, None] + np.arange(1, 3)
    return float(
        np.abs(model.forecast_origins(series, origins[None])["point"][0] - series.target[steps]).mean()
    )


def test_a_plan_that_sets_the_target_is_learned(planner: Forecaster, promoted: pd.DataFrame) -> None:
    """The error is under a third of that of a model that does not see it."""
    blind = Forecaster(**SMALL).fit(read(promoted[["ds", "sold"]].dropna(), target="sold"))
    with_plan = _error(planner, promoted, {"future": ["plan"]})
    without = _error(blind, promoted[["ds", "sold"]].dropna(), {})
    assert with_plan < without / 3


def test_the_plan_ahead_decides_the_forecast(planner: Forecaster) -> None:
    """Turned round, the forecast turns too: it is read for the very step it is known for."""
    plan = pd.DataFrame({"ds": _days(306)[300:302], "plan": [1.0, 0.0]})
    high_low = planner.predict(future=plan)["lstm"]
    low_high = planner.predict(future=plan.assign(plan=[0.0, 1.0]))["lstm"]
    assert high_low[0] > high_low[1] + 2
    assert low_high[1] > low_high[0] + 2


def test_rows_that_came_with_the_data_are_used(planner: Forecaster, promoted: pd.DataFrame) -> None:
    """The same numbers in a frame of their own give the same forecast, which starts after the last target."""
    plain = planner.predict()
    assert plain["ds"].tolist() == list(_days(306)[300:302])
    past = read(promoted.iloc[:300], target="sold", future=["plan"])
    apart = planner.predict(past, future=promoted[["ds", "plan"]].iloc[300:302])
    pd.testing.assert_frame_equal(plain, apart)
    with pytest.raises(DataError, match=r"needs column 'plan' for the 2 steps .* 2023-10-28 is missing"):
        planner.predict(past)


def test_a_past_column_that_leads_the_target_is_learned() -> None:
    """What was seen yesterday sets today; after the origin it is never needed."""
    rng = np.random.default_rng(2)
    lead = rng.normal(size=300)
    y = 20 + 3 * np.r_[0.0, lead[:-1]] + rng.normal(0, 0.2, size=300)
    frame = pd.DataFrame({"ds": _days(300), "y": y, "lead": lead})
    origins = np.arange(230, 290)[None]
    errors = []
    for columns in (["ds", "y", "lead"], ["ds", "y"]):
        series = read(frame[columns], target="y", past=columns[2:])
        point = Forecaster(**{**SMALL, "horizon": 1}).fit(series).forecast_origins(series, origins)["point"]
        errors.append(np.abs(point[0, :, 0] - y[origins[0] + 1]).mean())
    assert errors[0] < errors[1] / 2


def test_the_order_of_columns_does_not_matter() -> None:
    """Columns are known by name; one that was not there in fitting is left out."""
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"ds": _days(60), "y": rng.normal(size=60), "a": rng.normal(size=60)})
    frame["b"] = 5 * rng.normal(size=60)
    model = Forecaster(**{**SMALL, "max_steps": 8}).fit(read(frame, target="y", past=["a", "b"]))
    other = read(frame.assign(c=1.5)[["c", "b", "ds", "a", "y"]], target="y", past=["c", "b", "a"])
    pd.testing.assert_frame_equal(model.predict(other), model.predict())


def test_a_static_column_tells_series_apart() -> None:
    """Two kinds of series that look alike, but go on in opposite ways."""
    rng, parts = np.random.default_rng(4), []
    for k in range(24):
        kind = float(k % 2)
        y = (
            50
            + np.cumsum((1 if kind else -1) * np.r_[np.zeros(8), np.ones(6)])
            + rng.normal(0, 0.05, size=14)
        )
        parts.append(pd.DataFrame({"unique_id": f"s{k}", "ds": _days(14), "y": y, "kind": kind}))
    frame = pd.concat(parts)
    series = read(frame, target="y", static=["kind"])
    assert Role.STATIC in series.roles
    model = Forecaster(**{**SMALL, "max_steps": 64, "validation_fraction": 0, "transform": "difference"})
    model.fit(series)
    flat = model.forecast_origins(series, np.full((24, 1), 7))["point"][:, 0, :] - 50
    assert flat[1::2].mean() > flat[::2].mean() + 0.5


def test_a_season_helps_where_there_is_one() -> None:
    """Months with a yearly round: half the error of a model without a season, or less."""
    t, rng = np.arange(150), np.random.default_rng(5)
    y = 100 + 20 * np.sin(2 * np.pi * t / 12) + rng.normal(0, 1, size=150)
    dates = pd.date_range("2005-01-01", periods=150, freq="MS")
    origins = np.arange(110, 145)[None]
    errors = []
    for values, freq_known in ((pd.DataFrame({"ds": dates, "y": y}), True), (y, False)):
        series = read(values)
        model = Forecaster(3, hidden_size=8, window=3, max_steps=24).fit(series)
        assert model.season_ == (12 if freq_known else 1)
        steps = origins[0][:, None] + np.arange(1, 4)
        errors.append(np.abs(model.forecast_origins(series, origins)["point"][0] - y[steps]).mean())
    assert errors[0] < errors[1] / 2


@pytest.mark.parametrize("role", ["past", "future", "static"])
@pytest.mark.parametrize("constant", [0.0, 0.1, 1e6])
def test_a_column_that_was_constant_in_training_may_change_later(role: str, constant: float) -> None:
    """What it does later is divided neither by 0 nor by a rounding error: the forecast stays of its size."""
    rng = np.random.default_rng(6)
    frame = pd.DataFrame({"ds": _days(62), "y": 20 + rng.normal(size=62), "x": constant})
    model = Forecaster(**{**SMALL, "max_steps": 8}).fit(read(frame[:50], target="y", **{role: ["x"]}))
    changed = frame.assign(
        x=frame["x"] + 1.0 if role == "static" else frame["x"].where(frame.index < 55, constant + 1)
    )
    scaled = model._encoder.covariates["x"].transform(changed["x"].to_numpy())
    assert np.abs(scaled).max() <= 1 + 1e-9
    forecasts = model.predict(
        read(changed[:60], target="y", **{role: ["x"]}), future=changed if role == "future" else None
    )
    assert forecasts["lstm"].between(10, 30).all()


def _events(n: int, labels: list[str | None]) -> pd.DataFrame:
    days = pd.date_range("2021-01-01", periods=n)
    y = np.random.default_rng(0).normal(size=n).cumsum()
    return pd.DataFrame({"date": days, "y": y, "event": [labels[k % len(labels)] for k in range(n)]})


def test_labels_ahead_are_those_of_the_model_wherever_they_stand() -> None:
    """In rows after the last target as in a frame apart, though no row before has that label."""
    series = read(_events(60, ["fair", None, "sale", None]), target="y", future="event")
    model = Forecaster(horizon=3, hidden_size=4, max_steps=8).fit(series)
    newer = _events(40, ["fair", None])
    ahead = _events(43, [None]).iloc[40:].assign(y=np.nan, event="sale")
    inside = model.predict(pd.concat([newer, ahead]))
    apart = model.predict(newer, future=ahead.drop(columns="y"))
    pd.testing.assert_frame_equal(inside, apart)
    none = model.predict(newer, future=ahead.drop(columns="y").assign(event=None))
    assert not inside["lstm"].equals(none["lstm"])


def test_labels_ahead_that_the_model_has_not_seen_are_warned_of() -> None:
    """In a frame, in newer data, and in the data that it was fitted on."""
    past, ahead = _events(60, ["fair", None]), _events(63, ["new"]).iloc[60:].assign(y=np.nan)
    model = Forecaster(horizon=3, hidden_size=4, max_steps=8).fit(read(past, target="y", future="event"))
    whole = pd.concat([past, ahead])
    for call in (
        lambda: model.predict(future=ahead.drop(columns="y")),
        lambda: model.predict(whole),
        lambda: Forecaster(horizon=3, hidden_size=4, max_steps=2).fit(
            read(whole, target="y", future="event")
        ),
    ):
        with pytest.warns(UserWarning, match="column 'event': the model has not seen 'new'"):
            call()
