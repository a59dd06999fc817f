"""Ctrl-C in a training ends the program with status 130; on request the best weights so far are kept."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

FILES = ("--output", "next.csv", "--save", "model", "--report", "page.html")
LONG = ("--hidden-size", "256", "--max-steps", "800", "--window", "60", "--horizon", "2")


def _heed_ctrl_c() -> None:
    """Where the tests run in the background, the shell has them ignore it, and children inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture
def start(sales: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts a command that would train for minutes, and waits for its first epoch."""
    processes = []

    def run(command: str, *options: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", "unrolled.cli", command, sales.name, *LONG, "--json", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"COLUMNS": "80"},
            preexec_fn=_heed_ctrl_c,  # noqa: PLW1509 (no thread runs here)
        )
        processes.append(process)
        assert process.stderr is not None
        next(line for line in process.stderr if "loss" in line)  # progress after the first check
        return process

    yield run
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture
def training(start: Callable[..., subprocess.Popen[str]]) -> subprocess.Popen[str]:
    """A forecast that is to be kept after Ctrl-C."""
    return start("forecast", *FILES, "--keep-interrupted")


def test_ctrl_c_ends_with_status_130_and_no_forecast(
    start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    """What looks like a forecast was made of a whole training, on the screen and in files."""
    training = start("forecast", *FILES)
    training.send_signal(signal.SIGINT)
    out, err = training.communicate(timeout=60)
    assert (training.returncode, out) == (130, "")
    assert "To use its best weights all the same, run again with --keep-interrupted.\nStopped.\n" in err
    assert {inside.name for inside in tmp_path.iterdir()} == {"sales.csv"}


def test_ctrl_c_in_a_backtest_gives_no_verdict(
    start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    """Half a training is not judged as a whole one."""
    testing = start("backtest", "--origins", "3", "--report", "page.html")
    testing.send_signal(signal.SIGINT)
    out, err = testing.communicate(timeout=60)
    assert (testing.returncode, out) == (130, "")
    assert err.endswith("Stopped.\n")
    assert not (tmp_path / "page.html").exists()


def test_the_first_ctrl_c_keeps_the_best_weights(training: subprocess.Popen[str], tmp_path: Path) -> None:
    """On request the forecast is made with them, and stderr says so; nothing is tested after it."""
    training.send_signal(signal.SIGINT)
    out, err = training.communicate(timeout=60)
    assert training.returncode == 0
    assert "Interrupted: the model has the best weights so far (step " in err
    payload = json.loads(out)
    assert payload["model"]["stopped"] == "interrupted"
    assert len(payload["forecast"]) == 2
    assert payload["backtest"] is None
    assert payload["written"] == ["page.html", "next.csv", "model"]
    assert "The training was interrupted, so that nothing was tested." in (tmp_path / "page.html").read_text()


def test_the_second_ctrl_c_ends_the_program(training: subprocess.Popen[str], tmp_path: Path) -> None:
    """Status 130 and no half-written file, wherever it strikes."""
    training.send_signal(signal.SIGINT)
    assert training.stderr is not None
    outputs = next((line for line in training.stderr if "Interrupted" in line), "")
    assert outputs.startswith("Interrupted: ")
    training.send_signal(signal.SIGINT)
    out, err = training.communicate(timeout=60)
    assert training.returncode == 130
    assert err == "Stopped.\n"
    assert out == ""
    whole = {"sales.csv", "page.html", "next.csv", "model"}
    assert {inside.name for inside in tmp_path.iterdir()} <= whole
