"""Numbers as a probe's sentence says them."""

from __future__ import annotations


def percent(share: float) -> str:
    """A share in per cent, with a digit more near the ends.

    >>> percent(0.5), percent(0.985), percent(1.0)
    ('50 %', '98.5 %', '100 %')
    """
    shown = f"{100 * share:.{1 if 0 < share < 0.095 or 0.905 < share < 1 else 0}f}"
    return f"{shown.removesuffix('.0')} %"


def chance(p_value: float) -> str:
    """How often something would be seen by chance.

    >>> chance(0.0004), chance(0.005), chance(0.34)
    ('in fewer than 1 of 1,000 cases', 'in 5 of 1,000 cases', 'in 34 of 100 cases')
    """
    if p_value < 0.001:
        return "in fewer than 1 of 1,000 cases"
    if p_value < 0.0095:  # else it is read as 10 of 1,000
        return f"in {1000 * p_value:.0f} of 1,000 cases"
    return f"in {100 * p_value:.0f} of 100 cases"


def times(ratio: float) -> str:
    """How many times as large.

    >>> times(2.0), times(1.25), times(130.4)
    ('2 times', '1.25 times', '130 times')
    """
    return f"{ratio:.3g} times"


def capital(sentence: str) -> str:
    """The sentence with a capital first letter, the rest as it is.

    >>> capital("the GRU remembers")
    'The GRU remembers'
    """
    return sentence[:1].upper() + sentence[1:]


def aligned(rows: list[list[str]]) -> str:
    """Rows of the same number of cells as lines of even columns, words to the left, the rest to the right.

    >>> print(aligned([["order", "loss"], ["reversed", "1.25"]]))
    order     loss
    reversed  1.25
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        [row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))]
        for row in rows
    )
    return "\n".join("  ".join(line).rstrip() for line in lines)
