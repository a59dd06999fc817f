"""Messages to a stream and the replies to them."""

from __future__ import annotations

import numbers
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import StreamError

MOST_EVENTS = 2**53  # the largest number below which JSON, and JavaScript, count without a hole
_MOST_CHARACTERS = 128


@dataclass(frozen=True, slots=True)
class Message:
    """Events for one stream.

    Args:
        stream: its name.
        n: number of the first event; the first event of a stream is number 1.
        x: the events, (T, F) or (T,); None or NaN is a missing value.
        start: time of the first event, in the first message of a stream whose model reads the calendar.
    """

    stream: str
    n: int
    x: Any
    start: str | None = None


@dataclass(frozen=True, slots=True)
class Applied:
    """The events were applied, and are stored.

    Args:
        last: number of the stream's last event.
        y: the answers to them, encoded.
    """

    last: int
    y: bytes


@dataclass(frozen=True, slots=True)
class Again:
    """The last message came again: the stored bytes of its answers.

    Args:
        last: number of the stream's last event.
        y: the answers as they were first given.
    """

    last: int
    y: bytes


@dataclass(frozen=True, slots=True)
class Gap:
    """Events are missing before this message.

    Args:
        want: number of the next event.
    """

    want: int


@dataclass(frozen=True, slots=True)
class Old:
    """Some of these events were applied before, and they are not the last message.

    Args:
        last: number of the stream's last event.
    """

    last: int


@dataclass(frozen=True, slots=True)
class Refused:
    """The message cannot be applied to this stream, whenever it comes.

    Args:
        code: a stable word.
        sentence: why, for people.
    """

    code: str
    sentence: str


Reply: TypeAlias = Applied | Again | Gap | Old | Refused


def check_stream(name: Any) -> str:
    """Return a name of a stream: 1 to 128 printable characters without a slash, as it stands in addresses.

    Raises:
        StreamError: it is none.

    >>> check_stream("pump 7")
    'pump 7'
    """
    is_name = isinstance(name, str) and 0 < len(name) <= _MOST_CHARACTERS
    if is_name and name.isprintable() and "/" not in name and name not in {".", ".."}:
        return str(name)
    got = repr(name) if len(repr(name)) <= 40 else f"{repr(name)[:36]}..."
    raise StreamError(
        f"stream: expected a name of 1 to {_MOST_CHARACTERS} printable characters without '/', got {got}.",
        "bad_stream",
    )


def check_number(name: str, n: Any, *, least: int = 1, count: int = 1) -> int:
    """Return the number of an event, after which `count - 1` more may be counted up to 2**53.

    Raises:
        StreamError: it is none.
    """
    is_whole = isinstance(n, numbers.Integral) and not isinstance(n, bool)
    if is_whole and n >= least and n + count - 1 <= MOST_EVENTS:
        return int(n)
    raise StreamError(
        f"{name}: expected a whole number from {least} to 2**53 ({MOST_EVENTS}), got {n!r:.40}. "
        "It is the number of the message's first event; the first event of a stream is number 1.",
        "bad_number",
    )


def check_events(x: Any) -> NDArray[np.float64]:
    """Return the events of a message as an array, one a row; None becomes NaN.

    Raises:
        StreamError: there is none, one is no number or infinite, or they differ in width.

    >>> check_events([[1, None], [2, 3]])
    array([[ 1., nan],
           [ 2.,  3.]])
    """
    try:
        events = np.asarray(x)
    except ValueError as fault:  # of lists that differ in length
        raise StreamError("x: expected events of one width, got some that differ.") from fault
    if events.dtype.kind == "O" and events.ndim > 0 and all(map(_is_number_or_none, events.flat)):
        try:
            events = events.astype(np.float64)
        except OverflowError as fault:
            raise StreamError(f"x: expected numbers below 1e308, got a larger one ({fault}).") from fault
    if events.ndim == 0 or events.dtype.kind not in "fiu":
        got = next((type(value).__name__.removesuffix("_") for value in events.flat), "none")
        raise StreamError(f"x: expected a list of events, each a number or a list of numbers, got {got}.")
    if events.size == 0:
        raise StreamError("x: expected at least one event, got none.")
    events = np.ascontiguousarray(events, dtype=np.float64)
    if np.isinf(events).any():
        raise StreamError("x: expected finite numbers, or None for a missing one, got an infinite one.")
    return events


def _is_number_or_none(value: Any) -> bool:
    return value is None or (isinstance(value, numbers.Real) and not isinstance(value, bool))
