"""What a description says, as the page's labels and sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unrolled.data.calendar.offsets import in_words
from unrolled.formatting import number, percent
from unrolled.report.wording import steps, unit

if TYPE_CHECKING:
    from unrolled.data.describe.analyse import Description


def facts(description: Description) -> list[tuple[str, str]]:
    """Label and words, the empty ones left out."""
    told = [
        ("Length", _length(description)),
        ("Step", _step(description)),
        ("Values", _values(description)),
        ("Grows on average by", _growth(description)),
        ("Its changes are", _changes(description)),
        ("Repeats each season", _season(description)),
        ("Order of the values counts", str(description.order)),
        ("Order of the changes counts", str(description.order_of_changes or "")),
    ]
    return [(label, text) for label, text in told if text]


def lead(description: Description) -> str:
    """What that means for who wants to forecast it, in a sentence or none.

    A random walk is the case to know: each value is near the one before, yet its changes are news.
    """
    values, changes = description.order, description.order_of_changes
    if changes is None or values.outcome != "carries information" or changes.p_value is None:
        return ""
    word = unit(description.freq)
    if changes.outcome == "no sign":
        return (
            f"Each {word} is close to the one before, but how it moved tells nothing that shows about how it "
            "moves next: there may be little to learn here."
        )
    return (
        f"Each {word} is close to the one before, and how it moved tells something about how it moves next."
    )


def _length(description: Description) -> str:
    shortest, longest = description.length
    if description.series == 1:
        return steps(longest, description.freq)
    each = f"{shortest:,} to {steps(longest, description.freq)}"
    return (
        f"{description.series:,} series of {each if shortest < longest else steps(longest, description.freq)}"
    )


def _step(description: Description) -> str:
    if description.start is None:
        return ""
    gaps = f"{description.gaps:,} gaps" if description.gaps else "no gaps"
    return f"{in_words(description.freq)}, {gaps}"


def _values(description: Description) -> str:
    if description.lowest is None or description.highest is None:
        return ""
    missing = f"{description.missing:,} missing" if description.missing else "none missing"
    return f"{number(description.lowest, 6)} to {number(description.highest, 6)}, {missing}"


def _growth(description: Description) -> str:
    if description.mean_growth is None:
        return ""
    return f"{percent(description.mean_growth / 100, 2, signed=True)} a {unit(description.freq)}"


def _changes(description: Description) -> str:
    if description.multiplicative is None:
        return ""
    return "percentages of the level" if description.multiplicative else "amounts, whatever the level"


def _season(description: Description) -> str:
    if description.season == 1:
        return ""
    word = {True: "yes", False: "no sign of it", None: "too few to tell"}[description.seasonal]
    return f"{word} ({steps(description.season, description.freq)})"
