"""`unrolled serve`: a saved model behind an address; kills and restarts change no answer."""

import importlib.util
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

import unrolled as ur
from unrolled.cli.commands import serve

Array = NDArray[np.float64]
Run = Callable[..., Any]


def _fit(seed: int) -> ur.SequenceClassifier:
    rng = np.random.default_rng(seed)
    X = [rng.normal(size=(12, 2)) + slope for slope in (-1, 1) * 8]
    return ur.SequenceClassifier(hidden_size=6, max_epochs=2, random_state=seed).fit(X, ["down", "up"] * 8)


@pytest.fixture(scope="module")
def model() -> ur.SequenceClassifier:
    """A small classifier of two values a step."""
    return _fit(0)


@pytest.fixture
def folder(model: ur.SequenceClassifier, tmp_path: Path) -> Path:
    """Where it is saved."""
    model.save(tmp_path / "model")
    return tmp_path / "model"


class Served:
    """The command in a process of its own."""

    def __init__(self, *words: object, workers: int = 1) -> None:
        command = [sys.executable, "-m", "unrolled.cli", "serve", *map(str, words)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        lines = sorted(self.process.stdout.readline() for _ in range(workers))
        self.urls = [line.strip().rpartition(" ")[2] for line in lines]

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        self.process.send_signal(number)
        _, err = self.process.communicate(timeout=120)
        return self.process.returncode, err


@pytest.fixture
def start() -> Iterator[Callable[..., Served]]:
    """Starts the command, and ends it in the end."""
    running: list[Served] = []

    def run(*words: object, **options: Any) -> Served:
        running.append(Served(*words, **options))
        return running[-1]

    yield run
    for served in running:
        if served.process.poll() is None:
            served.process.kill()
            served.process.communicate()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def test_a_served_stream_survives_a_kill(
    start: Callable[..., Served], folder: Path, model: ur.SequenceClassifier, tmp_path: Path
) -> None:
    """Its answers are those of the model on the whole sequence, to the bit."""
    x, store = np.random.default_rng(3).normal(size=(9, 2)), tmp_path / "streams.db"
    whole = [model.predict_proba([x[: n + 1]])[0].tolist() for n in range(len(x))]
    served = start(folder, "--store", store, "--port", 0)
    with ur.stream.connect(served.urls[0]) as client:
        answers = client.stream("pump").steps(x[:4])
    assert served.end(signal.SIGKILL)[0] == -signal.SIGKILL
    served = start(folder, "--store", store, "--port", 0, "--durability", "process")
    with ur.stream.connect(served.urls[0]) as client:
        pump = client.stream("pump")
        assert pump.last == 4
        answers += [pump.step(value) for value in x[4:]]
    status, err = served.end()
    assert answers == whole
    assert (status, "a loss of power may take" in err, "Traceback" in err) == (0, True, False)


def test_streams_of_a_forecaster_have_the_options_of_the_library(
    unrolled: Run, start: Callable[..., Served], tmp_path: Path
) -> None:
    """A start for the calendar, a carried state, bands that adapt; the store belongs to them too."""
    y = np.random.default_rng(0).normal(size=60).cumsum() + 50
    dates = pd.date_range("2000-01-01", periods=60, freq="MS")
    model = ur.Forecaster(horizon=2, hidden_size=4, max_steps=2, season=12, window=6)
    model.fit(pd.DataFrame({"ds": dates, "y": y})).save(tmp_path / "sales")
    words = (tmp_path / "sales", "--store", tmp_path / "sales.db", "--port", 0)
    served = start(*words, "--start", "2000-01-01", "--carried", "--adaptive")
    with ur.stream.connect(served.urls[0]) as client:
        answers = client.stream("shop").steps(y[:20])
    expected = model.stream(start="2000-01-01", window=False, adaptive=True).steps(y[:20])
    assert [each["lo"] for each in answers[2:]] == expected.lo[2:].tolist()
    assert served.end()[0] == 0
    answer = unrolled("serve", *words, "--start", "2000-01-01")
    assert (answer.status, "of another model" in answer.err) == (2, True)


def test_options_of_forecasts_are_refused_of_other_models(unrolled: Run, folder: Path) -> None:
    """By their names in the shell."""
    answer = unrolled("serve", folder, "--carried", "--start", "2000-01-01")
    assert answer.status == 2
    assert "--start, --carried: expected a Forecaster, got a SequenceClassifier" in answer.err


@pytest.mark.slow
def test_workers_share_the_streams(start: Callable[..., Served], folder: Path, tmp_path: Path) -> None:
    """Each has a file and a port; a client reaches all of them through one."""
    port = _free_port()
    words = (folder, "--store", tmp_path / "s.db", "--port", port, "--workers", 2)
    served = start(*words, workers=2)
    x = np.random.default_rng(3).normal(size=(3, 2))
    with ur.stream.connect(served.urls[0]) as client:
        answers = client.steps({f"s{k}": x for k in range(10)})
    assert all(answer == answers["s0"] for answer in answers.values())
    assert served.end()[0] == 0
    assert sorted(path.name for path in tmp_path.glob("*.db")) == ["s-1.db", "s-2.db"]
    served = start(*words, workers=2)
    with ur.stream.connect(served.urls[1]) as client:
        assert {client.last(f"s{k}") for k in range(10)} == {3}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--durability", "powr"], "--durability: expected one of power, process; got 'powr'."),
        (["--on-new-model", "keep"], "--on-new-model: expected one of refuse, restart; got 'keep'."),
        (["--workers", "0"], "--workers: expected a whole number from 1 to 64, got 0."),
        (["--workers", "2", "--port", "0"], "--port: expected a port for the first of several workers"),
        (
            ["--workers", "2", "--host", "0.0.0.0", "--token-file", "token"],
            "--host: clients cannot be sent from one worker to another at 0.0.0.0.",
        ),
        (["--port", "70000"], "--port: expected a whole number from 0 to 65535, got 70000."),
        (["--max-rate", "0"], "--max-rate: expected a number above 0, got 0.0."),
        (["--host", "0.0.0.0"], "--host: '0.0.0.0' is reached from other machines, and there is no token."),
        (["--token-file", "none"], "--token-file: none cannot be read"),
        (["--store", "redis://127.0.0.1:1/0"], "redis 127.0.0.1:1/0: it cannot be used"),
        (["--store", "no/folder/s.db"], "cannot be opened (No such file or directory)"),
    ],
)  # fmt: skip
def test_a_bad_option_is_a_sentence(unrolled: Run, folder: Path, words: list[str], sentence: str) -> None:
    """And status 2."""
    Path("token").write_text("0123456789abcdef")
    answer = unrolled("serve", folder, *words)
    assert (answer.status, answer.out) == (2, "")
    assert sentence in answer.err
    assert "Traceback" not in answer.err


def test_a_store_of_another_model_names_the_option(
    unrolled: Run, folder: Path, model: ur.SequenceClassifier, tmp_path: Path
) -> None:
    """The sentence of the library, in words of the shell."""
    ur.stream.SQLiteStore(tmp_path / "s.db", model="another").close()
    answer = unrolled("serve", folder, "--store", tmp_path / "s.db")
    assert answer.status == 2
    assert "of another model (another)" in answer.err
    assert "--on-new-model restart, which keeps streams" in answer.err


def test_a_model_that_is_none_is_named(unrolled: Run, tmp_path: Path) -> None:
    """And one that has no state."""
    answer = unrolled("serve", tmp_path / "none")
    assert (answer.status, "expected the folder of a saved model" in answer.err) == (2, True)
    X = [[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]] * 4
    ur.SequenceClassifier(cell="feedforward", max_epochs=1).fit(X, ["a", "b"] * 4).save(tmp_path / "flat")
    answer = unrolled("serve", tmp_path / "flat")
    assert (answer.status, "has no state" in answer.err) == (2, True)


def test_without_the_extra_the_install_command_is_named(
    unrolled: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the model is loaded."""
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "msgspec" else find(name))
    answer = unrolled("serve", folder)
    assert answer.status == 2
    assert answer.err == "A server needs msgspec: pip install 'unrolled[serve]'\n"
    monkeypatch.undo()
    serve.require_packages()
