"""Ctrl-C in a training: the first keeps the best weights so far, the second ends the program."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

LONG = ("--hidden-size", "256", "--max-steps", "800", "--window", "60", "--horizon", "2")


def _heed_ctrl_c() -> None:
    """Where the tests run in the background, the shell has them ignore it, and children inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture
def training(sales: Path) -> Iterator[subprocess.Popen[str]]:
    """A forecast that would train for minutes, after its first epoch."""
    words = [sys.executable, "-u", "-m", "unrolled.cli", "forecast", sales.name, *LONG, "--json"]
    words += ["--output", "next.csv", "--save", "model", "--report", "page.html"]
    process = subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"COLUMNS": "80"},
        preexec_fn=_heed_ctrl_c,  # noqa: PLW1509 (no thread runs here)
    )
    assert process.stderr is not None
    process.stderr.readline()  # the first line of progress
    yield process
    process.kill()
    process.communicate()


def test_the_first_ctrl_c_keeps_the_best_weights(training: subprocess.Popen[str], tmp_path: Path) -> None:
    """The forecast is made and written with them, and stderr says so; nothing is tested after it."""
    training.send_signal(signal.SIGINT)
    out, err = training.communicate(timeout=60)
    assert training.returncode == 0
    assert "Interrupted: the best weights so far are kept (step " in err
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
