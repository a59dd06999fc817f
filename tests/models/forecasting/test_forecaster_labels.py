"""Covariates of texts: a column a label, learned on the past only, from frame to forecast."""

from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

from unrolled.data.io.read import read
from unrolled.data.sequences import Sequences
from unrolled.evaluate.forecasting.backtest import has_lookahead
from unrolled.models.forecasting.forecaster import Forecaster

SMALL = {"hidden_size": 8, "window": 8, "horizon": 2, "max_steps": 48, "learning_rate": 0.02}
LIFT = {"plain": 0.0, "fair": 5.0, "rain": -4.0}


def _sales(n: int = 306, ahead: int = 6) -> pd.DataFrame:
    """Sales that an event, known ahead, sets all but entirely; the last rows lie in the future."""
    rng = np.random.default_rng(1)
    event = rng.choice(list(LIFT), size=n)
    sold = 20 + np.array([LIFT[name] for name in event]) + rng.normal(0, 0.2, size=n)
    sold[n - ahead :] = np.nan
    days = pd.date_range("2023-01-01", periods=n)
    return pd.DataFrame({"ds": days, "sold": sold, "event": event})


@pytest.fixture(scope="module")
def planner() -> Forecaster:
    """A model that knows the events."""
    return Forecaster(**SMALL).fit(read(_sales(), target="sold", future="event"))


def _plan(*events: object) -> pd.DataFrame:
    return _sales()[["ds"]].iloc[300:302].assign(event=list(events))


def test_a_text_known_ahead_decides_the_forecast(planner: Forecaster) -> None:
    """Each label lifts as it did in the past; an empty cell is none of them."""
    fair_rain = planner.predict(future=_plan("fair", "rain"))["lstm"]
    rain_fair = planner.predict(future=_plan("rain", "fair"))["lstm"]
    assert fair_rain[0] > fair_rain[1] + 4
    assert rain_fair[1] > rain_fair[0] + 4
    assert np.isfinite(planner.predict(future=_plan(None, "fair"))["lstm"]).all()


def test_a_label_that_was_never_seen_is_none_and_said(planner: Forecaster, tmp_path: Path) -> None:
    """In a plan and in new data of a loaded model, whose own labels stand in another order."""
    with pytest.warns(UserWarning, match="the model has not seen 'newyear' and reads it as no label"):
        unseen = planner.predict(future=_plan("newyear", "fair"))
    pd.testing.assert_frame_equal(unseen, planner.predict(future=_plan("", "fair")))
    planner.save(tmp_path / "model")
    loaded = Forecaster.load(tmp_path / "model")
    frame = _sales()
    frame.loc[:40, "event"] = "plain"
    frame.loc[10, "event"] = "aaa"
    new = read(frame, target="sold", future="event")
    assert new.labels["event"] == ("aaa", "fair", "plain", "rain")
    with pytest.warns(UserWarning, match="has not seen 'aaa'"):
        answer = loaded.predict(new)
    pd.testing.assert_frame_equal(answer, planner.predict())  # beyond the window nothing differs


@pytest.mark.parametrize("kind", ["object", "category", "polars"])
@pytest.mark.parametrize("role", ["past", "future", "static"])
def test_texts_and_categories_are_labels_in_every_role(kind: str, role: str) -> None:
    """Whatever the labels look like, of a type for labels they are labels."""
    frame = _sales(60, 0).assign(event="1" if role == "static" else np.tile(["1", "2", "10"], 20))
    if kind == "object":
        frame["event"] = "k" + frame["event"]
    else:
        frame["event"] = frame["event"].astype("category")
    series = read(pl.from_pandas(frame) if kind == "polars" else frame, target="sold", **{role: "event"})
    assert len(series.labels["event"]) == (1 if role == "static" else 3)
    assert series.columns == ("sold", "event")
    assert sum("'event' was read as" in note for note in series.notes) == 1
    Forecaster(**{**SMALL, "max_steps": 2}).fit(series)


def test_labels_are_learned_from_the_past_only() -> None:
    """Of one that only rows without a target hold nothing is learned, with a note; none changes an origin."""
    frame = _sales()
    frame.loc[303, "event"] = "newyear"
    series = read(frame, target="sold", future="event")
    assert series.labels["event"] == ("fair", "plain", "rain", "newyear")
    assert "no row with a target has 'newyear', so that nothing is learned of it" in series.notes[0]
    late = _sales(80, 0)
    late.loc[78:, "event"] = "newyear"  # after the origins of the backtest
    model = Forecaster(**{**SMALL, "max_steps": 4})
    assert not has_lookahead(model, read(late, target="sold", future="event"))
    assert not has_lookahead(model, read(late, target="sold", past="event"))
    head = read(late, target="sold", past="event").head(np.array([70]))
    encoded = Forecaster(**{**SMALL, "max_steps": 2}).fit(head)._encoder
    whole = encoded.encode(read(late, target="sold", past="event"), 2)[0]
    unseen = ["fair", "newyear", "plain", "rain"].index("newyear")
    assert (whole.past[:, unseen] == 0).all()
    assert np.ptp(whole.past[:, 0]) > 0


def test_static_labels_tell_series_apart() -> None:
    """Two kinds that look alike but go on in opposite ways."""
    rng, parts = np.random.default_rng(4), []
    for k in range(24):
        slope = 1 if k % 2 else -1
        y = 50 + np.cumsum(slope * np.r_[np.zeros(8), np.ones(6)]) + rng.normal(0, 0.05, size=14)
        days = pd.date_range("2023-01-01", periods=14)
        parts.append(
            pd.DataFrame({"unique_id": f"s{k}", "ds": days, "y": y, "kind": "up" if k % 2 else "down"})
        )
    series = read(pd.concat(parts), target="y", static="kind")
    model = Forecaster(**{**SMALL, "max_steps": 128, "validation_fraction": 0, "transform": "difference"})
    flat = model.fit(series).forecast_origins(series, np.full((24, 1), 7))["point"][:, 0, :] - 50
    assert flat[1::2].mean() > flat[::2].mean() + 0.5


def test_filling_carries_a_label_on() -> None:
    """There is nothing half way between two labels."""
    frame = _sales(20, 0).drop(index=[5, 6])
    frame.loc[[4, 7], "event"] = ["rain", "fair"]
    series = read(frame, target="sold", past="event", fill="linear")
    assert isinstance(series, Sequences)
    assert [series.labels["event"][int(code)] for code in series.values[4:8, 1]] == ["rain"] * 3 + ["fair"]
