"""Counters in Prometheus' text format, without the name of a stream."""

from typing import Any

from unrolled.stream.server.metrics import Metrics


def test_a_histogram_counts_up() -> None:
    """Each bucket holds those below it; the last holds all."""
    metrics = Metrics()
    for seconds in (0.0001, 0.002, 0.002, 5.0):
        metrics.count_batch(3, seconds)
    lines = dict(line.rsplit(" ", 1) for line in metrics.text({}).splitlines() if not line.startswith("#"))
    assert lines['unrolled_batch_seconds_bucket{le="0.0005"}'] == "1"
    assert lines['unrolled_batch_seconds_bucket{le="0.0025"}'] == "3"
    assert lines['unrolled_batch_seconds_bucket{le="1.0"}'] == "3"
    assert lines['unrolled_batch_seconds_bucket{le="+Inf"}'] == lines["unrolled_batch_seconds_count"] == "4"
    assert (lines["unrolled_batched_messages_total"], float(lines["unrolled_batch_seconds_sum"])) == (
        "12",
        5.0041,
    )


def test_a_server_counts_what_it_replies(served: Any) -> None:
    """By code; a stream's name stands nowhere."""
    served.request("POST", "/streams/secret-name/steps", {"n": 1, "x": [[1, 2, 3]]})
    served.request("POST", "/streams/secret-name/steps", {"n": 9, "x": [[1, 2, 3]]})
    with served.socket():
        response = served.request("GET", "/metrics")
    text = response.body.decode()
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "unrolled_streams 1" in text
    assert 'unrolled_replies_total{code="gap"} 1' in text
    assert 'unrolled_replies_total{code="ok"} 1' in text
    assert "unrolled_connections 1" in text
    assert "secret-name" not in text
