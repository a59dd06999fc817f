"""Baselines of a backtest, each from the same origins as the network.

Naive, RWD, AR1, SeasonalNaive   `linear_baselines`: last value, drift, first-order autoregression
Median, Mean, Zero               `constant_baselines`: the constants that minimise mae, rmse and crps
Theta, AutoETS, AutoARIMA        `statsforecast_baselines`
Croston                          `statsforecast_baselines`, for intermittent data
feedforward                      a network without a memory, with as many weights
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from unrolled.data.preprocess.transforms import Transform
from unrolled.errors import MissingDependencyError
from unrolled.evaluate.forecasting.constant_baselines import (
    ConstantBaseline,
    constant_variants,
    is_intermittent,
)
from unrolled.evaluate.forecasting.linear_baselines import LinearBaseline
from unrolled.evaluate.forecasting.statsforecast_baselines import CrostonBaseline, StatsforecastBaseline
from unrolled.formatting import join_words
from unrolled.models.forecasting.network import ForecastNetwork
from unrolled.validation import check_choices

Floats = NDArray[np.float64]

DEFAULT_BASELINES = (
    "Naive", "RWD", "AR1", "SeasonalNaive", "Median", "Mean", "Zero", "Croston", "Theta", "AutoETS",
    "feedforward",
)  # fmt: skip
BASELINES = (*DEFAULT_BASELINES[:-1], "AutoARIMA", "feedforward")
_STATSFORECAST_BASELINES = ("Croston", "Theta", "AutoETS", "AutoARIMA")
_INTERMITTENT_BASELINES = ("Zero", "Croston")
_SCALES: tuple[Literal["levels", "changes", "transform"], ...] = ("levels", "changes", "transform")
_MAX_HIDDEN = 4096  # hidden units of a feed-forward net

Baseline = LinearBaseline | ConstantBaseline | StatsforecastBaseline | CrostonBaseline


def baseline_variants(
    names: Sequence[str], transforms: Sequence[Transform], window: int = 12
) -> list[Baseline]:
    """Make the baselines behind each name; of those that share a name, the one that errs least counts.

    Args:
        names: some of `BASELINES`; "feedforward" is a network, made by `backtest` itself, and skipped.
        transforms: the network's, one a series; without a season there is no seasonal naive.
        window: newest steps over which constants are taken, the network's own.

    >>> monthly = Transform("log-difference", season=12)
    >>> [(b.name, b.note(monthly)) for b in baseline_variants(("Naive", "AR1"), [monthly])]
    [('Naive', ''), ('AR1', 'on levels'), ('AR1', 'on changes'), ('AR1', 'on log changes')]
    """
    season = transforms[0].season
    table: dict[str, list[Baseline]] = {
        "Naive": [LinearBaseline("Naive")],
        "RWD": _without_equal_scales(
            [LinearBaseline("RWD", scale, has_drift=True) for scale in _SCALES], transforms
        ),
        "AR1": _without_equal_scales(
            [LinearBaseline("AR1", s, has_drift=True, has_slope=True) for s in _SCALES], transforms
        ),
        "SeasonalNaive": [LinearBaseline("SeasonalNaive", seasonal=True)] * (season > 1),
        "Median": list(constant_variants("Median", window, season)),
        "Mean": list(constant_variants("Mean", window, season)),
        "Zero": [ConstantBaseline("Zero")],
        "Croston": [CrostonBaseline(method) for method in ("CrostonClassic", "CrostonSBA", "TSB")],
        "Theta": [StatsforecastBaseline("Theta")],
        "AutoETS": [StatsforecastBaseline("AutoETS")],
        "AutoARIMA": [StatsforecastBaseline("AutoARIMA")],
    }
    return [baseline for name in names for baseline in table.get(name, [])]


def _without_equal_scales(baselines: list[LinearBaseline], transforms: Sequence[Transform]) -> list[Baseline]:
    """Drop those that work on the same scale as an earlier one, for every series."""
    by_scale: dict[tuple[tuple[bool, int], ...], Baseline] = {}
    for baseline in baselines:
        by_scale.setdefault(tuple(map(baseline.scale, dict.fromkeys(transforms))), baseline)
    return list(by_scale.values())


def matching_feedforward(fitted: Any) -> Any:
    """Make an unfitted feed-forward Forecaster with the window and about as many weights as a fitted one.

    >>> import unrolled as ur
    >>> y = np.random.default_rng(0).normal(size=60)
    >>> lstm = ur.Forecaster(horizon=2, hidden_size=8, max_steps=8).fit(y)
    >>> flat = matching_feedforward(lstm).fit(y)
    >>> flat.cell, 0.9 < flat.n_parameters_ / lstm.n_parameters_ < 1.1
    ('feedforward', True)
    """
    sizes = replace(fitted.network_config_, cell="feedforward")

    def excess(hidden_size: int) -> int:
        with torch.device("meta"):
            network = ForecastNetwork(replace(sizes, hidden_size=hidden_size))
        return sum(p.numel() for p in network.parameters()) - int(fitted.n_parameters_)

    above = bisect_left(range(1, _MAX_HIDDEN), 0, key=excess) + 1
    hidden_size = min((max(1, above - 1), above), key=lambda size: abs(excess(size)))
    settings = {"cell": "feedforward", "hidden_size": hidden_size, "window": fitted.window_}
    return type(fitted)(**fitted.get_params() | settings | {"activation": "tanh"})


def check_baselines(names: Any) -> tuple[str, ...]:
    """Return valid names, the default ones for None.

    Raises:
        ArgumentError: a name is unknown; the sentence offers the nearest spelling.
    """
    if names is None:
        return DEFAULT_BASELINES
    return check_choices("baselines", names, BASELINES, needed="a network's error means nothing without one")


def available_baselines(names: Sequence[str], *, is_explicit: bool) -> tuple[tuple[str, ...], str]:
    """Return the baselines whose package is installed, and a sentence on those left out.

    Args:
        names: some of `BASELINES`.
        is_explicit: the caller named them: then none may be left out.

    Raises:
        MissingDependencyError: one is left out that the caller named.

    >>> available_baselines(("Naive", "AR1"), is_explicit=True)
    (('Naive', 'AR1'), '')
    """
    missing = [name for name in names if name in _STATSFORECAST_BASELINES]
    if not missing or find_spec("statsforecast"):
        return tuple(names), ""
    reason = 'statsforecast, which is not installed: pip install "unrolled[baselines]"'
    if is_explicit:
        raise MissingDependencyError(f"baselines: {missing[0]} needs {reason}")
    remark = f"{join_words(missing)} left out: they need {reason}."
    return tuple(name for name in names if name not in missing), remark


def without_intermittent(names: Sequence[str], first_parts: Sequence[Floats]) -> tuple[str, ...]:
    """Return the names without the baselines of intermittent data, unless the series are intermittent.

    Args:
        names: some of `BASELINES`.
        first_parts: N arrays (T_i,), each series up to its first origin.

    >>> without_intermittent(("Naive", "Zero", "Croston"), [np.arange(1.0, 9.0)])
    ('Naive',)
    """
    if is_intermittent(first_parts):
        return tuple(names)
    return tuple(name for name in names if name not in _INTERMITTENT_BASELINES)
