"""Streams that the tests of sessions, stores and servers step."""

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray


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
