"""Files of images and video to frames, by PyAV, told by their content."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import ArgumentError, DataError, MissingDependencyError

Frames = NDArray[np.uint8]

_INSTALL = 'pip install "unrolled[video]"'
_WHOLE = 0.9  # share of the frames it names that a whole video may be without: lists of edits hide some
_STRICT = {"err_detect": "explode"}  # damaged pictures are an error, not a guess


class FrameFormat(NamedTuple):
    """Size and channels that frames are decoded to.

    Args:
        size: (H, W) that each is brought to; None for its own.
        has_color: red, green and blue as channels; else grey.
    """

    size: tuple[int, int] | None = None
    has_color: bool = False


def decode_image(path: Path, who: str, frame_format: FrameFormat) -> Frames:
    """Decode an image: (H, W), or (3, H, W) in colour.

    Raises:
        DataError: it is no image, or it is damaged.
        MissingDependencyError: PyAV is not installed.
    """
    with _opened(path, who, "an image") as container:
        for frame in container.decode(video=0):
            return _pixels(frame, frame_format)
    raise DataError(f"{who}: expected an image, got a file without one. Leave it out.")


def decode_video(path: Path, who: str, frame_format: FrameFormat, rate: float | None = None) -> Frames:
    """Decode a video, frame after frame: (T, H, W), or (T, 3, H, W) in colour.

    Args:
        path: of the file.
        who: what messages call it.
        frame_format: size and colour of the frames.
        rate: frames a second to keep, each the one that is shown at its time; None for all.

    Raises:
        ArgumentError: the video has fewer frames a second.
        DataError: it is no video, or it is cut or damaged.
        MissingDependencyError: PyAV is not installed.
    """
    with _opened(path, who, "a video") as container:
        stream = container.streams.video[0]
        own_rate = stream.average_rate
        if rate is not None and own_rate is not None and rate > own_rate:
            raise ArgumentError(
                f"rate: {who} has {float(own_rate):g} frames a second, got rate={rate:g}. Choose at most "
                "that."
            )
        counter = count()
        frames = (frame for frame, _ in zip(container.decode(stream), counter, strict=False))
        kept = [_pixels(frame, frame_format) for frame in _at_rate(frames, rate)]
        if (n_decoded := next(counter)) < _WHOLE * stream.frames:
            got = f"{n_decoded} of the {stream.frames} frames that it names"
            raise DataError(f"{who}: expected a whole video, got {got}. Copy or write it again.")
    if not kept:
        raise DataError(f"{who}: expected a video, got one without frames. Leave it out.")
    return np.stack(kept)


@contextmanager
def _opened(path: Path, who: str, kind: str) -> Iterator[Any]:
    """Open a file for decoding; what goes wrong inside is said in a sentence."""
    try:
        import av  # noqa: PLC0415 (an extra)
    except ImportError as fault:
        raise MissingDependencyError(
            f"{who}: {kind} needs PyAV, which is not installed: {_INSTALL}"
        ) from fault
    try:
        # a file and no name: names may be addresses or patterns to FFmpeg
        with path.open("rb") as file, av.open(file, options=_STRICT) as container:
            if not container.streams.video:
                raise DataError(f"{who}: expected {kind}, got a file without pictures. Leave it out.")
            if container.streams.video[0].codec_context is None:
                raise DataError(
                    f"{who}: expected {kind}, got a file that is cut or damaged. Copy or write it again."
                )
            container.streams.video[0].codec_context.options = _STRICT
            yield container
    except (av.FFmpegError, OSError) as fault:
        reason = str(getattr(fault, "strerror", None) or fault)
        raise DataError(
            f"{who}: expected {kind}, got a file that is none, cut or damaged ({reason}). Copy or write it "
            "again."
        ) from fault


def _at_rate(frames: Iterator[Any], rate: float | None) -> Iterator[Any]:
    """Yield the frame that is shown at each k / rate seconds from the first on; all without a rate."""
    if rate is None:
        yield from frames
        return
    shown, start, k = None, Fraction(0), 0
    step = 1 / Fraction(rate).limit_denominator(1_000_000)
    for frame in frames:
        time = Fraction(frame.pts or 0) * frame.time_base
        if shown is None:
            start = time
        while shown is not None and start + k * step < time:
            yield shown
            k += 1
        shown = frame
    if shown is not None and start + k * step <= Fraction(shown.pts or 0) * shown.time_base:
        yield shown


def _pixels(frame: Any, frame_format: FrameFormat) -> Frames:
    height, width = frame_format.size or (frame.height, frame.width)
    kind = "rgb24" if frame_format.has_color else "gray"
    # areas are averaged where frames become smaller: single pixels would flicker
    pixels = frame.reformat(width=width, height=height, format=kind, interpolation="AREA").to_ndarray()
    return np.ascontiguousarray(np.moveaxis(pixels, 2, 0) if frame_format.has_color else pixels)
