"""Convert arrays and lists of clips to `Sequences` of frames in their own type.

A clip is T frames of H × W pixels, or of C × H × W: video, or a grid of sensors. In `Sequences` the channels
come first, as in torch: `feature_shape` is (H, W) or (C, H, W).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.data.parts import as_array
from unrolled.data.sequences import DeclaredOrder, Sequences
from unrolled.errors import DataError, DataTypeError

Array = NDArray[Any]

_CLIPS = "a list of (T, H, W) or (T, C, H, W) arrays, or an array (N, T, H, W) or (N, T, C, H, W)"
_MOST = 1e15  # of a float: squares of single precision stay finite
_CHANNELS_MOVED = "channels stood last in (T, H, W, C) and were moved first: frames are (C, H, W)"


def holds_clips(X: Any) -> bool:
    """Tell whether X is clips: an array of four axes or more, or a list whose items have three or more.

    >>> holds_clips([np.zeros((5, 8, 6))]), holds_clips(np.zeros((2, 5, 3))), holds_clips([[1.0, 2.0]])
    (True, False, False)
    """
    if isinstance(X, Sequences):
        return X.has_frames
    if isinstance(X, list | tuple) or (isinstance(X, np.ndarray) and X.dtype.kind == "O" and X.ndim):
        return len(X) > 0 and _n_axes(X[0]) >= 3
    return _n_axes(X) >= 4


def as_clips(X: Any, who: str, names: Sequence[str] = ()) -> Sequences:
    """Convert clips to sequences of frames, which keep their type.

    Of the first and the last axis of a frame (C, H, W) or (H, W, C) the shorter one is the channels. Those
    that stand last are moved first, and a note says so.

    Args:
        X: N clips: a list of (T_i, H, W), (T_i, C, H, W) or (T_i, H, W, C) arrays, or of lists of frames; an
            array (N, T, H, W), (N, T, C, H, W) or (N, T, H, W, C); `Sequences` of frames.
        who: what messages call X.
        names: N ids of the clips, which messages name too; none for numbers.

    Raises:
        DataError: there is no clip, one has no frame or no pixel, sizes or kinds of numbers differ, a number
            is NaN, masked or infinite, or it is unclear which axis the channels are.

    >>> clips = as_clips([np.zeros((5, 8, 6, 3), np.uint8), np.ones((2, 8, 6, 3), np.uint8)], "X")
    >>> clips.feature_shape, clips.values.dtype.name, clips.lengths.tolist()
    ((3, 8, 6), 'uint8', [5, 2])
    """
    if isinstance(X, Sequences):
        require_clips(X, who)
        return X
    if not isinstance(X, list | tuple) and not hasattr(X, "__array__"):
        raise DataError(f"{who}: expected {_CLIPS}; got {type(X).__name__}.")
    X = X if isinstance(X, list | tuple) else as_array(X, who)
    if not len(X):
        raise DataError(f"{who}: expected at least one clip, got none.")
    parts: list[Array] = []
    notes: tuple[str, ...] = ()
    ids = tuple(names) or tuple(map(str, range(len(X))))
    places = [_clip_place(ids, i, who) for i in range(len(ids))]
    for clip, place in zip(X, places, strict=True):
        part, is_last = _channels_first(_clip_array(clip, place), place)
        parts.append(part)
        notes = (_CHANNELS_MOVED,) if is_last else notes
    _require_alike(parts, places)
    clips = Sequences(
        np.concatenate(parts),
        np.cumsum([0, *map(len, parts)], dtype=np.int64),
        ids,
        ("x",),
        order=DeclaredOrder.POSITION,
        source="arrays",
    )
    require_clips(clips, who)
    return replace(clips, notes=notes)


def require_clips(clips: Sequences, who: str) -> None:
    """Pass if every sequence is a clip of at least one frame, and every number finite.

    Raises:
        DataError: one is not; the message names the clip and the frame.
    """
    if not clips.has_frames or clips.values.ndim > 4 or 0 in clips.feature_shape:
        got = f"{clips.values.dtype} of shape {clips.feature_shape} a step"
        raise DataError(f"{who}: expected frames (H, W) or (C, H, W), got {got}.")
    if not len(clips):
        raise DataError(f"{who}: expected at least one clip, got none.")
    empty = np.flatnonzero(clips.lengths == 0)
    if len(empty):
        raise DataError(
            f"{_clip_place(clips.ids, int(empty[0]), who)}: expected at least one frame, got none."
        )
    if clips.values.dtype.kind != "f":
        return
    sizes = max(-float(clips.values.min()), float(clips.values.max()))  # NaN where there is one
    if sizes <= _MOST:
        return
    is_bad = ~(np.abs(clips.values.reshape(len(clips.values), -1)) <= _MOST)
    row = int(np.argmax(is_bad.any(1)))
    position = int(np.searchsorted(clips.offsets, row, side="right")) - 1
    got = clips.values[row].ravel()[np.argmax(is_bad[row])]
    place = f"{_clip_place(clips.ids, position, who)}, frame {row - clips.offsets[position]}"
    raise DataError(
        f"{place}: expected numbers up to {_MOST:g}, got {'NaN' if np.isnan(got) else f'{got:g}'}. "
        "Fill or divide them, or leave it out."
    )


def channels_of(clips: Sequences) -> tuple[int, int, int]:
    """Return (C, H, W) of the frames; C is 1 where they have no channels.

    >>> channels_of(as_clips(np.zeros((2, 5, 8, 6)), "X"))
    (1, 8, 6)
    """
    *channels, height, width = clips.feature_shape
    return (channels[0] if channels else 1), height, width


def pixel_range(dtype: np.dtype[Any] | str) -> list[float] | None:
    """Return the least and largest value of a type that pixels fill; None for others, whose range is free.

    >>> pixel_range("uint8"), pixel_range(np.dtype(float))
    ([0.0, 255.0], None)
    """
    return {np.dtype(np.uint8): [0.0, 255.0], np.dtype(np.bool_): [0.0, 1.0]}.get(np.dtype(dtype))


def require_pixel_range(clips: Sequences, dtype: str, who: str) -> None:
    """Pass if frames have the range of those fitted on.

    Args:
        clips: N clips.
        dtype: the type of the frames that were fitted on.
        who: what messages call the clips.

    Raises:
        DataError: one of both types is of bytes or booleans, and the other is not.
    """
    if pixel_range(clips.values.dtype) != pixel_range(dtype):
        raise DataError(
            f"{who}: expected {dtype}, as in fit, got {clips.values.dtype}, which may be of another range. "
            "Bring them to that type and range."
        )


def frame_words(feature_shape: tuple[int, ...]) -> str:
    """Describe the shape of a frame.

    >>> frame_words((64, 48)), frame_words((3, 64, 48))
    ('64 x 48', '3 x 64 x 48')
    """
    return " x ".join(map(str, feature_shape)) or "a single number"


def _n_axes(x: Any) -> int:
    """Count the axes of an array, or of a list by its first item."""
    if isinstance(x, list | tuple):
        return 1 + _n_axes(x[0]) if len(x) else 1
    n_axes = getattr(x, "ndim", 0)
    return n_axes if isinstance(n_axes, int) else 0


def _clip_place(ids: Sequence[str], position: int, who: str) -> str:
    name = "" if ids[position] == str(position) else f" ({ids[position]})"
    return f"{who}, clip {position}{name}"


def _clip_array(clip: Any, place: str) -> Array:
    """Convert one clip to an array of numbers (T, ...), its frames given as one array or as a list."""
    if isinstance(clip, list | tuple) and len(clip):
        frames = [as_array(frame, place) for frame in clip]
        odd = next((k for k, frame in enumerate(frames) if frame.shape != frames[0].shape), None)
        if odd is not None:
            raise DataError(
                f"{place}, frame {odd}: expected {frame_words(frames[0].shape)} as in frame 0, got "
                f"{frame_words(frames[odd].shape)}. Bring all frames to one size."
            )
        clip = np.ma.stack(frames) if any(map(np.ma.is_masked, frames)) else np.stack(frames)
    array = as_array(clip, place)
    if np.ma.is_masked(array):
        raise DataError(f"{place}: expected numbers, got a masked array. Fill it: x.filled(value).")
    if array.dtype.kind not in "biuf":
        raise DataTypeError(f"{place}: expected numbers or booleans, got {array.dtype}.")
    if array.ndim == 2:
        raise DataError(
            f"{place}: expected (T, H, W) or (T, C, H, W), got one frame of {frame_words(array.shape)}. A "
            "clip of one frame is frame[None]; a single clip is given as [clip]."
        )
    if array.ndim not in {3, 4}:
        raise DataError(f"{place}: expected (T, H, W) or (T, C, H, W), got shape {array.shape}.")
    if not len(array):
        raise DataError(f"{place}: expected at least one frame, got shape {array.shape}. Leave it out.")
    if not array.size:
        raise DataError(f"{place}: expected frames that hold pixels, got shape {array.shape}.")
    return array.astype(np.float32) if array.dtype == np.float16 else array


def _channels_first(clip: Array, place: str) -> tuple[Array, bool]:
    """Turn (T, H, W, C) to (T, C, H, W), and tell whether it was turned.

    Raises:
        DataError: the first and the last axis of a frame are alike.
    """
    if clip.ndim == 3 or clip.shape[1] < clip.shape[3]:
        return clip, False
    if clip.shape[1] == clip.shape[3]:
        raise DataError(
            f"{place}: expected channels first, (T, C, H, W), or last, (T, H, W, C), got shape {clip.shape}, "
            "which may be either. Give Sequences.from_arrays(X, dtype=X[0].dtype), where they are first."
        )
    return np.moveaxis(clip, 3, 1), True


def _require_alike(parts: list[Array], places: list[str]) -> None:
    """Pass if all clips have frames of one shape, and whole numbers or floats throughout."""
    first = parts[0]
    for part, place in zip(parts, places, strict=True):
        if part.shape[1:] != first.shape[1:]:
            raise DataError(
                f"{place}: expected frames of {frame_words(first.shape[1:])} as in clip 0, got "
                f"{frame_words(part.shape[1:])}. Bring all clips to one size."
            )
        if _kind(part) != _kind(first):
            raise DataError(
                f"{place}: expected {first.dtype} as in clip 0, got {part.dtype}, which may be of "
                "another range. Bring all clips to one type and range."
            )


def _kind(part: Array) -> str:
    return "i" if part.dtype.kind in "iu" else part.dtype.kind
