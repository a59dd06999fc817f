"""A description as an aligned block of text."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from unrolled.data.calendar.offsets import counted, in_words, unit_word

if TYPE_CHECKING:
    from unrolled.data.describe.analyse import Description

_GLUE = "\u00a0"  # keeps a year and its mean on one line
_WIDTH = 100
_LABEL = 17
_COLUMNS = 6
_YEARS = 4  # first and last ones shown


def block(facts: Description) -> str:
    """A line a fact, the labels in one column, warnings and notes below.

    >>> from unrolled.data.describe.analyse import describe
    >>> print(block(describe("machine")))
    text: 7 characters
      a sequence?      yes, ordered by position
      temporal?        no
      order counts?    too few to tell
    """
    rows = counted(facts.rows, "character" if facts.columns == ("character",) else "row")
    many = f"{facts.series:,} series, {rows}" if facts.series > 1 else rows
    lines = [f"{facts.source}: {many}"]
    for label, text in _facts(facts):
        if text:
            lines += textwrap.wrap(
                text, _WIDTH, initial_indent=f"  {label:<{_LABEL}}", subsequent_indent=" " * (_LABEL + 2),
                break_on_hyphens=False,
            )  # fmt: skip
    for kind, sentences in (("warning", facts.warnings), ("note", facts.notes)):
        for sentence in sentences:
            lines += textwrap.wrap(
                f"{kind}: {sentence}", _WIDTH, initial_indent="  ", subsequent_indent="    "
            )
    return "\n".join(lines).replace(_GLUE, " ")


def _facts(facts: Description) -> list[tuple[str, str]]:
    ordered = "no, rows of a table" if facts.declared == "none" else f"yes, ordered by {facts.declared}"
    order = str(facts.order)
    if facts.order_of_changes is not None and facts.order_of_changes.p_value is not None:
        order += f"; in the changes: {facts.order_of_changes}"
    return [
        ("a sequence?", ordered),
        ("temporal?", "yes" if facts.is_temporal else "no"),
        ("order counts?", order),
        ("length", f"{facts.length[0]:,} to {facts.length[1]:,} rows a series" if facts.series > 1 else ""),
        ("span", _span(facts)),
        ("values", _values(facts)),
        ("mean growth", _growth(facts)),
        ("multiplicative?", _claim(facts.multiplicative, facts.multiplicative_reason)),
        ("seasonal?", _season(facts)),
        ("transform", f"{facts.transform}: {facts.transform_reason}" if facts.transform else ""),
        ("yearly means", _years(facts.yearly_means)),
    ]


def _span(facts: Description) -> str:
    if facts.start is None:
        return ""
    step = in_words(facts.freq) + (f" ({facts.freq})" if facts.freq and not facts.freq.isdigit() else "")
    gaps = f"{counted(facts.gaps, 'gap')} of {counted(facts.missing_steps, 'step')}"
    parts = [
        f"{facts.start} to {facts.end}",
        step,
        counted(facts.holidays, "holiday") if facts.holidays else "",
        gaps if facts.gaps else "no gaps",
        counted(facts.duplicates, "duplicated time") if facts.duplicates else "",
    ]
    return ", ".join(part for part in parts if part)


def _values(facts: Description) -> str:
    if not facts.ranges:
        return ""
    whole = facts.declared == "none" or len(facts.ranges) > 1
    spans = [
        f"{name + ' ' if whole else ''}{plain(low)} to {plain(high)}"
        for name, (low, high) in facts.ranges.items()
    ]
    more = [f"{len(spans) - _COLUMNS} more columns"] if len(spans) > _COLUMNS else []
    return ", ".join(
        [*spans[:_COLUMNS], *more, f"{facts.missing:,} missing" if facts.missing else "none missing"]
    )


def _growth(facts: Description) -> str:
    unit = unit_word(facts.freq)
    if facts.mean_growth is None or not (facts.multiplicative or unit in {"month", "quarter", "year"}):
        return ""
    latest = ""
    if facts.recent_growth:
        time, percent = facts.recent_growth[-1]
        latest = f"; the latest, {time}: {percent:+.2f} %"
    return f"{facts.mean_growth:+.2f} % {'an' if unit == 'hour' else 'a'} {unit}{latest}"


def _claim(answer: bool | None, reason: str) -> str:
    return "" if answer is None else f"{'yes' if answer else 'no'}: {reason}"


def _season(facts: Description) -> str:
    if facts.season == 1:
        return ""
    word = {True: "yes", False: "no sign of it", None: "too few to tell"}[facts.seasonal]
    return f"{word}, at {facts.season} steps"


def _years(means: dict[int, float]) -> str:
    shown = [f"{year}:{_GLUE}{plain(mean, 4)}" for year, mean in means.items()]
    return "  ".join(shown if len(shown) <= 2 * _YEARS else [*shown[:_YEARS], "...", *shown[-_YEARS:]])


def plain(value: float, digits: int = 6) -> str:
    """A number in so many digits, without an exponent where it is of everyday size.

    >>> plain(7412.55), plain(16.880000001), plain(123456789.0), plain(18.3967, 4)
    ('7412.55', '16.88', '123456789', '18.4')
    """
    if abs(value) >= 10**digits and abs(value) < 1e15:
        return f"{value:.0f}"
    return f"{value:.{digits}g}"
