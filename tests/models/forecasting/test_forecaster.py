"""From a frame to quantiles: every cell, every kind of frame, and nothing of the future."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch

from unrolled.data.io.read import read
from unrolled.data.preprocess.transforms import TRANSFORMS
from unrolled.errors import ArgumentError, DataError
from unrolled.models.forecasting.forecaster import Forecaster

CELLS = ("lstm", "gru", "rnn", "feedforward")
ACTIVATIONS = ("tanh", "relu", "leaky_relu", "prelu", "sigmoid")


@pytest.mark.parametrize("cell", CELLS)
def test_every_cell_is_fitted_and_forecasts(cell: str, tiny: dict[str, Any], walk: Any) -> None:
    """Columns are named after the cell, and every number is finite and ordered."""
    frame = Forecaster(**tiny, cell=cell).fit(walk(60)).predict()
    assert list(frame.columns) == ["unique_id", "ds", cell, f"{cell}-lo-80", f"{cell}-hi-80"]
    assert np.isfinite(frame.iloc[:, 2:].to_numpy()).all()
    assert (frame[f"{cell}-lo-80"] < frame[cell]).all()
    assert (frame[cell] < frame[f"{cell}-hi-80"]).all()


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_of_a_plain_rnn_is_fitted(activation: str, tiny: dict[str, Any], walk: Any) -> None:
    """And each makes a difference."""
    series = walk(60)
    forecast = Forecaster(**tiny, cell="rnn", activation=activation).fit(series).predict()
    other = ACTIVATIONS[ACTIVATIONS.index(activation) - 1]
    assert np.isfinite(forecast["rnn"]).all()
    assert not forecast.equals(Forecaster(**tiny, cell="rnn", activation=other).fit(series).predict())


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_every_transform_is_fitted(transform: str, tiny: dict[str, Any], walk: Any) -> None:
    """With a season of four, forecasts stay within a factor of three of the newest value."""
    series = walk(60)
    model = Forecaster(**tiny, transform=transform, season=4).fit(series)
    assert (model.transform_, model.transform_reason_) == (transform, "as asked")
    ratio = model.predict()["lstm"] / series[-1]
    assert ratio.between(-1 if transform in {"minmax", "scale"} else 1 / 3, 3).all()


@pytest.mark.parametrize(
    "option",
    [
        {"hidden_size": 5}, {"num_layers": 2}, {"window": 20}, {"transform": "difference"}, {"season": 4},
        {"n_members": 2}, {"max_steps": 8}, {"val_check_steps": 3}, {"batch_size": 5},
        {"learning_rate": 0.01}, {"validation_fraction": 0.3}, {"random_state": 1}, {"cell": "gru"},
        {"dropout": 0.5},
    ],
    ids=str,
)  # fmt: skip
def test_every_option_matters(option: dict[str, Any], tiny: dict[str, Any], walk: Any) -> None:
    """Each changes the forecast."""
    series = walk(60)
    one, other = (Forecaster(**{**tiny, **o}).fit(series).predict() for o in ({}, option))
    assert not np.array_equal(one.iloc[:, 2:].to_numpy(), other.iloc[:, 2:].to_numpy())


def test_frames_come_back_as_the_kind_that_came(fitted: Forecaster, shops: pd.DataFrame) -> None:
    """pandas, polars and Arrow, with the same numbers and the months that follow each series."""
    expected = fitted.predict(shops, level=(80, 95))
    names = ["lstm", "lstm-lo-80", "lstm-hi-80", "lstm-lo-95", "lstm-hi-95"]
    assert list(expected.columns) == ["unique_id", "ds", *names]
    assert expected["unique_id"].tolist() == [i for i in ("north", "south", "west") for _ in range(3)]
    assert expected["ds"][:3].tolist() == list(pd.date_range("2024-01-01", periods=3, freq="MS"))
    assert expected["ds"][8] == pd.Timestamp("2020-08-01")
    polars = fitted.predict(pl.from_pandas(shops), level=(80, 95))
    arrow = fitted.predict(pa.Table.from_pandas(shops), level=(80, 95))
    assert isinstance(polars, pl.DataFrame)
    assert isinstance(arrow, pa.Table)
    for frame in (polars.to_pandas(), arrow.to_pandas()):
        np.testing.assert_array_equal(frame[names].to_numpy(), expected[names].to_numpy())
        assert frame["ds"].astype("datetime64[ns]").tolist() == expected["ds"].tolist()


def test_the_users_names_come_back(tiny: dict[str, Any], walk: Any) -> None:
    """Id and time columns are called what the user called them."""
    dates = pd.date_range("2020-01-01", periods=50, freq="D")
    frame = pd.DataFrame({"shop": "a", "day": dates, "sold": walk(50)})
    series = read(frame, id="shop", time="day", target="sold")
    assert list(Forecaster(**tiny).fit(series).predict().columns[:2]) == ["shop", "day"]


def test_the_newest_value_moves_every_step(fitted: Forecaster, shops: pd.DataFrame) -> None:
    """Altered alone, it changes every step of its own series and no other's."""
    before = fitted.predict(shops)
    altered = shops.copy()
    altered.loc[59, "y"] *= 1.1  # the last of north
    after = fitted.predict(altered)
    moved = before["lstm"].to_numpy() != after["lstm"].to_numpy()
    assert moved.tolist() == [True] * 3 + [False] * 6


@pytest.mark.parametrize("cell", CELLS)
def test_the_newest_value_is_behind_the_state_too(cell: str, tiny: dict[str, Any], walk: Any) -> None:
    """Not through the level alone: in units of the origin, each step's answer changes with it."""
    series = walk(60)
    model = Forecaster(**tiny, cell=cell, transform="difference").fit(series)
    altered = series.copy()
    altered[-1] += 0.5 * np.abs(np.diff(series)).mean()
    one, other = (model.predict([values])[cell].to_numpy() - values[-1] for values in (series, altered))
    assert (np.abs(one - other) > 1e-9).all()


def test_a_forecast_from_an_origin_does_not_see_later_steps(fitted: Forecaster, shops: pd.DataFrame) -> None:
    """Steps after the origin, altered or cut off, change nothing."""
    series, origins = read(shops), np.array([[20, 44], [9, 30], [5, 12]])
    expected = fitted.forecast_origins(series, origins)["quantiles"]
    assert expected.shape == (3, 2, 3, 7)
    within = np.arange(len(series.values)) - np.repeat(series.offsets[:-1], series.lengths)
    later = within > np.repeat(origins[:, 1], series.lengths)
    altered = replace(series, values=np.where(later[:, None], 3 * series.values, series.values))
    np.testing.assert_array_equal(fitted.forecast_origins(altered, origins)["quantiles"], expected)
    cut = series.head(origins[:, 0] + 1)
    np.testing.assert_allclose(
        fitted.forecast_origins(cut, origins[:, :1])["quantiles"], expected[:, :1], rtol=1e-6
    )


def test_training_does_not_see_steps_that_come_later(tiny: dict[str, Any], walk: Any) -> None:
    """A model fitted on a head of the series is the same whatever follows the head."""
    series = walk(80)
    models = [Forecaster(**tiny).fit(list(s[:60])) for s in (series, np.r_[series[:60], 5 * series[60:]])]
    pd.testing.assert_frame_equal(models[0].predict(), models[1].predict())


def test_the_same_seed_gives_the_same_forecast(tiny: dict[str, Any], walk: Any) -> None:
    """To the bit, whatever the caller's random state, which is left alone."""
    series = walk(60)
    one = Forecaster(**tiny, dropout=0.2).fit(series).predict()
    torch.manual_seed(77)
    before = torch.get_rng_state()
    pd.testing.assert_frame_equal(one, Forecaster(**tiny, dropout=0.2).fit(series).predict(), rtol=0, atol=0)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_shorter_horizon_is_the_head_of_the_fitted_one(fitted: Forecaster) -> None:
    """Beyond it, and nothing at all, are refused in a sentence."""
    short, whole = fitted.predict(horizon=2), fitted.predict()
    assert short["lstm"].tolist() == whole["lstm"].to_numpy().reshape(3, 3)[:, :2].ravel().tolist()
    for horizon in (0, 4):
        with pytest.raises(ArgumentError) as fault:
            fitted.predict(horizon=horizon)
        assert str(fault.value) == f"horizon: expected a whole number from 1 to 3, got {horizon}."


def test_levels_are_checked_and_one_number_is_a_level(fitted: Forecaster) -> None:
    """Bands nest: a wider level is a wider band."""
    frame = fitted.predict(level=90)
    assert list(frame.columns[3:]) == ["lstm-lo-90", "lstm-hi-90"]
    bands = fitted.predict(level=(50, 80, 99))
    edges = [f"lstm-lo-{w}" for w in (99, 80, 50)] + ["lstm"] + [f"lstm-hi-{w}" for w in (50, 80, 99)]
    assert (np.diff(bands[edges].to_numpy(), axis=1) > 0).all()
    for level in (0, 100, "80"):
        with pytest.raises(ArgumentError, match=r"level: expected a number above 0 and at most 99\.99"):
            fitted.predict(level=(level,))


def test_new_series_are_forecast_by_the_same_network(fitted: Forecaster, walk: Callable[..., Any]) -> None:
    """An id that was not fitted on; below 0 too, where the others take logarithms."""
    dates = pd.date_range("2022-01-01", periods=30, freq="MS")
    for values in (walk(30, 9), walk(30, 9) - 120):
        frame = fitted.predict(pd.DataFrame({"unique_id": "east", "ds": dates, "y": values}))
        assert frame["unique_id"].tolist() == ["east"] * 3
        assert np.isfinite(frame["lstm"]).all()


def test_another_frequency_is_refused(fitted: Forecaster, walk: Any) -> None:
    """Fitted on months, then given days."""
    dates = pd.date_range("2022-01-01", periods=30, freq="D")
    with pytest.raises(DataError, match="the model was fitted on steps of 'MS', these are 'D'"):
        fitted.predict(pd.DataFrame({"ds": dates, "y": walk(30)}))


def test_ensembles_of_neighbouring_seeds_share_no_member(tiny: dict[str, Any], walk: Any) -> None:
    """Else ten seeds of ten members would be nineteen networks, and not a hundred."""
    both = [Forecaster(**tiny, n_members=2, random_state=seed).fit(walk(60)) for seed in (3, 4)]
    weights = [next(network.parameters()) for model in both for network in model.networks_]
    assert not any(torch.equal(weights[i], weights[k]) for i in range(4) for k in range(i))


def test_an_ensemble_is_the_mean_of_its_members(tiny: dict[str, Any], walk: Any) -> None:
    """Quantiles are averaged over the seeds, before they are stretched alike."""
    series = walk(60)
    model = Forecaster(**tiny, n_members=2, transform="difference").fit(series)
    both = model.predict()["lstm"].to_numpy()
    alone = []
    for network in model.networks_:
        member = Forecaster(**tiny, transform="difference").fit(series)
        member.networks_, member._factors = (network,), model._factors
        alone.append(member.predict()["lstm"].to_numpy())
    assert not np.array_equal(alone[0], alone[1])
    np.testing.assert_allclose(both, np.mean(alone, 0), rtol=1e-6)
