"""Windows to train on, windows held out, and how long a training is."""

from typing import Any

import numpy as np
import pytest

from unrolled import DataError
from unrolled.data.clips import as_clips
from unrolled.models.video.network import FrameNetwork, FrameNetworkConfig
from unrolled.models.video.training import (
    choose_frame_window,
    frame_stopping_reason,
    frame_training_config,
    initialize_kept_share,
    split_windows,
)
from unrolled.train.history import History, TrainingRecord

RNG = np.random.default_rng(0)


def split(clips: Any, **settings: Any) -> Any:
    """Split clips into windows of 3 frames and 2 ahead."""
    usual = {"window": 3, "horizon": 2, "fraction": 0.25, "seed": 0, "device": "cpu"}
    return split_windows(as_clips(clips, "X"), **usual | settings)


def frames_of(windows: Any) -> set[int]:
    """Return the frames that any window touches."""
    return {int(s) + k for s in windows.starts for k in range(windows.window + windows.horizon)}


def test_of_one_series_the_end_is_held_out() -> None:
    """No frame is in both parts, and the scale is that of the training part."""
    series = RNG.normal(size=(60, 4, 5))
    series[45:] += 100
    training, validation = split([series])
    assert max(frames_of(training)) == 44
    assert min(frames_of(validation)) == 45
    assert max(frames_of(validation)) == 59
    assert abs(float(training.scaler.mean[0])) < 0.2


def test_of_many_clips_whole_ones_are_held_out() -> None:
    """A quarter of them, drawn by the seed."""
    clips = RNG.normal(size=(24, 6, 4, 5))
    training, validation = split(clips)
    assert not frames_of(training) & frames_of(validation)
    assert len({frame // 6 for frame in frames_of(validation)}) == 6
    assert frames_of(split(clips, seed=1).validation) != frames_of(validation)


def test_where_too_few_would_be_held_out_all_are_trained_on() -> None:
    """Short series, and a fraction of 0."""
    for clips, fraction in ((RNG.normal(size=(1, 12, 4, 5)), 0.25), (RNG.normal(size=(1, 60, 4, 5)), 0)):
        training, validation = split(clips, fraction=fraction)
        assert validation is None
        assert len(training) == clips.shape[1] - 4


def test_a_window_is_ten_or_what_the_clips_hold() -> None:
    """One that is asked for must fit into every clip."""
    assert choose_frame_window(None, np.array([30, 50]), 5) == 10
    assert choose_frame_window(None, np.array([6, 50]), 5) == 1
    assert choose_frame_window(20, np.array([25, 50]), 5) == 20
    with pytest.raises(DataError, match=r"more than horizon=5 frames, got one of 5 frames\. Leave it out"):
        choose_frame_window(None, np.array([5, 50]), 5)
    with pytest.raises(DataError, match=r"at least 55 frames, window=50 and horizon=5, got one of 6"):
        choose_frame_window(50, np.array([6, 50]), 5)


def test_trainings_are_counted_in_epochs() -> None:
    """As many as make 600 steps, from 8 to 100."""
    settings: Any = {"batch_size": 16, "patience": None, "learning_rate": 1e-3, "seed": 0}
    steps = [frame_training_config(n, max_epochs=None, **settings) for n in (16, 400, 16_000)]
    assert [config.max_steps // config.val_check_steps for config in steps] == [100, 24, 8]
    config = frame_training_config(400, max_epochs=3, **settings)
    assert (config.max_steps, config.patience) == (75, 3)


def test_the_stopping_reason_names_what_chose_the_epoch() -> None:
    """Held-out windows, or a number."""
    records = tuple(TrainingRecord(k, float(k), 1.0, 1.0, 0.1, 0.1) for k in (1, 2, 3))
    assert frame_stopping_reason(History(records, 2, "finished", 1.0, "epoch"), 9) == (
        "Epoch 2 of 3 was the best on 9 held-out windows."
    )
    assert "fixed number of 3 epochs" in frame_stopping_reason(History(records, 3, "finished", 1, "epoch"), 0)
    assert "after 3 epochs" in frame_stopping_reason(History(records, 3, "interrupted", 1, "epoch"), 9)


def test_the_share_that_is_kept_begins_at_least_squares() -> None:
    """Near 1 for what hardly moves, at the least share for what is new each time."""
    network = FrameNetwork(FrameNetworkConfig(1, 4, 5, horizon=2, hidden_channels=3))
    slow, noise = RNG.normal(size=(1, 40, 4, 5)).cumsum(1), RNG.normal(size=(1, 40, 4, 5))
    for clips, low, high in ((slow, 0.8, 0.98), (noise, 0.0, 0.2)):
        training, _ = split(clips)
        initialize_kept_share(network, training)
        shares = network.readout.bias.detach()[1:].sigmoid()
        assert low < float(shares.min()) <= float(shares.max()) <= high + 1e-6
