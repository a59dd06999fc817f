"""Counters of the server in the text format of Prometheus; no label holds a stream's name."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping

_BATCH_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)


class Metrics:
    """Counts and gauges since the start; the event loop writes and reads them.

    >>> metrics = Metrics()
    >>> metrics.count_reply("gap")
    >>> print(metrics.text({"unrolled_streams": 3}))
    # TYPE unrolled_streams gauge
    unrolled_streams 3
    ...
    unrolled_replies_total{code="gap"} 1
    ...
    """

    def __init__(self) -> None:
        self.waiting = self.connections = 0
        self._replies: Counter[str] = Counter()
        self._n_batched = 0
        self._buckets, self._seconds = [0] * (len(_BATCH_SECONDS) + 1), 0.0

    def count_reply(self, code: str) -> None:
        """Count a reply to a message by its code."""
        self._replies[code] += 1

    def count_batch(self, n_messages: int, seconds: float) -> None:
        """Count a batch and the time that it took with its commit."""
        self._n_batched += n_messages
        self._seconds += seconds
        self._buckets[bisect_left(_BATCH_SECONDS, seconds)] += 1

    def text(self, gauges: Mapping[str, float]) -> str:
        """Write all of them, and gauges that are measured now."""
        gauges = dict(gauges) | {
            "unrolled_waiting_messages": self.waiting,
            "unrolled_connections": self.connections,
        }
        lines = [
            line for name, value in gauges.items() for line in (f"# TYPE {name} gauge", f"{name} {value}")
        ]
        lines.append("# TYPE unrolled_replies_total counter")
        lines += [f'unrolled_replies_total{{code="{code}"}} {n}' for code, n in sorted(self._replies.items())]
        lines += ["# TYPE unrolled_batched_messages_total counter"]
        lines += [f"unrolled_batched_messages_total {self._n_batched}", *self._histogram()]
        return "\n".join(lines) + "\n"

    def _histogram(self) -> list[str]:
        name, count = "unrolled_batch_seconds", 0
        lines = [f"# HELP {name} Time from taking a batch to its commit.", f"# TYPE {name} histogram"]
        for bound, n in zip((*_BATCH_SECONDS, "+Inf"), self._buckets, strict=True):
            count += n
            lines.append(f'{name}_bucket{{le="{bound}"}} {count}')
        return [*lines, f"{name}_sum {self._seconds:.6f}", f"{name}_count {count}"]
