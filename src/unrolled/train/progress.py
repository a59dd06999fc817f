"""A progress line with time left, drawn a bounded number of times."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self

_MOST_UPDATES = 200  # however many steps there are, drawing never shows in the run time


class ProgressLine:
    """One line on stderr: what is done, how it goes, how long is left. Silent unless `shown`.

    Args:
        label: what is under way.
        total: units of work in all.
        shown: whether to draw at all.

    >>> with ProgressLine("training", total=10, shown=False) as line:
    ...     line.update(3, "loss 0.5")
    """

    def __init__(self, label: str, total: int, *, shown: bool) -> None:
        self._label, self._total, self._shown = label, max(total, 1), shown
        self._drawn, self._last_s, self._width = 0, 0.0, 0

    def __enter__(self) -> Self:
        self._start_s = time.perf_counter()
        return self

    def update(self, done: int, note: str = "") -> None:
        """Say that `done` of the total is done; draws at most 200 times, evenly over the work."""
        due = done * _MOST_UPDATES // self._total > self._drawn or done == self._total
        now_s = time.perf_counter()
        if not self._shown or not due or (now_s - self._last_s < 0.1 and done < self._total):
            return
        self._drawn, self._last_s = done * _MOST_UPDATES // self._total, now_s
        left_s = (now_s - self._start_s) / max(done, 1) * (self._total - done)
        text = f"{self._label} {done}/{self._total} {note}, {_clock(left_s)} left"
        self._write("\r" + text.ljust(self._width) if sys.stderr.isatty() else text + "\n")
        self._width = len(text)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown and self._drawn and sys.stderr.isatty():
            self._write("\r" + " " * self._width + "\r")

    def _write(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
