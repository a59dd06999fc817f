"""Log-mel frames agree with Kaldi's, and have the same bits in chunks and in batches of any size."""

import kaldi_native_fbank
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from unrolled.data.audio.log_mel import LogMel, as_wave, log_mel, scaled_samples
from unrolled.errors import ArgumentError, DataError


def _wave(n: int, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(0.02, 0.2, size=n)


def _kaldi(wave: NDArray[np.float64], rate: int, n_bands: int) -> NDArray[np.float64]:
    options = kaldi_native_fbank.FbankOptions()
    frame = options.frame_opts
    frame.samp_freq, frame.dither, frame.preemph_coeff = rate, 0.0, 0.0
    frame.window_type, frame.snip_edges = "hanning", True
    options.mel_opts.num_bins, options.use_energy = n_bands, False
    bank = kaldi_native_fbank.OnlineFbank(options)
    bank.accept_waveform(rate, wave.tolist())
    bank.input_finished()
    return np.stack([bank.get_frame(i) for i in range(bank.num_frames_ready)])


@pytest.mark.parametrize(("rate", "n_bands"), [(8000, 40), (16000, 80), (44100, 23)])
def test_frames_agree_with_kaldi(rate: int, n_bands: int) -> None:
    """To 2e-4 nepers: Kaldi computes in float32."""
    wave = _wave(rate // 2)
    assert log_mel(wave, rate, n_bands=n_bands) == pytest.approx(_kaldi(wave, rate, n_bands), abs=2e-4)


def test_frames_equal_a_slow_loop_of_the_formula() -> None:
    """A DFT written out, triangles band by band."""
    features = LogMel(8000, n_bands=6, window_ms=8, hop_ms=5, low_hz=100, high_hz=3000)
    wave = _wave(200)
    mel = 1127 * np.log(1 + np.arange(33) * 125 / 700)
    corners = np.linspace(1127 * np.log(1 + 100 / 700), 1127 * np.log(1 + 3000 / 700), 8)
    rows = []
    for start in range(0, 200 - 64 + 1, 40):
        x = wave[start : start + 64]
        x = (x - x.mean()) * np.hanning(64)
        power = [abs(sum(x[n] * np.exp(-2j * np.pi * k * n / 64) for n in range(64))) ** 2 for k in range(33)]
        rows.append(
            [np.log(max(np.interp(mel, corners[b : b + 3], [0, 1, 0]) @ power, 1e-10)) for b in range(6)]
        )
    assert features.frames(wave) == pytest.approx(np.array(rows), abs=1e-9)


def test_a_tone_is_loudest_in_its_band() -> None:
    """A higher tone in a higher band, by its place on the mel scale."""
    places = [
        log_mel(np.sin(2 * np.pi * hz * np.arange(800) / 8000), 8000).mean(0).argmax()
        for hz in (200, 900, 3000)
    ]
    assert places == [4, 16, 35]


@settings(max_examples=25)
@given(sizes=st.lists(st.integers(0, 700), min_size=1, max_size=12), seed=st.integers(0, 3))
def test_chunks_of_any_size_give_the_bits_of_the_whole(sizes: list[int], seed: int) -> None:
    """Also chunks that complete no frame, and empty ones."""
    wave = _wave(sum(sizes), seed)
    stream = LogMel(8000).stream()
    parts = [stream.feed(chunk) for chunk in np.split(wave, np.cumsum(sizes)[:-1])]
    assert np.array_equal(np.concatenate(parts), LogMel(8000).frames(wave))


@pytest.mark.parametrize("rate", [8000, 16000, 22050])
def test_a_frame_has_the_same_bits_beside_any_others(rate: int) -> None:
    """Alone, among 3, 4, 5 and 2,100 others, which are more than one block."""
    features = LogMel(rate)
    wave = _wave(features.hop * 2100 + features.window)
    whole = features.frames(wave)
    for n in (1, 2, 3, 4, 5, 7, 8, 16, 17, 1023, 1024, 1025):
        for first in (0, 1, 1019, 1024):
            part = wave[first * features.hop : (first + n - 1) * features.hop + features.window]
            assert np.array_equal(features.frames(part), whole[first : first + n])


def test_a_stream_starts_again_after_reset() -> None:
    """Nothing of the recording before is left."""
    stream = LogMel(8000).stream()
    stream.feed(_wave(333))
    stream.reset()
    assert np.array_equal(stream.feed(_wave(900)), log_mel(_wave(900), 8000))


def test_short_and_silent_recordings_have_frames_of_their_own_kind() -> None:
    """None below a window; silence is at the least power, whatever its constant."""
    assert log_mel(np.ones(199), 8000).shape == (0, 40)
    assert log_mel(np.full(200, 0.5), 8000) == pytest.approx(np.log(1e-10))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_tensors_are_samples_without_their_gradient(dtype: torch.dtype) -> None:
    """Also of bfloat16, which NumPy lacks."""
    halves = torch.tensor([0.5, -0.25], dtype=dtype, requires_grad=True)
    assert as_wave(halves, "X").tolist() == [0.5, -0.25]
    with pytest.raises(DataError, match="X: expected finite numbers, got nan at sample 0"):
        as_wave(halves * float("nan"), "X")


def test_whole_numbers_mean_minus_one_to_one() -> None:
    """8 bits around 128, 16 and 32 signed; 64 bits and floats as they are."""
    sixteen = np.array([-32768, 16384], np.int16)
    assert scaled_samples(sixteen).tolist() == [-1.0, 0.5]
    assert scaled_samples(sixteen.astype(np.int32) << 16).tolist() == [-1.0, 0.5]
    assert scaled_samples(np.array([0, 192], np.uint8)).tolist() == [-1.0, 0.5]
    assert scaled_samples(np.array([3, -2])).tolist() == [3.0, -2.0]
    assert np.array_equal(log_mel(sixteen.repeat(400), 8000), log_mel(sixteen.repeat(400) / 32768, 8000))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rate": 8000.5}, "rate: expected a whole number"),
        ({"rate": 8000, "n_bands": 0}, "n_bands: expected a whole number"),
        ({"rate": 8000, "n_bands": 200}, "n_bands: expected bands that are wider than the bins"),
        (
            {"rate": 8000, "hop_ms": 30},
            "hop_ms: expected one sample at least and at most window_ms=25, got 30",
        ),
        ({"rate": 8000, "high_hz": 5000}, "low_hz < high_hz <= 4000"),
        ({"rate": 8000, "low_hz": 3000, "high_hz": 2000}, "low_hz < high_hz"),
    ],
)
def test_settings_out_of_range_are_refused(arguments: dict[str, float], message: str) -> None:
    """In a sentence that names them."""
    with pytest.raises(ArgumentError, match=message):
        LogMel(**arguments)


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        ([0.0, np.nan], "finite numbers, got nan at sample 1"),
        ([0.0, -1e200], "numbers up to 1e\\+15, got -1e\\+200 at sample 1. Divide all"),
        (np.ma.masked_equal(np.array([3, 4, 5], np.int16), 4), "finite numbers, got nan at sample 1"),
        ([[0.0, 1.0, 2.0]] * 2, "got list. Pass one recording at a time"),
        ([[0.0], [1.0]], "the samples of one channel, got list. Average the channels: x.mean"),
        ("abc", "got str"),
        (np.zeros((2, 3)), r"float64 of shape \(2, 3\)"),
        (None, "got NoneType"),
    ],
)
def test_samples_that_are_none_are_refused(samples: object, message: str) -> None:
    """And a stream has not moved."""
    stream = LogMel(8000).stream()
    with pytest.raises(DataError, match=message):
        stream.feed(samples)
    assert np.array_equal(stream.feed(_wave(400)), log_mel(_wave(400), 8000))
    with pytest.raises(DataError, match="samples: expected"):
        as_wave(samples, "samples")
