"""Train the networks of FrameForecaster: windows of clips, some clips or the end of each held out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from unrolled.data.preprocess.scaler import fit_channel_scaler
from unrolled.data.sequences import Sequences
from unrolled.errors import DataError
from unrolled.formatting import quantity
from unrolled.models.fitting import identified
from unrolled.models.video.dataset import FrameWindows, flat_frames, window_starts
from unrolled.models.video.network import FrameNetwork, FrameNetworkConfig
from unrolled.train.config import (
    EpochBounds,
    Monitor,
    TrainingConfig,
    TrainingHooks,
)
from unrolled.train.ensemble import Ensemble, fit_ensemble
from unrolled.train.history import History

_WINDOW = 10  # frames that are read, where the clips hold as many
_EPOCHS = EpochBounds(least=8, most=100, min_steps=600)
_WEIGHT_DECAY = 1e-3
_FRACTION = 0.1  # held out, where the fraction is None
_MIN_CLIPS = 20  # from which on whole clips are held out
_MIN_VALIDATION = 5  # windows: fewer tell little of an epoch
_WINDOWS_OF_SHARE = 64  # that the share of a frame to keep is measured on
_SHARES = (0.02, 0.98)  # at the start: at 0 or 1 nothing would be learned of it


class WindowSplit(NamedTuple):
    """Windows to train on, and those held out to choose the epoch by; None where there are too few."""

    training: FrameWindows
    validation: FrameWindows | None


def choose_frame_window(window: int | None, lengths: NDArray[np.int64], horizon: int) -> int:
    """Return the frames that are read before each forecast: 10, or as many as the shortest clip leaves.

    Raises:
        DataError: a clip has no frame beside the horizon, or fewer than are asked for.

    >>> choose_frame_window(None, np.array([12, 20]), 5), choose_frame_window(None, np.array([40]), 5)
    (7, 10)
    """
    least = int(lengths.min())
    if window is None and least <= horizon:
        raise DataError(
            f"FrameForecaster frames: expected clips of more than horizon={horizon} frames, got one of "
            f"{quantity(least, 'frame')}. Leave it out, or choose a smaller horizon."
        )
    if window is not None and least < window + horizon:
        raise DataError(
            f"FrameForecaster frames: expected clips of at least {window + horizon} frames, window={window} "
            f"and horizon={horizon}, got one of {least}. Leave it out, or choose a smaller window or horizon."
        )
    return min(_WINDOW, least - horizon) if window is None else window


def split_windows(
    clips: Sequences, *, window: int, horizon: int, fraction: float | None, seed: int, device: str
) -> WindowSplit:
    """Cut clips into windows, and hold some out: whole clips of 20 or more, else the end of each clip.

    No frame of a window that is held out is in one that is trained on, and the scale is that of the frames
    that are trained on.
    """
    fraction = _FRACTION if fraction is None else fraction
    starts, clip = window_starts(clips.lengths, clips.offsets[:-1], window + horizon)
    ends = starts + window + horizon
    if len(clips) >= _MIN_CLIPS:
        held_out_clips = np.random.default_rng(seed).permutation(len(clips))[: round(fraction * len(clips))]
        is_held_out = np.isin(clip, held_out_clips)
        is_training = ~is_held_out
    else:
        cuts = clips.offsets[1:] - np.round(fraction * clips.lengths).astype(np.int64)
        is_held_out, is_training = starts >= cuts[clip], ends <= cuts[clip]
    if is_held_out.sum() < _MIN_VALIDATION or not is_training.any():
        is_held_out, is_training = np.zeros(len(starts), bool), np.ones(len(starts), bool)
    values = flat_frames(clips)
    covered = _covered(starts[is_training], window + horizon, len(values))
    scaler = fit_channel_scaler(values.numpy()[covered])
    windows = FrameWindows(values, torch.from_numpy(starts), window, horizon, scaler, device)
    rows = [torch.from_numpy(np.flatnonzero(part)) for part in (is_training, is_held_out)]
    return WindowSplit(windows.subset(rows[0]), windows.subset(rows[1]) if len(rows[1]) else None)


def frame_training_config(
    n_windows: int,
    *,
    max_epochs: int | None,
    batch_size: int,
    patience: int | None,
    learning_rate: float,
    seed: int,
) -> TrainingConfig:
    """Count a training in epochs; by default eight, of few windows as many as make 600 steps, 100 at most.

    >>> settings = {"batch_size": 8, "patience": None, "learning_rate": 4e-3, "seed": 0}
    >>> frame_training_config(1000, max_epochs=None, **settings).max_steps
    1000
    """
    return TrainingConfig.within_bounds(
        _EPOCHS,
        n_windows,
        max_epochs=max_epochs,
        batch_size=batch_size,
        patience=patience,
        learning_rate=learning_rate,
        weight_decay=_WEIGHT_DECAY,
        seed=seed,
    )


def fit_frame_networks(
    split: WindowSplit,
    network_config: FrameNetworkConfig,
    config: TrainingConfig,
    *,
    n_members: int,
    monitor: Monitor,
) -> Ensemble[FrameNetwork]:
    """Train one network a seed; those weights are kept whose loss on what is held out was lowest.

    Raises:
        KeyboardInterrupt: Ctrl-C came before the first epoch of the first network ended.
        TrainingError: the loss is no longer finite.
        ModelLoadError: a checkpoint is damaged, or was made with other settings.
    """
    training, validation = split
    config = identified(config, monitor, training, validation, network_config)
    return fit_ensemble(
        lambda: FrameNetwork(network_config).to(training.device),
        lambda network, batch: network.loss(batch),
        training,
        validation,
        config,
        n_members=n_members,
        hooks=TrainingHooks(initialize=lambda network: initialize_kept_share(network, training)),
        monitor=monitor,
    )


@torch.no_grad()
def initialize_kept_share(network: FrameNetwork, training: FrameWindows) -> None:
    """Begin with the share of the newest frame that least squares would keep: slow frames are carried over.

    The share is Σ x_t x_{t+1} / Σ x_t² of scaled frames of some windows, drawn by torch's random state.
    """
    frames = training.batch(torch.randperm(len(training))[:_WINDOWS_OF_SHARE]).frames
    before, after = frames[:, :-1], frames[:, 1:]
    if not before.numel():
        return
    share = (before * after).sum() / before.square().sum().clamp(min=1e-9)
    network.kept_bias.fill_(share.clamp(*_SHARES).logit())


def frame_stopping_reason(history: History, n_validation: int) -> str:
    """Explain in a sentence how many epochs were trained.

    Args:
        history: of the last network.
        n_validation: windows that were held out.
    """
    n_epochs = history.count
    if history.stopped == "interrupted":
        return f"Interrupted by Ctrl-C after {n_epochs} epochs."
    if not n_validation:
        return f"Nothing was held out: all frames trained for a fixed number of {n_epochs} epochs."
    best = history.best_count
    return f"Epoch {best} of {n_epochs} was the best on {quantity(n_validation, 'held-out window')}."


def _covered(starts: NDArray[np.int64], span: int, n_frames: int) -> NDArray[np.int64]:
    """Return the frames that lie in some window."""
    changes = np.zeros(n_frames + 1, dtype=np.int64)
    np.add.at(changes, starts, 1)
    np.add.at(changes, starts + span, -1)
    return np.flatnonzero(np.cumsum(changes[:-1]) > 0)
