"""Constraints on the parameters of estimators, declared as annotations and checked when `fit` begins.

>>> from unrolled.models.estimator import Estimator
>>> class Mean(Estimator):
...     window: Annotated[int | None, IntRange(least=1)]
...
...     def __init__(self, window: int | None = None) -> None:
...         self._store_parameters(locals())
>>> Mean(3), Mean(3).get_params()
(Mean(window=3), {'window': 3})
>>> Mean(0).check_parameters()
Traceback (most recent call last):
unrolled.errors.ArgumentError: window: expected a whole number at least 1, got 0.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import numpy as np

from unrolled.errors import ArgumentError
from unrolled.train.device import check_device
from unrolled.validation import ErrorCollector, check_choice, check_float, check_int, short_repr

_MAX_SEED = 2**62


class Constraint:
    """Check of one parameter."""

    def check(self, name: str, value: Any) -> None:
        """Pass if `value` is allowed.

        Raises:
            ArgumentError: it is not; the message names the parameter and says what is allowed.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class IntRange(Constraint):
    """Whole number in [least, most]; numpy's are whole numbers too, booleans are not."""

    least: int = 0
    most: int | None = None

    def check(self, name: str, value: Any) -> None:
        """Pass if `value` is a whole number in the range."""
        check_int(name, value, least=self.least, most=self.most)


@dataclass(frozen=True)
class FloatRange(Constraint):
    """Finite number inside some bounds; booleans are none."""

    above: float | None = None
    least: float | None = None
    below: float | None = None
    most: float | None = None

    def check(self, name: str, value: Any) -> None:
        """Pass if `value` is a finite number inside the bounds."""
        check_float(name, value, above=self.above, least=self.least, below=self.below, most=self.most)


@dataclass(frozen=True)
class Choice(Constraint):
    """Choice among some words, or of several of them joined by `separator`."""

    words: tuple[str, ...]
    separator: str | None = None

    def check(self, name: str, value: Any) -> None:
        """Pass if every word is one of those allowed."""
        parts = value.split(self.separator) if self.separator and isinstance(value, str) else [value]
        for part in parts:
            check_choice(name, part, self.words)


_TRUTHS = dict.fromkeys(("none", "false", "no", "off", "0"), False)
_TRUTHS |= dict.fromkeys(("auto", "true", "yes", "on", "1"), True)


@dataclass(frozen=True)
class Boolean(Constraint):
    """Boolean, Python's or numpy's."""

    def check(self, name: str, value: Any) -> None:
        """Pass if `value` is True or False."""
        if not isinstance(value, bool | np.bool_):
            meant = _TRUTHS.get(str(value).lower())
            offer = "" if meant is None else f" Did you mean {name}={meant}?"
            raise ArgumentError(f"{name}: expected True or False, got {short_repr(value)}.{offer}")


@dataclass(frozen=True)
class Verbosity(Constraint):
    """Boolean, or a whole number as scikit-learn has it, 0 for silence."""

    def check(self, name: str, value: Any) -> None:
        """Pass if `value` is a boolean or a number from 0 on."""
        if not isinstance(value, bool | np.bool_ | int | np.integer) or value < 0:
            raise ArgumentError(f"{name}: expected True, False or None, got {short_repr(value)}.")


@dataclass(frozen=True)
class Device(Constraint):
    """Name of a device that torch can use here."""

    def check(self, name: str, value: Any) -> None:  # noqa: ARG002 (every device is called device)
        """Pass if torch can use the device."""
        check_device(value)


RandomSource = int | np.random.RandomState | np.random.Generator | None


@dataclass(frozen=True)
class RandomState(Constraint):
    """Seed, None for a new one at each fit, or a generator of NumPy that seeds are drawn from."""

    def check(self, name: str, value: Any) -> None:
        """Pass if `value` is one of these."""
        if value is not None and not isinstance(value, np.random.RandomState | np.random.Generator):
            check_int(name, value, most=_MAX_SEED)


def draw_seed(random_state: RandomSource) -> int:
    """Return the seed of a fit: a number as it is, else one that is drawn.

    >>> draw_seed(7), draw_seed(np.random.RandomState(0)), draw_seed(np.random.RandomState(0))
    (7, 209652396, 209652396)
    """
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**31 - 1))
    if random_state is None or isinstance(random_state, np.random.Generator):
        return int(np.random.default_rng(random_state).integers(2**31 - 1))
    return int(random_state)


@dataclass(frozen=True)
class NotUsed(Constraint):
    """Refusal of every value but None, with the reason why the estimator has no use for it."""

    reason: str

    def check(self, name: str, value: Any) -> None:
        """Refuse the value."""
        raise ArgumentError(f"{name}: {self.reason}; got {value!r}. Leave it out.")


class AnyValue:
    """Container of every value but None.

    >>> None in ANY, 3 in ANY
    (False, True)
    """

    def __contains__(self, value: Any) -> bool:
        return value is not None


ANY = AnyValue()


@dataclass(frozen=True)
class UnusedBeside:
    """Parameters that do nothing while another one has a certain value.

    Whoever sets them believes that they matter, so they are refused unless they have their default.

    Args:
        names: the parameters that do nothing.
        other: the parameter that makes them so.
        values: its values that do; `ANY` for all but None.
        reason: what such a value does, after `other=value`.
        only: values of the names that do nothing; None for all but their defaults.
    """

    names: tuple[str, ...]
    other: str
    values: tuple[Any, ...] | AnyValue
    reason: str
    only: tuple[Any, ...] | None = None

    def faults(self, values: Mapping[str, Any], defaults: Mapping[str, Any]) -> Iterator[str]:
        """Yield a sentence for each of the names that is set beside such a value.

        >>> rule = UnusedBeside(("epochs",), "solver", ("closed form",), "has no epochs")
        >>> list(rule.faults({"solver": "closed form", "epochs": 5}, {"epochs": None}))
        ["epochs: solver='closed form' has no epochs; got 5. Leave it out."]
        """
        if self.other not in values or (value := values[self.other]) not in self.values:
            return
        beside = f"{self.other}={value!r} {self.reason}"
        for name in self.names:
            if name not in values:
                continue
            if self.only is not None and values[name] in self.only:
                yield f"{name}: {beside}; got {values[name]!r}. Choose another value."
            elif self.only is None and not _is_default(values[name], defaults[name]):
                yield f"{name}: {beside}; got {values[name]!r}. Leave it out."


def parameter_defaults(estimator: type) -> dict[str, Any]:
    """Map the parameters of an estimator's constructor to their defaults, in its order.

    Raises:
        ArgumentError: the constructor takes `*args` or `**kwargs`, whose names nobody can read.

    >>> from unrolled import Forecaster
    >>> parameter_defaults(Forecaster)["horizon"]
    12
    """
    parameters = inspect.signature(estimator.__init__).parameters  # type: ignore[misc]
    for parameter in parameters.values():
        if parameter.kind in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD}:
            raise ArgumentError(
                f"{estimator.__name__}: expected a constructor that names its parameters, got {parameter}. "
                "List the parameters in its signature and pass them on by name."
            )
    return {name: parameter.default for name, parameter in parameters.items() if name != "self"}


@cache  # resolving type hints takes a millisecond, each fit asks
def parameter_constraints(estimator: type) -> dict[str, tuple[Constraint, bool]]:
    """Map parameters to their constraint, and to whether None is allowed as well; the others have none.

    >>> from unrolled import SequenceClassifier
    >>> parameter_constraints(SequenceClassifier)["hidden_size"]
    (IntRange(least=1, most=16384), True)
    """
    hints = get_type_hints(estimator, include_extras=True)
    constraints = {}
    for name in parameter_defaults(estimator):
        if get_origin(hint := hints.get(name)) is not Annotated:
            continue
        value_type, *metadata = get_args(hint)
        for constraint in metadata:
            if isinstance(constraint, Constraint):
                constraints[name] = (constraint, type(None) in get_args(value_type))
    return constraints


def check_parameters(estimator: type, values: Mapping[str, Any], rules: Iterable[UnusedBeside] = ()) -> None:
    """Pass if all parameters of an estimator are allowed.

    Args:
        estimator: its class.
        values: every parameter by name.
        rules: what is refused beside what; a parameter that is wrong by itself is left out of them.

    Raises:
        ArgumentError: some are not; each is named on a line of its own.
    """
    faults, accepted = ErrorCollector(), dict(values)
    for name, (constraint, allows_none) in parameter_constraints(estimator).items():
        if values[name] is None and allows_none:
            continue
        try:
            constraint.check(name, values[name])
        except ArgumentError as fault:
            faults.add(str(fault))
            del accepted[name]
    for rule in rules:
        for sentence in rule.faults(accepted, parameter_defaults(estimator)):
            faults.add(sentence)
    faults.raise_if_any()


def _is_default(value: Any, default: Any) -> bool:
    is_comparable = isinstance(value, int | float | str | np.number | np.bool_)  # an array has many answers
    return value is default or (is_comparable and bool(value == default))
