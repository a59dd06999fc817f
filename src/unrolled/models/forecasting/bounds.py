"""Bounds of forecasts: learned where the values reach one and never pass it, or given."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unrolled.data.calendar.offsets import format_time
from unrolled.data.sequences import Sequences
from unrolled.errors import ArgumentError, DataError
from unrolled.models.parameters import Constraint

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_ROUNDING = 1e-12  # of the largest value: zeros that were computed may miss 0 by as much
_LEAST_ZEROS = 2  # of measurements; one may be an accident, such as where the least value was subtracted
_OFTEN = 0.05  # share of the steps from which on the largest value recurs often
_OFTEN_OF_TWO = 0.25  # of a series that takes two values only
_LEAST_STEPS, _LEAST_VISITS = 5, 3  # steps at the largest value, and times that the series came back to it


class Bound(NamedTuple):
    """Lower and upper bound of the forecasts of a series; None where there is none."""

    lower: float | None = None
    upper: float | None = None


class Limits(NamedTuple):
    """Numbers that forecasts from some origins are kept between.

    Args:
        lower: (N, K) for N series and K origins; minus infinity where there is none.
        upper: (N, K), likewise.
        integer: forecasts are whole numbers.
    """

    lower: Floats
    upper: Floats
    integer: bool

    def apply(self, forecasts: Floats) -> Floats:
        """Keep forecasts (N, K, ...) between the limits; a quantile stays that quantile.

        The quantile of a value that is clipped or rounded is the clipped or rounded quantile, as both rise
        with the value.

        >>> limits = Limits(np.zeros((1, 1)), np.full((1, 1), 2.5), integer=True)
        >>> limits.apply(np.array([[[-0.4, 0.6, 3.0]]])).tolist()
        [[[0.0, 1.0, 2.0]]]
        """
        lower, upper = self.lower, self.upper
        if self.integer:
            forecasts = np.rint(forecasts) + 0.0  # no -0
            lower, upper = np.ceil(lower), np.floor(upper)
        shape = (*lower.shape, *[1] * (forecasts.ndim - lower.ndim))
        return np.clip(forecasts, lower.reshape(shape), upper.reshape(shape))


class BoundsPair(Constraint):
    """None to learn bounds, False for none, or a pair of numbers, either of them None."""

    def check(self, name: str, value: Any) -> None:
        """Pass if `value` is one of these."""
        if value is False:
            return
        demand = f"{name}: expected None, False or two numbers such as (0, None)"
        if not isinstance(value, tuple | list) or len(value) != 2:
            raise ArgumentError(f"{demand}, got {value!r}.")
        for number in value:
            is_number = isinstance(number, int | float | np.number) and not isinstance(number, bool)
            if number is not None and not (is_number and math.isfinite(number)):
                raise ArgumentError(
                    f"{demand}, got {number!r} in {value!r}. Put None where there is no bound."
                )
        if None not in value and value[0] >= value[1]:
            raise ArgumentError(f"{demand}, the first below the second, got {value!r}.")


@dataclass(frozen=True)
class OutputBounds:
    """Bounds of the forecasts of each series.

    Args:
        series: the bound of each fitted series by id; where all are given, of none.
        common: the bound of every other series.
        is_learned: they were learned from the fitted values, not given.
    """

    series: Mapping[str, Bound]
    common: Bound
    is_learned: bool

    @classmethod
    def of(cls, bounds: Any, series: Sequences) -> OutputBounds:
        """Return the bounds that a parameter stands for, learned from the series where it is None.

        Raises:
            DataError: a value lies outside the bounds that were given.
        """
        if bounds is None:
            return cls._learn(series)
        pair = (None, None) if bounds is False else bounds
        given = cls({}, Bound(*(None if number is None else float(number) for number in pair)), False)
        given.check(series)
        return given

    @classmethod
    def _learn(cls, series: Sequences) -> OutputBounds:
        """Learn the bounds of each series; what most of them share holds for all, if none passes it."""
        targets = [one.target[~np.isnan(one.target)] for one in series]
        lower = [_learned_lower(y) for y in targets]
        upper = [_learned_upper(y) for y in targets]
        low, high = _shared(lower), _shared(upper)
        if low is not None and all(y.min() >= low for y in targets):
            lower = [low] * len(lower)
        else:
            low = None
        if high is not None and all(y.max() <= high for y in targets):
            upper = [high] * len(upper)
        else:
            high = None
        pairs = zip(lower, upper, strict=True)
        return cls(
            {name: Bound(*pair) for name, pair in zip(series.ids, pairs, strict=True)}, Bound(low, high), True
        )

    def check(self, series: Sequences) -> None:
        """Pass if all values lie within the bounds, where these were given.

        Raises:
            DataError: one does not.
        """
        lower, upper = self.common
        if self.is_learned or (lower is None and upper is None):
            return
        passes = (series.target < _number(lower, -np.inf)) | (series.target > _number(upper, np.inf))
        if not passes.any():
            return
        row = int(np.argmax(passes))
        position = int(np.searchsorted(series.offsets, row, side="right") - 1)
        when = f"position {row - series.offsets[position]}"
        if series.times is not None:
            when = format_time(series.times[row])
        raise DataError(
            f"{series.source}, series {series.ids[position]!r}: expected values {_between(lower, upper)}, as "
            f"the bounds say, got {series.target[row]:g} at {when}. Correct it, or give wider bounds."
        )

    def limits(self, series: Sequences, origins: Ints, *, is_log: Sequence[bool], integer: bool) -> Limits:
        """Return the limits of forecasts from these origins (N, K).

        A bound that was learned no longer holds once a value up to the origin has passed it.

        Args:
            series: N series.
            origins: (N, K) positions of the last step that each forecast may know.
            is_log: (N,) the network reads the logarithm, so that no forecast is below 0; the tails of wide
                bands, which are extrapolated, would be.
            integer: forecasts are whole numbers.
        """
        lower, upper = np.full(origins.shape, -np.inf), np.full(origins.shape, np.inf)
        for k, name in enumerate(series.ids):
            bound = self.series.get(name, self.common)
            if bound == Bound():
                continue
            low, high = _number(bound.lower, -np.inf), _number(bound.upper, np.inf)
            lower[k], upper[k] = low, high
            if self.is_learned:
                y = series[k].target[: int(origins[k].max()) + 1]
                slack = _ROUNDING * np.maximum.accumulate(np.abs(y))
                lower[k, (np.minimum.accumulate(y) < low - slack)[origins[k]]] = -np.inf
                upper[k, (np.maximum.accumulate(y) > high + slack)[origins[k]]] = np.inf
        lower[np.array(is_log)] = np.maximum(lower[np.array(is_log)], 0.0)
        return Limits(lower, upper, integer)

    def limits_after(
        self, name: str, lowest: float, highest: float, *, is_log: bool, integer: bool
    ) -> Limits:
        """Return the limits (1, 1) of a forecast of a series, given its lowest and highest value so far.

        Args:
            name: of the series.
            lowest: of its values.
            highest: of its values.
            is_log: as for `limits`.
            integer: as for `limits`.
        """
        bound = self.series.get(name, self.common)
        low, high = _number(bound.lower, -np.inf), _number(bound.upper, np.inf)
        if self.is_learned:
            slack = _ROUNDING * max(abs(lowest), abs(highest))
            low = -np.inf if lowest < low - slack else low
            high = np.inf if highest > high + slack else high
        return Limits(np.full((1, 1), max(low, 0.0) if is_log else low), np.full((1, 1), high), integer)

    def check_values(self, values: Floats, name: str) -> None:
        """Pass if all values lie within the bounds, where these were given.

        Args:
            values: of any shape, NaN where one is missing.
            name: what errors call them.

        Raises:
            DataError: one does not.
        """
        lower, upper = self.common
        passes = (values < _number(lower, -np.inf)) | (values > _number(upper, np.inf))
        if not self.is_learned and passes.any():
            raise DataError(
                f"{name}: expected values {_between(lower, upper)}, as the bounds say, got"
                f" {values[passes][0]:g}. Correct it, or give wider bounds."
            )

    @property
    def note(self) -> str:
        """Say which bounds forecasts keep, and why; empty where they keep none."""
        if not self.is_learned:
            words = _between(*self.common)
            return f"forecasts stay {words}, as asked" if words else ""
        bounds = list(self.series.values())
        lower = sum(bound.lower is not None for bound in bounds)
        tops = [bound.upper for bound in bounds if bound.upper is not None]
        parts = []
        if lower:
            parts.append(f"never below 0, which values{_share(lower, len(bounds))} reach and never pass")
        if tops:
            top = f"{tops[0]:g}, which" if len(set(tops)) == 1 else "the largest value, which"
            parts.append(
                f"never above {top}{_share(len(tops), len(bounds))} recurs often and is never passed"
            )
        return f"forecasts are {', and '.join(parts)}" if parts else ""

    def to_dict(self) -> dict[str, Any]:
        """Return all fields, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> OutputBounds:
        """Return the bounds that `to_dict` wrote."""
        series = {name: Bound(*bound) for name, bound in record["series"].items()}
        return cls(series, Bound(*record["common"]), record["is_learned"])


def whole_numbers(rounded: Floats) -> Floats | Ints:
    """Return rounded numbers as int64, as long as each is exact in a float.

    >>> whole_numbers(np.array([2.0, 0.0])).tolist()
    [2, 0]
    """
    return rounded.astype(np.int64) if np.abs(rounded).max(initial=0.0) < 2**53 else rounded


def _learned_lower(y: Floats) -> float | None:
    """Return 0 if values (T,) reach it and never pass it; where a series begins does not count.

    >>> _learned_lower(np.array([3.0, 0.0, 1.0])), _learned_lower(np.array([0.0, 1.0, 2.0]))
    (0.0, None)
    """
    if not len(y) or y.min() < -(slack := _ROUNDING * np.abs(y).max()):
        return None
    is_whole = bool((y == np.rint(y)).all())
    return 0.0 if np.sum(y[1:] <= slack) >= (1 if is_whole else _LEAST_ZEROS) else None


def _learned_upper(y: Floats) -> float | None:
    """Return the largest of the values (T,) if it recurs often, as of percentages that are capped at 100.

    The series comes back to it again and again, and at least as often as to the next lower value: of counts
    the largest value recurs by chance, but is rarer.

    >>> _learned_upper(np.tile([97.0, 100.0, 98.5, 100.0], 10)), _learned_upper(np.repeat([1.0, 2.0], 20))
    (100.0, None)
    """
    if not len(y):
        return None
    top = float(y.max()) + 0.0  # no -0
    at_top = y == top
    n_top, visits = int(at_top.sum()), int(at_top[0]) + int(np.sum(np.diff(at_top.astype(int)) == 1))
    if n_top == len(y) or n_top < max(_LEAST_STEPS, _OFTEN * len(y)) or visits < _LEAST_VISITS:
        return None
    others = y[~at_top]
    is_piled = n_top >= np.sum(others == others.max())
    is_one_of_two = others.min() == others.max() and n_top >= _OFTEN_OF_TWO * len(y)
    return top if is_piled or is_one_of_two else None


def _shared(bounds: Iterable[float | None]) -> float | None:
    """Return the bound that at least half of the series have; None where there is none."""
    counts = Counter(bounds)
    named = [(n, bound) for bound, n in counts.items() if bound is not None]
    n, bound = max(named, default=(0, None))
    return bound if 2 * n >= counts.total() else None


def _number(bound: float | None, otherwise: float) -> float:
    return otherwise if bound is None else bound


def _between(lower: float | None, upper: float | None) -> str:
    """Describe a range in words; empty where it has no end.

    >>> _between(0.0, None), _between(0.0, 100.0)
    ('at 0 or above', 'from 0 to 100')
    """
    if lower is not None and upper is not None:
        return f"from {lower:g} to {upper:g}"
    if lower is not None:
        return f"at {lower:g} or above"
    return "" if upper is None else f"at {upper:g} or below"


def _share(count: int, n_series: int) -> str:
    return "" if count == n_series else f" of {count:,} of {n_series:,} series"
