"""Read texts as dates in one notation of the table, vectorised: local times, zones and remarks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unrolled.data.calendar.offsets import in_nanoseconds
from unrolled.data.parse.column_names import looks_like_week
from unrolled.data.parse.date_parts import NAT, Times, assemble
from unrolled.data.parse.notations import MONTHS, NOTATIONS, ZONES, Notation

Floats = NDArray[np.float64]

_PIVOTS = (69, 30)  # two-digit years from here on are of the 1900s: for POSIX, and for spreadsheets
_MONTH = re.compile(r"m?(0?[1-9]|1[0-2])(?:\.0)?")
_BEFORE_CLOCK = re.compile(r"[ T](?=\d\d?:\d\d)")
_PLAIN = r"\d{4}-\d{1,2}-\d{1,2}(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?)?$"


class Reading(NamedTuple):
    """Texts (K,) in one notation: local times, NaT where it does not fit, zones as minutes, and remarks.

    Remarks are keys of NOTES, with what stands in their braces.
    """

    notation: Notation
    times: Times
    offsets: Floats
    remarks: dict[str, dict[str, Any]]


def candidates(sample: list[str], names: Sequence[str] = (), column: str = "") -> list[Notation]:
    """Find the first notation that reads half of the texts, and those that it is ambiguous with.

    Args:
        sample: of the texts.
        names: of the notations that are tried; all by default.
        column: what the column is called.
    """
    notations: list[Notation] = []
    for notation in NOTATIONS:
        if (names and notation.name not in names) or (notation.of_weeks and not looks_like_week(column)):
            continue
        if notations and not (notations[0].ambiguous and notation.ambiguous):
            continue
        matches = [text for text in sample if notation.regex.fullmatch(text)]
        if matches and 2 * len(matches) >= len(sample):
            n_read = int((~np.isnat(_read(matches, notation).times)).sum())
            if 2 * n_read >= len(sample):
                notations.append(notation)
    return notations


def read_in_centuries(texts: list[str], notation: Notation) -> list[Reading]:
    """Read texts; where two-digit years may be of either century, in both."""
    first = _read_recurring(texts, notation)
    years = first.remarks.get("century", {}).get("years", np.empty(0))
    if not ((years < _PIVOTS[0]) & (years >= _PIVOTS[1])).any():
        return [first]
    return [first, _read_recurring(texts, notation, _PIVOTS[1])]


def _read_recurring(texts: list[str], notation: Notation, pivot: int = _PIVOTS[0]) -> Reading:
    """Read texts (K,); dates and clocks that recur once each, as the time of a text is the sum of both."""
    cut = [(*_BEFORE_CLOCK.split(text, 1), "")[:2] for text in texts]
    (of_date, dates), (of_clock, clocks) = (
        pd.factorize(np.array(half, dtype=object)) for half in zip(*cut, strict=True)
    )
    if 2 * (len(dates) + len(clocks)) > len(texts):
        return _read(texts, notation, pivot)
    by_date = _read(dates.tolist(), notation, pivot)
    first = int(np.argmax(~np.isnat(by_date.times)))
    by_clock = _read([f"{dates[first]} {clock}".strip() for clock in clocks], notation, pivot)
    if np.isfinite(by_date.offsets).any():  # zones behind dates without a clock
        return _read(texts, notation, pivot)
    times = by_date.times[of_date] + (by_clock.times - by_date.times[first])[of_clock]
    offsets = by_clock.offsets[of_clock]
    rest = np.flatnonzero(np.isnat(times))
    others = _read([texts[k] for k in rest.tolist()], notation, pivot)
    times[rest], offsets[rest] = others.times, others.offsets
    return Reading(notation, times, offsets, others.remarks | by_clock.remarks | by_date.remarks)


def _read(texts: Sequence[str], notation: Notation, pivot: int = _PIVOTS[0]) -> Reading:
    """Read texts (K,) in one notation."""
    column = pd.Series(texts, dtype=object)
    times, offsets = np.full(len(texts), NAT), np.full(len(texts), np.nan)
    remarks: dict[str, dict[str, Any]] = {}
    plain = column.str.match(_PLAIN).to_numpy(dtype=bool) & (notation is NOTATIONS[0])
    if plain.any():
        read = pd.to_datetime(column[plain], format="ISO8601", errors="coerce")
        times[plain] = in_nanoseconds(read.to_numpy())
    rest = np.flatnonzero(np.isnat(times))
    groups = notation.regex.groupindex
    matches = [notation.regex.fullmatch(texts[k]) for k in rest.tolist()]
    rest = rest[[match is not None for match in matches]]
    if not len(rest):
        return Reading(notation, times, offsets, remarks)
    frame = pd.DataFrame([match.groups() for match in matches if match], columns=list(groups), dtype=object)
    for name in [name for name in groups if name.endswith("0")]:  # the second place of a group
        frame[name[0]] = frame[name].where(frame[name].notna(), frame.get(name[0]))
    parts = _parts(frame, pivot, remarks)
    built = assemble(parts)
    times[rest] = built
    if "z" in frame:
        offsets[rest] = _zone_offsets(frame["z"], remarks)
    if "H" in parts and (parts["H"] == 24).any():
        remarks["midnight"] = {}
    if notation.of_weeks:
        remarks["weeks"] = {}
    if "i" in frame and frame["i"].notna().any():
        remarks["interval"] = {}
    return Reading(notation, times, offsets, remarks)


def _parts(frame: pd.DataFrame, pivot: int, remarks: dict[str, dict[str, Any]]) -> dict[str, Floats]:
    """Numbers (K,) of the named groups of a notation, NaN where one says what is no number."""

    def number(name: str, default: float) -> Floats:
        return pd.to_numeric(frame[name], errors="coerce").fillna(default).to_numpy(dtype=np.float64)

    parts = {name: number(name, 1.0 if name in "mdu" else 0.0) for name in "YmdHMSwuj" if name in frame}
    if "y" in frame and frame["y"].notna().any():
        short = number("y", np.nan)
        century = short + np.where(short < pivot, 2000, 1900)
        parts["Y"] = np.where(np.isnan(short), parts.get("Y", np.nan), century)
        first, last = np.nanmin(century), np.nanmax(century)
        remarks["century"] = {"first": f"{first:.0f}", "last": f"{last:.0f}", "years": short}
    if "b" in frame:
        named = frame["b"].str.lower()
        month_of = {name: month_number(name) for name in named.unique()}
        parts["m"] = named.map(month_of).to_numpy(dtype=np.float64)
    for name, months in (("q", 3), ("h", 6)):
        if name in frame:
            parts["m"] = months * number(name, np.nan) - months + 1
    if "n" in frame:
        is_next = number("n", np.nan) == (parts["Y"] + 1) % 100
        parts["Y"] = np.where(is_next, parts["Y"], np.nan)
    if "f" in frame:
        frame["f"] = frame["f"].str.ljust(9, "0")  # nanoseconds
        parts["f"] = number("f", 0.0)
    if "p" in frame and frame["p"].notna().any():
        half = frame["p"].str.lower().to_numpy(dtype=object)
        twelve = (half == "a") | (half == "p")
        hours = np.where((parts["H"] < 1) | (parts["H"] > 12), np.nan, parts["H"] % 12 + 12 * (half == "p"))
        parts["H"] = np.where(twelve, hours, parts["H"])
    return parts


def month_number(name: str) -> int:
    """Number a month by the first three letters, or more, of its name; 0 where none or several begin so.

    >>> month_number("sept"), month_number("märz"), month_number("ju"), month_number("jui")
    (9, 3, 0, 0)
    """
    months = [k + 1 for k, names in enumerate(MONTHS) if any(full.startswith(name) for full in names.split())]
    return months[0] if len(months) == 1 and len(name) > 2 else 0


def month_of(text: str) -> int:
    """Number a month that is written as a number, perhaps after an M, or by its name; 0 for anything else.

    >>> month_of("M07"), month_of(" Sept"), month_of("13")
    (7, 9, 0)
    """
    text = text.strip().lower()
    match = _MONTH.fullmatch(text)
    return int(match[1]) if match else month_number(text)


def _zone_offsets(zones: pd.Series[Any], remarks: dict[str, dict[str, Any]]) -> Floats:
    """Minutes from UTC (K,) of the zones of texts; NaN where there is none, infinite where it is unknown."""
    minutes: dict[str, float] = {}
    for zone in zones.dropna().unique():
        if zone[0] in "+-":
            sign, digits = (-1 if zone[0] == "-" else 1), zone[1:].replace(":", "").ljust(4, "0")
            minutes[zone] = sign * (60 * int(digits[:2]) + int(digits[2:]))
        else:
            minutes[zone] = 60 * ZONES.get(zone, np.inf)
    named = {zone: offset for zone, offset in minutes.items() if zone[0] not in "+-" and offset}
    if named:
        remarks["zone names"] = {
            "zones": ", ".join(f"{zone} = UTC{offset / 60:+g}" for zone, offset in named.items())
        }
    return np.asarray(zones.map(minutes), dtype=np.float64)
