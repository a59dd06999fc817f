"""Scores of a task in words: accuracy of class labels, root mean squared error of numbers."""

from __future__ import annotations

import math
from typing import Literal

from unrolled.formatting import number, percent

Task = Literal["class", "number"]


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
