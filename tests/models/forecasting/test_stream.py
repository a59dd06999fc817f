"""Streams of forecasts: of windows as `predict`, carried as the network unrolled from the first step."""

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import unrolled as ur
from unrolled import kernels
from unrolled.errors import ArgumentError, DataError
from unrolled.models.forecasting.calibration import rescale_quantiles
from unrolled.models.forecasting.stream import StreamForecasts

pytestmark = pytest.mark.skipif(not kernels.available(), reason="the compiled kernels are not installed")

T, H = 90, 4
START = "2000-01-01"
CASES: dict[str, dict[str, Any]] = {
    "log-difference": {"season": 12, "window": 14, "transform": "log-difference"},
    "seasonal": {"season": 4, "window": 9, "transform": "seasonal-difference", "cell": "gru", "n_members": 2},
    "scale": {"window": 9, "transform": "scale", "cell": "rnn", "bounds": (0, None), "integer": True},
    "minmax": {"window": 9, "transform": "minmax", "num_layers": 2},
    "log": {"window": 9, "transform": "log", "cell": "feedforward", "season": 6},
}
RECURRENT = [name for name, options in CASES.items() if options.get("cell") != "feedforward"]


def frame(steps: int = T, name: str = "a") -> pd.DataFrame:
    """Months that grow and swing."""
    rng, months = np.random.default_rng(1), np.arange(steps)
    y = np.exp(rng.normal(0.01, 0.08, size=steps).cumsum()) * (3 + np.sin(2 * np.pi * months / 12))
    dates = pd.date_range(START, periods=steps, freq="MS")
    return pd.DataFrame({"unique_id": name, "ds": dates, "y": y})


@cache
def fitted(case: str) -> ur.Forecaster:
    """Trained for as long as weights need to differ from their start."""
    return ur.Forecaster(horizon=H, **{"hidden_size": 7, "max_steps": 3, **CASES[case]}).fit(frame())


def as_predicted(model: ur.Forecaster, steps: int) -> list[np.ndarray]:
    """Median and both ends of the band after so many steps."""
    table = model.predict(frame()[:steps])
    return [table[name].to_numpy() for name in (model.cell, f"{model.cell}-lo-80", f"{model.cell}-hi-80")]


@pytest.mark.parametrize("case", CASES)
def test_a_windows_stream_equals_predict_on_all_steps_so_far(case: str) -> None:
    """To the bit, from the third value on, before and after the history is longer than what is kept."""
    model, y = fitted(case), frame()["y"].to_numpy()
    stream = model.stream(start=START)
    answers = [stream.step(value) for value in y]
    assert np.isnan(answers[1].median).all()
    for t in (3, 4, 8, 13, 14, 27, 28, 40, 89, 90):
        answer = answers[t - 1]
        for part, expected in zip((answer.median, answer.lo, answer.hi), as_predicted(model, t), strict=True):
            assert np.array_equal(part, expected), t


@torch.inference_mode()
@pytest.mark.parametrize("case", RECURRENT)
def test_a_carried_stream_equals_the_network_unrolled_from_the_first_step(case: str) -> None:
    """To the bit, and other than that of windows once these are full."""
    model, y = fitted(case), frame()["y"].to_numpy()
    stream = model.stream(window=False, start=START)
    quantiles = stream.steps(y).quantiles
    encoder, origins = model._encoder, np.arange(T)
    encoded = encoder.encode(model.series_, H)
    windows = encoder.windows(encoded, model.window_, H)
    rows, outputs = windows.rows(0, origins), []
    for network in model.networks_:
        states = network.core(windows.inputs[rows][None])[0][0]
        each = [network.read_out(states[t : t + 1], windows.batch(rows[t : t + 1])) for t in range(T)]
        outputs.append(torch.cat(each))
    raw = rescale_quantiles(torch.stack(outputs).double().mean(0).numpy(), model._factors)
    expected = encoded[0].transformed.levels(origins, raw)
    is_log = [encoded[0].transformed.transform.log]
    limits = model.bounds_.limits(model.series_, origins[None], is_log=is_log, integer=model.integer)
    assert np.array_equal(quantiles[2:], limits.apply(expected[None])[0, 2:])
    of_window = model.stream(start=START).steps(y).quantiles
    assert model.integer or not np.array_equal(quantiles[-1], of_window[-1])


@pytest.mark.parametrize("window", [True, False])
def test_streams_snapshots_and_pieces_give_the_same_forecasts(window: bool) -> None:
    """Together and alone, saved between two calls, peeked at."""
    model, y = fitted("log-difference"), frame()["y"].to_numpy()
    options: dict[str, Any] = {"window": window, "start": START}
    whole = model.stream(**options).steps(y[:40])
    streams = ur.Streams(model, 3, **options)
    first = streams.steps({"a": y[:17], "b": y[:1], "c": y[:40]})
    stream = model.stream(streams.snapshot("a"), **options)
    peeked = stream.peek(y[17])
    last = stream.steps(y[17:40])
    second = streams.steps({"a": y[17:40], "b": y[1:40]})
    for parts in ((first["a"], last), (first["a"], second["a"]), (first["b"], second["b"])):
        together = np.concatenate([part.quantiles for part in parts])
        assert np.array_equal(together, whole.quantiles, equal_nan=True)
    assert np.array_equal(first["c"].quantiles, whole.quantiles, equal_nan=True)
    assert np.array_equal(peeked.quantiles, last[0].quantiles)
    assert len(last) == 23
    assert StreamForecasts(**{k: np.array(v) for k, v in last[0].to_dict().items()}).median.shape == (H,)


def test_bounds_that_were_learned_end_where_a_value_passes_them() -> None:
    """As in predict."""
    data = frame().assign(y=lambda table: np.maximum(table["y"].round() - 4, 0))
    model = ur.Forecaster(horizon=H, hidden_size=7, max_steps=3, window=9, transform="difference").fit(data)
    later = data.assign(y=data["y"].where(data.index < 80, -5.0))
    stream = model.stream(start=START)
    answers = stream.steps(later["y"].to_numpy())
    for t in (79, 80, 81, 90):
        assert np.array_equal(answers.lo[t - 1], model.predict(later[:t])[f"{model.cell}-lo-80"].to_numpy())


def test_gaps_repeat_the_last_value_where_the_model_fills_forward() -> None:
    """But the first value must be known."""
    model = ur.Forecaster(horizon=H, hidden_size=7, max_steps=3, window=9, missing="forward").fit(frame())
    stream, y = model.stream(start=START), frame()["y"].to_numpy()
    with pytest.raises(DataError, match="first value of a stream, got NaN"):
        stream.step(np.nan)
    y[5:8] = np.nan
    answers = stream.steps(y[:12])
    filled = frame()[:12].assign(y=pd.Series(y[:12]).ffill())
    assert np.array_equal(answers.median[-1], model.predict(filled)[model.cell].to_numpy())


def test_a_series_that_was_not_fitted_has_the_usual_scale() -> None:
    """Of a model of several series; one of them is named."""
    several = pd.concat([frame(name="a"), frame(name="b").assign(y=lambda table: 10 * table["y"])])
    model = ur.Forecaster(horizon=H, hidden_size=7, max_steps=3, window=9).fit(several)
    y = frame()["y"].to_numpy()
    for series, name in ((None, "new"), ("b", "b")):
        answer = model.stream(series=series, start=START).steps(y[:30])[-1]
        expected = model.predict(frame(name=name)[:30])[model.cell].to_numpy()
        assert np.array_equal(answer.median, expected)
    with pytest.raises(ArgumentError, match=r"expected the id of a fitted series, such as 'a', got 'x'"):
        model.stream(series="x", start=START)


def test_what_cannot_stream_says_why() -> None:
    """Other inputs than the target, gaps by other ways, a state to carry that is not there, a calendar."""
    data = frame().assign(price=lambda table: table["y"] ** 2)
    with_price = ur.Forecaster(horizon=H, hidden_size=7, max_steps=3, window=9)
    with_price.fit(ur.read(data, past=["price"]))
    with pytest.raises(ArgumentError, match="takes one value a step, and this model reads 'price' too"):
        with_price.stream()
    with pytest.raises(ArgumentError, match="cell='feedforward' has no state to carry"):
        fitted("log").stream(window=False, start=START)
    with pytest.raises(ArgumentError, match=r"start: expected the time of the first value, .*'2000-01-01'"):
        fitted("log-difference").stream()
    with pytest.raises(ArgumentError, match="start: expected a time, got 'soon'"):
        fitted("log-difference").stream(start="soon")
    for start in ("", "20000101", "2500-01-01", 5, True, pd.NaT, [START]):  # NumPy makes other times of these
        for model in (fitted("log-difference"), fitted("log")):
            with pytest.raises(
                ArgumentError, match=r"start: expected a time, got .* Write it as '2026-01-31'"
            ):
                model.stream(start=start)
    model = fitted("log-difference")
    blob = model.stream(start=START).snapshot()
    with pytest.raises(DataError, match="got that of another, such as one with another window= or adaptive="):
        model.stream(blob, window=False, start=START)


@pytest.mark.parametrize(
    ("case", "value", "sentence"),
    [
        ("log-difference", 0.0, r"takes logarithms, which need values above 0, got 0 at step 1"),
        ("scale", np.nan, r"expected finite numbers, got nan at step 1"),
        ("scale", np.inf, r"got inf at step 1"),
        ("scale", -2.0, r"expected values at 0 or above, as the bounds say, got -2"),
        ("scale", [1.0, 2.0], r"expected one number, got shape \(2,\)"),
        ("scale", "text", r"expected numbers, got 'text'"),
    ],
)
def test_a_bad_value_is_refused_in_a_sentence(case: str, value: Any, sentence: str) -> None:
    """And the state has not moved."""
    stream = fitted(case).stream(start=START)
    with pytest.raises(DataError, match=sentence):
        stream.step(value)
    assert stream.n_steps == 0


def test_streams_together_begin_at_times_of_their_own() -> None:
    """Each as a stream of that start, from its first value to beyond the blocks of the calendar."""
    model, y = fitted("log-difference"), frame(300)["y"].to_numpy()
    starts = {"a": "2000-01-01", "b": "1999-08-01", "c": "1970-01-01"}
    streams = ur.Streams(model, 3, start="each")
    for name, start in starts.items():
        streams.begin(name, start=start)
    first = streams.steps(dict.fromkeys(starts, y[:9]))
    moved = ur.Streams(model, 3, start="each")
    for name in starts:
        moved.restore(name, streams.snapshot(name))
    second = moved.steps(dict.fromkeys(starts, y[9:]))
    for name, start in starts.items():
        expected = model.stream(start=start).steps(y).quantiles
        got = np.concatenate([first[name].quantiles, second[name].quantiles])
        assert np.array_equal(got, expected, equal_nan=True)
    assert not np.array_equal(second["a"].median, second["b"].median)


def test_a_start_of_its_own_goes_before_the_common_one() -> None:
    """A stream that was begun; others have the common one."""
    model, y = fitted("log-difference"), frame()["y"].to_numpy()
    streams = ur.Streams(model, 2, start=START)
    streams.begin("b", start="2000-06-01")
    answers = streams.steps({"a": y[:30], "b": y[:30]})
    for name, start in (("a", START), ("b", "2000-06-01")):
        expected = model.stream(start=start).steps(y[:30]).median
        assert np.array_equal(answers[name].median, expected, equal_nan=True)


def test_a_stream_without_a_start_is_refused_and_moves_none() -> None:
    """Where each has its own; a time that is none, and one that no model reads, too."""
    streams = ur.Streams(fitted("log-difference"), 2, start="each")
    streams.begin("a", start=START)
    before = streams.snapshot("a")
    with pytest.raises(DataError, match="expected the time of its first value, for the model reads the cal"):
        streams.steps({"a": [1.0], "b": [1.0]})
    assert streams.snapshot("a") == before
    with pytest.raises(ArgumentError, match="start: expected a time, got 'soon'"):
        streams.begin("a", start="soon")
    y = frame()["y"].to_numpy()
    without_times = ur.Forecaster(horizon=2, window=8, hidden_size=4, max_steps=2).fit(y)
    with pytest.raises(ArgumentError, match="start: expected none, for the model reads no calendar"):
        ur.Streams(without_times, 1, start="each").begin("a", start=START)
