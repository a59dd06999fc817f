"""Wav of every usual kind, and other files by soundfile."""

import io
import struct
import sys

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from scipy.io import wavfile

from unrolled.data.audio.decode import counts_mp3_frames, decode_audio
from unrolled.data.audio.log_mel import scaled_samples
from unrolled.errors import DataError, MissingDependencyError

WAVE = np.clip(np.random.default_rng(0).normal(0, 0.3, size=(501, 2)), -0.9, 0.9)


def _written(kind: str, samples: NDArray[np.float64] = WAVE, form: str = "WAV") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, 8000, format=form, subtype=kind)
    return file.getvalue()


@pytest.mark.parametrize(
    ("kind", "step"),
    [("PCM_U8", 2**-7), ("PCM_16", 2**-15), ("PCM_24", 2**-23), ("PCM_32", 2**-31), ("FLOAT", 1e-7),
     ("DOUBLE", 1e-15)],
)  # fmt: skip
def test_wav_of_all_depths_has_the_samples_that_were_written(kind: str, step: float) -> None:
    """To a step of their depth."""
    samples, rate = decode_audio(_written(kind), "a.wav")
    assert rate == 8000
    assert scaled_samples(samples) == pytest.approx(WAVE, abs=1.01 * step)


def test_seven_channels_are_read() -> None:
    """And one has no second axis."""
    seven = np.tile(WAVE[:, :1], 7)
    assert decode_audio(_written("PCM_16", seven), "a.wav")[0].shape == (501, 7)
    assert decode_audio(_written("PCM_16", WAVE[:, 0]), "a.wav")[0].shape == (501,)


@pytest.mark.parametrize(("form", "kind"), [("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("MP3", "MPEG_LAYER_III"),
                                            ("AIFF", "PCM_16"), ("WAV", "ULAW")])  # fmt: skip
def test_other_kinds_are_read_by_soundfile(form: str, kind: str) -> None:
    """Those with loss have about the power that was written."""
    tones = np.sin(np.outer(np.arange(4000), [0.2, 0.3])) / 2
    samples, rate = decode_audio(_written(kind, tones, form), "a")
    assert (rate, samples.shape[1]) == (8000, 2)
    assert np.sqrt((samples**2).mean()) == pytest.approx(0.35, abs=0.04)


@pytest.mark.parametrize("form", ["FLAC", "OGG"])
def test_without_soundfile_the_extra_is_named(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command that installs it."""
    content = _written("PCM_16" if form == "FLAC" else "VORBIS", form=form)
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(MissingDependencyError, match=r'soundfile, .* pip install "unrolled\[audio\]"'):
        decode_audio(content, "a.flac")


def test_a_wav_cut_anywhere_is_refused() -> None:
    """In its header, between chunks, within a sample and after whole ones."""
    content = _written("PCM_16")
    for size in (*range(12, 60), 100, 101, 444, 1000, len(content) - 1, len(content) - 4):
        with pytest.raises(DataError, match=r"a\.wav: expected a whole wav file, got one that is cut"):
            decode_audio(content[:size], "a.wav")


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFF024, 0x80000024])
def test_a_wav_that_was_piped_ends_with_its_bytes(size: int) -> None:
    """Its header names no length: ffmpeg, sox and arecord write one of these into a pipe."""
    whole = _written("PCM_16")
    piped = whole[:4] + struct.pack("<I", size) + whole[8:40] + b"\xff\xff\xff\xff" + whole[44:]
    samples, rate = decode_audio(piped, "piped.wav")
    assert (rate, samples.tolist()) == (8000, decode_audio(whole, "whole.wav")[0].tolist())


def test_a_damaged_header_is_a_data_error_or_read() -> None:
    """Random bytes in it never raise anything else."""
    content, rng = _written("PCM_16"), np.random.default_rng(1)
    for _ in range(300):
        damaged = bytearray(content)
        for place in rng.integers(0, 44, size=3):
            damaged[place] = rng.integers(256)
        try:
            decode_audio(bytes(damaged), "a.wav")
        except DataError:
            continue


@pytest.mark.parametrize(
    "content", [b"", b"RIFF", b"label,path\nyes,a.wav\n", b"\x89PNG\r\n\x1a\n" + bytes(99)]
)
def test_what_is_no_recording_is_refused(content: bytes) -> None:
    """By its content."""
    with pytest.raises(DataError, match=r"expected a recording, such as \.wav or \.flac, got"):
        decode_audio(content, "a.wav")


def test_a_cut_flac_and_an_unknown_codec_are_refused() -> None:
    """Soundfile's reason stands in the sentence."""
    with pytest.raises(DataError, match="FLAC that cannot be decoded"):
        decode_audio(_written("PCM_16", form="FLAC")[:50], "a.flac")
    with pytest.raises(DataError, match=r"got Ogg that cannot be decoded( \([^<>]*\))?\. Copy"):
        decode_audio(_written("VORBIS", form="OGG")[:2000], "a.ogg")
    content = bytearray(_written("PCM_16"))
    content[20:22] = struct.pack("<H", 0x1234)
    with pytest.raises(DataError, match="cannot be decoded"):
        decode_audio(bytes(content), "a.wav")


def test_an_mp3_cut_between_frames_is_refused() -> None:
    """By the count in its head; what is left of it can be decoded."""
    content = _written("MPEG_LAYER_III", np.sin(np.arange(40_000) / 9), "MP3")
    assert len(decode_audio(content, "a.mp3")[0]) == 40_000
    for share in (0.3, 0.9):
        with pytest.raises(DataError, match=r"a\.mp3: expected a whole recording, got one that is cut \("):
            decode_audio(content[: int(share * len(content))], "a.mp3")


def test_the_count_of_an_mp3_stands_after_its_tags() -> None:
    """Behind a picture of any size; the title "Info" is none."""
    content = _written("MPEG_LAYER_III", np.sin(np.arange(40_000) / 9), "MP3")
    title, picture = (b"ID3\3\0\0" + bytes([0, *size]) + body for size, body in (
        ((0, 0, 14), b"TIT2\0\0\0\4\0\0Info"),
        ((5, 0, 0), b"APIC".ljust(5 << 14, b"\1")),
    ))  # fmt: skip
    assert counts_mp3_frames(io.BytesIO(title + picture + content))
    assert not counts_mp3_frames(io.BytesIO(title + content.replace(b"Xing", b"none")))
    assert len(decode_audio(picture + content, "a.mp3")[0]) == 40_000
    with pytest.raises(DataError, match=r"a\.mp3: expected a whole recording, got one that is cut \("):
        decode_audio(picture + content[: len(content) // 2], "a.mp3")


def test_samples_of_64_bits_are_scaled(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a file they mean -1 to 1, as fewer bits do."""
    monkeypatch.setattr(wavfile, "read", lambda _: (8000, np.array([1 << 62, -(1 << 61)])))
    assert decode_audio(_written("PCM_16"), "a.wav")[0].tolist() == [0.5, -0.25]
