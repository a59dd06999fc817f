"""Streams that the tests of sessions, stores and servers step."""

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import unrolled as ur


def load_module(name: str) -> ModuleType:
    """Load a file beside this one: child processes import the same."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def recurrence() -> Any:
    """The class of tests/stream/recurrence.py."""
    return load_module("recurrence").Recurrence


@pytest.fixture(scope="session")
def killed() -> Any:
    """The module tests/stream/killed.py."""
    return load_module("killed")


@pytest.fixture(scope="session")
def events() -> NDArray[np.float64]:
    """Forty events of three numbers."""
    return np.random.default_rng(3).normal(size=(40, 3))


@pytest.fixture(scope="session")
def ask() -> Any:
    """Sends one message on a WebSocket, and waits for one reply."""
    return load_module("served").ask


@pytest.fixture(scope="module")
def new_server(tmp_path_factory: pytest.TempPathFactory, recurrence: Any) -> Iterator[Callable[..., Any]]:
    """Starts servers, each with a store of its own: of the recurrence, or of a model with its page."""
    module, servers = load_module("served"), []

    def start(path: Path | None = None, model: Any = None, **options: Any) -> Any:
        path = tmp_path_factory.mktemp("served") / "streams.db" if path is None else path
        started = (
            module.start(recurrence, path, **options)
            if model is None
            else (module.start_model(model, path, **options))
        )
        servers.append(started)
        return started

    yield start
    for server in servers:
        server.stop()


@pytest.fixture(scope="module")
def served(new_server: Callable[..., Any]) -> Any:
    """A server with the usual settings."""
    return new_server()


@pytest.fixture(scope="session")
def language_model() -> Any:
    """A LanguageModel of characters; tests must not change it."""
    return ur.LanguageModel(hidden_size=9, max_epochs=2).fit("to be, or not to be: that is it. " * 25)


@pytest.fixture(scope="session")
def text_classifier() -> Any:
    """Two networks that read from the start; tests must not change it."""
    texts = ["a warm film", "so funny", "a dull plot", "so flat"] * 8
    model = ur.TextClassifier(hidden_size=6, n_members=2, bidirectional=False, max_epochs=1)
    return model.fit(texts, ["good", "good", "bad", "bad"] * 8)


@pytest.fixture(scope="session")
def tones() -> Any:
    """A high tone behind a low one, 0.4 s of 8,000 samples a second."""
    time = np.arange(1600) / 8000
    return np.concatenate([np.sin(2 * np.pi * hertz * time) for hertz in (300.0, 1500.0)]) * np.hanning(3200)


@pytest.fixture(scope="session")
def audio_classifier() -> Any:
    """A classifier of tones by their height, 0 or 1; tests must not change it."""
    time, rng = np.arange(1600) / 8000, np.random.default_rng(0)
    hertz = np.array([*rng.uniform(200, 400, 10), *rng.uniform(1200, 1800, 10)])
    clips = [np.sin(2 * np.pi * each * time) * np.hanning(1600) for each in hertz]
    model = ur.AudioClassifier(rate=8000, hidden_size=7, max_epochs=12, augmentation=False)
    return model.fit(clips, [0] * 10 + [1] * 10)


@pytest.fixture(scope="session")
def transcriber() -> Any:
    """A Transcriber that hardly learned, and writes without end; tests must not change it."""
    tone = {"low": 0.3, "high": 1.2}
    texts = ["low", "high", "low high", "high low"] * 6
    waves = [
        np.concatenate([np.sin(np.arange(2400) * tone[word]) for word in text.split()]) for text in texts
    ]
    model = ur.Transcriber(rate=8000, unit="char", hidden_size=8, max_epochs=1).fit(waves, texts)
    with torch.no_grad():
        model.networks_[0].head.bias[0] = -50.0  # of the blank
    return model


@pytest.fixture(scope="session")
def browser_class() -> Any:
    """The class of tests/stream/browser.py."""
    module = load_module("browser")
    if module.BROWSER is None:
        pytest.skip("no Chromium is installed")
    return module.Browser


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One server for many tests, which tell their keys apart by prefixes."""
    server = load_module("redis_process").start_redis(tmp_path_factory.mktemp("redis"))
    yield server
    server.kill()


@pytest.fixture
def new_redis(tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Starts servers of the test's own, with options."""
    servers: list[Any] = []

    def start(*options: str) -> Any:
        servers.append(load_module("redis_process").start_redis(tmp_path, *options))
        return servers[-1]

    yield start
    for server in servers:
        server.kill()


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[Callable[[object], Any]]:
    """Starts servers of the recurrence in processes, each on a store of SQLite or Redis."""
    servers: list[Any] = []

    def start(store: object) -> Any:
        log = tmp_path / f"server{len(servers)}.log"
        servers.append(load_module("server_process").ServerProcess(store, log))
        return servers[-1]

    yield start
    for server in servers:
        server.close()
