"""FrameForecaster: the frames that follow, of video and of grids of sensors."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray

from unrolled.data.clips import as_clips, channels_of, frame_words, pixel_range, require_pixel_range
from unrolled.data.preprocess.scaler import StandardScaler
from unrolled.data.sequences import Sequences
from unrolled.errors import DataError
from unrolled.formatting import quantity
from unrolled.models.estimator import NetworkEstimator
from unrolled.models.parameters import Choice, FloatRange, IntRange, RandomSource, UnusedBeside
from unrolled.models.persistence import PLAIN, record_field
from unrolled.models.summary import Fact
from unrolled.models.video.dataset import FrameWindows, flat_frames
from unrolled.models.video.network import (
    FRAME_CELLS,
    FrameNetwork,
    FrameNetworkConfig,
    default_patch_size,
)
from unrolled.models.video.training import (
    choose_frame_window,
    fit_frame_networks,
    frame_stopping_reason,
    frame_training_config,
    split_windows,
)
from unrolled.train.config import Callback, Monitor
from unrolled.train.ensemble import report_interruption
from unrolled.train.threads import shared_processors
from unrolled.validation import optional_int

_CLIPS_AT_ONCE = 64  # of a forecast
_COLOURS = (3, 4)  # channels of a picture in colour, without and with transparency
_CARD_FOOTER = """Load it with `unrolled.FrameForecaster.load(folder)`; nothing in this folder is code, and no
frame that it was fitted on is in it.

This card holds no score: an error means something only beside simpler forecasts of the same frames. Run
`unrolled.backtest(model, frames)`."""


class FrameForecaster(NetworkEstimator):
    """Forecast the frames that follow: of video, of radar, of any grid that is measured again and again.

    Convolutional recurrent layers read `window` frames, in patches, and go on with their own forecasts for
    `horizon` frames. The squared error is learned, so that a forecast is a mean: where several futures are
    possible, it is a blur of them.

    Args:
        horizon: h, frames to forecast.
        window: frames that are read before each forecast; None for 10, or as many as the shortest clip has
            before its horizon.
        cell: "convgru" or "convlstm".
        hidden_channels: of each layer.
        num_layers: recurrent layers, one on the other.
        kernel_size: of the convolutions, in patches.
        patch_size: side of the squares of pixels that become one place; None for the largest of 1, 2, 4 and 8
            that leaves at least 8 places along the shorter side.
        n_members: networks with different seeds, whose forecasts are averaged.
        max_epochs: passes over the windows at most; None for 8, or as many as make 600 steps, but no more
            than 100.
        patience: epochs without a lower validation loss before the training stops early; None for all.
        batch_size: windows a step; fewer where there are few.
        learning_rate: the peak of its one cycle.
        validation_fraction: the part that is held out to choose the epoch by: of 20 clips or more whole
            clips, else the end of each; 0 for none, as where it would be less than 5 windows; None for 0.1.
        random_state: seed of weights, of shuffling and of what is held out.
        device: where torch computes.
        verbose: draw a progress line with time left on stderr; None for on a terminal, if the fit takes more
            than two seconds.

    After `fit`: `window_`, `frame_shape_` ((H, W) or (C, H, W)), `scaler_` (of the channels), `bounds_` (of
    whole numbers of a byte and of booleans, whose forecasts stay within their range; else None), `n_epochs_`
    and `stopping_reason_`, `history_` (of the last network), `networks_`, `network_config_`, `n_parameters_`
    (of one), `seconds_`.

    >>> x = np.arange(8)
    >>> frames = np.stack([np.sin(x[:, None] / 3 + x / 2 - t / 2) for t in range(40)])  # a wave that runs on
    >>> model = FrameForecaster(horizon=3, window=4, hidden_channels=4, num_layers=1, max_epochs=2)
    >>> model.fit(frames).predict(frames).shape
    (3, 8, 8)
    """

    _fit_call = "fit(frames)"
    _network_class, _config_class = FrameNetwork, FrameNetworkConfig
    _learned: ClassVar = {
        "bounds_": PLAIN,
        "frame_shape_": PLAIN,
        "n_epochs_": PLAIN,
        "scaler_": record_field(StandardScaler),
        "seed_": PLAIN,
        "stopping_reason_": PLAIN,
        "window_": PLAIN,
        "_dtype": PLAIN,
        "_fitted_on": PLAIN,
    }
    _unused = (UnusedBeside(("patience",), "validation_fraction", (0,), "holds nothing out"),)

    horizon: Annotated[int, IntRange(least=1)]
    window: Annotated[int | None, IntRange(least=1)]
    cell: Annotated[str, Choice(tuple(FRAME_CELLS))]
    hidden_channels: Annotated[int, IntRange(least=1, most=4096)]
    num_layers: Annotated[int, IntRange(least=1, most=64)]
    kernel_size: Annotated[int, IntRange(least=1, most=63)]
    patch_size: Annotated[int | None, IntRange(least=1, most=64)]
    n_members: Annotated[int, IntRange(least=1)]
    max_epochs: Annotated[int | None, IntRange(least=1)]
    batch_size: Annotated[int, IntRange(least=1)]
    validation_fraction: Annotated[float | None, FloatRange(least=0, most=0.5)]

    bounds_: list[float] | None
    frame_shape_: list[int]
    n_epochs_: int
    scaler_: StandardScaler
    seed_: int
    stopping_reason_: str
    window_: int
    _dtype: str  # of the frames
    _fitted_on: str  # how frames were read, in words

    def __init__(
        self,
        horizon: int = 10,
        *,
        window: int | None = None,
        cell: str = "convgru",
        hidden_channels: int = 64,
        num_layers: int = 2,
        kernel_size: int = 3,
        patch_size: int | None = None,
        n_members: int = 1,
        max_epochs: int | None = None,
        patience: int | None = None,
        batch_size: int = 8,
        learning_rate: float = 4e-3,
        validation_fraction: float | None = None,
        random_state: RandomSource = 0,
        device: str = "cpu",
        verbose: bool | None = None,
    ) -> None:
        self._store_parameters(locals())

    @shared_processors()
    @torch.inference_mode(mode=False)  # whoever calls, what is made here has gradients
    def fit(
        self, frames: Any, *, checkpoint: str | Path | None = None, callbacks: Sequence[Callback] = ()
    ) -> Self:
        """Learn from one long series of frames, or from clips.

        Ctrl-C keeps the best weights so far and says so.

        Args:
            frames: a series (T, H, W); or clips: a list of (T_i, H, W) or (T_i, C, H, W) arrays, an array
                (N, T, H, W) or (N, T, C, H, W), or `Sequences` of frames.
            checkpoint: a folder that holds the training after each epoch. Fitting again with the same
                folder resumes it there, to the same result.
            callbacks: each is called after every epoch with a dict, as in SequenceClassifier.

        Raises:
            ArgumentError: some arguments are out of range, each named on its own line.
            DataError: the frames cannot be used as they are, or the clips are shorter than the horizon.
            TrainingError: the loss is no longer finite.
        """
        self.check_parameters()
        monitor = Monitor.from_arguments(checkpoint, callbacks, verbose=self.verbose)
        start_s, seed = time.perf_counter(), self._draw_seed()
        clips = as_frame_series(frames)
        window = choose_frame_window(optional_int(self.window), clips.lengths, int(self.horizon))
        split = split_windows(
            clips, window=window, horizon=int(self.horizon), fraction=self.validation_fraction, seed=seed,
            device=self.device,
        )  # fmt: skip
        config = frame_training_config(
            len(split.training),
            max_epochs=optional_int(self.max_epochs),
            batch_size=int(self.batch_size),
            patience=optional_int(self.patience),
            learning_rate=self.learning_rate,
            seed=seed,
        )
        with self._name_remedies():
            ensemble = fit_frame_networks(
                split, self._make_config(clips), config, n_members=int(self.n_members), monitor=monitor
            )
        report_interruption(ensemble)
        n_validation = 0 if split.validation is None else len(split.validation)
        learned = {
            "bounds_": pixel_range(clips.values.dtype),
            "frame_shape_": list(clips.feature_shape),
            "history_": ensemble.history,
            "n_epochs_": ensemble.history.count,
            "scaler_": split.training.scaler,
            "seed_": seed,
            "stopping_reason_": frame_stopping_reason(ensemble.history, n_validation),
            "window_": window,
            "_dtype": str(clips.values.dtype),
            "_fitted_on": _clip_words(clips),
            "seconds_": time.perf_counter() - start_s,
        }
        self._set_learned(ensemble.networks, learned)
        return self

    def predict(self, frames: Any) -> NDArray[np.float32]:
        """Forecast the frames that follow each clip, from its last `window_` frames.

        Returns:
            (h, H, W) of a series (T, H, W); (N, h, H, W) or (N, h, C, H, W) of N clips.

        Raises:
            NotFittedError: `fit` was not called.
            DataError: the frames cannot be used as they are, have another shape or type than in `fit`, or are
                fewer than the window.
        """
        self._require_fitted()
        clips = as_frame_series(frames)
        self._require_like_fitted(clips)
        starts = torch.from_numpy(clips.offsets[1:] - self.window_)
        windows = FrameWindows(flat_frames(clips), starts, self.window_, 0, self.scaler_, self.device)
        forecasts = self._forecasts(windows).reshape(len(clips), -1, *self.frame_shape_)
        return forecasts[0] if _is_series(frames) else forecasts

    @shared_processors()
    @torch.inference_mode()
    def _forecasts(self, windows: FrameWindows) -> NDArray[np.float32]:
        """Compute the mean forecasts (N, h, C, H, W) of the networks."""
        mean, scale = (np.asarray(part, dtype=np.float32)[:, None, None] for part in self.scaler_)
        parts = []
        for rows in torch.split(torch.arange(len(windows)), _CLIPS_AT_ONCE):
            batch = windows.batch(rows).frames
            scaled = torch.stack([network(batch) for network in self.networks_]).mean(0)
            parts.append(scaled.cpu().numpy() * scale + mean)
        forecasts = np.concatenate(parts)
        return forecasts if self.bounds_ is None else forecasts.clip(self.bounds_[0], self.bounds_[1])

    def _require_like_fitted(self, clips: Sequences) -> None:
        """Pass if frames have the shape that was fitted on, and each clip holds a window."""
        who = "FrameForecaster frames"
        if list(clips.feature_shape) != self.frame_shape_:
            raise DataError(
                f"{who}: expected frames of {frame_words(tuple(self.frame_shape_))}, as in fit, got "
                f"{frame_words(clips.feature_shape)}. Bring them to that size."
            )
        require_pixel_range(clips, self._dtype, who)
        short = np.flatnonzero(clips.lengths < self.window_)
        if len(short):
            raise DataError(
                f"{who}, clip {short[0]}: expected at least {quantity(self.window_, 'frame')}, the window of "
                f"fit, got {clips.lengths[short[0]]}. Leave it out, or fit with a smaller window."
            )

    def _make_config(self, clips: Sequences) -> FrameNetworkConfig:
        channels, height, width = channels_of(clips)
        patch_size = optional_int(self.patch_size)
        return FrameNetworkConfig(
            channels=channels,
            height=height,
            width=width,
            horizon=int(self.horizon),
            cell=self.cell,
            hidden_channels=int(self.hidden_channels),
            num_layers=int(self.num_layers),
            kernel_size=int(self.kernel_size),
            patch_size=default_patch_size(height, width) if patch_size is None else patch_size,
        )

    def _facts(self) -> tuple[Fact, ...]:
        config = self.network_config_
        rows, columns = config.grid
        layers = f"{quantity(config.num_layers, 'layer')} of {quantity(config.hidden_channels, 'channel')}"
        size, kernel = config.patch_size, config.kernel_size
        places = f"{rows} x {columns} places of {size} x {size} pixels"
        return (
            Fact("Network", f"{config.cell}, {layers}, kernels of {kernel} x {kernel}, {places}"),
            Fact("Fitted on", self._fitted_on),
            Fact("Reads", quantity(self.window_, "frame")),
            Fact("Forecasts", quantity(config.horizon, "frame")),
            Fact("Epochs", self.stopping_reason_),
        )

    def _card_footer(self) -> str:
        return _CARD_FOOTER


def as_frame_series(frames: Any) -> Sequences:
    """Convert one series (T, H, W), or clips, to sequences of frames.

    Raises:
        DataError: they cannot be used as they are, or are an array that may be one series in colour.

    >>> as_frame_series(np.zeros((7, 4, 5))).lengths.tolist()
    [7]
    """
    who = "FrameForecaster frames"
    shape = tuple(frames.shape) if hasattr(frames, "__array__") else ()
    if len(shape) == 4 and shape[3] in _COLOURS and min(shape[1:3]) > max(_COLOURS):
        raise DataError(
            f"{who}: expected clips (N, T, H, W), got shape {shape}, which may be one series in colour, "
            "(T, H, W, C). Give that as [x], and clips as list(x)."
        )
    return as_clips([frames] if _is_series(frames) else frames, who)


def _is_series(frames: Any) -> bool:
    """Tell whether these are one series (T, H, W), an array or a tensor, and no list of clips."""
    return hasattr(frames, "__array__") and getattr(frames, "ndim", 0) == 3


def _clip_words(clips: Sequences) -> str:
    least, most = int(clips.lengths.min()), int(clips.lengths.max())
    steps = quantity(most, "frame") if least == most else f"{least} to {most} frames"
    how = f"{clips.values.dtype}, {frame_words(clips.feature_shape)}"
    return f"{quantity(len(clips), 'clip')} of {steps}, {how}"
