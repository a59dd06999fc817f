"""Attributes of a package that load when they are first used."""

from collections.abc import Callable, Mapping
from importlib import import_module
from sys import modules
from typing import Any


def lazy_attributes(
    package: str, sources: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Make the `__getattr__` and `__dir__` of a package (PEP 562).

    Args:
        package: its `__name__`.
        sources: public name to the module that holds it; a name that is itself the last part of its source,
            such as "nn" of "unrolled.nn", is that module where the module holds no such name.

    >>> import sys, types
    >>> module = sys.modules["shapes"] = types.ModuleType("shapes")
    >>> module.__getattr__, module.__dir__ = lazy_attributes("shapes", {"sqrt": "math", "json": "json"})
    >>> module.sqrt(9.0), module.json.dumps([1]), dir(module)
    (3.0, '[1]', ['json', 'sqrt'])
    """

    def getattribute(name: str) -> Any:
        if name not in sources:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = import_module(sources[name])
        is_module = sources[name].rpartition(".")[2] == name and not hasattr(module, name)
        value = module if is_module else getattr(module, name)
        setattr(modules[package], name, value)  # the next time it is an ordinary attribute
        return value

    def names() -> list[str]:
        return sorted({*sources, *getattr(modules[package], "__all__", ())})

    return getattribute, names
