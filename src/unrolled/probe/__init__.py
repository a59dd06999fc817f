"""What does the network remember? Each probe is one call that returns a record with a sentence and a figure.

>>> from unrolled import probe
>>> probe.order.__name__
'order'
"""

from importlib import import_module
from typing import Any

__all__ = ["activations", "feedforward", "gradients", "length", "memory", "order", "states"]


def __getattr__(name: str) -> Any:
    """Load a probe on first use and keep it."""
    if name not in __all__:
        raise AttributeError(f"module 'unrolled.probe' has no attribute {name!r}")
    globals()[name] = getattr(import_module(f"unrolled.probe.{name}"), name)
    return globals()[name]


def __dir__() -> list[str]:
    return __all__
