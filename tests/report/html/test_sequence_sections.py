"""Sections of the classification report: outcome, intervals, confusions, classes."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unrolled.report.html.sequence_sections import (
    comparison_section,
    comparison_verdict,
    confusion_section,
    most_distinct_column,
    sequences_extent,
)
from unrolled.report.records import LabelledData, LabelPredictions

from .conftest import classification_html


@pytest.mark.parametrize(
    ("outcome", "headline"),
    [
        ("better", "The GRU beats everything simpler here."),
        ("no difference", "The GRU is not shown to do better than what is simpler."),
        ("worse", "Something simpler does better here than the GRU."),
        ("too few to tell", "Too few sequences were tested to tell whether the GRU has skill."),
    ],
)
def test_each_outcome_of_a_comparison_has_its_headline(
    probed: Any, tmp_path: Path, outcome: str, headline: str
) -> None:
    """Before any figure."""
    text = classification_html(probed, tmp_path / "page.html", outcome=outcome)
    assert headline in text[: text.index("<figure")]


def test_the_commonest_mistakes_are_named() -> None:
    """Three at most, the most frequent first; none where every answer is right."""
    truth = np.array(["a"] * 5 + ["b"] * 3 + ["c"] * 2)
    text = confusion_section(LabelPredictions(truth, np.array(["b"] * 4 + ["a", "a", "b", "b", "a", "c"])))
    assert "6 of 10 answers are wrong" in text
    assert text.index("a for b (4 times)") < text.index("b for a (once)") < text.index("c for a (once")
    assert "1 of 2 answers is wrong; it takes a for b (once)." in confusion_section(
        LabelPredictions(truth[4:6], truth[5:7])
    )
    assert "All 10 answers are right." in confusion_section(LabelPredictions(truth, truth))


def test_of_many_classes_no_picture_is_drawn() -> None:
    """Fifty rows of squares say less than the sentence."""
    names = np.array([str(k) for k in range(50)])
    assert "<figure" not in confusion_section(LabelPredictions(names, names))


def test_the_input_that_tells_classes_apart_is_drawn(probed: Any) -> None:
    """Height tells, noise does not, in whatever column it stands."""
    assert most_distinct_column(probed.data) == 0
    swapped = replace(probed.data, values=[one[:, ::-1] for one in probed.data.values])
    assert most_distinct_column(swapped) == 1


def test_how_much_data_in_a_line() -> None:
    """One length is one number; several inputs are told."""
    ones = [np.ones((k, 2)) for k in (3, 5)]
    data = LabelledData("a.csv", ones, np.array(["x", "y"]), ["a", "b"])
    assert sequences_extent(data) == "2 sequences of 3 to 5 steps, 2 inputs a step, 2 classes"


def test_intervals_are_called_confidence_intervals(probed: Any) -> None:
    """Not a probability of the accuracy; the p-values stand in the table by their name."""
    low, high = probed.comparison.rows[0].interval
    verdict = comparison_verdict(probed.comparison).replace("\u00a0", " ")
    assert f"95 % confidence interval: {100 * low:.1f} % to {100 * high:.1f} %" in verdict
    section = comparison_section(probed.comparison).replace("\u00a0", " ")
    assert "The bar is the 95 % confidence interval" in section
    assert '<th scope="col">p-value</th>' in section
    assert "times out of 100" not in verdict + section
