"""Scores in words: the task decides between a share and an error."""

import pytest

from unrolled.probe.wording.scores import Task, format_score, score_clause, score_name


@pytest.mark.parametrize(
    ("task", "name", "score", "clause"),
    [
        ("class", "accuracy", 0.985, "is right in 98.5 %"),
        ("number", "error", 0.12345, "has an error of 0.123"),
        ("number", "error", 12345.6, "has an error of 12,346"),
    ],
)
def test_a_score_is_a_share_of_labels_or_an_error_of_numbers(
    task: Task, name: str, score: float, clause: str
) -> None:
    """Name, format and verb agree."""
    assert score_name(task) == name
    assert score_clause(score, task) == clause
    assert clause.endswith(format_score(score, task))


def test_an_error_that_overflows_is_called_infinite() -> None:
    """It has no number."""
    assert score_clause(float("inf"), "number") == "has an infinite error"
