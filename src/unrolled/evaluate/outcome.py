"""Outcome of a comparison, and the sentence that says it: the same for every kind."""

from __future__ import annotations

from typing import Literal

from unrolled.formatting import capitalized, p_value_words

Outcome = Literal["better", "worse", "no difference", "too few to tell"]

_ALPHA = 0.05


def outcome_of(p_value: float | None, *, is_ahead: bool) -> Outcome:
    """Return the outcome for a network: a difference counts where its p-value is at most 0.05.

    Args:
        p_value: of the difference, in its direction; None where too few were tested.
        is_ahead: whether the network's mean loss is below that of the best baseline.

    >>> outcome_of(0.01, is_ahead=True), outcome_of(0.2, is_ahead=True), outcome_of(None, is_ahead=False)
    ('better', 'no difference', 'too few to tell')
    """
    if p_value is None:
        return "too few to tell"
    if p_value > _ALPHA:
        return "no difference"
    return "better" if is_ahead else "worse"


def outcome_sentence(compared: str, p_value: float, meaning: str, *, cases: str = "comparisons") -> str:
    """Return the sentence of a comparison that could be tested.

    Args:
        compared: both scores, as a clause.
        p_value: of the difference.
        meaning: what follows from the outcome.
        cases: what would show such a difference by luck.

    >>> outcome_sentence("the GRU is off by 2, the mean by 3", 0.01, "it has skill here")
    'The GRU is off by 2, the mean by 3; a difference this large would appear in 1 of 100 such \
comparisons if there were none: it has skill here.'
    """
    return (
        f"{capitalized(compared)}; a difference this large would appear in {p_value_words(p_value)} such "
        f"{cases} if there were none: {meaning}."
    )


def too_few_sentence(n_units: int, units: str, compared: str, way_out: str) -> str:
    """Return the sentence of a comparison of too few cases.

    Args:
        n_units: how many were tested.
        units: what they are, in the number that `n_units` demands.
        compared: both scores, as a clause.
        way_out: what to do.

    >>> too_few_sentence(1, "text", "the GRU has 3, the copy 2", "test on at least 20")
    '1 text is too few to tell: the GRU has 3, the copy 2 so far; test on at least 20.'
    """
    verb = "is" if n_units == 1 else "are"
    return f"{n_units:,} {units} {verb} too few to tell: {compared} so far; {way_out}."
