"""Files in blocks hold what they hold as a whole."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from scipy.io import wavfile

from unrolled.data.audio.blocks import open_recording
from unrolled.data.audio.recording import read_recording
from unrolled.errors import DataError


def _noise(n: int, shape: tuple[int, ...] = ()) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.2, (n, *shape))


@pytest.mark.parametrize("kind", ["int16", "uint8", "int32", "float32", "stereo"])
def test_blocks_are_the_samples_of_the_whole(kind: str, tmp_path: Path) -> None:
    """Joined, to the bit."""
    wave = _noise(2500, (2,) if kind == "stereo" else ())
    scaled = {"int16": 2**15, "int32": 2**31, "uint8": 2**7}.get(kind, 1)
    samples = (
        wave.astype(np.float32) if scaled == 1 else (wave * scaled + 128 * (kind == "uint8")).astype(kind)
    )
    wavfile.write(tmp_path / "a.wav", 100, samples)
    opened = open_recording(tmp_path / "a.wav")
    blocks = list(opened)
    assert (opened.rate, [len(block) for block in blocks]) == (100, [1000, 1000, 500])
    assert np.array_equal(np.concatenate(blocks), read_recording(tmp_path / "a.wav").wave())


def test_flac_is_decoded_block_by_block(tmp_path: Path) -> None:
    """As a whole too."""
    soundfile = pytest.importorskip("soundfile", reason="decodes flac")
    soundfile.write(tmp_path / "a.flac", _noise(25_000, (2,)), 1000)
    blocks = list(open_recording(tmp_path / "a.flac"))
    assert [len(block) for block in blocks] == [10_000, 10_000, 5000]
    assert np.array_equal(np.concatenate(blocks), read_recording(tmp_path / "a.flac").wave())


def test_a_cut_mp3_is_refused_at_its_end(tmp_path: Path) -> None:
    """After the blocks that it has; a whole one is read as it is at once."""
    soundfile = pytest.importorskip("soundfile", reason="decodes mp3")
    path = tmp_path / "a.mp3"
    soundfile.write(path, _noise(250_000), 8000)
    assert np.array_equal(np.concatenate(list(open_recording(path))), read_recording(path).wave())
    path.write_bytes(path.read_bytes()[:40_000])
    blocks = iter(open_recording(path))
    assert len(next(blocks)) == 80_000
    with pytest.raises(DataError, match=r"a\.mp3: expected a whole recording, got one that is cut"):
        list(blocks)


def test_a_mapped_file_needs_the_memory_of_a_block(tmp_path: Path) -> None:
    """Not of all its samples, which would be 16 MB as float64."""
    wavfile.write(tmp_path / "long.wav", 8000, np.zeros(2_000_000, np.int16))
    tracemalloc.start()
    total = sum(len(block) for block in open_recording(tmp_path / "long.wav"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total == 2_000_000
    assert peak < 4_000_000


def test_what_is_no_recording_is_refused(tmp_path: Path) -> None:
    """As where it is read whole: missing, cut, empty, something else."""
    wavfile.write(tmp_path / "a.wav", 8000, np.ones(4000, np.int16))
    content = (tmp_path / "a.wav").read_bytes()
    for name, written, message in (
        ("cut.wav", content[:500], "expected a whole wav file"),
        ("head.wav", content[:30], "expected a whole wav file"),
        ("none.wav", content[:44].replace(b"\x40\x1f\x00\x00", b"\x00\x00\x00\x00", 1), "wav"),
        ("text.wav", b"no sound", "expected a recording, such as .wav"),
        ("empty.wav", b"", "got an empty file"),
    ):
        (tmp_path / name).write_bytes(written)
        with pytest.raises(DataError, match=message):
            list(open_recording(tmp_path / name))
    with pytest.raises(DataError, match="expected a file, got an error"):
        open_recording(tmp_path / "gone.wav")
