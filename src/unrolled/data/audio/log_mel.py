"""Log-mel frames of a recording, the same to the bit however it is cut into chunks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import ArgumentError, DataError
from unrolled.validation import ErrorCollector, check_float, check_int

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_MOST = 1e15  # of a sample: sums of squares stay finite
_LEAST_POWER = 1e-10  # of a band: digital silence has a logarithm too
_BLOCK = 1024  # frames at once: their spectra stay in the caches


class _Filters(NamedTuple):
    """Triangles of all bands, one after the other."""

    bins: Ints  # (S,) of the spectrum
    weights: Floats  # (S,)
    starts: Ints  # (n_bands,) where each band begins


@dataclass(frozen=True)
class LogMel:
    """Logarithms of the power in bands that are even on the mel scale, a frame every few milliseconds.

        x_t = (s_{t h}, ..., s_{t h + w - 1}) less its mean, times a Hann window
        P_t = |DFT(x_t)|^2, over the next power of two of w samples
        frame_tb = ln max(Σ_k W_bk P_tk, 1e-10)

    W_b are triangles on the scale mel(f) = 1127 ln(1 + f / 700), their corners even from `low_hz` to
    `high_hz`. A frame is computed in an order of its own, whatever frames stand beside it: so a stream has
    the frames of the whole recording. Only whole windows give a frame.

    Source: Davis and Mermelstein, IEEE ASSP 28 (1980); window, scale and triangles as Kaldi has them.

    Args:
        rate: samples a second.
        n_bands: numbers a frame.
        window_ms: milliseconds of a frame.
        hop_ms: milliseconds from one frame to the next, at most `window_ms`.
        low_hz: lower corner of the lowest band.
        high_hz: upper corner of the highest; None for half the rate.

    Raises:
        ArgumentError: some of them are out of range, or a band would lie between two bins of the spectrum.

    >>> LogMel(8000).frames(np.sin(np.arange(4000.0))).shape
    (48, 40)
    """

    rate: int
    n_bands: int = 40
    window_ms: float = 25.0
    hop_ms: float = 10.0
    low_hz: float = 20.0
    high_hz: float | None = None

    def __post_init__(self) -> None:
        faults = ErrorCollector()
        faults.collect(check_int, "rate", self.rate, least=100, most=1_000_000)
        faults.collect(check_int, "n_bands", self.n_bands, least=1, most=1000)
        faults.collect(check_float, "window_ms", self.window_ms, above=0, most=1000)
        faults.collect(check_float, "hop_ms", self.hop_ms, above=0, most=1000)
        faults.collect(check_float, "low_hz", self.low_hz, least=0)
        if self.high_hz is not None:
            faults.collect(check_float, "high_hz", self.high_hz, above=0)
        faults.raise_if_any()
        top, half = self._top_hz, self.rate / 2
        if not self.low_hz < top <= half:
            faults.add(
                f"low_hz, high_hz: expected low_hz < high_hz <= {half:g}, half the rate, got "
                f"{self.low_hz:g} and {top:g}."
            )
        if not 0 < self.hop <= self.window:
            faults.add(
                f"hop_ms: expected one sample at least and at most window_ms={self.window_ms:g}, got "
                f"{self.hop_ms:g}."
            )
        faults.raise_if_any()
        if np.diff(self._filters.starts, append=len(self._filters.bins)).min() < 1:
            raise ArgumentError(
                f"n_bands: expected bands that are wider than the bins of the spectrum, which are "
                f"{self.rate / self._n_fft:.3g} Hz, got {self.n_bands} bands. Take fewer, or a longer window."
            )

    @cached_property
    def window(self) -> int:
        """Samples of a frame."""
        return max(1, round(self.rate * self.window_ms / 1000))

    @cached_property
    def hop(self) -> int:
        """Samples from one frame to the next."""
        return round(self.rate * self.hop_ms / 1000)

    def count(self, n_samples: int) -> int:
        """Count the frames of so many samples.

        >>> LogMel(8000).count(199), LogMel(8000).count(280)
        (0, 2)
        """
        return max(0, 1 + (n_samples - self.window) // self.hop)

    @property
    def mels(self) -> Floats:
        """Centres (n_bands,) of the bands on the mel scale, even steps apart."""
        return self._corners[1:-1]

    def frames(self, samples: Any) -> Floats:
        """Compute the frames (T, n_bands) of a recording (N,); T is 0 where it is shorter than a window.

        Raises:
            DataError: these are no numbers (N,), or one is masked, not finite or beyond 1e15.
        """
        return self.frames_of_wave(as_wave(samples, "samples"))

    def frames_of_wave(self, wave: Floats) -> Floats:
        """Compute the frames (T, n_bands) of samples (N,) that `as_wave` has converted."""
        n_frames = self.count(len(wave))
        if n_frames <= _BLOCK:
            return self._of_windows(wave, n_frames)
        frames = np.empty((n_frames, self.n_bands))
        for start in range(0, len(frames), _BLOCK):
            rows = frames[start : start + _BLOCK]
            rows[:] = self._of_windows(wave[start * self.hop :], len(rows))
        return frames

    def stream(self) -> LogMelStream:
        """Return a stream that takes a recording in chunks."""
        return LogMelStream(self)

    def _of_windows(self, wave: Floats, n_frames: int) -> Floats:
        wave = np.ascontiguousarray(wave)
        shape, strides = (n_frames, self.window), (self.hop * wave.itemsize, wave.itemsize)
        windows: Floats = np.ndarray(shape, wave.dtype, wave.data, strides=strides)  # quicker than as_strided
        centred = windows - np.add.reduce(windows, axis=1, keepdims=True) / self.window
        n_bins = self._n_fft // 2 + 1
        spectrum = np.empty(
            (n_frames, n_bins), np.complex128
        )  # rfft would take a microsecond more to make it
        np.fft.rfft(centred * self._hann, self._n_fft, axis=1, out=spectrum)
        power = spectrum.real**2 + spectrum.imag**2
        bins, weights, starts = self._filters
        bands = np.add.reduceat(power.take(bins, axis=1) * weights, starts, axis=1)
        return np.log(np.maximum(bands, _LEAST_POWER))

    @property
    def _top_hz(self) -> float:
        return self.rate / 2 if self.high_hz is None else float(self.high_hz)

    @cached_property
    def _n_fft(self) -> int:
        return 1 << (self.window - 1).bit_length() if self.window > 1 else 2

    @cached_property
    def _hann(self) -> Floats:
        return np.hanning(self.window) if self.window > 1 else np.ones(1)

    @cached_property
    def _corners(self) -> Floats:
        return np.linspace(_mel(self.low_hz), _mel(self._top_hz), self.n_bands + 2)

    @cached_property
    def _filters(self) -> _Filters:
        corners = self._corners
        low, centre, high = corners[:-2, None], corners[1:-1, None], corners[2:, None]
        bins = _mel(np.arange(self._n_fft // 2 + 1) * self.rate / self._n_fft)
        weights = np.minimum((bins - low) / (centre - low), (high - bins) / (high - centre))
        band, index = np.nonzero(weights > 0)
        return _Filters(
            index.astype(np.int64),
            weights[band, index],
            np.searchsorted(band, np.arange(self.n_bands)).astype(np.int64),
        )


def _mel(hz: Any) -> Any:
    return 1127.0 * np.log1p(np.asarray(hz) / 700.0)


class LogMelStream:
    """Frames of a recording that arrives in chunks of any size, those of the whole one to the bit.

    Args:
        features: the settings.

    `rest` holds the samples that no whole hop has passed yet; it may be set, as from a snapshot.

    >>> wave = np.sin(np.arange(1000.0))
    >>> stream = LogMel(8000).stream()
    >>> parts = [stream.feed(wave[:7]), stream.feed(wave[7:600]), stream.feed(wave[600:])]
    >>> bool((np.concatenate(parts) == LogMel(8000).frames(wave)).all())
    True
    """

    def __init__(self, features: LogMel) -> None:
        self.features = features
        self.rest: Floats = np.empty(0)

    def feed(self, chunk: Any) -> Floats:
        """Take the next samples (n,), and return the frames (m, n_bands) that they complete.

        Raises:
            DataError: these are no numbers (n,), or one is not finite; the stream has not moved.
        """
        wave = np.concatenate([self.rest, as_wave(chunk, "chunk")])
        frames = self.features.frames_of_wave(wave)
        self.rest = wave[len(frames) * self.features.hop :].copy()
        return frames

    def reset(self) -> None:
        """Go back to before the first sample."""
        self.rest = np.empty(0)


def log_mel(samples: Any, rate: int, **settings: Any) -> Floats:
    """Compute the log-mel frames (T, n_bands) of a recording.

    Args:
        samples: (N,) numbers.
        rate: samples a second.
        settings: those of `LogMel`.

    Raises:
        ArgumentError: a setting is out of range.
        DataError: the samples are no numbers (N,), or one is not finite.

    >>> log_mel(np.zeros(400), 8000, n_bands=3).round(2).tolist()
    [[-23.03, -23.03, -23.03], [-23.03, -23.03, -23.03], [-23.03, -23.03, -23.03]]
    """
    return LogMel(rate, **settings).frames(samples)


def as_wave(samples: Any, who: str) -> Floats:
    """Convert the samples of one channel to float64 (N,), those of 8, 16 or 32 bits to -1 to 1.

    Raises:
        DataError: these are no numbers (N,), or one is not finite.

    >>> as_wave(np.array([16384, -32768], np.int16), "samples").tolist()
    [0.5, -1.0]
    """
    array = samples_array(samples)
    if array.ndim != 1 or array.dtype.kind not in "fiu":
        got = type(samples).__name__
        if isinstance(samples, np.ndarray):
            got = f"{array.dtype} of shape {array.shape}"
        way = "Pass an array of them"
        if array.ndim == 2:
            is_many = array.shape[0] < array.shape[1]
            way = "Pass one recording at a time" if is_many else "Average the channels: x.mean(axis=1)"
        raise DataError(f"{who}: expected numbers (N,), the samples of one channel, got {got}. {way}.")
    wave = scaled_samples(array)
    if not np.maximum.reduce(np.abs(wave), initial=0.0) <= _MOST:  # NaN is in no order
        position = int(np.argmin(np.abs(wave) <= _MOST))
        is_large = np.isfinite(wave[position])
        demand, way = (
            (f"numbers up to {_MOST:g}", "Divide all") if is_large else ("finite numbers", "Replace it by 0")
        )
        raise DataError(
            f"{who}: expected {demand}, got {wave[position]:g} at sample {position}. {way}, or leave that "
            "recording out."
        )
    return wave


def samples_array(samples: Any) -> NDArray[Any]:
    """Convert what holds samples to an array of any shape; of objects where it cannot be one.

    Tensors of any device are taken without their gradient, those of bfloat16, which NumPy lacks, as float32.
    What is masked is NaN.
    """
    if hasattr(samples, "detach"):
        samples = samples.detach().cpu()
        samples = samples.float() if str(samples.dtype) == "torch.bfloat16" else samples
    try:
        return samples.astype(float).filled(np.nan) if np.ma.is_masked(samples) else np.asarray(samples)
    except ValueError:  # ragged lists
        return np.empty(0, dtype=object)


def scaled_samples(array: NDArray[Any]) -> Floats:
    """Convert samples to float64: 8, 16 or 32 bits to the range of -1 to 1, others as they are.

    Unsigned bytes are silent at 128, as in wav files.

    >>> scaled_samples(np.array([0, 128, 255], np.uint8)).tolist()
    [-1.0, 0.0, 0.9921875]
    """
    wave = array.astype(np.float64)
    if array.dtype == np.uint8:
        return (wave - 128.0) / 128.0
    if array.dtype.kind == "i" and array.dtype.itemsize <= 4:
        return wave / 2.0 ** (8 * array.dtype.itemsize - 1)
    return wave
