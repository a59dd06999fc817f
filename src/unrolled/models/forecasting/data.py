"""Data of a Forecaster: season, window, encoder, cuts and windows, from the series to be fitted on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.data.calendar.offsets import future_times, season_length
from unrolled.data.describe.diagnostics import detect_seasonality
from unrolled.data.gaps import short_series_fault
from unrolled.data.sequences import Sequences
from unrolled.data.splits import evenly_spaced_rows, train_lengths, train_origins, validation_origins
from unrolled.errors import DataError
from unrolled.models.forecasting.encoder import SeriesEncoder
from unrolled.models.forecasting.windows import ForecastDataset, Windows

Ints = NDArray[np.int64]

_LEAST_STEPS = 3  # of a series that is read beside longer ones
_LEAST_SEASONAL = 0.2  # share of the series that must show a season before the network looks for one
_LEAST_WINDOW, _MOST_WINDOW = 48, 256
_SEASONS_READ = 10
_FIRST_ORIGIN = 2  # the third step: before that there is no change of a change
_MOST_VALIDATED = 4096  # windows that each check validates on


@dataclass(frozen=True, eq=False)
class ForecastData:
    """Series as a Forecaster trains on them.

    Args:
        series: N series.
        season: steps in a season; 1 for none.
        window: steps that the network reads.
        encoder: of the series, its scales measured on all steps.
        lengths: (N,) observed steps of each series.
        cuts: (N,) steps before its validation part; `lengths` where nothing is held out.
        windows: in scales measured on all steps.
        validation_windows: the same windows, in scales measured before the cuts.
    """

    series: Sequences
    season: int
    window: int
    encoder: SeriesEncoder
    lengths: Ints
    cuts: Ints
    windows: Windows
    validation_windows: Windows

    def everything(self, readouts: int) -> ForecastDataset:
        """Return every origin with a target, as examples read out at `readouts` steps."""
        return _training_origins(self.windows, self.lengths, readouts)

    def split(self, readouts: int) -> tuple[ForecastDataset, ForecastDataset] | None:
        """Return the training and the validation set; None where nothing is held out.

        One holds every origin with a target before the cuts, the other those whose targets all lie after
        them, a bounded number.
        """
        if (self.cuts == self.lengths).all():
            return None
        training = _training_origins(self.validation_windows, self.cuts, readouts)
        if not len(training):
            return None
        each = zip(self.lengths, self.cuts, strict=True)
        steps = [validation_origins(int(n), _FIRST_ORIGIN, int(cut)) for n, cut in each]
        return training, _origins(self.validation_windows, steps, self.lengths, most=_MOST_VALIDATED)


def prepare(
    series: Sequences, *, horizon: int, window: int | None, season: int | None, transform: str,
    validation_fraction: float,
) -> ForecastData:  # fmt: skip
    """Choose season, window and transforms, measure scales, and cut the series into windows.

    Args:
        series: as `check_series` returns them.
        horizon: steps ahead.
        window: steps to read; None to choose.
        season: steps in a season; None for what the frequency suggests, where the series show it.
        transform: "auto" or the name of one.
        validation_fraction: the latest share of each series to hold out.

    Raises:
        DataError: the series are too short or constant, or a transform takes logarithms of values that are
            not above 0.

    >>> from unrolled.data.io.read import read
    >>> data = prepare(read(np.arange(60.0) ** 2), horizon=3, window=None, season=None, transform="auto",
    ...                validation_fraction=0.1)
    >>> data.window, data.cuts.tolist(), len(data.everything(readouts=1))
    (48, [54], 57)
    """
    if season is None:
        season = season_length(series.freq) if "seasonal" in transform else detect_season(series)
    window = choose_window(series, horizon, season, window)
    encoder = SeriesEncoder.learn(series, transform, season)
    lengths = series.observed
    cuts = train_lengths(lengths, horizon, validation_fraction)
    windows = validation_windows = encoder.windows(encoder.encode(series, horizon), window, horizon)
    if (cuts < lengths).any():
        # what is held out must not shape the scales of what it validates
        validation = encoder.measured_on(series.head(cuts))
        validation_windows = validation.windows(validation.encode(series, horizon), window, horizon)
    return ForecastData(series, season, window, encoder, lengths, cuts, windows, validation_windows)


def detect_season(series: Sequences) -> int:
    """Return the season that the frequency suggests, if more than a fifth of the series show it; else 1.

    Seasonal inputs cost a series without a season more than they could give.

    >>> from unrolled.data.io.read import read
    >>> detect_season(read([1.0, 2.0, 4.0]))
    1
    """
    season = season_length(series.freq)
    pairs = zip(series, series.observed, strict=True)
    verdicts = [detect_seasonality(one.target[:steps], season)[0] for one, steps in pairs]
    seasonal = [shows for shows in verdicts if shows is not None]
    return season if sum(seasonal) > _LEAST_SEASONAL * len(seasonal) else 1


def choose_window(series: Sequences, horizon: int, season: int, window_size: int | None) -> int:
    """Return `window_size`, or ten seasons within bounds, cut to what the longest series allows.

    Raises:
        DataError: every series is too short, the longest having less than a window and a horizon or less than
            four steps, or constant; or one has fewer than three steps.

    >>> from unrolled.data.io.read import read
    >>> choose_window(read(np.arange(100.0)), horizon=12, season=1, window_size=None)
    48
    """
    lengths = series.observed
    longest = int(lengths.max())
    by_rule = min(max(_SEASONS_READ * season, _LEAST_WINDOW), _MOST_WINDOW)
    window = window_size or min(by_rule, max(longest - horizon, _LEAST_STEPS))
    needed = max(window + horizon, _FIRST_ORIGIN + 2)  # a target follows the first origin
    if longest < needed:
        way = " Give a longer series" + (
            ", or a smaller horizon or window." if needed > _LEAST_STEPS + 1 else "."
        )
        raise DataError(
            f"{series.source}: window {window} and horizon {horizon} need {needed} steps, got {longest}.{way}"
        )
    if fault := short_series_fault(series, _LEAST_STEPS):
        raise DataError(fault)
    spans = [np.ptp(one.target[:n]) for one, n in zip(series, lengths, strict=True)]
    if not any(span > 0 for span in spans):
        raise DataError(
            f"{series.source}: all {int(lengths.sum())} values are {series.target[0]:g}; a constant "
            "series needs no network, its forecast is that value."
        )
    return window


def forecast_times(series: Sequences, k: int, observed: int, steps: int) -> NDArray[Any]:
    """Times (steps,) after the observed steps of series k; counted from 0 where there are none."""
    if series.times is None:
        return np.arange(observed, observed + steps)
    return future_times(series.times[int(series.offsets[k]) + observed - 1], series.freq or "1", steps)


def _training_origins(windows: Windows, cuts: Ints, readouts: int) -> ForecastDataset:
    """Return every origin with a target before its series' cut."""
    steps = [train_origins(_FIRST_ORIGIN, int(cut)) for cut in cuts]
    return _origins(windows, steps, cuts, readouts=readouts)


def _origins(
    windows: Windows, steps: list[Ints], cuts: Ints, *, readouts: int = 1, most: int | None = None
) -> ForecastDataset:
    """Return origins as rows of the windows, each with the first origin and the cut of its series."""
    series = np.repeat(np.arange(len(steps)), [len(origins) for origins in steps])
    origins = np.concatenate(steps)
    if most is not None:
        sample = evenly_spaced_rows(np.arange(len(origins)), most)
        series, origins = series[sample], origins[sample]
    starts = windows.rows(series, np.zeros_like(origins))
    return ForecastDataset(
        windows,
        starts + origins,
        firsts=starts + _FIRST_ORIGIN,
        cuts=starts + cuts[series],
        readouts=readouts,
    )
