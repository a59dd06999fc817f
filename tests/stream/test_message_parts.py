"""Parts of what a client sends: cuts, encodings that the server decodes, and what is none."""

from typing import Any

import numpy as np
import pytest

from unrolled.errors import StreamError
from unrolled.stream.message_parts import event_parts, sound_parts
from unrolled.stream.server.wire import decode_socket


@pytest.mark.parametrize("x", ["to be", ["to", "be"], [[1.0, 2.0], [3.0, 4.0]], [0.5]])
def test_a_part_is_decoded_as_it_was(x: Any) -> None:
    """Text, words and numbers."""
    (part,) = event_parts(x)
    message = decode_socket(part.encode('a"b', 7))
    assert (message.stream, message.n, message.x, message.dtype) == ('a"b', 7, x, None)


@pytest.mark.parametrize("dtype", ["<i2", ">i2", "<f4", ">f4", "<f8"])
def test_sound_is_decoded_as_it_was(dtype: str) -> None:
    """Whatever the order of bytes; numbers of 64 bits lose some."""
    samples = np.array([0, 1, -1, 0.25]) * (32767 if "i" in dtype else 1)
    parts = sound_parts(np.tile(samples.astype(dtype), 3000))
    assert [len(part.x) for part in parts] == [8192, 3808]
    decoded = np.concatenate([decode_socket(part.encode("a", 1)).x for part in parts])
    assert np.array_equal(decoded, np.tile(samples.astype(dtype), 3000))


def test_missing_values_are_null() -> None:
    """And equal themselves where a call is repeated."""
    (part,), (again,) = event_parts([1.0, None]), event_parts([1.0, np.nan])
    assert decode_socket(part.encode("a", 1)).x == [1.0, None]
    assert part.is_like(again)
    assert not part.is_like(event_parts("text")[0])
    assert not sound_parts(np.zeros(3))[0].is_like(sound_parts(np.zeros(3, np.int16))[0])


@pytest.mark.parametrize(
    "samples", [[], "text", np.zeros((2, 2)), np.zeros(3, np.int32), [1, 2], [None], [1j]]
)
def test_what_is_no_sound_is_refused(samples: Any) -> None:
    """Before anything is sent; whole numbers of JSON's width would be clipped."""
    with pytest.raises(StreamError, match="samples: expected"):
        sound_parts(samples)


def test_words_among_numbers_are_refused() -> None:
    """They are neither."""
    with pytest.raises(StreamError, match="got str"):
        event_parts(["a", 1.0])
