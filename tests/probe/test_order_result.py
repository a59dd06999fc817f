"""Tests of the order probe's records."""

import json

import numpy as np
import pytest

from unrolled.probe.order_result import OrderResult
from unrolled.probe.wording.scores import Task


def _record(task: Task) -> OrderResult:
    scores = [("original", 0.25, 0.9, 0.0), ("shuffled", 0.64, 0.6, 0.4)]
    is_class = task == "class"
    table = [
        {
            "arrangement": name,
            "loss": loss,
            "accuracy": share if is_class else None,
            "error": None if is_class else loss**0.5,
            "flipped": flipped if is_class else None,
        }
        for name, loss, share, flipped in scores
    ]
    predictions = {name: np.arange(3) for name, *_ in scores}
    return OrderResult("It matters.", "yes", 0.01, None, table, predictions, np.full(99, 0.64), 2, task, 3)


@pytest.mark.parametrize(
    ("task", "cells"), [("class", "shuffled 0.6 0.64 40 %"), ("number", "shuffled 0.8 0.64 -")]
)
def test_the_text_shows_the_scores_of_the_task_and_ends_in_the_sentence(task: Task, cells: str) -> None:
    """Accuracy and changed predictions of classes; errors of numbers."""
    lines = str(_record(task)).splitlines()
    assert cells.split() == lines[2].split()[: len(cells.split())]
    assert lines[-1] == "It matters."


def test_the_frame_has_a_row_an_arrangement_and_the_dict_is_of_json() -> None:
    """With the columns of the table."""
    record = _record("class")
    frame = record.to_frame()
    assert frame["arrangement"].tolist() == ["original", "shuffled"]
    assert frame["flipped"].tolist() == [0.0, 0.4]
    facts = json.loads(json.dumps(record.to_dict()))
    assert (facts["kind"], facts["p_value"], facts["predictions"]["shuffled"]) == ("order", 0.01, [0, 1, 2])
