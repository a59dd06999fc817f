"""What a Forecaster asks of data, and what it takes for the same data as before."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from unrolled import DataError, Forecaster, read
from unrolled.models.demands import fitting_window, forecastable, shown_season
from unrolled.models.encoding import Encoding

SMALL = {"horizon": 2, "hidden_size": 4, "max_epochs": 1, "window": 6}


def _dated(values: np.ndarray, freq: str, start: str = "2020-01-01") -> pd.DataFrame:
    return pd.DataFrame({"ds": pd.date_range(start, periods=len(values), freq=freq), "y": values})


def _wandering(steps: int, seed: int = 0) -> np.ndarray:
    return 100 + np.cumsum(np.random.default_rng(seed).normal(size=steps))


def test_a_text_is_no_forecast() -> None:
    """Letters have an order, but no next value."""
    with pytest.raises(DataError, match="expected numbers to forecast, got a text"):
        Forecaster(**SMALL).fit("the quick brown fox jumps over the lazy dog")


def test_times_without_a_frequency_get_one() -> None:
    """A `Sequences` made by hand goes on day by day, not nanosecond by nanosecond."""
    by_hand = replace(read(_dated(_wandering(40), "D")), freq=None)
    assert forecastable(by_hand).freq == "D"
    ahead = Forecaster(**SMALL).fit(by_hand).predict()["ds"]
    assert [str(day)[:10] for day in ahead] == ["2020-02-10", "2020-02-11"]


@pytest.mark.parametrize(("freq", "steps"), [("B", 5), ("BME", 4)])
def test_a_short_stretch_of_the_fitted_calendar_is_taken(freq: str, steps: int) -> None:
    """One week of business days looks like days; it still fits the calendar of the model."""
    frame = _dated(_wandering(80), freq)
    model = Forecaster(**SMALL).fit(frame)
    monday = frame[frame["ds"].dt.dayofweek == 0].index[3] if freq == "B" else 22
    newer = frame.iloc[monday : monday + steps]
    assert read(newer).freq != freq
    assert model.predict(newer)["ds"].iloc[0] == frame["ds"].iloc[monday + steps]


def test_another_calendar_is_refused() -> None:
    """Days cannot go on where months were fitted."""
    model = Forecaster(**SMALL).fit(_dated(_wandering(60), "MS"))
    with pytest.raises(DataError, match="fitted on steps of 'MS', these are 'D'"):
        model.predict(_dated(_wandering(60), "D"))


def test_a_season_is_looked_for_where_series_show_one() -> None:
    """A year of months repeats, a random walk does not."""
    months = np.arange(120)
    rng = np.random.default_rng(3)
    yearly = _dated(50 + 10 * np.sin(months * np.pi / 6) + rng.normal(size=120), "MS")
    assert shown_season(read(yearly)) == 12
    assert shown_season(read(_dated(_wandering(120), "MS"))) == 1


def test_the_window_is_bounded_by_rule_and_by_the_longest_series() -> None:
    """Ten seasons from 48 to 256, and never more than leaves room for a horizon."""
    long, short = read(_wandering(900)), read(_wandering(30))
    assert [fitting_window(long, 12, season, None) for season in (1, 12, 24, 52)] == [48, 120, 240, 256]
    assert fitting_window(short, 12, 1, None) == 18


def test_an_unknown_series_gets_the_fitted_transform() -> None:
    """A positive series under another name is not read as a logarithm where the model reads none."""
    frame = _dated(_wandering(60), "D")
    model = Forecaster(**SMALL, transform="difference").fit(frame)
    same = model.predict(frame)["lstm"].to_numpy()
    renamed = model.predict(frame.rename(columns={"y": "other"}))["lstm"].to_numpy()
    np.testing.assert_allclose(renamed, same, rtol=1e-3)


def test_a_rehearsal_knows_no_scale_of_what_judges_it() -> None:
    """Altering the held-out steps changes no number that the rehearsal reads before them."""
    y = _wandering(100)
    wild = np.concatenate([y[:90], y[90:] * np.linspace(3, 9, 10)])
    units = []
    for values in (y, wild):
        series = read(values)
        encoding = Encoding.learn(series, "difference", 1).measured_on(series.head(np.array([90])))
        units.append(encoding.tracks(series, 2)[0].transformed.unit[:90])
    np.testing.assert_array_equal(*units)


def test_fewer_steps_are_the_first_of_all() -> None:
    """A shorter horizon is a part of the whole one, known-future columns included."""
    frame = _dated(_wandering(60), "D").assign(sale=np.arange(60) % 3)
    series = read(frame, target="y", future=["sale"])
    model = Forecaster(**SMALL | {"horizon": 4}).fit(series)
    ahead = pd.DataFrame({"ds": pd.date_range("2020-03-01", periods=4), "sale": [0, 1, 2, 0]})
    whole = model.predict(future=ahead)
    pd.testing.assert_frame_equal(model.predict(horizon=2, future=ahead), whole.head(2))


def test_a_future_date_that_cannot_be_read_names_its_row() -> None:
    """One sentence, with the row of the future frame."""
    frame = _dated(_wandering(60), "D").assign(sale=np.arange(60) % 3)
    model = Forecaster(**SMALL).fit(read(frame, target="y", future=["sale"]))
    with pytest.raises(DataError, match=r"future row 2.*soon"):
        model.predict(future=pd.DataFrame({"ds": ["2020-03-01", "soon"], "sale": [0, 1]}))


def test_a_device_is_a_name_and_can_change_on_loading(tmp_path) -> None:  # type: ignore[no-untyped-def]
    """What is saved is a name; a model made on another machine can be brought to this one's."""
    with pytest.raises(ValueError, match="device: expected the name of one that torch can use"):
        Forecaster(**SMALL, device=torch.device("cpu")).fit(_wandering(40))
    model = Forecaster(**SMALL).fit(_wandering(40))
    model.device = "cuda:77"
    model.save(tmp_path / "model")
    with pytest.raises(ValueError, match="got 'cuda:77'"):
        Forecaster.load(tmp_path / "model")
    back = Forecaster.load(tmp_path / "model", device="cpu")
    np.testing.assert_array_equal(back.predict()["lstm"], model.set_params(device="cpu").predict()["lstm"])
