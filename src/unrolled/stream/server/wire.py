"""Messages and records on the wire: JSON in, JSON out, a stable code for each fault."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import Any, Final, TypeVar

import msgspec
import numpy as np

from unrolled.jsonable import to_jsonable
from unrolled.stream.answers import answer_list
from unrolled.stream.replies import Again, Applied, Gap, Old, Reply

STATUS: Final = {  # code: HTTP status
    "bad_message": 400,
    "bad_stream": 400,
    "bad_number": 400,
    "bad_host": 421,
    "unauthorized": 401,
    "bad_origin": 403,
    "unknown_stream": 404,
    "not_found": 404,
    "not_allowed": 405,
    "gap": 409,
    "old": 409,
    "other_model": 409,
    "too_large": 413,
    "bad_input": 422,
    "moved": 307,
    "too_many_streams": 429,
    "too_many_messages": 429,
    "internal": 500,
    "storage_corrupt": 500,
    "busy": 503,
    "draining": 503,
    "storage_failed": 503,
    "storage_full": 507,
}

_Number = float | None
Events = str | list[_Number | str | list[_Number]]
_DTYPES: Final = {"int16": "<i2", "float32": "<f4"}  # of numbers behind a line of JSON


class StepsBody(msgspec.Struct, forbid_unknown_fields=True):
    """Body of POST /streams/{stream}/steps.

    Args:
        n: number of the first event.
        x: events, each a number or a list of numbers; null is a missing value. Of a model of text, a text or
            a list of tokens.
        dtype: "int16" or "float32" where the numbers of x follow as bytes.
        start: time of the first event, where n is 1 and the model reads the calendar.
    """

    n: int | float  # a number beyond 64 bits is a float here, and refused later
    x: Events | None = None
    dtype: str | None = None
    start: str | None = None


class SocketMessage(msgspec.Struct, forbid_unknown_fields=True):
    """Message on the WebSocket: steps; a stream alone asks for its last number; a token comes first.

    Args:
        stream: its name.
        n: number of the first event.
        x: events.
        token: what the server was given, where no header can hold it.
        dtype: as of `StepsBody`.
        start: likewise.
    """

    stream: str | None = None
    n: int | float | None = None
    x: Events | None = None
    token: str | None = None
    dtype: str | None = None
    start: str | None = None


class Malformed(Exception):  # noqa: N818 (it is a reply, not a fault of ours)
    """A body or message that is not JSON of the right form; the text is a sentence."""


class TraceBody(msgspec.Struct, forbid_unknown_fields=True):
    """Body of POST /trace.

    Args:
        x: events.
        snapshot: state to begin from, in base64; null for the one before the first event.
        network: whose units, from 0.
        dtype: as of `StepsBody`.
        start: likewise, where there is no snapshot.
    """

    x: Events | None = None
    snapshot: str | None = None
    network: int = 0
    dtype: str | None = None
    start: str | None = None


Body = TypeVar("Body", StepsBody, SocketMessage, TraceBody)
_steps, _socket = msgspec.json.Decoder(StepsBody), msgspec.json.Decoder(SocketMessage)
_trace = msgspec.json.Decoder(TraceBody)
_STEPS_EXAMPLE, _TRACE_EXAMPLE = '{"n": 1, "x": [[0.5, 1.0]]}', '{"snapshot": null, "x": [[0.5, 1.0]]}'
_encoder = msgspec.json.Encoder()


def decode_steps(body: bytes) -> StepsBody:
    """Decode the body of POST /streams/{stream}/steps.

    Raises:
        Malformed: it is none.
    """
    return _with_events(_decode(_steps, body, _STEPS_EXAMPLE), _STEPS_EXAMPLE)


def decode_trace(body: bytes) -> TraceBody:
    """Decode the body of POST /trace.

    Raises:
        Malformed: it is none.
    """
    return _with_events(_decode(_trace, body, _TRACE_EXAMPLE), _TRACE_EXAMPLE)


def decode_socket(message: bytes | str) -> SocketMessage:
    """Decode a message of the WebSocket.

    Raises:
        Malformed: it is none.
    """
    return _decode(_socket, message, '{"stream": "a", "n": 1, "x": [[0.5, 1.0]]}')


def _with_events(body: Body, example: str) -> Body:
    """Return a body that has events."""
    if body.x is None:
        raise Malformed(f"expected {example}: Object missing required field `x`.")
    return body


def _decode(decoder: msgspec.json.Decoder[Body], content: bytes | str, example: str) -> Body:
    """Decode JSON, or a line of it with the bytes of numbers behind."""
    try:
        head, _, numbers = content.partition(b"\n") if isinstance(content, bytes) else (b"", b"", b"")
        if b'"dtype"' in head:
            with suppress(msgspec.DecodeError):  # of JSON on several lines
                if (body := decoder.decode(head)).dtype is not None:
                    return _with_numbers(body, numbers)
        body = decoder.decode(content)
        return body if body.dtype is None else _with_numbers(body, b"")
    except (msgspec.DecodeError, UnicodeError, RecursionError) as fault:
        raise Malformed(f"expected {example}: {fault}.") from fault


def _with_numbers(body: Body, numbers: bytes) -> Body:
    """Put the numbers that follow a line of JSON into its x."""
    dtype = _DTYPES.get(body.dtype or "")
    if dtype is None or body.x is not None or len(numbers) % np.dtype(dtype).itemsize:
        raise Malformed(
            'expected a line such as {"stream": "a", "n": 1, "dtype": "int16"}, without x, and behind it the'
            f" bytes of numbers, int16 or float32, little-endian; got dtype {body.dtype!r:.20},"
            f" {'no ' if body.x is None else ''}x and {len(numbers)} bytes."
        )
    body.x = np.frombuffer(numbers, dtype)  # type: ignore[assignment]  # what reads events takes arrays too
    return body


def encode_answers(answers: Any) -> bytes:
    """Encode answers as JSON; NaN and infinity become null.

    >>> import numpy as np
    >>> encode_answers(np.array([[0.5, np.nan]]))
    b'[[0.5,null]]'
    """
    listed = answer_list(answers)
    try:
        return _encoder.encode(listed)  # it writes NaN and infinity as null
    except TypeError:  # it holds arrays, or other records
        return _encoder.encode(to_jsonable(listed))


def encode_record(record: dict[str, Any]) -> bytes:
    """Encode a small record as JSON."""
    return _encoder.encode(record)


def encode_error(code: str, message: str, stream: str | None = None, **fields: Any) -> bytes:
    """Encode the record of a fault: `error` is for machines and stable, `message` for people.

    >>> encode_error("gap", "event 4 comes next.", "a", want=4)
    b'{"stream":"a","error":"gap","message":"event 4 comes next.","want":4}'
    """
    head = {} if stream is None else {"stream": stream}
    return _encoder.encode(head | {"error": code, "message": message} | fields)


def encode_reply(stream: str, reply: Reply) -> tuple[str, bytes]:
    """Encode the reply to a message; return its code ("ok" where it was applied) and the record.

    >>> encode_reply("a", Applied(2, b"[0.5,0.25]"))
    ('ok', b'{"stream":"a","last":2,"y":[0.5,0.25]}')
    """
    if isinstance(reply, Applied | Again):
        return "ok", b'{"stream":%b,"last":%d,"y":%b}' % (_encoder.encode(stream), reply.last, reply.y)
    if isinstance(reply, Gap):
        sentence = f"Event {reply.want} comes next: send the events from there on."
        return "gap", encode_error("gap", sentence, stream, want=reply.want)
    if isinstance(reply, Old):
        sentence = f"Events up to {reply.last} were applied, and this is not the last message again."
        return "old", encode_error("old", sentence, stream, last=reply.last)
    return reply.code, encode_error(reply.code, reply.sentence, stream)


def whole_number(n: float) -> int | float:
    """Return a number of JSON as an int where it is one: 3.0 is 3."""
    return int(n) if isinstance(n, float) and math.isfinite(n) and n == int(n) else n
