"""Parts of what a client sends: events, text or sound, cut into messages."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from unrolled.errors import StreamError
from unrolled.jsonable import to_jsonable
from unrolled.stream.replies import check_events

_EVENTS = 256  # in a message
_SAMPLES = 8192
_SAMPLE_TYPES = {"i": "int16", "f": "float32"}


@dataclass(frozen=True, eq=False)
class MessagePart:
    """Events of one message.

    Args:
        x: an array (T, F) or (T,), a text, or a list of words.
        dtype: "int16" or "float32", where x is sound and follows as bytes; None where it is JSON.
    """

    x: Any
    dtype: str | None = None

    def is_like(self, other: MessagePart) -> bool:
        """Tell whether another part has the same events."""
        if isinstance(self.x, np.ndarray) and isinstance(other.x, np.ndarray):
            return self.dtype == other.dtype and np.array_equal(self.x, other.x, equal_nan=True)
        return type(self.x) is type(other.x) and self.x == other.x

    def encode(self, stream: str, n: int, start: str | None = None) -> str | bytes:
        """Write the message whose first event has the number n; that of a stream's first has its start."""
        head: dict[str, Any] = {"stream": stream, "n": n}
        if start is not None and n == 1:
            head["start"] = start
        if self.dtype is None:
            return json.dumps(head | {"x": to_jsonable(self.x)})
        line = json.dumps(head | {"dtype": self.dtype}).encode()
        numbers: bytes = self.x.astype(np.dtype(self.dtype).newbyteorder("<")).tobytes()
        return line + b"\n" + numbers


def event_parts(x: Any) -> list[MessagePart]:
    """Cut events into parts; a text, or a list of words, is one.

    Raises:
        StreamError: there is no event, or one is no number.

    >>> [len(part.x) for part in event_parts(np.zeros((300, 2)))], [part.x for part in event_parts("to be")]
    ([256, 44], ['to be'])
    """
    if isinstance(x, str):
        return [MessagePart(x)]
    if isinstance(x, list | tuple) and x and all(isinstance(word, str) for word in x):
        return [MessagePart(list(x))]
    events = check_events(x)
    return [MessagePart(events[k : k + _EVENTS]) for k in range(0, len(events), _EVENTS)]


def sound_parts(samples: Any) -> list[MessagePart]:
    """Cut samples into parts: whole numbers of 16 bits as they are, others as float32.

    Raises:
        StreamError: these are no samples of one channel, or whole numbers of another width.

    >>> [(len(part.x), part.dtype) for part in sound_parts(np.zeros(9000, np.int16))]
    [(8192, 'int16'), (808, 'int16')]
    """
    array = np.asarray(samples)
    dtype = _SAMPLE_TYPES.get(array.dtype.kind)
    if array.ndim != 1 or not len(array) or dtype is None or (dtype == "int16" and array.dtype.itemsize != 2):
        raise StreamError(
            "samples: expected (n,) numbers from -1 to 1, or whole ones of 16 bits, got"
            f" {array.dtype} of shape {array.shape}. Convert them."
        )
    return [MessagePart(array[k : k + _SAMPLES], dtype) for k in range(0, len(array), _SAMPLES)]
