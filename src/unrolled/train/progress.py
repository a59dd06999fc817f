"""A progress line with time left, drawn a bounded number of times."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import Self

_MOST_UPDATES = 199  # after the first: however many steps there are, drawing never shows in the run time
_FIRST_S = 0.5  # of work, before the first estimate; within two seconds even where steps are slow
_LONG_S = 2.0  # work that takes longer is shown where nobody says whether to show it
_REDRAW_S, _LOG_S = 0.1, 2.0  # between two updates, on a terminal and in a file, where each is a line


class ProgressLine:
    """One line on stderr: what is done, how it goes, how long is left; in a file at most one in two seconds.

    Args:
        label: what is under way.
        total: units of work in all.
        shown: whether to draw at all; None for on a terminal, if all the work takes more than two seconds.
        unit: what is counted, for the time before the first note.
        since_s: when all the work began, by `time.perf_counter`; None for when this line is opened.

    >>> with ProgressLine("training", total=10, shown=False) as line:
    ...     line.update(3, "loss 0.5")
    """

    def __init__(
        self, label: str, total: int, *, shown: bool | None, unit: str = "", since_s: float | None = None
    ) -> None:
        self._label, self._total, self._shown, self._since_s = label, max(total, 1), shown, since_s
        self._drawn, self._last_s, self._width, self._note = 0, 0.0, 0, unit

    def __enter__(self) -> Self:
        self._start_s = time.perf_counter()
        if self._since_s is None:
            self._since_s = self._start_s
        self._stages = _stages.get()
        if self._stages is not None:
            self._label = self._stages.open_line(self._label)
        return self

    def update(self, done: int, note: str = "") -> None:
        """Say that `done` of the total is done, and how it goes."""
        self._note = note
        self.advance(done)

    def advance(self, done: float) -> None:
        """Say that `done` of the total is done.

        Draws when half a second has passed, and from then on at most 199 times, evenly over the work. In a
        file, which keeps every line, two seconds lie between two, but for the last.
        """
        if self._shown is False:
            return
        now_s = time.perf_counter()
        due = done * _MOST_UPDATES // self._total > self._drawn or done == self._total
        due = due or (self._last_s == 0 and done > 0 and now_s - self._start_s >= _FIRST_S)
        if not due:
            return
        is_terminal = sys.stderr.isatty()
        if now_s - self._last_s < (_REDRAW_S if is_terminal else _LOG_S) and done < self._total:
            return
        left_s = (now_s - self._start_s) / max(done, 1e-9) * (self._total - done)
        if self._shown is None and not self._is_long(now_s, left_s):
            return
        self._drawn, self._last_s = int(done * _MOST_UPDATES // self._total), now_s
        if self._stages is None:
            left = _clock(left_s) + " left"
        else:
            left = _clock(self._stages.seconds_left(done / self._total)) + " left in all"
        text = f"{self._label} {int(done)}/{self._total} {self._note}, {left}"
        self._write("\r" + text.ljust(self._width) if is_terminal else text + "\n")
        self._width = len(text)

    def _is_long(self, now_s: float, left_s: float) -> bool:
        """Tell whether someone is there to see it, and the work as a whole takes long."""
        assert self._since_s is not None
        worked_s = now_s - self._since_s
        return sys.stderr.isatty() and worked_s >= _FIRST_S and worked_s + left_s > _LONG_S

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._width and sys.stderr.isatty():
            self._write("\r" + " " * self._width + "\r")

    def _write(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()


class ProgressStages:
    """Number the stages of a long command, and give the progress lines within them one time left in all.

    Args:
        n_lines: of each stage, in order, how many progress lines it will open; they count alike.

    >>> stages = ProgressStages({"fit": 2, "backtest": 4})
    >>> with stages.stage("fit"):
    ...     stages.open_line("refit")
    '1/2 fit, refit'
    """

    def __init__(self, n_lines: Mapping[str, int]) -> None:
        self._n_lines = dict(n_lines)
        self._start_s = time.perf_counter()
        self._stage, self._n_opened = "", 0
        self._n_done = 0  # lines of the stages that are over, opened or not

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Make the lines opened within it lines of this stage."""
        self._stage, self._n_opened = name, 0
        token = _stages.set(self)
        try:
            yield
        finally:
            _stages.reset(token)
            self._n_done += self._n_lines[name]

    def open_line(self, label: str) -> str:
        """Count one more line of the stage; returns its label with the stage before it."""
        self._n_opened += 1
        place = f"{list(self._n_lines).index(self._stage) + 1}/{len(self._n_lines)} "
        return f"{place if len(self._n_lines) > 1 else ''}{self._stage}, {label}"

    def seconds_left(self, share: float) -> float:
        """Time until the last stage ends, where this share of the open line is done."""
        n_done = self._n_done + min(self._n_opened - 1 + share, self._n_lines[self._stage])
        elapsed_s = time.perf_counter() - self._start_s
        return elapsed_s * (sum(self._n_lines.values()) / n_done - 1)


_stages: ContextVar[ProgressStages | None] = ContextVar("stages", default=None)


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
