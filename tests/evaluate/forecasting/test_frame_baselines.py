"""Simple forecasts of frames, each against its formula."""

import numpy as np
import pytest

from unrolled.data.clips import as_clips
from unrolled.evaluate.forecasting.frame_baselines import (
    FRAME_BASELINES,
    CopyLast,
    MeanOfInputs,
    PixelAR1,
    TrainingMean,
)

RNG = np.random.default_rng(0)
CLIPS = as_clips([RNG.normal(5, 2, (7, 3, 4)), RNG.normal(5, 2, (1, 3, 4)), RNG.normal(5, 2, (9, 3, 4))], "X")
WINDOWS = RNG.normal(5, 2, (2, 5, 3, 4))


def test_copies_and_means() -> None:
    """Of the frames that are read, and of the training."""
    assert np.array_equal(CopyLast().fit(CLIPS).predict(WINDOWS, 2), np.stack([WINDOWS[:, -1]] * 2, 1))
    assert np.allclose(MeanOfInputs().fit(CLIPS).predict(WINDOWS, 2)[:, 1], WINDOWS.mean(1))
    assert np.allclose(TrainingMean().fit(CLIPS).predict(WINDOWS, 2)[1, 1], CLIPS.values.mean(0))


def test_each_pixel_has_its_own_least_squares() -> None:
    """Over all pairs of neighbouring frames, none across two clips."""
    model = PixelAR1().fit(CLIPS)
    x = np.concatenate([CLIPS.values[0:6], CLIPS.values[8:16]])
    y = np.concatenate([CLIPS.values[1:7], CLIPS.values[9:17]])
    slope = np.empty((3, 4))
    for i, j in np.ndindex(3, 4):
        slope[i, j] = np.clip(np.polyfit(x[:, i, j], y[:, i, j], 1)[0], -1, 1)
    constant = y.mean(0) - slope * x.mean(0)
    first = constant + slope * WINDOWS[:, -1]
    forecasts = model.predict(WINDOWS, 3)
    assert np.allclose(forecasts[:, 0], first)
    assert np.allclose(forecasts[:, 1], constant + slope * first)


def test_slopes_are_bounded_and_constant_pixels_stay() -> None:
    """A pixel that doubles is carried on straight, one that never changes stays what it is."""
    clip = np.stack([2.0 ** np.arange(8), np.full(8, 3.0)], 1)[:, None]
    model = PixelAR1().fit(as_clips([clip], "X"))
    assert model.slope_.tolist() == [[1.0, 0.0]]
    assert model.predict(np.ones((1, 1, 1, 2)), 2)[0, :, 0, 1].tolist() == [3.0, 3.0]


@pytest.mark.parametrize("name", FRAME_BASELINES)
def test_bytes_and_channels_are_read(name: str) -> None:
    """Each forecasts h frames of their shape."""
    clips = as_clips([RNG.integers(0, 256, (6, 3, 4, 5)).astype(np.uint8)], "X")
    windows = clips.values[None, :4].astype(float)
    forecasts = FRAME_BASELINES[name]().fit(clips).predict(windows, 2)
    assert forecasts.shape == (1, 2, 3, 4, 5)
    assert np.isfinite(forecasts).all()
