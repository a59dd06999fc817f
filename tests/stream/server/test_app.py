"""Bad input of every kind: a record with a stable code and a sentence, and no harm to any other stream."""

import json
import socket
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

Array = NDArray[np.float64]
ONE = [[0.1, 0.2, 0.3]]
OTHER = np.random.default_rng(5).normal(size=(200, 3))  # events of a stream that goes on beside


@pytest.fixture(autouse=True)
def _others_are_unharmed(served: Any, recurrence: Any) -> Iterator[None]:
    """A stream beside each of these requests goes on as if they were not."""
    last = served.request("PUT", "/streams/other").record["last"]
    yield
    reply = served.request(
        "POST", "/streams/other/steps", {"n": last + 1, "x": OTHER[last : last + 1].tolist()}
    )
    whole = recurrence().steps({"other": OTHER})["other"]
    assert reply.record == {"stream": "other", "last": last + 1, "y": [whole[last].tolist()]}


@pytest.mark.parametrize(
    ("body", "status", "code", "words"),
    [
        ({"n": 1, "x": [[1, 2]]}, 422, "bad_input", "expected 3 numbers"),
        ({"n": 1, "x": [[1, None, 2]]}, 422, "bad_input", "expected 3 numbers"),
        ({"n": 1, "x": [[1, 2, 3], [1]]}, 422, "bad_input", "one width"),
        ({"n": 1, "x": []}, 422, "bad_input", "at least one event"),
        ({"n": 1, "x": [["a", 1, 2]]}, 400, "bad_message", "got `str`"),
        ({"n": 1, "x": "abc"}, 422, "bad_input", "got str"),
        ({"n": 1, "x": ["a", "b"]}, 422, "bad_input", "got str"),
        ({"n": 1, "x": ONE, "dtype": "int16"}, 400, "bad_message", "x and 0 bytes"),
        (b'{"n": 1, "dtype": "int16"}\n' + bytes(12), 422, "bad_input", "expected 3 numbers"),
        ({"n": 1}, 400, "bad_message", "missing required field `x`"),
        ({"x": ONE}, 400, "bad_message", "missing required field `n`"),
        ({"n": 1, "x": ONE, "y": 1}, 400, "bad_message", "unknown field `y`"),
        ([], 400, "bad_message", "Expected `object`"),
        (b"", 400, "bad_message", "truncated"),
        (b'{"n": 1, "x": [[0.1', 400, "bad_message", "truncated"),
        (b'{"n": 1, "x": [[NaN, 1, 2]]}', 400, "bad_message", "malformed"),
        (b"\xff\xfe", 400, "bad_message", ""),
        (b"[" * 100_000, 400, "bad_message", ""),
        (b'{"n": 1, "x": [[1e999, 1, 2]]}', 400, "bad_message", "out of range"),
        ({"n": 0, "x": ONE}, 400, "bad_number", "from 1 to 2**53"),
        ({"n": -5, "x": ONE}, 400, "bad_number", "from 1 to 2**53"),
        ({"n": 2**53 + 1, "x": ONE}, 400, "bad_number", "from 1 to 2**53"),
        ({"n": 10**30, "x": ONE}, 400, "bad_number", "from 1 to 2**53"),
        ({"n": 1.5, "x": ONE}, 400, "bad_number", "from 1 to 2**53"),
        ({"n": 7, "x": ONE}, 409, "gap", "Event 1 comes next"),
        (b'{"n": 1, "x": [' + b"[1,2,3]," * 200_000 + b"[1,2,3]]}", 413, "too_large", "split the events"),
    ],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
def test_a_bad_body_has_a_code(served: Any, body: Any, status: int, code: str, words: str) -> None:
    """And leaves no stream behind."""
    response = served.request("POST", "/streams/bad/steps", body)
    assert (response.status, response.record["error"]) == (status, code)
    assert words in response.record["message"]
    assert response.headers["content-type"] == "application/json"
    assert served.request("GET", "/streams/bad").status == 404


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/streams/nobody", 404, "unknown_stream"),
        ("DELETE", "/streams/nobody", 404, "unknown_stream"),
        ("GET", "/streams/nobody/snapshot", 404, "unknown_stream"),
        ("PUT", "/streams/nobody/snapshot", 400, "bad_message"),
        ("PUT", "/streams/nobody/snapshot?last=-1", 400, "bad_message"),
        ("PUT", f"/streams/nobody/snapshot?last={2**53 + 1}", 400, "bad_message"),
        ("GET", "/streams/nobody/steps", 405, "not_allowed"),
        ("POST", "/streams/a%0Ab/steps", 400, "bad_message"),
        ("PUT", "/streams/a%0Ab", 400, "bad_stream"),
        ("PUT", "/streams/" + "x" * 129, 400, "bad_message"),
        ("GET", "/streams?limit=0", 400, "bad_message"),
        ("GET", "/streams?limit=many", 400, "bad_message"),
        ("POST", "/streams", 405, "not_allowed"),
        ("GET", "/nothing", 404, "not_found"),
        ("GET", "/streams/a/b/c", 404, "not_found"),
    ],
)  # fmt: skip
def test_a_bad_request_has_a_code(served: Any, method: str, path: str, status: int, code: str) -> None:
    """Whatever the route."""
    response = served.request(method, path)
    assert (response.status, response.record["error"]) == (status, code)
    assert response.record["message"].endswith(".")


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("", "bad_message"),
        ("{", "bad_message"),
        ("[1]", "bad_message"),
        (b"\xff\x00", "bad_message"),
        ({}, "bad_message"),
        ({"n": 1, "x": ONE}, "bad_message"),
        ({"token": "x"}, "bad_message"),
        ({"stream": 5, "n": 1, "x": ONE}, "bad_message"),
        ({"stream": "w", "n": 1, "x": [["a"]]}, "bad_message"),
        ({"stream": "w", "n": 1}, "bad_input"),
        ({"stream": "w", "x": ONE}, "bad_number"),
        ({"stream": "w", "n": 2**60, "x": ONE}, "bad_number"),
        ({"stream": "w", "n": 1, "x": [[1, 2]]}, "bad_input"),
        ({"stream": "a/b", "n": 1, "x": ONE}, "bad_stream"),
        ({"stream": ""}, "bad_stream"),
        ({"stream": "w", "n": 3, "x": ONE}, "gap"),
    ],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
def test_a_bad_message_of_a_websocket_has_a_code(served: Any, ask: Any, message: Any, code: str) -> None:
    """The connection stays, and the next message is answered."""
    with served.socket() as connection:
        reply = ask(connection, message)
        assert reply["error"] == code
        assert reply["message"]
        assert ask(connection, {"stream": "none"}) == {"stream": "none", "last": 0}


def test_a_huge_message_of_a_websocket_closes_it(served: Any) -> None:
    """With the code of RFC 6455 for it."""
    from websockets.exceptions import ConnectionClosed

    with served.socket() as connection:
        connection.send("x" * 2_000_000)
        with pytest.raises(ConnectionClosed) as caught:
            connection.recv(timeout=30)
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 1009


def test_a_snapshot_of_another_model_is_refused(served: Any, recurrence: Any, events: Array) -> None:
    """And one that is cut; the stream stays."""
    other = recurrence(name=b"two")
    other.steps({"a": events})
    for blob in (other.snapshot("a"), b"cut"):
        response = served.request("PUT", "/streams/snap/snapshot?last=40", blob)
        assert (response.status, response.record["error"]) == (409, "other_model")
    assert served.request("GET", "/streams/snap").status == 404


def test_bytes_that_are_no_http_close_their_connection(served: Any) -> None:
    """With 400."""
    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as raw:
        raw.sendall(b"\x16\x03\x01\x02\x00 no http at all\r\n\r\n")
        assert raw.recv(1000).startswith(b"HTTP/1.1 400")


def test_a_client_that_leaves_in_the_middle_harms_nobody(served: Any) -> None:
    """Half a body, then nothing; half a message, then nothing."""
    for head in (
        b'POST /streams/half/steps HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{"n"',
        b"GET /str",
    ):
        with socket.create_connection(("127.0.0.1", served.port), timeout=30) as raw:
            raw.sendall(head)
    assert served.request("GET", "/healthz").record == {"status": "ok"}


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["n", "x", "y"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(body=_JSON | st.fixed_dictionaries({"n": _JSON, "x": _JSON}), name=st.text(min_size=1, max_size=6))
def test_no_body_and_no_name_break_the_server(served: Any, body: Any, name: str) -> None:
    """Any JSON, to a stream of any name: a record, never 500."""
    name = name.encode("utf-8", "replace").decode()
    response = served.request("POST", f"/streams/any{quote(name, safe='')}/steps", body)
    assert response.status in {200, 400, 404, 405, 409, 422}
    assert response.record.keys() >= ({"last", "y"} if response.status == 200 else {"error", "message"})


def test_every_path_of_the_document_is_a_route(served: Any) -> None:
    """OpenAPI lists what there is, steps too, with the record of faults."""
    document = served.request("GET", "/openapi.json").record
    assert sorted(document["paths"]) == [
        "/healthz", "/metrics", "/model", "/readyz", "/streams", "/streams/{stream}",
        "/streams/{stream}/snapshot", "/streams/{stream}/steps",
    ]  # fmt: skip
    steps = document["paths"]["/streams/{stream}/steps"]["post"]["responses"]
    assert {"200", "307", "409", "413", "422", "507"} <= set(steps)
    assert json.dumps(document).count("ErrorRecord") > 10
    assert document["info"]["version"]


def test_full_disk_is_507(new_server: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is applied, and the same message goes through when there is room."""
    from unrolled.errors import StoreError

    full = new_server()
    store = full.core.session._store
    commit = store.commit

    def fail(rows: Any, *, now: int) -> set[str]:
        raise StoreError("s.db: the disk is full. Free some space and send it again.", "storage_full")

    store.commit = fail
    response = full.request("POST", "/streams/a/steps", {"n": 1, "x": ONE})
    assert (response.status, response.record["error"]) == (507, "storage_full")
    store.commit = commit
    assert full.request("POST", "/streams/a/steps", {"n": 1, "x": ONE}).record["last"] == 1


def test_a_bug_is_500_without_its_traceback(new_server: Callable[..., Any]) -> None:
    """The sentence tells no secret; the log has the rest."""
    broken = new_server()
    broken.core.session._encode = lambda answers: 1 / 0
    response = broken.request("POST", "/streams/a/steps", {"n": 1, "x": ONE})
    assert (response.status, response.record["error"]) == (500, "internal")
    assert b"ZeroDivision" not in response.body
