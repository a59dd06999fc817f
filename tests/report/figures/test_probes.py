"""Figures of what a network can do, drawn from the numbers in the records."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from unrolled.report.figures.dispatch import figure
from unrolled.report.figures.probes import (
    activations_figure,
    feedforward_figure,
    length_figure,
    order_figure,
)
from unrolled.report.figures.theme import NETWORK

KINDS = ("order", "memory", "gradients", "states", "length", "activations", "feedforward")


@pytest.mark.parametrize("kind", KINDS)
def test_every_probe_has_its_figure(probed: Any, kind: str) -> None:
    """Its record's own method draws it; every axis of it has a title or names of its own."""
    record = probed.probes[kind]
    plot = record.plot()
    assert plot.to_json() == figure(record).to_json()
    axes = [axis for name, axis in plot.to_dict()["layout"].items() if name[1:5] == "axis"]
    assert axes
    for axis in axes:
        shared = axis.get("matches") or axis.get("showticklabels") is False
        assert axis.get("title", {}).get("text") or axis.get("ticktext") or shared


def test_orders_stand_below_each_other(probed: Any) -> None:
    """The sequences as they are first, in full colour; what was trained anew last."""
    order = probed.probes["order"]
    bars = order_figure(order).data[0]
    table = [row["accuracy"] for row in order.table]
    assert list(bars.x[:4]) == table
    assert tuple(bars.x[4:]) == order.retrained.accuracies
    assert bars.marker.color[0] == NETWORK
    assert len(order_figure(replace(order, retrained=None)).data[0].x) == 4


def test_numbers_are_ordered_by_their_error(probed: Any) -> None:
    """No share of answers changes, and the axis is as long as it must be."""
    order = probed.probes["order"]
    table = [row | {"error": 20.0 + k} for k, row in enumerate(order.table)]
    plot = order_figure(replace(order, task="number", table=table, retrained=None))
    assert list(plot.data[0].x) == [20.0, 21.0, 22.0, 23.0]
    assert plot.layout.xaxis.range[1] == 23
    assert plot.layout.margin.r >= 8 * len("23")  # where the longest bar's number stands
    assert "change" not in "".join(plot.layout.yaxis.ticktext)
    again = replace(order.retrained, accuracies=None, original=25.0, shuffled=49.0)  # squares, as losses are
    plot = order_figure(replace(order, task="number", table=table, retrained=again))
    assert list(plot.data[0].x[4:]) == [5.0, 7.0]


def test_lengths_are_labelled_with_their_preparation(probed: Any) -> None:
    """A point a length with its interval; the trained length and the usual answer are marked."""
    length = probed.probes["length"]
    plot = length_figure(length)
    band, line = plot.data
    assert list(line.x) == [row.length for row in length.rows]
    assert list(line.y) == [row.score for row in length.rows]
    assert min(band.y) == min(row.low for row in length.rows)
    assert plot.layout.shapes[0].x0 == length.trained_length
    made, labels = [row.preparation for row in length.rows], plot.layout.xaxis.ticktext
    for k, (row, label) in enumerate(zip(length.rows, labels, strict=True)):
        steps, *words = label.split("<br>")
        assert steps == f"{row.length:,}"
        assert [word for word in words if word] == ([] if k and made[k] == made[k - 1] else [made[k]])
    lines = [len(label.split("<br>")) for label in labels]
    for k in range(1, len(lines)):  # neighbours with words stand on two lines
        assert lines[k] == 1 or lines[k - 1] != lines[k]
    assert len(set(made)) < len(made)
    scores = [note for note in plot.layout.annotations if "%" in note.text]
    assert [note.y for note in scores] == [row.score for row in length.rows]


@pytest.mark.parametrize(("baseline", "side"), [("last", "left"), ("first", "right")])
def test_the_usual_answer_is_named_where_no_score_is_near(probed: Any, baseline: str, side: str) -> None:
    """At the start or at the end of its line, whichever score is farther from it."""
    length = probed.probes["length"]
    rows = [replace(row, score=0.2 + 0.6 * (k == 0)) for k, row in enumerate(length.rows)]
    score = rows[-1 if baseline == "last" else 0].score
    plot = length_figure(replace(length, rows=tuple(rows), baseline_score=score))
    words = next(note for note in plot.layout.annotations if note.text == "always the same answer")
    assert (words.xanchor, words.y) == (side, score)


def test_every_training_of_an_activation_is_drawn(probed: Any) -> None:
    """Its seeds thin, their median thick, named where it ends; below, a dot a seed."""
    record = probed.probes["activations"]
    plot = activations_figure(record)
    lines = [trace for trace in plot.data if trace.mode == "lines" and trace.yaxis == "y"]
    assert len(lines) == 2 * (2 + 1)
    thick = {trace.name: list(trace.y) for trace in lines if trace.name}
    assert thick["tanh"] == pytest.approx(list(np.median(record.rows[0].losses, axis=0)))
    dots = [trace for trace in plot.data if trace.mode == "markers"]
    assert [len(trace.x) for trace in dots] == [2, 2]
    assert {"tanh", "relu"} <= {annotation.text for annotation in plot.layout.annotations}


def test_diverged_trainings_are_counted(probed: Any) -> None:
    """Their losses are missing from the line and they are counted beside their row."""
    record = probed.probes["activations"]
    first = record.rows[0]
    lost = replace(
        first,
        losses=np.full_like(first.losses, np.nan),
        diverged=np.ones(2, dtype=bool),
        scores=np.full(2, np.nan),
        growth_after=np.full(2, np.nan),
    )
    plot = activations_figure(replace(record, rows=(lost, *record.rows[1:])))
    assert any("2 of 2 lost" in annotation.text for annotation in plot.layout.annotations)
    assert plot.layout.margin.r >= 8 * len("unknown, 2 of 2 lost")
    assert activations_figure(record).layout.margin.r < 100  # no room is kept for words that are not there
    both = activations_figure(replace(record, rows=(lost, replace(lost, name="relu"))))
    assert len(both.data) > 0


def test_two_networks_stand_side_by_side(probed: Any) -> None:
    """Their scores, their weights and their time; upright ticks have room beside names on a phone."""
    record = probed.probes["feedforward"]
    plot = feedforward_figure(record)
    assert (plot.layout.xaxis.tickangle, plot.layout.xaxis.tickvals) == (0, (0, 0.5, 1))
    assert list(plot.data[0].x) == [record.recurrent.score, record.feedforward.score]
    for side, words in zip((record.recurrent, record.feedforward), plot.layout.yaxis.ticktext, strict=True):
        assert f"{side.parameters:,} weights" in words


def test_the_axis_of_epochs_has_whole_ones_only(probed: Any) -> None:
    """However few epochs there are, no tick stands at half of one."""
    record = probed.probes["activations"]
    plot = activations_figure(record)
    E = record.rows[0].losses.shape[1]
    assert plot.layout.xaxis.dtick == max(1, -(-E // 8))
    assert plot.layout.xaxis.tick0 == 1
