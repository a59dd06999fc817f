"""Write the tables of docs/dates.md from the table of notations in the package.

Exits with 1 where the page is stale; `python docs/date_table.py --write` renews it.
"""

import re
import sys
from collections.abc import Iterable
from pathlib import Path

from sections import check_or_write, with_sections

from unrolled.data.parse.notations import MONTHS, NOTATIONS, NOTES, NUMBERS, WEEKDAYS, ZONES, Notation

PAGE = Path(__file__).parents[1] / "docs" / "dates.md"


def _table(head: str, rows: Iterable[tuple[str, ...]]) -> str:
    lines = [f"| {' | '.join(cells)} |\n" for cells in rows]
    titles = head.split(", ")
    return f"| {' | '.join(titles)} |\n|{'---|' * len(titles)}\n{''.join(lines)}"


def _said(note: str) -> str:
    return re.sub(r"\{(\w+)(!r)?\}", r"*\1*", note)


def _in_weeks(notation: Notation) -> str:
    return f"{notation.name}, in a column called as a week is" if notation.of_weeks else notation.name


def tables() -> dict[str, str]:
    """Return each table by its name."""
    texts = ((f"`{n.example[0]}`", _in_weeks(n), n.example[1], n.ambiguous, _said(n.note)) for n in NOTATIONS)
    numbers = ((f"`{n.example[0]}`", n.name, n.example[1], f"`{n.option}`", _said(n.note)) for n in NUMBERS)
    months = ((str(k), line.replace(" ", ", ")) for k, line in enumerate(map(str.strip, MONTHS), start=1))
    days = zip(*(line.split() for line in WEEKDAYS), strict=True)
    weekdays = ((str(k), ", ".join(dict.fromkeys(names))) for k, names in enumerate(days, start=1))
    zones = (
        (f"{hours:+d}", ", ".join(n for n in ZONES if ZONES[n] == hours))
        for hours in sorted({*ZONES.values()})
    )
    return {
        "months": _table("month, names", months),
        "weekdays": _table("day of the week, names", weekdays),
        "zones": _table("hours from UTC, names", zones),
        "texts": _table("text, notation, means, can also be, note", texts),
        "numbers": _table("number, form, means, `date_format`, note", numbers),
        "notes": _table("on, note", ((key, _said(note)) for key, note in NOTES.items())),
    }


def fresh(page: str) -> str:
    """Return the page with its tables written anew."""
    return with_sections(page, {f"date_table.py {name}": f"{table}\n" for name, table in tables().items()})


if __name__ == "__main__":
    sys.exit(check_or_write({PAGE: fresh(PAGE.read_text("utf-8"))}, sys.argv[1:]))
