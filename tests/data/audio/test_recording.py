"""Recordings from arrays and files: channels averaged, one rate, and refused where they cannot be used."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from scipy.io import wavfile

from unrolled.data.audio.recording import Recording, as_recordings, list_recordings, read_recording
from unrolled.errors import ArgumentError, DataError

Tone = Callable[..., NDArray[np.int16]]


def test_channels_are_averaged_and_counted() -> None:
    """Seven of them, scaled before, so that whole numbers do not overflow."""
    channels = np.random.default_rng(0).integers(-32768, 32767, size=(50, 7)).astype(np.int16)
    recording = Recording(channels, 8000)
    assert recording.n_channels == 7
    assert recording.samples == pytest.approx((channels / 32768).mean(axis=1))
    assert np.array_equal(recording.wave(), recording.samples)
    note = as_recordings([recording], who="X").notes
    assert note == ("Channels of 1 recording averaged, up to 7 of them.",)


def test_sixteen_bits_stay_sixteen_bits(tone: Tone) -> None:
    """In memory; their wave is in float64."""
    recording = Recording(tone(), 8000, "a.wav")
    assert recording.samples.dtype == np.int16
    assert np.array_equal(recording.wave(), tone() / 32768)
    assert (len(recording), recording.seconds, repr(recording)) == (
        1600,
        0.2,
        "Recording(a.wav: 0.2 s at 8,000 Hz)",
    )


def test_arrays_tensors_paths_and_columns_are_recordings(tone: Tone, tmp_path: Path) -> None:
    """The same samples in every form."""
    path = tmp_path / "a.wav"
    wavfile.write(path, 8000, tone())
    whole = tone() / 32768
    forms: list[Any] = [
        [tone(), whole], np.stack([whole, whole]), [torch.from_numpy(whole)] * 2, [path, str(path)],
        [torch.from_numpy(whole).requires_grad_()] * 2,
        pd.Series([str(path)] * 2), pd.DataFrame({"path": [str(path)] * 2}), np.array([str(path)] * 2),
        [Recording(tone(), 8000)] * 2, as_recordings([path, path], who="X"),
    ]  # fmt: skip
    for X in forms:
        recordings = as_recordings(X, who="X", rate=8000)
        assert len(recordings) == 2
        assert all(np.array_equal(each.wave(), whole) for each in recordings)
        assert (recordings.rate, recordings.notes) == (8000, ())
    assert len(recordings[:1]) == 1


def test_a_converted_tone_keeps_its_pitch_and_power(tone: Tone) -> None:
    """Up and down, also between rates with a small common divisor."""
    for rate in (4000, 16000, 11025):
        changed = Recording(tone(440, 8000), 8000).resampled(rate)
        spectrum = np.abs(np.fft.rfft(changed.wave()))
        assert spectrum.argmax() * rate / len(changed) == pytest.approx(440, abs=1.5)
        assert np.std(changed.wave()) == pytest.approx(np.std(tone() / 32768), rel=0.02)
    same = Recording(tone(), 8000)
    assert same.resampled(8000) is same


def test_what_the_lower_rate_cannot_hold_is_filtered_out(tone: Tone) -> None:
    """3 kHz at 4,000 samples a second would be heard as 1 kHz."""
    changed = Recording(tone(3000, 8000), 8000).resampled(4000)
    assert np.std(changed.wave()) < 0.01 * np.std(tone() / 32768)


def test_rates_that_differ_are_refused_or_converted_when_told(tone: Tone) -> None:
    """To the rate that is asked for, else to the lowest; a note says so."""
    X = [Recording(tone(), 8000), Recording(tone(440, 3200, 16000), 16000, "b.wav")]
    with pytest.raises(
        DataError, match=r"X: expected 8,000 .*, as the first has, got 16,000 in 1 recording.*b\.wav"
    ):
        as_recordings(X, who="X")
    with pytest.raises(DataError, match=r"expected 44,100 .*, as the model has, got 8,000 or 16,000 in 2"):
        as_recordings(X, who="X", rate=44100)
    recordings = as_recordings(X, who="X", resample=True)
    assert [(each.rate, len(each)) for each in recordings] == [(8000, 1600)] * 2
    assert recordings.notes == ("1 recording of 16,000 Hz converted to 8,000 Hz.",)
    assert as_recordings(X, who="X", rate=16000, resample=True).rate == 16000


def test_arrays_need_a_rate(tone: Tone) -> None:
    """They have none of their own."""
    with pytest.raises(ArgumentError, match="arrays have no rate of their own: expected rate="):
        as_recordings([tone()], who="X")


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ([], "expected at least one recording, got none"),
        (np.zeros(800), r"got the samples of one\. A single recording is given as \[x\]"),
        (np.zeros((800, 1)), r"got the samples of one\. A single recording is given as \[x\]"),
        (torch.zeros(800, 7), r"got the samples of one\. A single recording is given as \[x\]"),
        ([(np.zeros(800), "yes")], r"got tuple of items of unlike shapes\. .* transcripts go into y"),
        ([(8000, np.zeros(800))], r"Samples and their rate are passed as Recording\(samples, rate\)"),
        ("a.wav", r"got one\. A single recording is given as \[x\]"),
        (Recording([0.0], 8000), r"got one\. A single recording"),
        (None, r"expected a list of arrays, .* got NoneType. Pass one item for each recording, as \['a"),
        ({"a": [1.0]}, r"expected a list of arrays, .* got dict. Pass list\(x.values\(\)\)"),
        (pd.DataFrame({"a": [1], "b": [2]}), r"got DataFrame. Pass its column of paths, as x\['path'\]"),
        (np.array(3.0), "expected a list of arrays, .* got ndarray"),
        (pd.DataFrame({"a": [1], "b": [2]}), "got DataFrame"),
        ([[]], "recording 0: expected samples, got none"),
        ([np.zeros(9), np.zeros((0, 2))], "recording 1: expected samples, got none"),
        ([[0.0, np.nan]], "recording 0: expected finite numbers, got nan at sample 1"),
        ([[[0.0, np.inf], [1.0, 1.0]]], "finite numbers, got inf at sample 0"),
        ([{"a": 1}], "expected numbers, .* got dict of object"),
        ([[[1.0], [1.0, 2.0]]], "expected numbers, .* got list of items of unlike shapes"),
        ([np.zeros((2, 3, 4))], r"\(N,\) or \(N, channels\), got shape \(2, 3, 4\)"),
        ([np.zeros((2, 800))], r"got shape \(2, 800\), more channels than samples .* Turn it round"),
        (["absent.wav"], "absent.wav: expected a file"),
    ],
)  # fmt: skip
def test_what_is_no_recording_is_refused(X: Any, message: str) -> None:
    """In a sentence that says which."""
    with pytest.raises(DataError, match=message):
        as_recordings(X, who="X", rate=8000)


def test_a_path_is_no_recording_by_itself() -> None:
    """The sentence names what reads it."""
    with pytest.raises(DataError, match=r"got str .*\. Read a file with unrolled\.read_recordings\(path\)"):
        Recording("a.wav", 8000)


def test_a_rate_that_is_none_is_refused() -> None:
    """Kilohertz, texts and fractions."""
    for rate in (8, "8000", 8000.5, -1):
        with pytest.raises(ArgumentError, match="rate: expected a whole number from 100"):
            Recording([0.0], rate)


def test_a_file_is_read_by_name_of_choice(tone: Tone, tmp_path: Path) -> None:
    """Its own by default."""
    wavfile.write(tmp_path / "a.wav", 8000, tone())
    assert read_recording(tmp_path / "a.wav").name == "a.wav"
    assert read_recording(tmp_path / "a.wav", "yes/a.wav").name == "yes/a.wav"
    with pytest.raises(DataError, match="expected a file"):
        read_recording(tmp_path)
    assert list_recordings([tone()], "X")[0].dtype == np.int16
