"""What every test and every example in a docstring runs in: a boxed home, fixed seeds, no network.

It lies at the root of the repository so that it covers the docstrings of `src/` as well as `tests/`.
"""

import gc
import itertools
import os
import random
import socket
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).parent

# Before torch is imported anywhere: two threads, shared out among xdist's workers, so that the workers
# do not wait for each other's threads.
_WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(max(1, 2 // _WORKERS))

# A collection walks through the libraries' million objects: at Python's own pace it is a tenth of the suite.
gc.set_threshold(100_000, 50, 100)

# A busy machine is no reason for a test to fail: neither is a slow draw of Hypothesis, or a slow example.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

_connect = socket.socket.connect
_connect_ex = socket.socket.connect_ex
_getaddrinfo = socket.getaddrinfo


# pytest numbers a folder by a look at all others, which takes milliseconds beside thousands.
_HOMES = itertools.count()


class NetworkBlockedError(RuntimeError):
    """A test tried to leave this machine."""


def _stay_here(host: Any) -> None:
    """Refuse every host but this machine."""
    if str(host) not in {"localhost", "::1", "", "None"} and not str(host).startswith("127."):
        raise NetworkBlockedError(f"no network in tests: {host!r}")


def _guarded(original: Any) -> Any:
    def connect(self: socket.socket, address: Any) -> Any:
        if self.family != socket.AF_UNIX:
            _stay_here(address[0])
        return original(self, address)

    return connect


def _guarded_getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
    _stay_here(host)
    return _getaddrinfo(host, *args, **kwargs)


def pytest_configure() -> None:
    """Close the network before a test module is imported."""
    socket.socket.connect = _guarded(_connect)
    socket.socket.connect_ex = _guarded(_connect_ex)
    socket.getaddrinfo = _guarded_getaddrinfo


@pytest.fixture(autouse=True)
def _boxed(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Home and working folder are the test's own, and empty; every generator starts alike."""
    home = tmp_path_factory.getbasetemp() / "homes" / str(next(_HOMES))
    home.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / ".cache"))
    monkeypatch.setenv("COLUMNS", "110")  # what rich prints does not depend on the terminal
    monkeypatch.chdir(tmp_path)
    random.seed(0)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real data: UNROLLED_DATA, or ../shared/data beside the repository."""
    folder = Path(os.environ.get("UNROLLED_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("real data is not here: set UNROLLED_DATA to its folder")
    return folder
