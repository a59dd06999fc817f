"""Read a long recording in blocks: a file of any length needs the memory of one of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.data.audio.decode import (
    WAV,
    counts_mp3_frames,
    import_soundfile,
    map_wav,
    require_all_frames,
    sound_kind,
    undecodable,
)
from unrolled.data.audio.recording import Recording, read_recording
from unrolled.validation import check_path

Floats = NDArray[np.float64]

_BLOCK_S = 10
_HEAD_BYTES = 16  # that tell the kind of a file


@dataclass(frozen=True, eq=False)
class RecordingBlocks:
    """Blocks of ten seconds of one file, its channels averaged.

    Args:
        path: the file.
        rate: samples a second.
        samples: (N,) or (N, channels), mapped or in memory; None where soundfile decodes each block.
    """

    path: Path
    rate: int
    samples: NDArray[Any] | None

    def __iter__(self) -> Iterator[Floats]:
        """Yield the samples (n,) of each block."""
        for block in self._blocks(_BLOCK_S * self.rate):
            yield Recording(block, self.rate, self.path.name).wave()

    def _blocks(self, size: int) -> Iterator[NDArray[Any]]:
        if self.samples is None:
            with self.path.open("rb") as content:
                is_counted, n_read = counts_mp3_frames(content), 0
            with _open_soundfile(self.path) as file:
                # not file.blocks, which goes on with old samples after the end of a cut file
                while len(block := file.read(size, dtype="float32", always_2d=True)):
                    n_read += len(block)
                    yield block
                if is_counted:
                    require_all_frames(str(self.path), n_read, file.frames)
        else:
            for start in range(0, len(self.samples), size):
                yield np.asarray(self.samples[start : start + size])


def open_recording(path: str | Path) -> RecordingBlocks:
    """Open a file whose samples are read when they are needed.

    Wav of 8, 16 or 32 bits or floats is mapped, flac, ogg and others are decoded block by block by soundfile.
    Wav of 24 bits, and one whose header names no length, is read into memory.

    Raises:
        DataError: there is no such file, it is no recording, is cut, or holds no samples.
        MissingDependencyError: it needs soundfile, which is not installed.

    >>> from scipy.io import wavfile
    >>> wavfile.write("long.wav", 8000, np.ones(100_000, np.int16))
    >>> opened = open_recording("long.wav")
    >>> opened.rate, [len(block) for block in opened]
    (8000, [80000, 20000])
    """
    path = check_path("recording", path)
    if path.is_file():
        with path.open("rb") as file:
            kind = sound_kind(file.read(_HEAD_BYTES), str(path))
        if kind != WAV:
            with _open_soundfile(path) as file:
                return RecordingBlocks(path, int(file.samplerate), None)
        if (mapped := map_wav(str(path))) is not None:
            return RecordingBlocks(path, mapped[1], mapped[0])
    recording = read_recording(path)  # which says what is wrong, if anything is
    return RecordingBlocks(path, recording.rate, recording.samples)


def _open_soundfile(path: Path) -> Any:
    soundfile = import_soundfile(str(path), path.suffix or "this kind of file")
    try:
        return soundfile.SoundFile(str(path))
    except (RuntimeError, TypeError) as fault:  # libsndfile's own
        raise undecodable(str(path), "one", fault) from fault
