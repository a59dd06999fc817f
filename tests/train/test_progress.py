"""A progress line tells time left, and is drawn a bounded number of times."""

import itertools
import sys
from collections.abc import Callable

import pytest

from unrolled.train import progress
from unrolled.train.progress import ProgressLine, ProgressStages


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Time that moves by a fixed stride each time it is read."""

    def stride(seconds: float) -> None:
        ticks = itertools.count(100.0, seconds)
        monkeypatch.setattr(progress.time, "perf_counter", lambda: next(ticks))

    return stride


@pytest.mark.parametrize("total", [1, 7, 199, 200, 201, 50_000])
def test_updates_are_bounded(
    total: int,
    clock: Callable[[float], None],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However many steps, and however slow each: at most 200 updates, and the last says it is done."""
    clock(1.0)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with ProgressLine("training", total, shown=True) as line:
        for done in range(1, total + 1):
            line.update(done, "epochs")
        lines = capsys.readouterr().err.split("\r")[1:]
    assert len(lines) == min(total, 200)
    assert lines[-1].rstrip() == f"training {total}/{total} epochs, 0:00 left"


def test_a_file_gets_a_line_every_two_seconds(
    clock: Callable[[float], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """A log keeps all of them: 100 steps of half a second are at most 25 lines, not a hundred."""
    clock(0.5)
    with ProgressLine("training", 100, shown=True) as line:
        for done in range(1, 101):
            line.update(done, "epochs")
    lines = capsys.readouterr().err.splitlines()
    assert 20 <= len(lines) <= 26
    assert lines[-1] == "training 100/100 epochs, 0:00 left"


def test_quick_steps_are_drawn_ten_times_a_second(
    clock: Callable[[float], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """A hundred steps of a millisecond: the first, the one 0.1 s later, and the last at most."""
    clock(0.001)
    with ProgressLine("training", 100, shown=True) as line:
        for done in range(1, 101):
            line.update(done)
    assert len(capsys.readouterr().err.splitlines()) <= 3


def test_slow_steps_are_drawn_before_a_two_hundredth_is_done(
    clock: Callable[[float], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """Of 1,000 steps of half a second the first is drawn, with an estimate, not the fifth."""
    clock(0.5)
    with ProgressLine("fit", 1000, shown=True, unit="epochs") as line:
        line.advance(0.5)
    assert capsys.readouterr().err == "fit 0/1000 epochs, 16:40 left\n"


@pytest.mark.parametrize(
    ("stride_s", "is_terminal", "is_drawn"),
    [(0.6, True, True), (0.6, False, False), (0.15, True, False), (0.01, True, False)],
)
def test_where_nobody_says_long_work_on_a_terminal_is_drawn(
    stride_s: float,
    is_terminal: bool,
    is_drawn: bool,
    clock: Callable[[float], None],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ten steps of 0.6 s within two seconds; ten of 0.15 s never, nor what goes to a file."""
    clock(stride_s)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: is_terminal, raising=False)
    with ProgressLine("fit", 10, shown=None) as line:
        for done in range(1, 4):
            line.update(done, "epochs")
        drawn = capsys.readouterr().err
    assert drawn.startswith("\rfit 1/10 epochs, 0:05 left") if is_drawn else drawn == ""


def test_work_before_the_line_counts(
    clock: Callable[[float], None], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refit of half a second after a validation fit of two is part of long work."""
    clock(0.25)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with ProgressLine("refit", 2, shown=None, since_s=98.0) as line:
        line.update(1)
        line.update(2)
    assert "refit 2/2" in capsys.readouterr().err


def test_time_left_is_in_proportion(
    clock: Callable[[float], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """A quarter took 30 minutes: an hour and a half is left."""
    clock(1800.0)
    with ProgressLine("fit", 4, shown=True) as line:
        line.update(1, "loss 0.5")
    assert capsys.readouterr().err == "fit 1/4 loss 0.5, 1:30:00 left\n"


def test_it_is_silent_unless_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing on either stream."""
    with ProgressLine("fit", 2, shown=False) as line:
        line.update(1)
        line.update(2)
    assert capsys.readouterr() == ("", "")


def test_on_a_terminal_it_is_one_line_that_goes_away(
    clock: Callable[[float], None], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Drawn over itself, longer text wiped, blank at the end."""
    clock(1.0)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with ProgressLine("fit", 2, shown=True) as line:
        line.update(1, "a long note")
        line.update(2)
    drawn = capsys.readouterr().err
    assert "\n" not in drawn
    first, second, wiped = drawn.split("\r")[1:4]
    assert len(second) >= len(first.rstrip())
    assert wiped.strip() == ""


def test_stages_have_numbers_and_one_time_left(
    clock: Callable[[float], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """Lines of all stages count alike: after 1.5 of 6 lines a quarter is done."""
    clock(0.0)
    stages = ProgressStages({"fit": 2, "backtest": 4})
    clock(60.0)
    stages._start_s = 0.0
    with stages.stage("fit"):
        with ProgressLine("validation fit", 4, shown=True) as line:
            line.update(4, "epochs")
        with ProgressLine("refit", 4, shown=True) as line:
            line.update(2, "epochs")
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("1/2 fit, validation fit 4/4 epochs, ")
    assert second.startswith("1/2 fit, refit 2/4 epochs, ")
    assert second.endswith(" left in all")
    with stages.stage("backtest"):
        assert stages.open_line("refit") == "2/2 backtest, refit"
        elapsed_s = progress.time.perf_counter() + 60.0
        assert stages.seconds_left(0.5) == pytest.approx(elapsed_s * (6 / 2.5 - 1))


def test_a_stage_of_fewer_lines_than_announced_is_over_when_it_ends() -> None:
    """An early end never makes the estimate wait; more lines than announced never make it negative."""
    stages = ProgressStages({"fit": 3, "backtest": 1})
    with stages.stage("fit"):
        stages.open_line("refit")
    with stages.stage("backtest"):
        for _ in range(3):
            stages.open_line("refit")
        assert stages.seconds_left(1.0) == 0.0


def test_a_single_stage_and_a_line_outside_have_no_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    """1/1 would say nothing."""
    stages = ProgressStages({"fit": 1})
    with stages.stage("fit"):
        assert stages.open_line("refit") == "fit, refit"
    with ProgressLine("probing", 1, shown=True) as line:
        line.update(1, "done")
    assert capsys.readouterr().err.startswith("probing 1/1 done, ")
