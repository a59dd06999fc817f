"""JSON in, JSON out; each code has an HTTP status."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unrolled.stream import replies
from unrolled.stream.answers import encode_json
from unrolled.stream.replies import Again, Applied, Gap, Old, Refused
from unrolled.stream.server.wire import (
    STATUS,
    Malformed,
    decode_socket,
    decode_steps,
    decode_trace,
    encode_answers,
    encode_reply,
    whole_number,
)


def test_every_code_has_a_status() -> None:
    """Those that the session, the stores and the routes write, as their source has them."""
    sources = [path.read_text() for path in Path(replies.__file__).parent.rglob("*.py")]
    written = {
        code for text in sources for code in re.findall(r'"([a-z]+_[a-z_]+|gap|old|busy|moved)"', text)
    }
    assert {"bad_input", "storage_full", "gap", "busy"} <= written
    assert {code for code in written if code.startswith(("bad_", "storage_", "too_"))} <= set(STATUS)
    assert all(300 <= status < 600 for status in STATUS.values())


@pytest.mark.parametrize(
    "answers",
    [
        np.array([[0.1, 1e-300, -0.0], [1e22, np.nan, np.inf]]),
        np.float32([0.1, 0.2]),
        [{"point": np.array([1.5]), "level": 80}, None],
        ["up", "down"],
    ],
)
def test_answers_are_those_of_the_session_in_other_letters(answers: Any) -> None:
    """Every number reads back as the same bits; NaN and infinity are null."""
    assert json.loads(encode_answers(answers)) == json.loads(encode_json(answers))


def test_an_answer_that_comes_again_is_the_same_bytes() -> None:
    """A client cannot tell, and need not."""
    assert encode_reply('a"b', Applied(2, b"[1]")) == encode_reply('a"b', Again(2, b"[1]"))
    code, record = encode_reply('a"b', Applied(2, b"[1]"))
    assert (code, json.loads(record)) == ("ok", {"stream": 'a"b', "last": 2, "y": [1]})


@pytest.mark.parametrize(
    ("reply", "fields"),
    [
        (Gap(4), {"error": "gap", "want": 4}),
        (Old(4), {"error": "old", "last": 4}),
        (Refused("bad_input", "no."), {"error": "bad_input", "message": "no."}),
    ],
)
def test_other_replies_carry_a_code_and_a_sentence(reply: Any, fields: dict[str, Any]) -> None:
    """And the number that tells how to go on."""
    code, record = encode_reply("a", reply)
    assert code == fields["error"]
    assert json.loads(record).items() >= {"stream": "a", **fields}.items()
    assert json.loads(record)["message"]


def test_numbers_may_follow_a_line_of_json_as_bytes() -> None:
    """Of two types, little-endian, on all routes; "dtype" elsewhere in a message is a text as any other."""
    samples = np.array([1, -2, 300], "<i2")
    message = decode_socket(b'{"stream":"a","n":2,"dtype":"int16"}\n' + samples.tobytes())
    assert (message.stream, message.n) == ("a", 2)
    assert np.array_equal(message.x, samples)
    body = decode_trace(b'{"dtype":"float32"}\n' + np.float32([0.5, 0.1]).tobytes())
    assert body.x.dtype == np.float32
    assert decode_steps(b'{"n":1,"dtype":"float32"}\n').x.tolist() == []
    behind_snapshot = b'{"snapshot":"%b","dtype":"int16"}\n' % (b"A" * 9000) + samples.tobytes()
    assert np.array_equal(decode_trace(behind_snapshot).x, samples)
    assert decode_socket(b'{"stream":"dtype"}').stream == "dtype"
    assert decode_socket(b'{"stream":"dtype",\n"n":1,\n"x":[1]}').x == [1]


@pytest.mark.parametrize(
    "message",
    [
        b'{"n":1,"dtype":"int16"}\nabc',
        b'{"n":1,"dtype":"int8"}\nab',
        b'{"n":1,"dtype":"int16","x":[1]}\nab',
        b'{"n":1,"dtype":1}\nab',
        b'{"n":1,"dtype":"int16"\nab',
        '{"n":1,"dtype":"int16","x":[1]}',
    ],
)
def test_bytes_that_are_no_numbers_are_malformed(message: Any) -> None:
    """Half a number, another type, numbers twice, no JSON before them."""
    with pytest.raises(Malformed, match="expected"):
        decode_steps(message)


def test_messages_are_decoded() -> None:
    """Numbers, rows, missing values; a number beyond 64 bits is kept to be refused by the session."""
    assert decode_steps(b'{"n":3,"x":[1,null,[2,null]]}').x == [1, None, [2, None]]
    assert decode_socket('{"stream":"a"}').n is None
    assert decode_socket(b'{"token":"t"}').token == "t"
    assert decode_steps(b'{"n":1e30,"x":[]}').n == 1e30


@pytest.mark.parametrize(
    "text", [b"", b"{}", b'{"n":"1","x":[]}', b'{"n":1,"x":[[[1]]]}', b"\xff", b"[" * 10_000]
)
def test_what_is_no_message_is_malformed(text: bytes) -> None:
    """With the form that is expected."""
    with pytest.raises(Malformed, match='"n": 1'):
        decode_steps(text)


def test_whole_numbers_are_told_from_others() -> None:
    """3.0 counts events as well as 3."""
    assert [whole_number(n) for n in (3, 3.0, 1.5, float("inf"))] == [3, 3, 1.5, float("inf")]
    assert isinstance(whole_number(3.0), int)
