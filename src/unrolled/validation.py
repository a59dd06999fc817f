"""Check arguments: types, ranges, choices, paths; each fault is one sentence.

A sentence names the thing, the demand, what came and the way out. Checks return the value they accept.
`ErrorCollector` collects all that is wrong with one call before it raises.
"""

import difflib
import math
import numbers
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from unrolled.errors import ArgumentError, UnrolledError
from unrolled.formatting import shortened

_MOST_SHOWN = 100  # characters of a value in a message
_MOST_BYTES = 255  # of a name on the file systems in use


class ErrorCollector:
    """Collect the faults of one call and raise them together.

    >>> faults = ErrorCollector()
    >>> faults.add("horizon: expected a whole number of at least 1, got 0.")
    >>> faults.raise_if_any()
    Traceback (most recent call last):
    unrolled.errors.ArgumentError: horizon: expected a whole number of at least 1, got 0.
    """

    def __init__(self, error: type[UnrolledError] = ArgumentError) -> None:
        self._error = error
        self._sentences: list[str] = []

    def add(self, sentence: str) -> None:
        """Add the sentence of one fault."""
        self._sentences.append(sentence)

    def collect(self, check: Any, *args: Any, **kwargs: Any) -> Any:
        """Run `check`, adding its sentence if it refuses; return what it accepted, else None."""
        try:
            return check(*args, **kwargs)
        except UnrolledError as fault:
            self.add(str(fault))
            return None

    def raise_if_any(self) -> None:
        """Raise all faults so far, a line each; do nothing when there is none."""
        if self._sentences:
            raise self._error("\n".join(self._sentences))


def suggest_spelling(word: str, allowed: Iterable[str]) -> str:
    """Return ` Did you mean 'x'?` for the closest allowed spelling, or an empty string."""
    spelling = {choice.lower(): choice for choice in allowed}
    close = difflib.get_close_matches(word.lower(), spelling, n=1, cutoff=0.6)
    return f" Did you mean '{spelling[close[0]]}'?" if close else ""


def short_repr(value: Any) -> str:
    """Write a value in one line of a message: an array's repr has many."""
    return shortened(repr(value), _MOST_SHOWN)


def check_choice(name: str, value: Any, allowed: Sequence[str]) -> str:
    """Return `value` if it is one of the allowed words; the error offers the nearest spelling."""
    if isinstance(value, str) and value in allowed:
        return value
    offer = suggest_spelling(value, allowed) if isinstance(value, str) else ""
    raise ArgumentError(f"{name}: expected one of {', '.join(allowed)}; got {short_repr(value)}.{offer}")


def check_choices(name: str, values: Any, allowed: Iterable[str], *, needed: str) -> tuple[str, ...]:
    """Return one or several allowed words, each once; `needed` says why an empty list is refused."""
    allowed, values = tuple(allowed), (values,) if isinstance(values, str) else values
    try:
        values = list(values)
    except TypeError as fault:  # also an array without axes, which has __iter__
        raise ArgumentError(
            f"{name}: expected some of {', '.join(allowed)}; got {short_repr(values)}. Give a list of them."
        ) from fault
    wrong = [value for value in values if not isinstance(value, str) or value not in allowed]
    if wrong or not values:
        offer = suggest_spelling(str(wrong[0]), allowed) if wrong else ""
        got = short_repr(wrong[0]) if wrong else f"none: {needed}"
        raise ArgumentError(f"{name}: expected some of {', '.join(allowed)}; got {got}.{offer}")
    return tuple(dict.fromkeys(values))


def check_int(name: str, value: Any, *, least: int = 0, most: int | None = None) -> int:
    """Return `value` as an int if it is a whole number in [least, most]; booleans are refused."""
    between = f"at least {least}" if most is None else f"from {least} to {most}"
    is_whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not is_whole or value < least or (most is not None and value > most):
        raise ArgumentError(f"{name}: expected a whole number {between}, got {short_repr(value)}.")
    return int(value)


def optional_int(value: int | None) -> int | None:
    """Convert NumPy's whole numbers, which overflow, to Python's; None stays.

    >>> optional_int(None), optional_int(7)
    (None, 7)
    """
    return None if value is None else int(value)


def check_float(
    name: str, value: Any, *, above: float | None = None, least: float | None = None,
    below: float | None = None, most: float | None = None,
) -> float:  # fmt: skip
    """Return `value` as a float if it is finite and inside the bounds given; booleans are refused."""
    bounds = [("above", above), ("at least", least), ("below", below), ("at most", most)]
    demand = " and ".join(f"{word} {bound:g}" for word, bound in bounds if bound is not None)
    good = isinstance(value, numbers.Real) and not isinstance(value, bool) and _is_finite(value)
    good = good and (above is None or value > above) and (least is None or value >= least)
    if not (good and (below is None or value < below) and (most is None or value <= most)):
        raise ArgumentError(
            f"{name}: expected a number {demand or 'that is finite'}, got {short_repr(value)}."
        )
    return float(value)


def _is_finite(value: Any) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number that no float reaches
        return False


def check_path(name: str, value: Any) -> Path:
    """Return `value` as a path, if it can be one.

    >>> check_path("path", "sales.csv").suffix
    '.csv'
    """
    # "" would be the working folder, which nobody means
    if not isinstance(value, str | os.PathLike) or os.fspath(value) == "" or "\0" in os.fspath(value):
        raise ArgumentError(f"{name}: expected the path of a file or folder, got {short_repr(value)}.")
    path = Path(value)
    longest = max((len(os.fsencode(part)) for part in path.parts), default=0)
    if longest > _MOST_BYTES:
        raise ArgumentError(
            f"{name}: expected names of at most {_MOST_BYTES} bytes, as file systems have them; got one of "
            f"{longest} bytes. Shorten it."
        )
    return path
