"""POST of steps: applied once, answered when stored; another worker's stream is found by its address."""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray


def test_steps_over_http_equal_one_run(served: Any, recurrence: Any, events: NDArray[np.float64]) -> None:
    """Cut into messages of several lengths, each sent twice."""
    whole, n = recurrence().steps({"s": events})["s"], 1
    for length in (1, 2, 3, 5, 29):
        body = {"n": n, "x": events[n - 1 : n - 1 + length].tolist()}
        first, second = (served.request("POST", "/streams/posted/steps", body) for _ in range(2))
        assert first.record == {
            "stream": "posted",
            "last": n + length - 1,
            "y": whole[n - 1 : n - 1 + length].tolist(),
        }
        assert (second.status, second.body) == (200, first.body)
        n += length


def test_many_clients_at_once_get_their_own_answers(
    served: Any, recurrence: Any, events: NDArray[np.float64]
) -> None:
    """Eight threads, a stream each, through the same batches."""
    whole, wrong = recurrence().steps({"s": events})["s"], []

    def send(name: str) -> None:
        for n in range(1, 16):
            reply = served.request(
                "POST", f"/streams/{name}/steps", {"n": n, "x": [events[n - 1].tolist()]}
            ).record
            if reply["y"] != [whole[n - 1].tolist()]:
                wrong.append(reply)

    threads = [threading.Thread(target=send, args=(f"many{k}",)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_stream_of_another_worker_is_redirected(new_server: Callable[..., Any]) -> None:
    """307, which keeps method and body."""
    served = new_server(moved=lambda stream: "http://127.0.0.1:9" if stream == "b" else None)
    response = served.request("POST", "/streams/b/steps", {"n": 1, "x": [[1, 2, 3]]})
    assert (response.status, response.headers["location"]) == (307, "http://127.0.0.1:9/streams/b/steps")
    assert response.record["to"] == "http://127.0.0.1:9"
    assert served.request("POST", "/streams/a/steps", {"n": 1, "x": [[1, 2, 3]]}).status == 200


def test_a_server_that_stops_or_is_full_says_so(new_server: Callable[..., Any], monkeypatch: Any) -> None:
    """503, with a code that tells to send again."""
    served = new_server()
    served.core.batcher._max_waiting = 0
    response = served.request("POST", "/streams/a/steps", {"n": 1, "x": [[1, 2, 3]]})
    assert (response.status, response.record["error"], response.headers["retry-after"]) == (503, "busy", "1")
    served.core.batcher._max_waiting = 10
    served.core.is_draining = True
    assert (
        served.request("POST", "/streams/a/steps", {"n": 1, "x": [[1, 2, 3]]}).record["error"] == "draining"
    )
    assert served.request("GET", "/readyz").record["error"] == "draining"
    served.core.is_draining = False
    assert served.request("GET", "/streams/a").status == 404
