"""Figures of labelled sequences, drawn from the numbers in the records."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from unrolled.report.figures.dispatch import figure
from unrolled.report.figures.sequences import (
    candidate_label,
    class_figure,
    comparison_figure,
    confusion_figure,
)
from unrolled.report.figures.theme import BASELINE, INK, NETWORK
from unrolled.report.records import LabelPredictions


def _dots(plot: Any) -> dict[str, tuple[float, str]]:
    """Score and colour by name."""
    markers = [trace for trace in plot.data if trace.mode == "markers"]
    return {trace.name: (trace.x[0], trace.marker.color) for trace in markers}


def test_each_score_has_its_interval(probed: Any) -> None:
    """A row each, the best at the top; the network in its colour, the best of the simple ones in another."""
    comparison = probed.comparison
    plot = comparison_figure(comparison)
    scores = {candidate_label(row.name): row.accuracy for row in comparison.rows}
    dots = _dots(plot)
    assert {name: x for name, (x, _) in dots.items()} == scores
    assert list(plot.layout.yaxis.ticktext) == sorted(scores, key=lambda name: -scores[name])
    assert plot.layout.yaxis.range[0] > plot.layout.yaxis.range[1]  # the first row is on top
    assert dots["GRU"][1] == NETWORK
    assert [name for name, (_, colour) in dots.items() if colour == BASELINE] == [
        candidate_label(comparison.best_baseline)
    ]
    bars = [tuple(trace.x) for trace in plot.data if trace.mode == "lines"]
    assert sorted(bars) == sorted(row.interval for row in comparison.rows)


def test_numbers_are_compared_by_their_error(probed: Any) -> None:
    """The lowest error at the top, on an axis from 0."""
    rows = [
        replace(row, accuracy=None, rmse=float(k + 1), interval=(k + 0.5, k + 1.5))
        for k, row in enumerate(probed.comparison.rows)
    ]
    plot = comparison_figure(replace(probed.comparison, rows=tuple(rows), task="numbers"))
    assert plot.layout.yaxis.ticktext[0] == candidate_label(rows[0].name)
    assert plot.layout.xaxis.rangemode == "tozero"


def test_a_comparison_plots_itself(probed: Any) -> None:
    """The record's own method is the same figure."""
    assert probed.comparison.plot().to_json() == figure(probed.comparison).to_json()


def test_a_class_is_drawn_with_its_mean() -> None:
    """At most twelve thin lines; the mean of all, as far as half of the sequences reach."""
    sequences = [np.full(4 + k % 3, float(k)) for k in range(30)]  # 4, 5 or 6 steps
    plot = class_figure(sequences, (0.0, 29.0), 6)
    mean = plot.data[-1]
    assert len(plot.data) == 13
    assert (mean.line.color, len(mean.y)) == (INK, 5)
    assert mean.y[0] == pytest.approx(14.5)
    assert mean.y[4] == pytest.approx(np.mean([k for k in range(30) if k % 3 > 0]))
    assert tuple(plot.layout.xaxis.range) == (0, 5)


def test_what_is_taken_for_what_is_counted() -> None:
    """Rows are the truth; right and wrong answers have two colours; classes are sorted as numbers are."""
    truth, answered = np.array(["10", "9", "9", "9"]), np.array(["10", "9", "10", "9"])
    answers = LabelPredictions(truth, answered)
    assert answers.classes == ["9", "10"]
    assert answers.counts.tolist() == [[2, 1], [0, 1]]
    plot = confusion_figure(answers.counts, answers.classes)
    right, wrong = plot.data
    assert np.diag(right.z).tolist() == pytest.approx([2 / 3, 1.0])
    assert wrong.z[0][1] == pytest.approx(1 / 3)
    assert np.isnan(wrong.z[0][0])
    assert {(a.x, a.y): a.text for a in plot.layout.annotations} == {
        (0, 0): "2",
        (1, 0): "1",
        (0, 1): "·",
        (1, 1): "1",
    }


def test_many_classes_are_colours_without_numbers() -> None:
    """Twenty squares a row leave no room for them."""
    plot = confusion_figure(np.eye(20, dtype=int), [str(k) for k in range(20)])
    assert len(plot.layout.annotations) == 0


def test_long_names_are_numbered() -> None:
    """A phone has no room for them below the columns: rows have name and number, columns the number."""
    names = ["Walking upstairs with a bag", "Walking downstairs & back", "Sitting"]
    plot = confusion_figure(np.eye(3, dtype=int), names)
    assert list(plot.layout.xaxis.ticktext) == ["1", "2", "3"]
    assert list(plot.layout.yaxis.ticktext) == [
        "Walking upstairs<br>with a bag  1",
        "Walking downstairs<br>&amp; back  2",
        "Sitting  3",
    ]
    assert plot.layout.xaxis.tickangle == 0
    eight = confusion_figure(np.eye(8, dtype=int), [names[0] + str(k) for k in range(8)])
    assert eight.layout.height >= 8 * 36  # two lines a row


def test_many_columns_have_some_labels() -> None:
    """Sixty numbers side by side would run into each other; every row keeps its own."""
    plot = confusion_figure(np.eye(60, dtype=int), [str(k) for k in range(60)])
    assert list(plot.layout.xaxis.tickvals) == list(range(0, 60, 4))
    assert len(plot.layout.yaxis.ticktext) == 60
