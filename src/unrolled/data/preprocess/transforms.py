"""Invertible transforms, none of which sees a step after the origin it serves.

A transform answers three questions about a series y and an origin t (the newest step known):

    g_t            the working scale: y, or log y
    reference      what a forecast for t + k is measured from: g_t, the same season a year before, or a centre
    s_t            one unit of the target: how far the series usually moves, from steps up to t alone

The network reads x_t = (g_t − previous reference) / s_t and answers r_{t,k} = (g_{t+k} − reference) / s_t.
The way back, y = exp(reference + r · s_t), rises with r, so a quantile of r is a quantile of y, and a
forecast of any horizon starts from the newest observation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import DataError
from unrolled.validation import check_choice

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

TRANSFORMS = (
    "scale",
    "minmax",
    "log",
    "difference",
    "log-difference",
    "seasonal-difference",
    "log-seasonal-difference",
)
_LEAST_STEPS = 8  # below this, a choice by statistics would be noise
LEAST_UNIT = 1e-2  # of the prior: a series that stood still so far can still move
_ROUNDING = 1e-12  # of the level: smaller changes are rounding errors
_LEAST_SLOPE = 0.5  # half-way between amounts (0) and percentages (1)
_SEASON_GAIN = 0.3  # a seasonal difference is taken below this share of the variance of the next best
PRIOR_STEPS = 3.0  # how many steps the prior of the scale counts for
LEAST_RANGE = 1.5  # max / min under which log is so nearly a straight line that it changes nothing

_WORDS = {
    "scale": "values on a common scale",
    "minmax": "values between their lowest and highest",
    "log": "logarithms",
    "difference": "changes",
    "log-difference": "changes of the logarithm",
    "seasonal-difference": "changes over a season",
    "log-seasonal-difference": "changes of the logarithm over a season",
}


class Scale(NamedTuple):
    """Numbers learned from one series at fit time and never changed by what comes later."""

    move: float  # mean size of a move, as a share of the level (of 1 on a log scale)
    low: float  # smallest and largest working value, read by "minmax" alone
    high: float


@dataclass(frozen=True)
class Transform:
    """Transform of a series: log or not, what is subtracted, and what is divided by.

    Args:
        name: one of `TRANSFORMS`.
        season: steps in a season; read by the seasonal differences only.

    Raises:
        ArgumentError: the name is unknown.

    >>> y = np.array([1.0, 2.0, 4.0, 8.0, 16.0])
    >>> doubling = Transform("log-difference")
    >>> fitted = doubling.apply(y, doubling.learn(y))
    >>> fitted.inputs.round(3).tolist()  # each step, in usual moves
    [0.0, 1.0, 1.0, 1.0, 1.0]
    >>> fitted.levels(np.array([4]), np.array([[1.0, 2.0]])).round(6).tolist()  # one doubling, two
    [[32.0, 64.0]]
    """

    name: str
    season: int = 1

    def __post_init__(self) -> None:
        check_choice("transform", self.name, TRANSFORMS)

    @property
    def log(self) -> bool:
        """True where the working scale is the logarithm."""
        return self.name.startswith("log")

    @property
    def lag(self) -> int:
        """Steps back that the difference reaches; 0 where levels are kept."""
        if not self.name.endswith("difference"):
            return 0
        return self.season if "seasonal" in self.name else 1

    def working(self, y: Floats, label: str = "y") -> Floats:
        """g: y itself or its logarithm.

        Raises:
            DataError: log was asked of a value that is not above 0; the row is named.
        """
        if not self.log:
            return np.asarray(y, dtype=np.float64)
        if len(bad := np.flatnonzero(y <= 0)):
            way_out = "difference" if self.lag else "scale"
            raise DataError(
                f"{label} row {bad[0] + 1}: transform '{self.name}' needs values above 0, got {y[bad[0]]:g}. "
                f"Use transform='{way_out}'."
            )
        return np.log(y)

    def learn(self, y: Floats, label: str = "y") -> Scale:
        """Measure a series at fit time."""
        g = self.working(y, label)
        size = np.abs(self.moves(g))[self.lag :]
        level = 1.0 if self.log else float(np.abs(g).mean())
        move = float(size.mean()) / level if len(size) and level > 0 else 0.0
        return Scale(move, float(g.min()), float(g.max()))

    def apply(self, y: Floats, scale: Scale, label: str = "y") -> Transformed:
        """Transform a series; every value at step t comes from steps up to t and `scale`.

        s_t = (p · prior_t + Σ_{i ≤ t} |move_i|) / (p + number of moves), where p = 3 steps and the prior
        is `scale.move` times the mean level so far (times 1 on a log scale).

        Args:
            y: (T,) the series.
            scale: what `learn` gave at fit time, for this series or over many.
            label: what error messages call the series.
        """
        g = self.working(y, label)
        zeros, ones = np.zeros_like(g), np.ones_like(g)
        if self.name == "minmax":  # the usual recipe: the range of all that the model was fitted on
            return Transformed(self, g, ones * scale.low, ones * ((scale.high - scale.low) or 1.0), ones)
        moves = np.abs(self.moves(g))
        level = ones if self.log else _running_mean(np.abs(g))
        level[level == 0] = 1.0
        prior = (scale.move or 1.0) * level
        counted = np.maximum(np.arange(len(g)) + 1 - self.lag, 0)
        unit = (PRIOR_STEPS * prior + np.cumsum(moves)) / (PRIOR_STEPS + counted)
        center = _running_mean(g) if self.lag == 0 else zeros
        unit = np.maximum(unit, LEAST_UNIT * prior)
        return Transformed(self, g, center, unit, unit / level)

    def moves(self, g: Floats) -> Floats:
        """Return differences (T,) of working values, or their distances from the mean so far."""
        if self.lag == 0:
            return g - _running_mean(g)
        moves = np.zeros_like(g)
        moves[self.lag :] = g[self.lag :] - g[: -self.lag]
        return moves


@dataclass(frozen=True, eq=False)
class Transformed:
    """Series on its working scale, with what each step may know.

    Args:
        transform: the rule that made it.
        working: (T,) g_t.
        center: (T,) what levels are measured from; 0 under differences.
        unit: (T,) s_t, above 0.
        share: (T,) s_t as a share of the level, so that series of any size can be compared.
    """

    transform: Transform
    working: Floats
    center: Floats
    unit: Floats
    share: Floats

    @property
    def inputs(self) -> Floats:
        """Inputs x_t (T,): the move of each step in units of how far the series usually moves."""
        g = self.working
        moves = self.transform.moves(g) if self.transform.lag else g - self.center
        return np.asarray(moves / self.unit)

    def reference(self, origins: Ints, horizon: int) -> Floats:
        """Reference values (K, h) that a forecast of step t + k is measured from, known at t."""
        lag = self.transform.lag
        if lag == 0:
            return np.repeat(self.center[origins][:, None], horizon, axis=1)
        steps = origins[:, None] + reference_offsets(lag, horizon)
        return np.asarray(self.working[np.maximum(steps, 0)])

    def levels(self, origins: Ints, answers: Floats) -> Floats:
        """Invert the transform: (K, h) outputs r, or (K, h, Q) quantiles of them, to values of the series."""
        reference, unit = self.reference(origins, answers.shape[1]), self.unit[origins][:, None]
        if answers.ndim == 3:  # (K, h, Q)
            reference, unit = reference[..., None], unit[..., None]
        g = reference + answers * unit
        return np.asarray(np.exp(g) if self.transform.log else g)


def reference_offsets(lag: int, horizon: int) -> Ints:
    """Offsets (h,) from the origin to the reference of each step ahead: k − lag · ceil(k / lag), at most 0.

    >>> reference_offsets(1, 3).tolist(), reference_offsets(4, 6).tolist()
    ([0, 0, 0], [-3, -2, -1, 0, -3, -2])
    """
    ahead = np.arange(1, horizon + 1)
    return np.asarray(ahead - lag * -(-ahead // lag))


def is_multiplicative(y: Floats) -> tuple[bool, str]:
    """Return whether a series grows by multiples: its changes are in proportion to its level.

    Over ten or more stretches of equal length, the slope of log mean |change| on log mean level: 1 where
    changes are percentages, 0 where they are amounts; 0.5 divides them.

    Returns:
        the answer, and its reason as half a sentence.

    >>> is_multiplicative(1.05 ** np.arange(60.0))
    (True, 'the size of changes follows the level (slope 1.00)')
    """
    if not len(y) or np.isnan(y).any() or y.min() <= 0:
        return False, "not all values are above 0"
    if y.max() < LEAST_RANGE * y.min():
        return False, f"the largest value is only {y.max() / y.min():.2f} times the smallest"
    parts = min(20, len(y) // 6)
    if parts < 4:
        return True, f"all values are above 0, and {len(y)} are too few to see how changes follow the level"
    stretches = np.array_split(np.arange(1, len(y)), parts)
    level = np.log([y[s].mean() for s in stretches])
    size = np.array([np.abs(y[s] - y[s - 1]).mean() for s in stretches])
    moves = size > _ROUNDING * np.exp(level)  # stretches that stand still tell nothing of their changes' size
    level, size = level[moves], size[moves]
    if len(level) < 2 or np.ptp(level) == 0:
        return False, "it stands still but for a few steps"
    slope = float(np.polyfit(level, np.log(size), 1)[0])
    verb = "follows" if slope >= _LEAST_SLOPE else "does not follow"
    return slope >= _LEAST_SLOPE, f"the size of changes {verb} the level (slope {slope:.2f})"


def choose_transform(y: Floats, season: int = 1) -> tuple[str, str]:
    """Choose the transform of a series, and give the reason.

    Log where growth is multiplicative. Differences where they vary less than the levels do, which is so
    for everything that wanders; levels otherwise, since differencing them would only add noise. Seasonal
    differences where the same season a year before says more than the step before.

    >>> choose_transform(np.array([10.0, 11.0, 12.0]))
    ('difference', '3 steps are too few to choose by: changes are the safe choice')
    """
    if len(y) < _LEAST_STEPS:
        log = len(y) > 0 and bool(np.nanmin(y) > 0)
        name = "log-difference" if log and np.nanmax(y) / np.nanmin(y) >= LEAST_RANGE else "difference"
        return name, f"{len(y)} steps are too few to choose by: changes are the safe choice"
    multiplicative, why = is_multiplicative(y)
    g = np.log(y) if multiplicative else y
    spread = float(np.var(g))
    by_step = float(np.var(np.diff(g)))
    prefix, base = ("log-", "log") if multiplicative else ("", "scale")
    if season > 1 and len(y) >= 3 * season:
        by_season = float(np.var(g[season:] - g[:-season]))
        if by_season < _SEASON_GAIN * min(by_step, spread):
            share = by_season / min(by_step, spread)
            return f"{prefix}seasonal-difference", (
                f"{why}; changes over a season of {season} vary {share:.2f} times as much as the next best"
            )
    if by_step < spread:
        return f"{prefix}difference", f"{why}; changes vary {by_step / spread:.2g} times as much as levels"
    return base, f"{why}; levels vary less than changes do"


def _running_mean(g: Floats) -> Floats:
    """Average the steps up to each step, (T,)."""
    return np.asarray(np.cumsum(g) / np.arange(1, len(g) + 1))


def transform_name(name: str) -> str:
    """Describe what a network sees under a transform.

    >>> transform_name("log-difference")
    'changes of the logarithm'
    """
    return _WORDS.get(name, name)
