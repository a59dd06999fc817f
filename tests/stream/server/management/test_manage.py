"""Create, list, save, restore and delete streams over HTTP."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from numpy.typing import NDArray


def test_a_stream_is_made_listed_and_deleted(new_server: Callable[..., Any]) -> None:
    """Names may hold whatever is printable; pages follow on a name."""
    served = new_server()
    names = sorted(["b", "a c", "Zürich", "100%", "q?x#y"])
    for name in names:
        assert served.request("PUT", f"/streams/{quote(name)}").record == {"stream": name, "last": 0}
        assert served.request("PUT", f"/streams/{quote(name)}").record["last"] == 0
    listed = served.request("GET", "/streams").record
    assert (listed["streams"], listed["count"]) == (names, 5)
    assert listed["bytes"] > 0
    assert served.request("GET", f"/streams?limit=2&after={quote(names[1])}").record["streams"] == names[2:4]
    assert served.request("DELETE", f"/streams/{quote('q?x#y')}").status == 204
    assert served.request("GET", "/streams").record["count"] == 4


def test_a_snapshot_moves_a_stream_to_another_server(
    new_server: Callable[..., Any], recurrence: Any, events: NDArray[np.float64]
) -> None:
    """State and number; it goes on there as it would have here."""
    here, there = new_server(), new_server()
    here.request("POST", "/streams/a/steps", {"n": 1, "x": events[:7].tolist()})
    saved = here.request("GET", "/streams/a/snapshot")
    assert saved.headers["unrolled-last"] == "7"
    assert there.request("PUT", "/streams/b/snapshot?last=7", saved.body).record == {"stream": "b", "last": 7}
    reply = there.request("POST", "/streams/b/steps", {"n": 8, "x": events[7:9].tolist()}).record
    assert reply["y"] == recurrence().steps({"a": events})["a"][7:9].tolist()


def test_as_many_streams_as_may_be(new_server: Callable[..., Any]) -> None:
    """429 for the next one, whichever way it is made."""
    served = new_server(session={"max_streams": 2})
    for name in "ab":
        assert served.request("POST", f"/streams/{name}/steps", {"n": 1, "x": [[1, 2, 3]]}).status == 200
    for response in (
        served.request("POST", "/streams/c/steps", {"n": 1, "x": [[1, 2, 3]]}),
        served.request("PUT", "/streams/c"),
        served.request("PUT", "/streams/c/snapshot?last=3", b""),
    ):
        assert (response.status, response.record["error"]) == (429, "too_many_streams")
    assert served.request("POST", "/streams/a/steps", {"n": 2, "x": [[1, 2, 3]]}).status == 200


def test_health_readiness_and_model_are_told(served: Any) -> None:
    """For those who watch, and for the page."""
    assert served.request("GET", "/healthz").record == {"status": "ok"}
    assert served.request("GET", "/readyz").record == {"status": "ready"}
    assert served.request("GET", "/model").record == {"inputs": ["x1", "x2", "x3"]}


def test_a_method_that_a_route_does_not_take_is_told_which_it_takes(served: Any) -> None:
    """On routes of FastAPI and on our own."""
    for path, allowed in (
        ("/model", "GET"),
        ("/streams/a", "DELETE, GET, PUT"),
        ("/streams/a/steps", "POST"),
        ("/trace", "POST"),
    ):
        response = served.request("PATCH", path)
        assert (response.status, response.record["error"]) == (405, "not_allowed")
        assert response.headers["allow"] == allowed


CONFIG = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "307", "400", "401", "403", "404", "409", "422", "429"]
"""


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_schemathesis_finds_no_request_that_breaks_the_document(
    new_server: Callable[..., Any], tmp_path: Path
) -> None:
    """No fault of the server, no answer that the OpenAPI document does not describe.

    What no schema says may be refused: names that are not printable, missing values that are not filled.
    """
    program = Path(sys.executable).with_name("schemathesis")
    if not program.exists():
        pytest.skip("schemathesis is not installed: pip install 'unrolled[dev]'")
    (tmp_path / "schemathesis.toml").write_text(CONFIG)
    served = new_server()
    words = ["run", f"{served.url}/openapi.json", "--max-examples", "60", "--seed", "1", "--no-color"]
    ran = subprocess.run([program, *words], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert ran.returncode == 0, ran.stdout[-5000:] + ran.stderr
