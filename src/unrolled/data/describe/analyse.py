"""Describe data: declared order, tested order, calendar, ranges, growth, season, warnings.

What the data declares (a time column, a text) is kept apart from what it shows (a test, with its p-value).
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.data.calendar.frequency import Calendar, infer_calendar
from unrolled.data.calendar.offsets import format_time, season_length, unit_word
from unrolled.data.describe.description import Description
from unrolled.data.describe.diagnostics import (
    detect_averaging,
    detect_seasonality,
    log_growth,
    percent_growth,
    step_changes,
)
from unrolled.data.gaps import find_irregularities
from unrolled.data.io.read import read
from unrolled.data.preprocess.transforms import choose_transform, is_multiplicative
from unrolled.data.sequences import DeclaredOrder, Sequences
from unrolled.errors import DataError
from unrolled.stats.serial_correlation import OrderEvidence, order_test, token_order_test

Floats = NDArray[np.float64]

_MOST_SERIES = 5_000  # are looked into one by one
_RECENT = 12  # steps whose growth is listed
_STANDARD_ERRORS = 2  # of the mean growth: nearer to 0, it is noise
_ROUNDING = 1e-12
_FALSE_ALARMS = 0.005  # share of random walks that look averaged: `benchmarks/averaging_alarms.py`


def describe(source: Any) -> Description:
    """Say what the data is, and what is in it.

    Args:
        source: Sequences, or anything that `unrolled.read` takes.

    Returns:
        A record; `print` shows it as a block, `to_dict` gives it to machines.

    Raises:
        DataError: it cannot be read, or holds a single row.

    >>> machine = describe("machine")  # a sequence, not temporal, and too short to show that order matters
    >>> machine.is_sequence, machine.is_temporal, machine.order.outcome
    (True, False, 'too few to tell')
    """
    series = read(source)
    if len(series.values) < 2:
        raise DataError(
            f"{series.source}: expected at least two rows, got {len(series.values) or 'none'}. One value has "
            "no order, step or growth to describe."
        )
    facts = _shape(series)
    if series.tokens is not None:
        return Description(**facts, order=token_order_test(series.values, _position(series)))
    series.require_table(series.source)
    facts |= {"missing": int(series.missing.sum()), "ranges": _ranges(series)}
    if series.order is DeclaredOrder.NONE:
        return Description(**facts, order=_table_evidence(series))
    calendar = None if series.times is None else infer_calendar(series.times, series.offsets)
    facts |= _calendar(series, calendar) | _behaviour(series, calendar)
    facts["warnings"] = (*facts["warnings"], *find_irregularities(series))
    return Description(**facts)


def _position(series: Sequences) -> NDArray[np.int64]:
    """Number the sequence of each row, (ΣT,)."""
    return np.repeat(np.arange(len(series)), series.lengths)


def _shape(series: Sequences) -> dict[str, Any]:
    lengths = series.lengths
    return {
        "source": series.source,
        "rows": len(series.values),
        "series": len(series),
        "length": (int(lengths.min()), int(lengths.max())),
        "columns": series.columns,
        "declared": str(series.order),
        "notes": series.notes,
    }


def _ranges(series: Sequences) -> dict[str, tuple[float, float]]:
    """Find the lowest and highest finite value of each column that has one."""
    finite = [column[np.isfinite(column)] for column in series.values.T]
    pairs = zip(series.columns, finite, strict=True)
    numbers = {name: values for name, values in pairs if len(values) and name not in series.labels}
    return {name: (float(values.min()), float(values.max())) for name, values in numbers.items()}


def _table_evidence(series: Sequences) -> OrderEvidence:
    """Test the order of each column; keep the smallest p-value, times the number of columns tested."""
    rows = _position(series)
    by_column = [order_test(series.values[:, k], rows) for k in range(len(series.columns))]
    tested = [evidence for evidence in by_column if evidence.p_value is not None]
    if not tested:
        return by_column[0]
    best = min(tested, key=lambda evidence: evidence.p_value or 0.0)
    return best.corrected_for(len(tested))


def _calendar(series: Sequences, calendar: Calendar | None) -> dict[str, Any]:
    if series.times is None or calendar is None:
        return {}
    facts: dict[str, Any] = {
        "start": format_time(series.times.min()),
        "end": format_time(series.times.max()),
        "freq": calendar.freq,
        "gaps": len(calendar.gaps),
        "missing_steps": int(calendar.missing.sum()),
        "holidays": calendar.holidays,
        "duplicates": len(calendar.duplicates),
        "season": season_length(calendar.freq),
    }
    if len(series) == 1 and series.times.dtype.kind == "M":
        facts["yearly_means"] = _yearly_means(series)
    return facts


def _yearly_means(series: Sequences) -> dict[int, float]:
    assert series.times is not None
    valid_mask = ~np.isnan(series.target)
    years = series.times[valid_mask].astype("datetime64[Y]").astype(np.int64) + 1970
    distinct, position = np.unique(years, return_inverse=True)
    means = np.bincount(position, series.target[valid_mask]) / np.bincount(position)
    return dict(zip(distinct.tolist(), means.tolist(), strict=True))


def _behaviour(series: Sequences, calendar: Calendar | None) -> dict[str, Any]:
    """Analyse the values of each series: order, growth, season, averaging, and the fitting transform."""
    season = season_length(calendar.freq if calendar else None)
    parts = [one.target[: one.observed[0]] for one in _some(series)]
    changes = [step_changes(y) for y in parts]
    order = order_test(np.concatenate(parts), _labels(parts), season)
    facts: dict[str, Any] = {"order": order, "warnings": tuple(_constant(parts, series.source))}
    if order.outcome == "carries information":  # else differences only show that they are differences
        facts["order_of_changes"] = order_test(np.concatenate(changes), _labels(changes), season)
    changing = [y[~np.isnan(y)] for y in parts]
    changing = [y for y in changing if len(y) > 1 and np.ptp(y) > 0]
    if not changing:
        return facts
    facts |= _growth(series, parts, calendar, season)
    facts |= _transform(changing, season)
    seasons = [is_seasonal for y in parts if (is_seasonal := detect_seasonality(y, season)[0]) is not None]
    facts["seasonal"] = 2 * sum(seasons) > len(seasons) if seasons else None
    facts |= _averaging(parts, calendar.freq if calendar else None, facts["warnings"])
    return facts


def _some(series: Sequences) -> list[Sequences]:
    """Sample all series, or evenly spaced ones where there are very many."""
    chosen = np.unique(np.linspace(0, len(series) - 1, min(len(series), _MOST_SERIES)).astype(np.int64))
    return [series[int(i)] for i in chosen]


def _labels(parts: list[Floats]) -> NDArray[np.int64]:
    return np.repeat(np.arange(len(parts)), [len(part) for part in parts])


def _constant(parts: list[Floats], source: str) -> list[str]:
    still = [y for y in parts if len(y) and np.nanmin(y) == np.nanmax(y)]
    if not still:
        return []
    if len(parts) == 1:
        return [f"{source}: every value is {still[0][0]:g}, so that there is nothing to forecast."]
    return [
        f"{source}: {len(still)} of {len(parts)} series never change, so that there is nothing to forecast."
    ]


def _growth(series: Sequences, parts: list[Floats], calendar: Calendar | None, season: int) -> dict[str, Any]:
    """Find the mean growth a step where it stands out; list the latest steps of a single series."""
    percents = [percent_growth(y) for y in parts]
    is_step = None
    if len(parts) == 1 and calendar is not None and len(percents[0]):  # not over a gap or within a day
        is_step = np.ones(len(percents[0]), dtype=bool)
        apart = np.concatenate([calendar.gaps, calendar.duplicates - 1])
        is_step[apart[apart < len(is_step)]] = False
        percents[0][~is_step] = np.nan
    growths = [log_growth(y, season, is_step=is_step) for y in parts]
    means = [float(np.nanmean(g)) for g in percents if np.isfinite(g).any() and not np.isinf(g).any()]
    facts: dict[str, Any] = {
        "mean_growth": _mean_growth(np.array(growths)),
        "mean_pct_change": float(np.mean(means)) if len(means) == len(parts) else None,
    }
    if len(series) == 1 and len(percents[0]) and series.times is not None:
        latest = zip(series.times[1 : len(parts[0])][-_RECENT:], percents[0][-_RECENT:].tolist(), strict=True)
        facts["recent_growth"] = tuple(
            (format_time(time), percent) for time, percent in latest if np.isfinite(percent)
        )
    return facts


def _mean_growth(growths: Floats) -> float | None:
    """Return the geometric growth a step in percent; None where it is within two standard errors of none.

    Args:
        growths: (N, 2) from `log_growth`, a row a series. Of many, the error is that of the mean over series.
    """
    growth, error = growths.mean(axis=0)
    if len(growths) > 1:
        error = growths[:, 0].std(ddof=1) / len(growths) ** 0.5
    stands_out = abs(growth) > max(_STANDARD_ERRORS * error, _ROUNDING)
    return float(100 * np.expm1(growth)) if stands_out else None


def _transform(changing: list[Floats], season: int) -> dict[str, Any]:
    """Choose the transform that suits most series, and its reason."""
    multiples = [is_multiplicative(y) for y in changing]
    choices = [choose_transform(y, season) for y in changing]
    most, count = Counter(name for name, _ in choices).most_common(1)[0]
    reason = next(why for name, why in choices if name == most)
    grow = sum(answer for answer, _ in multiples)
    if len(changing) == 1:
        why = multiples[0][1]
    else:
        why = f"{grow:,} of {len(changing):,} series do"
        reason = f"so for {count:,} of {len(changing):,} series"
    return {
        "multiplicative": 2 * grow > len(changing),
        "multiplicative_reason": why,
        "transform": most,
        "transform_reason": reason,
    }


def _averaging(parts: list[Floats], freq: str | None, warnings: tuple[str, ...]) -> dict[str, Any]:
    """Warn where more series look averaged than random walks would by chance."""
    evidence = [detect_averaging(y, season_length(freq)) for y in parts]
    suspected, expected = sum(one.suspected for one in evidence), _FALSE_ALARMS * len(evidence)
    facts: dict[str, Any] = {"averaging": evidence[0] if len(evidence) == 1 else None}
    if suspected <= expected + 3 * expected**0.5:
        return facts
    unit = unit_word(freq)
    looks, detail = f"{suspected} of {len(evidence)} series look", ""
    if len(evidence) == 1:
        lag_1, lag_2, _ = evidence[0]
        looks = "the values look"
        detail = f" (changes correlate {lag_1:.2f} one step apart and {lag_2:.2f} two steps apart)"
    text = (
        f"{looks} like averages over each {unit}, not values at its end{detail}. "
        "Averaging alone makes changes predictable, which gives every model a skill it does not have: use "
        "values at the end, or judge against an AR(1) on changes."
    )
    return {**facts, "warnings": (*warnings, text)}
