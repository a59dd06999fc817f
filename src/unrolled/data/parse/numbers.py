"""Parse numbers: decimal points and commas, thousands, the usual words for "missing".

A comma or a point means one thing in a whole file; where the texts leave it open, the answer is a fault, not
a guess, because the two readings are a factor of a thousand apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Texts = NDArray[Any]  # (T,) objects: str, or None
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MISSING = frozenset({
    "", "na", "n/a", "#n/a", "nan", "null", "none", "-", "--", ".", "?", "<na>", "nat", "..", "...", ":",
    "\\n", "n.a.", "n/d", "n.d.", "nd", "n/e", "*", "**", "***", "****", "(null)", "#value!", "#ref!",
    "#div/0!", "#num!", "missing", "—", "–", "…",
})  # fmt: skip
_FLAGS = {"true": 1.0, "false": 0.0}
_SHOWN = 60  # characters
_SAMPLE = 200  # texts from which a column's kind is told
_EVIDENCE = 20_000  # texts from which the meaning of its commas is told
_COMMA_DECIMAL = r"[+-]?(?:\d*|\d{1,3}(?:\.\d{3})+),\d+(?:[eE][+-]?\d+)?"
_COMMA_GROUPS = r"[+-]?[1-9]\d{0,2}(?:(?:,\d{2})*,\d{3}|(?:,\d{3})+)(?:\.\d*)?"  # 1,20,000 as in India
_POINT_GROUPS = r"[+-]?[1-9]\d{0,2}(?:\.\d{3})+"
_CURRENCY = r"(?:[$€£¥₹₩₽₺₫฿₴₪]|R\$|Rs\.?|kr\.?|zł|USD|EUR|GBP|CHF|JPY|INR|CNY|AUD|CAD|SEK|NOK|DKK|PLN|BRL)"
_WITH_UNIT = re.compile(
    rf"(?P<open>\()?(?P<sign>[-+]?)\s*(?P<before>{_CURRENCY})?\s*(?P<sign2>[-+]?)"
    r"(?P<number>(?:\d[\d.,]*|[.,]\d+)(?:[eE][-+]?\d+)?)"
    rf"(?P<after>\s*(?:{_CURRENCY}|%|‰|°?[^\W\d_]{{1,5}}[²³]?(?:/[^\W\d_]{{1,5}}[²³]?)?))?(?P<minus>-)?(?(open)\))"
)
_MULTIPLES = {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "Mio": 1e6, "B": 1e9, "Bn": 1e9, "bn": 1e9, "T": 1e12}
_BEYOND = {"<": 0.5, "≤": 0.5, ">": 1.0, "≥": 1.0}  # below a limit, half of it, as laboratories have it
_FLAGS_AFTER = re.compile(r"|\s+[a-z]{1,3}")  # of statistics offices: p is provisional
_ANY_NUMBER = re.compile(
    r"[+-]?(?:\d+(?:[.,]\d*)?|[.,]\d+|\d{1,3}(?:[.,]\d{3})+(?:[.,]\d+)?|\d{1,2}(?:,\d{2})+,\d{3}(?:\.\d+)?)(?:[eE][+-]?\d+)?|[+-]?inf(?:inity)?"
)
_SENTINEL = re.compile(r"-?(9{2,}(\.9+)?|32767|65535|2147483647|1e\+?(20|30|36))|-32768|-2147483648")
_SPACED = re.compile(r"(?<=\d)['’\u00a0\u202f ](?=\d{3}(?!\d))")


class Separators(NamedTuple):
    """Meaning of commas and points: "decimal", "groups" (of thousands), "" (there are none).

    "either" where every number fits both readings; "mixed" for points if others have none: numbers written
    with three decimals would all have them, so that grouping is as likely.
    """

    comma: str = ""
    point: str = ""


def quoted(value: Any) -> str:
    """Quote a value for a sentence, cut where it is long.

    >>> quoted("n/a"), len(quoted("x" * 400))
    ("'n/a'", 65)
    """
    text = str(value)
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...")


def is_missing(texts: Texts) -> NDArray[np.bool_]:
    """Mask texts (T,) that say that there is no value."""
    return np.array([_says_missing(text) for text in texts], dtype=bool)


def are_missing(texts: Iterable[Any]) -> bool:
    """Return whether all texts say that there is no value; stops at the first that does not.

    >>> are_missing(["n/a", None]), are_missing(["0", ""])
    (True, False)
    """
    return all(map(_says_missing, texts))


def _says_missing(text: Any) -> bool:
    if isinstance(text, str):
        return text.strip().lower() in MISSING
    return text is None or text is pd.NA or text is pd.NaT or (isinstance(text, float) and text != text)  # noqa: PLR0124


def looks_numeric(texts: Texts) -> bool:
    """Return whether at least half of a sample of the texts that are not missing are numbers.

    A column of true and false is one of 1 and 0.

    >>> looks_numeric(np.array(["1.5", "2,5", "n/a"], dtype=object)), looks_numeric(np.array(["a", "2"]))
    (True, True)
    """
    sample = spread_sample(texts, 10 * _SAMPLE)
    valid_texts = [text for text in sample[~is_missing(sample)][:_SAMPLE] if isinstance(text, str)]
    if valid_texts and 2 * sum(text.strip().lower() in _FLAGS for text in valid_texts) >= len(valid_texts):
        return True
    bare = without_units(np.array(valid_texts, dtype=object))[0]
    spelt = [_SPACED.sub("", text.strip().lower().replace("−", "-")) for text in bare]
    return 2 * sum(_ANY_NUMBER.fullmatch(text) is not None for text in spelt) >= max(len(valid_texts), 1)


def without_units(texts: Texts) -> tuple[Texts, Floats, str]:
    """Separate numbers from currency signs, percents and units, which all texts of a column must share.

    Brackets and a minus at the end are signs; K, M and B multiply; flags of statistics offices are dropped.
    Of `<1`, less than 1, the half is read; of `>100` the number.

    Returns:
        The bare texts and the factor of each (T,), and a note; the texts as they are where they are no such
        column.

    >>> without_units(np.array(["$1,250", "($3)", None], dtype=object))[0].tolist()
    ['1,250', '-3', None]
    """
    given: Texts = np.array(
        [text.strip().replace("−", "-") if isinstance(text, str) else text for text in texts], dtype=object
    )
    rows = np.flatnonzero([isinstance(text, str) and not _says_missing(text) for text in given])
    beyond = {row: given[row][0] for row in rows if given[row][0] in _BEYOND}
    for row in beyond:
        given[row] = given[row].lstrip("<>≤≥= ")
    matches = [_WITH_UNIT.fullmatch(_SPACED.sub("", given[row])) for row in rows]
    units = [match for match in matches if match is not None]
    factors, note = np.ones(len(texts)), ""
    before = {match["before"] or "" for match in units}
    after = [match["after"] or "" for match in units]
    is_flag = len(set(after)) > 1 and all(map(_FLAGS_AFTER.fullmatch, after))
    is_multiple = all(unit in _MULTIPLES for unit in after)
    is_shared = len(set(map(str.strip, after))) == 1 and not re.fullmatch("[A-Z]", after[0])  # such as 1A, 2A
    if len(units) < len(matches) or len(before) > 1 or not (is_flag or is_multiple or is_shared):
        return texts, factors, ""
    for row, match in zip(rows, units, strict=True):
        is_negative = (match["sign"] + match["sign2"]).count("-") + bool(match["open"]) + bool(match["minus"])
        given[row] = ("-" if is_negative % 2 else "") + match["number"]
        factors[row] = _MULTIPLES[match["after"] or ""] if is_multiple else 1.0
        factors[row] *= _BEYOND.get(beyond.get(row, ""), 1.0)
    shown = sorted({*before, *map(str.strip, after)} - {""})
    if shown:
        kind = "multiples" if is_multiple and any(after) else "flags" if len(set(after)) > 1 else "the unit"
        note = f"{', '.join(map(repr, shown))} beside its numbers was read as {kind}"
    if beyond:
        first = next(iter(beyond))
        limit = "half of that limit" if _BEYOND[beyond[first]] < 1 else "that limit"
        verb = "was" if len(beyond) == 1 else "and others like it were"
        note += f"{'; ' if note else ''}{str(texts[first]).strip()!r} {verb} read as {limit}"
    return given, factors, note


def contains_any(texts: Texts, marks: frozenset[str]) -> bool:
    """Return whether a sample of the texts has one of the marks in it."""
    sample = spread_sample(texts, _EVIDENCE).tolist()
    return not marks.isdisjoint("".join([text for text in sample if isinstance(text, str)]))


def spread_sample(texts: Texts, most: int) -> Texts:
    """At most so many of the texts, evenly spaced."""
    return texts if len(texts) <= most else texts[np.linspace(0, len(texts) - 1, most).astype(np.int64)]


def detect_separators(texts: Texts) -> Separators:
    """Detect the meaning of commas and points in one column, as far as the column itself can tell.

    >>> detect_separators(np.array(["1.234,5", "17"], dtype=object))
    Separators(comma='decimal', point='groups')
    >>> detect_separators(np.array(["1,234", "17"], dtype=object))
    Separators(comma='either', point='')
    """
    sample = without_units(spread_sample(texts, _EVIDENCE))[0]
    some = pd.Series(sample[~is_missing(sample)], dtype=object).astype(str).str.strip()
    some = some.str.replace(_SPACED, "", regex=True)
    commas, points = some[some.str.contains(",", regex=False)], some[some.str.contains(".", regex=False)]
    decimal, groups = _matches(commas, _COMMA_DECIMAL), _matches(commas, _COMMA_GROUPS)
    only_points = points[~points.str.contains(",", regex=False)]
    grouped = _matches(only_points, _POINT_GROUPS)
    comma = ""
    if decimal.any() or groups.any():
        by_decimal, by_groups = int((decimal & ~groups).sum()), int((groups & ~decimal).sum())
        comma = "decimal" if by_decimal > by_groups else "groups" if by_groups else "either"
    if comma == "decimal":
        return Separators(comma, "groups" if len(points) else "")
    if (only_points.str.count(r"\.") > 1).any() and grouped.all():
        return Separators(comma, "groups")
    if not len(points) or comma or not grouped.all():
        return Separators(comma, "decimal" if len(points) else "")
    return Separators(comma, "either" if len(points) == len(some) else "mixed")


def _matches(texts: pd.Series[Any], pattern: str) -> NDArray[np.bool_]:
    return texts.str.fullmatch(pattern).to_numpy(dtype=bool)


def agree_separators(marks: Iterable[Separators], separator: str) -> Separators:
    """Resolve "either" for a file, from the columns that can tell and from its field separator.

    A file with decimal commas has grouping points and the reverse. In a file whose fields are separated by
    commas, a comma inside a quoted number groups its digits and a point is decimal; in frames it is, too.

    >>> agree_separators([Separators("decimal", ""), Separators("", "either")], ";").point
    'groups'
    """
    by_column = list(marks)
    commas = {m.comma for m in by_column} & {"decimal", "groups"}
    comma = commas.pop() if len(commas) == 1 else "groups" if separator == "," and not commas else "either"
    if comma == "decimal":
        return Separators(comma, "groups")
    is_decimal = comma == "groups" or separator in {",", ""} or any(m.point == "decimal" for m in by_column)
    return Separators(comma, "decimal" if is_decimal else "either")


def resolve_separators(column: Separators, file: Separators) -> Separators:
    """Resolve the separators of a column by those of its file; "either" where neither can tell."""
    point = file.point if column.point in {"either", "mixed"} else column.point
    if column.point == "either" and point == "either":
        point = "decimal"  # three decimals in every number, in a file that says nothing else
    return Separators(file.comma if column.comma == "either" else column.comma, point)


def find_sentinels(numbers: Floats) -> list[tuple[float, int]]:
    """Find repeated values of nines, or the ends of a type, far beyond all other values, and count them.

    >>> find_sentinels(np.array([12.0, -9999.0, 14.5, 13.0, -9999.0]))
    [(-9999.0, 2)]
    """
    values, counts = np.unique(numbers[np.isfinite(numbers)], return_counts=True)
    sentinels = []
    while len(values) > 2:
        rest = {0: values[1:], len(values) - 1: values[:-1]}
        far = [k for k in rest if counts[k] > 1 and _SENTINEL.fullmatch(f"{values[k]:.10g}")]
        least = {k: np.ptp(rest[k]) * (2 if abs(values[k]) < 100 else 0.5) for k in far}
        far = [k for k in far if np.abs(rest[k] - values[k]).min() > least[k]]
        if not far:
            break
        sentinels.append((float(values[far[0]]), int(counts[far[0]])))
        values, counts = np.delete(values, far[0]), np.delete(counts, far[0])
    return sentinels


def to_numbers(texts: Texts, marks: Separators) -> tuple[Floats, Ints]:
    """Parse texts (T,) to numbers, NaN where missing, and list the rows that hold something else.

    >>> to_numbers(np.array(["1.234,5", "", "x"], dtype=object), Separators("decimal", "groups"))
    (array([1234.5,    nan,    nan]), array([2]))
    """
    column = pd.Series(texts, dtype=object)
    if marks.comma == "decimal" or marks.point == "groups":
        numbers = np.full(len(column), np.nan)
    else:
        numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, copy=True)
    rest = np.flatnonzero(np.isnan(numbers))
    rest = rest[~is_missing(texts[rest])]
    if len(rest):
        plain = pd.to_numeric(_with_point(column.iloc[rest].astype(str), marks), errors="coerce")
        numbers[rest] = plain.to_numpy(dtype=np.float64)
        if np.isnan(numbers).all():
            numbers[rest] = column.iloc[rest].astype(str).str.strip().str.lower().map(_FLAGS).to_numpy()
    return numbers, rest[np.isnan(numbers[rest])]


def _with_point(texts: pd.Series[Any], marks: Separators) -> pd.Series[Any]:
    """Rewrite texts as Python writes numbers; those with other separators become unreadable."""
    signs = set("".join(texts))  # each step over a million texts costs a second: only where it is needed
    if not signs.isdisjoint("−'’\u00a0\u202f "):
        texts = texts.str.strip().str.replace("−", "-").str.replace(_SPACED, "", regex=True)
    if marks.comma == "decimal":
        if "." in signs:
            good = texts.str.fullmatch(f"{_COMMA_DECIMAL}|{_POINT_GROUPS}") | ~texts.str.contains(r"[.,]")
            texts = texts.where(good, "").str.replace(".", "", regex=False)
        return texts.str.replace(",", ".", regex=False)
    if marks.point == "groups":
        good = texts.str.fullmatch(_POINT_GROUPS) | ~texts.str.contains(r"[.,]")
        return texts.where(good, "").str.replace(".", "", regex=False)
    if marks.comma == "groups":
        good = texts.str.fullmatch(_COMMA_GROUPS) | ~texts.str.contains(",", regex=False)
        return texts.where(good, "").str.replace(",", "", regex=False)
    return texts
