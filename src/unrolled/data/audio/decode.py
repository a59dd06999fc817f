"""Files of sound to samples: wav by SciPy, everything else by soundfile, told by their content."""

from __future__ import annotations

import io
import struct
import warnings
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import DataError, MissingDependencyError

WAV = "wav"
_WAV = (b"RIFF", b"RIFX", b"RF64")
_OTHERS = (  # beginnings of what soundfile reads
    (b"fLaC", "FLAC"),
    (b"OggS", "Ogg"),
    (b"ID3", "MP3"),
    (b"FORM", "AIFF"),
    (b".snd", "AU"),
    (b"caff", "CAF"),
)
_UNKNOWN_SIZES = (0, 0xFFFFFFFF, 0x7FFFF024, 0x80000024)  # what ffmpeg, sox and arecord write into a pipe
_WAV_FAULTS = (ValueError, EOFError, struct.error, ZeroDivisionError, UnboundLocalError, TypeError)
_ID3_HEAD_BYTES = 10  # the last four hold seven bits each of the size of what follows
_MP3_FRAME_BYTES = 1441  # of the largest frame
_INSTALL = 'pip install "unrolled[audio]"'


def decode_audio(content: bytes, who: str) -> tuple[NDArray[Any], int]:
    """Decode the bytes of a file: samples (N,) or (N, C), and how many there are a second.

    Wav has whole numbers of 8, 16, 24 or 32 bits, which keep their type (24 bits the upper ones of 32), or
    floats. Where it was written into a pipe and its header names no length, it ends with the bytes.

    Raises:
        DataError: it is no recording, or it is cut.
        MissingDependencyError: it is of another kind than wav, and soundfile is not installed.
    """
    kind = sound_kind(content, who)
    if kind != WAV:
        return _decode_others(content, who, kind)
    if content[:4] == b"RIFF" and int.from_bytes(content[4:8], "little") in _UNKNOWN_SIZES:
        content = content[:4] + struct.pack("<I", len(content) - 8) + content[8:]
    return _decode_wav(content, who)


def sound_kind(content: bytes, who: str) -> str:
    """Tell the kind of a recording by its first bytes: "wav", or what soundfile decodes.

    Raises:
        DataError: it is no recording.
    """
    if content[:4] in _WAV and content[8:12] == b"WAVE":
        return WAV
    kind = next((name for magic, name in _OTHERS if content.startswith(magic)), None)
    if kind is None and content[:1] == b"\xff" and content[1:2] >= b"\xe0":  # eleven set bits begin a frame
        kind = "MP3"
    if kind is None:
        got = "an empty file" if not content else f"a file that begins with {content[:8]!r}"
        raise DataError(f"{who}: expected a recording, such as .wav or .flac, got {got}.")
    return kind


def map_wav(path: str) -> tuple[NDArray[Any], int] | None:
    """Map the samples of a wav file into memory; None where only `decode_audio` can read it, or says why not.

    That is of 24 bits, of a kind that is no PCM, of an unknown length, and of a file that is cut.
    """
    from scipy.io import wavfile  # noqa: PLC0415 (with it alone)

    with warnings.catch_warnings():
        warnings.simplefilter("error")  # such as of data that end before the length in the header
        try:
            rate, samples = wavfile.read(path, mmap=True)
        except (Warning, OSError, *_WAV_FAULTS):
            return None
    is_usual = samples.size and samples.dtype.kind in "fiu" and samples.dtype.itemsize <= 4
    return (samples, int(rate)) if is_usual else None


def _decode_wav(content: bytes, who: str) -> tuple[NDArray[Any], int]:
    from scipy.io import wavfile  # noqa: PLC0415 (with it alone)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            rate, samples = wavfile.read(io.BytesIO(content))
        except ValueError as fault:
            if "Unknown wave file format" in str(fault):  # A-law, µ-law, ADPCM
                return _decode_others(content, who, "wav of a kind that is no PCM")
            raise _cut(who, fault) from fault
        except struct.error as fault:
            raise _cut(who, "its header ends early") from fault
        except _WAV_FAULTS as fault:
            raise _cut(who, fault) from fault
    if any("EOF" in str(each.message) for each in caught):
        raise _cut(who, "its data end before the length in its header")
    if samples.dtype.kind not in "fiu" or samples.dtype.itemsize > 8:
        raise DataError(f"{who}: expected 8 to 32 bits or floats, got {samples.dtype}. Convert it.")
    if samples.dtype == np.int64:  # 64 bits mean -1 to 1 in a file
        samples = samples / 2.0**63
    return samples, int(rate)


def _cut(who: str, fault: Any) -> DataError:
    return DataError(
        f"{who}: expected a whole wav file, got one that is cut or damaged ({fault}). Copy or write it again."
    )


def _decode_others(content: bytes, who: str, kind: str) -> tuple[NDArray[Any], int]:
    soundfile = import_soundfile(who, kind)
    try:
        with soundfile.SoundFile(io.BytesIO(content)) as file:
            samples, rate, n_frames = file.read(dtype="float32", always_2d=True), file.samplerate, file.frames
    except (RuntimeError, TypeError) as fault:  # libsndfile's own
        raise undecodable(who, kind, fault) from fault
    if counts_mp3_frames(io.BytesIO(content)):
        require_all_frames(who, len(samples), n_frames)
    return samples, int(rate)


def undecodable(who: str, kind: str, fault: Exception) -> DataError:
    """Make the error of a file that libsndfile cannot decode, with its reason where it names one."""
    reason = str(getattr(fault, "error_string", fault)).strip(" .")  # the whole names an object in memory
    reason = f" ({reason})" if reason else ""
    return DataError(
        f"{who}: expected a whole recording, got {kind} that cannot be decoded{reason}. Copy or write it "
        "again."
    )


def counts_mp3_frames(file: BinaryIO) -> bool:
    r"""Tell whether the first frame of an MP3, after its ID3 tags, holds the count of all frames.

    >>> counts_mp3_frames(io.BytesIO(b"ID3" + bytes(6) + b"\x04Info" + bytes(40)))  # a tag of four bytes
    False
    """
    start = 0
    while (tag := _read_at(file, start, _ID3_HEAD_BYTES)).startswith(b"ID3"):
        n_bytes = 0
        for seven_bits in tag[6:]:
            n_bytes = n_bytes << 7 | seven_bits
        start += _ID3_HEAD_BYTES + n_bytes
    frame = _read_at(file, start, _MP3_FRAME_BYTES)
    return b"Xing" in frame or b"Info" in frame


def _read_at(file: BinaryIO, start: int, size: int) -> bytes:
    file.seek(start)
    return file.read(size)


def require_all_frames(who: str, n_read: int, n_frames: int) -> None:
    """Pass unless an MP3 that counts its frames ended before: nothing else says that it is cut.

    Raises:
        DataError: it is cut.
    """
    if n_read < n_frames:
        raise DataError(
            f"{who}: expected a whole recording, got one that is cut ({n_read:,} of {n_frames:,} samples). "
            "Copy or write it again."
        )


def import_soundfile(who: str, kind: str) -> Any:
    """Import soundfile, which decodes recordings of such a kind.

    Raises:
        MissingDependencyError: it is not installed.
    """
    try:
        import soundfile  # noqa: PLC0415 (an extra)
    except ImportError as fault:
        raise MissingDependencyError(
            f"{who}: {kind} needs soundfile, which is not installed: {_INSTALL}"
        ) from fault
    return soundfile
