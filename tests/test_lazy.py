"""Lazy attributes load once, and fail as ordinary ones do."""

import sys
from types import ModuleType

import pytest

from unrolled.lazy import lazy_attributes


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A package whose names stand in the standard library."""
    module = ModuleType("shapes")
    monkeypatch.setitem(sys.modules, "shapes", module)
    sources = {"dumps": "json", "json": "json", "glob": "glob"}
    module.__getattr__, module.__dir__ = lazy_attributes("shapes", sources)
    return module


def test_an_attribute_is_loaded_once(package: ModuleType) -> None:
    """The second time it is the package's own."""
    assert "dumps" not in vars(package)
    assert package.dumps([1]) == "[1]"
    assert vars(package)["dumps"] is sys.modules["json"].dumps


def test_a_module_is_an_attribute_too(package: ModuleType) -> None:
    """One whose last part is the name; the function of a module of the same name comes first."""
    assert package.json is sys.modules["json"]
    assert package.glob is sys.modules["glob"].glob


def test_an_unknown_name_fails_as_on_any_module(package: ModuleType) -> None:
    """With an AttributeError, so that hasattr works."""
    assert not hasattr(package, "circle")
    with pytest.raises(AttributeError, match="module 'shapes' has no attribute 'circle'"):
        _ = package.circle


def test_dir_shows_what_can_be_loaded(package: ModuleType) -> None:
    """Before anything is."""
    assert dir(package) == ["dumps", "glob", "json"]
