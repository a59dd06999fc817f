"""Streams that the tests of sessions, stores and servers step."""

import importlib.util
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
def events() -> NDArray[np.float64]:
    """Forty events of three numbers."""
    return np.random.default_rng(3).normal(size=(40, 3))
