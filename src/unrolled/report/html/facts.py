"""Facts of a description, as labels and texts of the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unrolled.data.calendar.offsets import freq_words, step_quantity
from unrolled.formatting import number, percent
from unrolled.report.wording import step_noun

if TYPE_CHECKING:
    from unrolled.data.describe.description import Description


def description_facts(description: Description) -> list[tuple[str, str]]:
    """List the facts as pairs of label and text, empty ones left out."""
    facts = [
        ("Length", _length(description)),
        ("Step", _step(description)),
        ("Values", _values(description)),
        ("Grows on average by", _growth(description)),
        ("Its changes are", _changes(description)),
        ("Repeats each season", _season(description)),
        ("Order of the values counts", str(description.order)),
        ("Order of the changes counts", str(description.order_of_changes or "")),
    ]
    return [(label, text) for label, text in facts if text]


def description_summary(description: Description) -> str:
    """Say in a sentence, or none, how much there is to learn.

    A random walk is the case to know: each value is near the one before, yet its changes are news.
    """
    values, changes = description.order, description.order_of_changes
    if changes is None or values.outcome != "carries information" or changes.p_value is None:
        return ""
    word = step_noun(description.freq)
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
    most = step_quantity(longest, description.freq)
    if description.series == 1:
        return most
    return f"{description.series:,} series of {f'{shortest:,} to {most}' if shortest < longest else most}"


def _step(description: Description) -> str:
    if description.start is None:
        return ""
    gaps = f"{description.gaps:,} gaps" if description.gaps else "no gaps"
    return f"{freq_words(description.freq)}, {gaps}"


def _values(description: Description) -> str:
    if description.lowest is None or description.highest is None:
        return ""
    missing = f"{description.missing:,} missing" if description.missing else "none missing"
    return f"{number(description.lowest, 6)} to {number(description.highest, 6)}, {missing}"


def _growth(description: Description) -> str:
    if description.mean_growth is None:
        return ""
    return f"{percent(description.mean_growth / 100, 2, signed=True)} a {step_noun(description.freq)}"


def _changes(description: Description) -> str:
    if description.multiplicative is None:
        return ""
    return "percentages of the level" if description.multiplicative else "amounts, whatever the level"


def _season(description: Description) -> str:
    if description.season == 1:
        return ""
    word = {True: "yes", False: "no sign of it", None: "too few to tell"}[description.seasonal]
    return f"{word} ({step_quantity(description.season, description.freq)})"
