"""Recordings: samples of one channel with their rate, from arrays and files, brought to one rate."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import InitVar, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.data.audio.decode import decode_audio
from unrolled.data.audio.log_mel import as_wave, samples_array, scaled_samples
from unrolled.errors import ArgumentError, DataError
from unrolled.formatting import quantity
from unrolled.validation import check_int, check_path

Floats = NDArray[np.float64]

_MAX_CHANNELS = 64  # a second axis that is longer is time
_USUAL_CHANNELS = 8  # fewer samples than any window has


@dataclass(frozen=True, eq=False, repr=False)
class Recording:
    """Samples of one channel, and how many there are a second.

    Channels are averaged; `n_channels` says how many there were. Whole numbers stay as they are, those of 8,
    16 and 32 bits meaning -1 to 1.

    Args:
        data: (N,) samples, or (N, C) of C channels.
        rate: samples a second.
        name: for messages, such as the file's.

    Raises:
        ArgumentError: the rate is no whole number from 100 on.
        DataError: there are no samples, or they are no finite numbers of these shapes.

    >>> stereo = Recording(np.array([[0.5, 0.1], [0.2, 0.2]]), rate=8000)
    >>> stereo.samples.tolist(), stereo.n_channels
    ([0.3, 0.2], 2)
    """

    data: InitVar[Any]
    rate: int
    name: str = "recording"
    samples: NDArray[Any] = field(init=False)
    n_channels: int = field(init=False)

    def __post_init__(self, data: Any) -> None:
        object.__setattr__(self, "rate", check_int(f"{self.name} rate", self.rate, least=100, most=1_000_000))
        samples, n_channels = _one_channel(data, self.name)
        object.__setattr__(self, "samples", samples)
        object.__setattr__(self, "n_channels", n_channels)

    def __repr__(self) -> str:
        return f"Recording({self.name}: {self.seconds:.3g} s at {self.rate:,} Hz)"

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def seconds(self) -> float:
        """Its duration."""
        return len(self.samples) / self.rate

    def wave(self) -> Floats:
        """Return the samples (N,) in float64."""
        return scaled_samples(self.samples)

    def resampled(self, rate: int) -> Recording:
        """Convert to another rate by a polyphase filter that keeps out what the new rate cannot hold.

        >>> Recording(np.zeros(160), 16000).resampled(8000)
        Recording(recording: 0.01 s at 8,000 Hz)
        """
        if rate == self.rate:
            return self
        from scipy.signal import resample_poly  # noqa: PLC0415 (half a second, for those who need it)

        common = math.gcd(rate, self.rate)
        wave = resample_poly(self.wave(), rate // common, self.rate // common)
        changed = Recording(wave, rate, self.name)
        object.__setattr__(changed, "n_channels", self.n_channels)
        return changed


def _one_channel(data: Any, who: str) -> tuple[NDArray[Any], int]:
    """Validate samples (N,) or (N, C), and average the channels; their number beside."""
    array = samples_array(data)
    if array.dtype.kind not in "fiu":
        of_what = array.dtype if array.size else "items of unlike shapes"
        raise DataError(
            f"{who}: expected numbers, the samples (N,) or (N, channels), got {type(data).__name__} of "
            f"{of_what}. {_way_to_samples(data)}"
        )
    if array.ndim not in (1, 2):
        raise DataError(f"{who}: expected samples (N,) or (N, channels), got shape {array.shape}.")
    if not array.size:
        raise DataError(f"{who}: expected samples, got none. Leave that recording out.")
    if array.ndim == 1:
        as_wave(array, who)
        return array, 1
    n_channels = array.shape[1]
    if n_channels > _MAX_CHANNELS or n_channels > len(array):
        raise DataError(
            f"{who}: expected samples (N, channels), got shape {array.shape}, more channels than samples or "
            f"{_MAX_CHANNELS}. Turn it round: x.T."
        )
    mean = array[:, 0] if n_channels == 1 else scaled_samples(array).mean(axis=1)
    as_wave(mean, who)
    return mean, n_channels


def _way_to_samples(data: Any) -> str:
    """Say how that what holds no samples is passed."""
    if isinstance(data, str | Path):
        return "Read a file with unrolled.read_recordings(path)."
    if isinstance(data, tuple) and len(data) == 2 and any(isinstance(x, int | np.integer) for x in data):
        return "Samples and their rate are passed as Recording(samples, rate)."
    return "Pass an array of numbers, or the path of a file; labels and transcripts go into y."


@dataclass(frozen=True, eq=False)
class RecordingList(Sequence[Recording]):
    """Recordings of one rate.

    Args:
        items: N recordings.
        rate: theirs, samples a second.
        notes: what was changed, a sentence each.
    """

    items: tuple[Recording, ...]
    rate: int
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, key: Any) -> Any:
        """Select one recording, or several by a slice."""
        return replace(self, items=self.items[key]) if isinstance(key, slice) else self.items[key]


def as_recordings(X: Any, *, who: str, rate: int | None = None, resample: bool = False) -> RecordingList:
    """Convert what users have to recordings of one rate.

    Args:
        X: N of them: a list of arrays (N_i,) or (N_i, channels), an array (N, samples), `Recording`s, paths,
            or what `read_recordings` gave.
        who: what messages call X.
        rate: samples a second that are needed; None for those of X. Arrays have no rate of their own: they
            are taken to have this one.
        resample: convert recordings of another rate; without a rate, all to the lowest among them.

    Raises:
        ArgumentError: there are arrays and no rate.
        DataError: one cannot be used, or has another rate and `resample` is False.
        MissingDependencyError: a file needs soundfile, which is not installed.

    >>> as_recordings([np.zeros(800)], who="X", rate=8000)[0]
    Recording(X, recording 0: 0.1 s at 8,000 Hz)
    """
    items = [_as_recording(x, i, who, rate) for i, x in enumerate(list_recordings(X, who))]
    if not items:
        raise DataError(f"{who}: expected at least one recording, got none.")
    counts = Counter(item.rate for item in items)
    target = rate or (min(counts) if resample else items[0].rate)
    notes = _channel_notes(items)
    others = [item for item in items if item.rate != target]
    if others and not resample:
        position = items.index(others[0])
        first = f"recording {position}" + (f" ({others[0].name})" if others[0].name != "recording" else "")
        of_others = "as the model has" if rate is not None else "as the first has"
        rates = " or ".join(f"{each:,}" for each in dict.fromkeys(item.rate for item in others))
        raise DataError(
            f"{who}: expected {target:,} samples a second, {of_others}, got {rates} in "
            f"{quantity(len(others), 'recording')}, the first of them {first}. Pass "
            "resample=True to convert them."
        )
    if others:
        rates = ", ".join(f"{each:,}" for each in sorted({item.rate for item in others}))
        notes += (f"{quantity(len(others), 'recording')} of {rates} Hz converted to {target:,} Hz.",)
    return RecordingList(tuple(item.resampled(target) for item in items), target, notes)


def list_recordings(X: Any, who: str) -> list[Any]:
    """Return what stands for each recording; refuse a single one.

    Raises:
        DataError: X is none of several.
    """
    if isinstance(X, Recording | str | Path):
        raise DataError(f"{who}: expected several recordings, got one. A single recording is given as [x].")
    if hasattr(X, "columns") and hasattr(X, "iloc") and X.shape[1] == 1:
        X = X.iloc[:, 0]
    is_several = isinstance(X, Iterable) and getattr(X, "ndim", 1) > 0
    if not is_several or isinstance(X, bytes | dict) or hasattr(X, "columns"):
        raise DataError(
            f"{who}: expected a list of arrays, of paths or of Recordings, or a folder, got "
            f"{type(X).__name__}. {_way_to_list(X)}"
        )
    items = list(X)
    if (items and all(isinstance(item, int | float | np.number) for item in items[:9])) or _is_one(X):
        raise DataError(
            f"{who}: expected a list of recordings, got the samples of one. A single recording is given as "
            "[x]."
        )
    return items


def _way_to_list(X: Any) -> str:
    """Say how what is no list of recordings becomes one."""
    if isinstance(X, dict):
        return "Pass list(x.values())."
    if hasattr(X, "columns"):
        return "Pass its column of paths, as x['path']."
    return "Pass one item for each recording, as ['a.wav', 'b.wav']."


def _is_one(X: Any) -> bool:
    """Tell whether an array is one recording (N, channels), and not many of so few samples."""
    if not hasattr(X, "dtype") or np.ndim(X) != 2 or samples_array(X).dtype.kind not in "fiu":
        return False
    return bool(X.shape[1] <= _USUAL_CHANNELS < X.shape[0])


def _as_recording(x: Any, i: int, who: str, rate: int | None) -> Recording:
    if isinstance(x, Recording):
        return x
    if isinstance(x, str | Path):
        return read_recording(x)
    if rate is None:
        raise ArgumentError(
            f"{who}: arrays have no rate of their own: expected rate=, samples a second, got None. Give it "
            "to the estimator, as in AudioClassifier(rate=16000), or pass Recording(samples, rate)."
        )
    return Recording(x, rate, f"{who}, recording {i}")


def read_recording(path: str | Path, name: str | None = None) -> Recording:
    """Read one file: wav, or flac, ogg, mp3 and others with soundfile installed.

    Args:
        path: the file, told by its content, not its name.
        name: what messages call it; None for its name.

    Raises:
        DataError: there is no such file, it is no recording, is cut, or holds no samples.
        MissingDependencyError: it needs soundfile, which is not installed.
    """
    file = check_path("recording", path)
    try:
        content = file.read_bytes()
    except OSError as fault:
        raise DataError(
            f"{file}: expected a file, got an error ({fault.strerror}). Check the path."
        ) from fault
    samples, rate = decode_audio(content, str(file))
    return Recording(samples, rate, name or file.name)


def _channel_notes(items: Sequence[Recording]) -> tuple[str, ...]:
    several = [item for item in items if item.n_channels > 1]
    if not several:
        return ()
    most = max(item.n_channels for item in several)
    return (f"Channels of {quantity(len(several), 'recording')} averaged, up to {most} of them.",)
