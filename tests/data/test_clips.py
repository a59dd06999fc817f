"""Clips: arrays and lists to sequences of frames, channels first, in their own type."""

from typing import Any

import numpy as np
import pytest
import torch

from unrolled import DataError, Sequences
from unrolled.data.clips import as_clips, channels_of, holds_clips, require_clips
from unrolled.data.storage import pack_series, unpack_series
from unrolled.errors import DataTypeError

RNG = np.random.default_rng(0)


def pixels(*shape: int) -> Any:
    """Distinct bytes."""
    return RNG.integers(0, 256, shape).astype(np.uint8)


def test_frames_keep_their_type_and_their_values() -> None:
    """Bytes stay bytes, one after the other."""
    clips = [pixels(5, 8, 6), pixels(3, 8, 6)]
    series = as_clips(clips, "X")
    assert series.values.dtype == np.uint8
    assert series.feature_shape == (8, 6)
    assert series.lengths.tolist() == [5, 3]
    assert np.array_equal(series[1].values, clips[1])
    assert series.notes == ()


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.float64, np.bool_])
def test_every_kind_of_number_is_kept(dtype: Any) -> None:
    """And half floats become single ones, which torch computes with."""
    assert as_clips([np.ones((2, 4, 5), dtype)], "X").values.dtype == dtype
    assert as_clips([np.ones((2, 4, 5), np.float16)], "X").values.dtype == np.float32


def test_an_array_a_list_and_a_tensor_are_alike() -> None:
    """(N, T, H, W) is N clips, whatever holds them; so are lists of frames."""
    block = pixels(3, 5, 8, 6)
    expected = as_clips(list(block), "X")
    others = [block, torch.from_numpy(block), [list(clip) for clip in block], tuple(block), expected]
    ragged = np.empty(3, dtype=object)
    ragged[:] = list(block)
    for X in [*others, ragged]:
        assert holds_clips(X)
        assert np.array_equal(as_clips(X, "X").values, expected.values)


def test_channels_last_are_moved_first_and_said() -> None:
    """(T, H, W, 3) can mean nothing else."""
    clip = pixels(5, 8, 6, 3)
    series = as_clips([clip], "X")
    assert np.array_equal(series.values, np.moveaxis(clip, 3, 1))
    assert channels_of(series) == (3, 8, 6)
    assert "moved first" in series.notes[0]
    assert as_clips(clip[None], "X").feature_shape == (3, 8, 6)
    first = as_clips([np.moveaxis(clip, 3, 1)], "X")
    assert np.array_equal(first.values, series.values)
    assert first.notes == ()


def test_tables_are_no_clips() -> None:
    """Neither are texts, frames of tables, numbers and nothing."""
    for X in (np.zeros((4, 5, 2)), [np.zeros((5, 2))], [[1.0]], ["a"], [], 3.0, None, "clip.mp4", [[]]):
        assert not holds_clips(X)


def test_frames_are_stored_and_restored() -> None:
    """Their type and shape included."""
    series = as_clips([pixels(3, 2, 8, 6)], "X")
    back = unpack_series(*pack_series(series))
    assert back.values.dtype == np.uint8
    assert np.array_equal(back.values, series.values)


def nan_clip() -> Any:
    """A clip of which one pixel of frame 2 is missing."""
    clip = np.ones((4, 5, 6))
    clip[2, 1, 1] = np.nan
    return clip


BAD = {
    "no sequence": (as_clips([pixels(2, 3, 4)], "X").select(np.arange(0)), "expected at least one clip"),
    "no clip": ([], "X: expected at least one clip, got none"),
    "a text": ("a.mp4", "got str"),
    "one frame": ([np.zeros((8, 6))], r"X, clip 0: .* got one frame of 8 x 6\. A clip of one frame is"),
    "zero frames": ([np.ones((2, 8, 6)), np.zeros((0, 8, 6))], "X, clip 1: expected at least one frame"),
    "no pixels": ([np.zeros((3, 0, 6))], "X, clip 0: expected frames that hold pixels"),
    "too many axes": ([np.zeros((3, 4, 5, 6, 7))], r"X, clip 0: .* got shape \(3, 4, 5, 6, 7\)"),
    "differing clips": (
        [np.zeros((2, 8, 6)), np.zeros((2, 6, 8))],
        "X, clip 1: expected frames of 8 x 6 as in clip 0, got 6 x 8",
    ),
    "differing frames": (
        [[np.zeros((8, 6)), np.zeros((8, 5))]],
        "X, clip 0, frame 1: expected 8 x 6 as in frame 0, got 8 x 5",
    ),
    "bytes beside floats": (
        [np.zeros((2, 8, 6), np.uint8), np.zeros((2, 8, 6))],
        "X, clip 1: expected uint8 as in clip 0, got float64",
    ),
    "channels unclear": ([np.zeros((5, 3, 8, 3))], "X, clip 0: .* which may be either"),
    "NaN": ([np.ones((4, 5, 6)), nan_clip()], r"X, clip 1, frame 2: expected numbers up to 1e\+15, got NaN"),
    "masked": (
        [np.ones((2, 3, 4)), np.ma.masked_less(np.eye(3)[None], 1)],
        r"X, clip 1: .* got a masked array",
    ),
    "masked frames": ([[np.ma.masked_less(np.eye(3), 1)]], r"X, clip 0: .* Fill it: x.filled\(value\)"),
    "infinite": ([np.full((1, 2, 2), np.inf)], "X, clip 0, frame 0: expected numbers .* got inf"),
    "huge": ([np.full((1, 2, 2), -1e300)], "X, clip 0, frame 0: expected numbers .* got -1e"),
    "colour beside grey": ([np.zeros((2, 3, 8, 6)), np.zeros((2, 8, 6))], "expected frames of 3 x 8 x 6"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_clips_are_refused_in_one_sentence(name: str) -> None:
    """The message names the clip and, where there is one, the frame."""
    X, sentence = BAD[name]
    with pytest.raises(DataError, match=sentence) as caught:
        as_clips(X, "X")
    assert "\n" not in str(caught.value)


def test_texts_and_complex_numbers_are_no_pixels() -> None:
    """Also inside an array."""
    for clip in (np.full((2, 3, 4), "a"), np.ones((2, 3, 4), complex)):
        with pytest.raises(DataTypeError, match="X, clip 0: expected numbers or booleans"):
            as_clips([clip], "X")


def test_sequences_of_other_things_are_refused() -> None:
    """Tables have no frames."""
    with pytest.raises(
        DataError, match=r"expected frames \(H, W\) or \(C, H, W\), got float64 of shape \(1,\)"
    ):
        require_clips(Sequences.from_arrays([[1.0, 2.0]]), "X")
