"""Backtests of frames: what is held out, what stands beside, and the verdict."""

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

from unrolled import ArgumentError, DataError, FrameForecaster, backtest
from unrolled.evaluate import FRAME_BASELINES
from unrolled.evaluate.forecasting import frame_backtest
from unrolled.evaluate.forecasting.frame_backtest import backtest_frames

SMALL: dict[str, Any] = {"window": 3, "hidden_channels": 3, "num_layers": 1, "max_epochs": 1}


def bouncing(n: int, steps: int, side: int = 16, size: int = 4) -> Any:
    """Draw clips (n, steps, side, side) of bytes: one bright square each, a pixel a step along both axes."""
    rng = np.random.default_rng(0)
    clips = np.zeros((n, steps, side, side), np.uint8)
    free = side - size
    for clip in clips:
        phases = rng.integers(0, 2 * free, 2)
        for t, frame in enumerate(clip):
            y, x = (free - abs(free - (phase + t) % (2 * free)) for phase in phases)
            frame[y : y + size, x : x + size] = 250
    return clips


@pytest.fixture
def fitted_on(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Record what the network is fitted on, and what it forecasts from."""
    seen: list[Any] = []
    fit, predict = FrameForecaster.fit, FrameForecaster.predict

    def recorded_fit(self: Any, frames: Any, **more: Any) -> Any:
        seen.append(frames)
        return fit(self, frames, **more)

    def recorded_predict(self: Any, frames: Any) -> Any:
        seen.append(np.stack(frames))
        return predict(self, frames)

    monkeypatch.setattr(FrameForecaster, "fit", recorded_fit)
    monkeypatch.setattr(FrameForecaster, "predict", recorded_predict)
    return seen


def test_a_bouncing_square_is_forecast_better_than_by_every_baseline() -> None:
    """Ten seconds of training, 24 clips that were held out whole, and the verdict."""
    model = FrameForecaster(
        4, window=4, hidden_channels=24, num_layers=1, max_epochs=6, learning_rate=1e-2, batch_size=16
    )
    result = backtest(model, bouncing(72, 12))
    assert result.verdict.outcome == "better"
    assert result.verdict.ratio < 0.8
    assert result.table[0]["model"] == "convgru"
    assert {row["model"] for row in result.table[1:]} == set(FRAME_BASELINES)
    errors = [row["sse"] for row in result.table[1:]]
    assert errors == sorted(errors)
    assert result.remarks == ("24 clips of 72 were held out, whole, and tested.",)
    assert "convgru" in str(result)
    assert result.sentence.startswith("The convgru is")


def test_a_series_is_tested_at_its_end(fitted_on: list[Any]) -> None:
    """Nothing after the first origin is fitted on; each origin reads the frames up to it."""
    frames = np.arange(40.0)[:, None, None] + np.zeros((40, 5, 6))
    result = backtest_frames(FrameForecaster(2, **SMALL), frames, origins=5)
    training, windows = fitted_on
    assert training.values.max() == 29.0
    assert windows[:, :, 0, 0].tolist() == [[27 + 2 * k, 28 + 2 * k, 29 + 2 * k] for k in range(5)]
    by_name = {row["model"]: row for row in result.table}
    assert by_name["copy last"]["mae"] == pytest.approx(1.5)  # 1 and 2 steps on
    assert by_name["copy last"]["sse"] == pytest.approx(2.5 * 30)
    assert by_name["AR1"]["rmse"] == pytest.approx(0.0, abs=1e-6)
    assert result.remarks == ("Fitted on the first 30 frames of 40.",)
    overlapping = backtest_frames(FrameForecaster(2, **SMALL), frames, origins=5, step=1)
    assert (overlapping.verdict.origins, overlapping.verdict.independent_origins) == (5, 3)


def test_several_clips_are_held_out_whole(fitted_on: list[Any]) -> None:
    """At most half of them, each with its last origin."""
    clips = [np.full((k, 4, 5), float(k)) for k in range(6, 12)]
    result = backtest_frames(FrameForecaster(2, **SMALL), clips, origins=24, baselines=["copy last"])
    training, windows = fitted_on
    tested = {float(each[0, 0, 0]) for each in windows}
    assert len(training) == len(tested) == 3
    assert tested.isdisjoint(set(training.values[:, 0, 0].tolist()))
    assert [row["model"] for row in result.table] == ["convgru", "copy last"]
    assert result.table[1]["sse"] == 0


def test_the_example_is_the_median_forecast() -> None:
    """Neither the best nor the worst is shown; JSON holds the table and no frame."""
    frames = np.random.default_rng(0).normal(size=(60, 5, 6))
    result = backtest_frames(FrameForecaster(2, **SMALL), frames, origins=11)
    example = result.example
    assert example.inputs.shape == (3, 5, 6)
    assert example.truth.shape == example.forecasts["AR1"].shape == (2, 5, 6)
    facts = result.to_dict()
    assert "example" not in facts
    assert facts["table"][0]["model"] == "convgru"
    assert facts["frame_shape"] == [5, 6]
    assert result.to_frame()["model"].iloc[0] == "convgru"
    assert result.verdict.origins == 11


BAD: dict[str, tuple[Any, dict[str, Any], type[Exception], str]] = {
    "a band": (np.zeros((40, 5, 6)), {"level": 90}, ArgumentError, "level: forecasts of frames have no band"),
    "a refit": (
        np.zeros((40, 5, 6)),
        {"refit": True},
        ArgumentError,
        "refit: a FrameForecaster is fitted",
    ),
    "levels": (np.zeros((40, 5, 6)), {"level": np.ones(900)}, ArgumentError, "level: .*Leave it out"),
    "refits": (np.zeros((40, 5, 6)), {"refit": np.ones(2)}, ArgumentError, "refit: expected True or False"),
    "no list": (np.zeros((40, 5, 6)), {"baselines": 3}, ArgumentError, r"got 3\. Give a list of them"),
    "an empty list": (
        np.zeros((40, 5, 6)),
        {"baselines": np.array([])},
        ArgumentError,
        "got none: a network",
    ),
    "no origin": (np.zeros((40, 5, 6)), {"origins": 0}, ArgumentError, "origins: expected a whole number"),
    "another baseline": (np.zeros((40, 5, 6)), {"baselines": ["Naive"]}, ArgumentError, "baselines: "),
    "a step of clips": (np.zeros((4, 9, 5, 6)), {"step": 1}, ArgumentError, "step: several clips have one"),
    "too many origins": (np.zeros((40, 5, 6)), {"origins": 24}, DataError, "Use origins=18 at most"),
    "too few frames": (np.zeros((5, 5, 6)), {}, DataError, "Give a longer series, or a smaller horizon"),
    "a short clip": ([*np.zeros((5, 9, 5, 6)), np.zeros((4, 5, 6))], {}, DataError, "at least 5 frames"),
    "three clips": (np.zeros((3, 9, 5, 6)), {"origins": 9}, DataError, "expected one series, or 4 clips"),
    "a table": (np.zeros((5, 6)), {}, DataError, "FrameForecaster frames"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_backtested_is_refused_in_one_sentence(name: str) -> None:
    """Before anything is trained, where it can be known then."""
    frames, options, error, sentence = BAD[name]
    with pytest.raises(error, match=sentence) as caught:
        backtest(FrameForecaster(2, **SMALL), frames, **options)
    assert "\n" not in str(caught.value)


def test_an_interrupted_training_is_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of one must not be scored as a whole one."""

    def interrupted(model: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(frame_backtest, "end_if_interrupted", interrupted)
    with pytest.raises(KeyboardInterrupt):
        backtest(FrameForecaster(2, **SMALL), np.zeros((90, 5, 6)), origins=10)


def moving_digits(n: int, steps: int, side: int = 32) -> Any:
    """Draw clips (n, steps, side, side) of one digit each that moves straight on and bounces."""
    digits = np.kron(load_digits().images, np.ones((2, 2))) * 15.9  # (1797, 16, 16)
    rng = np.random.default_rng(0)
    clips = np.zeros((n, steps, side, side), np.uint8)
    for clip in clips:
        digit, free = digits[rng.integers(len(digits))], side - 16
        position, angle = rng.random(2), rng.uniform(0, 2 * np.pi)
        velocity = 0.12 * np.array([np.sin(angle), np.cos(angle)])
        for frame in clip:
            position = position + velocity
            velocity = np.where((position < 0) | (position > 1), -velocity, velocity)
            y, x = (np.clip(position, 0, 1) * free).astype(int)
            frame[y : y + 16, x : x + 16] = digit
    return clips


@pytest.mark.slow
def test_moving_digits_are_forecast_better_than_by_every_baseline() -> None:
    """Of 32 × 32 pixels, in a minute or two: the default but for the size of the core."""
    model = FrameForecaster(6, window=6, hidden_channels=32, max_epochs=8)
    result = backtest(model, moving_digits(440, 12), origins=40)
    assert result.verdict.outcome == "better"
    assert result.verdict.ratio < 0.8
