"""Read clips with their labels: videos, folders of images, arrays; a folder a label."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unrolled.data.clips import as_clips, require_clips
from unrolled.data.io.files import read_each, visible_files
from unrolled.data.labelled.array_files import load_npy
from unrolled.data.labelled.read import Labelled, read_labelled
from unrolled.data.video.decode import FrameFormat, decode_image, decode_video
from unrolled.errors import ArgumentError, DataError
from unrolled.formatting import quantity, quoted_list
from unrolled.validation import ErrorCollector, check_float, check_int, check_path

Array = NDArray[Any]

VIDEO_SUFFIXES = (
    ".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".flv", ".ogv", ".gif",
)  # fmt: skip
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".pgm", ".ppm")


class _ClipSource(NamedTuple):
    """Files of one clip: a video, an array, or the images of a folder in their order."""

    name: str
    paths: tuple[Path, ...]


def read_videos(
    path: str | Path, *, rate: float | None = None, size: tuple[int, int] | None = None, color: bool = False
) -> Labelled:
    """Read clips of frames from files; one is decoded at a time, frame after frame.

    Videos and images need PyAV (extra `unrolled[video]`). Hidden files are left out, links followed.

    Args:
        path: a video; a folder of images, which are the frames of one clip, in the order of their names and
            numbers; a folder with a folder a label, in which videos, `.npy` arrays and folders of images are
            clips; a `.npy` of one clip (T, H, W) or of several (N, T, H, W); an `.npz` of X and y.
        rate: frames a second to keep of videos; None for all.
        size: (H, W) that each frame of a video or image is brought to; None for its own.
        color: read red, green and blue as channels; else grey.

    Returns:
        Labelled: `sequences` of frames (H, W) or (3, H, W), uint8 of videos and images, their own type of
        arrays; and labels, None where there are none.

    Raises:
        ArgumentError: an argument is out of range, or has no meaning for such files.
        DataError: there is nothing to read, a file is damaged, or sizes differ; the message names the file.
        MissingDependencyError: PyAV is needed and not installed.

    >>> for label in ("left", "right"):
    ...     Path(label).mkdir()
    ...     np.save(f"{label}/0.npy", np.zeros((5, 8, 6), np.uint8))
    >>> read = read_videos(".")
    >>> read.labels.tolist(), read.sequences
    (['left', 'right'], Sequences(...: 2 of 10 rows in all, uint8 (8, 6) a row))
    """
    path = check_path("read_videos path", path)
    _check_arguments(rate, size, color)
    if path.is_dir():
        return _read_folder(path.resolve(), rate, FrameFormat(size, color))
    if not path.exists():
        raise DataError(f"{path}: expected a file or a folder, found none. Check the path.")
    sources = [_ClipSource(path.name, (path,))]
    _refuse_unused(sources, path, rate, FrameFormat(size, color))
    if path.suffix.lower() == ".npz":
        read = read_labelled(path)
        require_clips(read.sequences, path.name)
        return read
    clips = _read_clip(sources[0], rate, FrameFormat(size, color))
    has_several = path.suffix.lower() == ".npy" and clips.ndim > 3
    sequences = as_clips(clips, path.name) if has_several else as_clips([clips], path.name, [path.name])
    return Labelled(replace(sequences, source=path.name), None, path.name)


def holds_videos(path: str | Path) -> bool:
    """Tell whether a path is a video or an image, or a folder with such or arrays of clips in it."""
    path = check_path("path", path)
    if path.is_dir():
        return any(_is_clip_file(file) for file in visible_files(path))
    return path.suffix.lower() in (*VIDEO_SUFFIXES, *IMAGE_SUFFIXES)


def _check_arguments(rate: Any, size: Any, color: Any) -> None:
    faults = ErrorCollector()
    if rate is not None:
        faults.collect(check_float, "rate", rate, above=0)
    if size is not None:
        if not isinstance(size, tuple | list) or len(size) != 2:
            faults.add(f"size: expected (H, W), two whole numbers, got {size!r}.")
        else:
            for side, name in zip(size, ("height", "width"), strict=True):
                faults.collect(check_int, f"size: {name}", side, least=1, most=16_384)
    if not isinstance(color, bool):
        faults.add(f"color: expected True or False, got {color!r}.")
    faults.raise_if_any()


def _read_folder(folder: Path, rate: float | None, frame_format: FrameFormat) -> Labelled:
    visible = visible_files(folder)
    sources = _clip_sources(folder, [file for file in visible if _is_clip_file(file)])
    if not sources:
        raise DataError(
            f"{folder}: expected a folder of clips, such as left/a.mp4 and right/b.mp4, or of images, got "
            f"{quantity(len(visible), 'other file')}."
        )
    _refuse_unused(sources, folder, rate, frame_format)
    labels = _labels(folder, sources)
    ids = [source.name for source in sources]
    parts = read_each(lambda source: _read_clip(source, rate, frame_format), sources)
    clips = as_clips(parts, folder.name, ids)
    notes = clips.notes
    if others := [file.relative_to(folder).as_posix() for file in visible if not _is_clip_file(file)]:
        notes += (f"{quantity(len(others), 'file')} without frames left out: {quoted_list(others)}",)
    clips = replace(clips, source=folder.name, notes=notes)
    return Labelled(clips, labels, folder.name)


def _refuse_unused(
    sources: Sequence[_ClipSource], path: Path, rate: float | None, frame_format: FrameFormat
) -> None:
    """Pass if there is a video for a rate, and a video or image for a size and colours.

    Raises:
        ArgumentError: an argument would do nothing.
    """
    suffixes = {source.paths[0].suffix.lower() for source in sources}
    if rate is not None and not suffixes & {*VIDEO_SUFFIXES}:
        raise ArgumentError(f"rate: {path} holds no video, and nothing else has times. Leave it out.")
    if frame_format != FrameFormat() and not suffixes & {*VIDEO_SUFFIXES, *IMAGE_SUFFIXES}:
        raise ArgumentError(f"size and color: {path} holds arrays, which stay as they are. Leave both out.")


def _labels(folder: Path, sources: Sequence[_ClipSource]) -> Array | None:
    """Return the first folder of each clip's name; None where no clip lies in a folder of its label.

    Raises:
        DataError: some clips lie in folders and some do not.
    """
    parents = [source.name.split("/")[0] if "/" in source.name else None for source in sources]
    if all(parent is None for parent in parents):
        return None
    if None in parents:
        lone = sources[parents.index(None)].name
        raise DataError(
            f"{folder}: expected every clip in the folder of its label, got {lone} beside such folders. Move "
            "it into one, or out."
        )
    return np.array(parents)


def _clip_sources(folder: Path, files: Sequence[Path]) -> list[_ClipSource]:
    """Group files to clips: the images of a folder are one, each other file is one of its own."""
    sources: dict[str, list[Path]] = {}
    for file in sorted(files, key=lambda file: _natural_key(file.relative_to(folder).as_posix())):
        is_image = file.suffix.lower() in IMAGE_SUFFIXES
        name = (file.parent if is_image else file).relative_to(folder).as_posix()
        sources.setdefault(name, []).append(file)
    return [
        _ClipSource(folder.name if name == "." else name, tuple(paths)) for name, paths in sources.items()
    ]


def _natural_key(name: str) -> list[tuple[int, str]]:
    """Sort numbers in names as numbers: frame10 comes after frame9.

    >>> sorted(["frame10.png", "frame9.png"], key=_natural_key)
    ['frame9.png', 'frame10.png']
    """
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", name)]


def _is_clip_file(file: Path) -> bool:
    return file.suffix.lower() in (*VIDEO_SUFFIXES, *IMAGE_SUFFIXES, ".npy")


def _read_clip(source: _ClipSource, rate: float | None, frame_format: FrameFormat) -> Array:
    """Read one clip: (T, ...); a `.npy` alone may hold several."""
    first = source.paths[0]
    suffix = first.suffix.lower()
    if suffix in IMAGE_SUFFIXES:
        frames = [decode_image(path, f"{source.name}, {path.name}", frame_format) for path in source.paths]
        shapes = {frame.shape for frame in frames}
        if len(shapes) > 1:
            odd = next(k for k, frame in enumerate(frames) if frame.shape != frames[0].shape)
            raise DataError(
                f"{source.name}, {source.paths[odd].name}: expected {frames[0].shape} as of "
                f"{first.name}, got {frames[odd].shape}. Bring all to one size, as "
                "unrolled.read_videos(folder, size=(H, W)) does."
            )
        return np.stack(frames)
    if suffix == ".npy":
        return load_npy(first.read_bytes(), source.name)
    return decode_video(first, source.name, frame_format, rate)
