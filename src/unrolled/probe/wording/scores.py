"""Scores of a task in words: accuracy of class labels, root mean squared error of numbers, log loss."""

from __future__ import annotations

import math
from typing import Literal

from unrolled.formatting import number, percent

Task = Literal["class", "number"]

_FIRST_DIGITS, _MOST_DIGITS = 3, 8  # of two numbers that are compared
_ROUNDING = 1e-6  # relative difference of two losses that are sums of the same float32 numbers


def score_name(task: Task) -> str:
    """Name the score: "accuracy" or "error"."""
    return "accuracy" if task == "class" else "error"


def format_score(score: float, task: Task) -> str:
    """Format a score as a percentage or a number.

    >>> format_score(0.5, "class"), format_score(0.03141, "number")
    ('50 %', '0.0314')
    """
    return percent(score) if task == "class" else number(score, 3)


def score_clause(score: float, task: Task) -> str:
    """State a score as the verb of a sentence.

    >>> score_clause(0.5, "class"), score_clause(2.0, "number")
    ('is right in 50 %', 'has an error of 2')
    """
    if math.isinf(score):
        return "has an infinite error"
    verb = "is right in" if task == "class" else "has an error of"
    return f"{verb} {format_score(score, task)}"


def quoted_loss(loss: float, task: Task) -> float:
    """Convert the mean loss that a test is of to what a sentence quotes: a log loss, or an error.

    >>> quoted_loss(0.25, "class"), quoted_loss(0.25, "number")
    (0.25, 0.5)
    """
    return loss if task == "class" else math.sqrt(max(loss, 0.0))


def compared_numbers(first: float, second: float) -> tuple[str, str]:
    """Format two numbers that are compared, with as many digits as show that they differ.

    >>> compared_numbers(0.5, 0.25), compared_numbers(0.12341, 0.12344), compared_numbers(2.0, 2.0)
    (('0.5', '0.25'), ('0.12341', '0.12344'), ('2', '2'))
    """
    for digits in range(_FIRST_DIGITS, _MOST_DIGITS + 1):
        pair = number(first, digits), number(second, digits)
        if pair[0] != pair[1] or math.isclose(first, second, rel_tol=_ROUNDING):
            break
    return pair


def compared_shares(first: float, second: float) -> tuple[str, str]:
    """Format two shares that are compared, with as many decimals as show that they differ.

    >>> compared_shares(0.5, 0.75), compared_shares(0.5, 0.501), compared_shares(1.0, 1.0)
    (('50 %', '75 %'), ('50.0 %', '50.1 %'), ('100 %', '100 %'))
    """
    pair = percent(first), percent(second)
    for decimals in range(1, _MOST_DIGITS):
        if pair[0] != pair[1] or first == second:
            break
        pair = percent(first, decimals), percent(second, decimals)
    return pair
