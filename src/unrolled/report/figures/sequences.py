"""Figures of the classification report: scores beside baselines, sequences of a class, confusion matrix."""

import math
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from plotly import graph_objects as go

from unrolled.formatting import capitalized, duration, number, percent
from unrolled.report.figures.theme import (
    BASELINE,
    INK,
    LABEL_GAP,
    MUTED,
    NETWORK,
    OTHER,
    empty_figure,
    escaped,
    rgba,
)
from unrolled.report.wording import model_name

Floats = NDArray[np.float64]

_MOST_DRAWN = 12  # sequences of a class; more would be a cloud
_MOST_LETTERS = 28  # of the names below all columns, that a phone shows side by side
_LETTERS_OF_LINE = 18
_MOST_COLUMN_LABELS = 15
_LABEL_LINE, _ROW_GAP = 18, 10  # pixels of a row: a line of its label, and what is left between rows
_MEASURES = {  # of a task: the score that is drawn, what the axis calls it, and whether the largest is best
    "labels": ("accuracy", "right answers", True),
    "numbers": ("rmse", "error (RMSE)", False),
    "translations": ("bleu", "BLEU", True),
    "transcripts": ("word_error_rate", "word error rate", False),
    "texts": ("bits_per_character", "bits a character", False),
}
_MOST_COUNTED = 12  # classes whose counts are written into their squares


def class_figure(sequences: Sequence[Floats], heights: tuple[float, float], longest: int) -> go.Figure:
    """Draw some sequences of one class, thin, and the mean of all of them at each step.

    Args:
        sequences: (T_i,) values, at least one sequence.
        heights: the lowest and highest value of the axis, the same for every class.
        longest: steps on the other axis.
    """
    plot = empty_figure(220)
    for k in np.unique(np.linspace(0, len(sequences) - 1, _MOST_DRAWN).astype(int)):
        plot.add_scatter(
            x=np.arange(len(sequences[k])), y=sequences[k], mode="lines", hoverinfo="skip",
            line={"color": rgba(OTHER, 0.55), "width": 1},
        )  # fmt: skip
    plot.add_scatter(
        x=np.arange(max(map(len, sequences))), y=_means(sequences), mode="lines", name="mean",
        line={"color": INK, "width": 2.4}, hovertemplate="%{y:.4~g}",
    )  # fmt: skip
    margin = 0.05 * max(heights[1] - heights[0], 1e-9)
    plot.update_yaxes(range=[heights[0] - margin, heights[1] + margin], tickformat=",.3~g")
    plot.update_xaxes(title_text="step", range=[0, max(longest - 1, 1)])
    return plot


def _means(sequences: Sequence[Floats]) -> Floats:
    """Average at each step the sequences that reach it (T,), as far as half of them do."""
    lengths = np.array([len(one) for one in sequences])
    padded = np.full((len(sequences), int(np.sort(lengths)[len(lengths) // 2])), np.nan)
    for row, one in zip(padded, sequences, strict=True):
        row[: len(one)] = one[: len(row)]
    means: Floats = np.nanmean(padded, axis=0)
    return means


def confusion_figure(counts: NDArray[np.int64], classes: Sequence[str]) -> go.Figure:
    """Confusion matrix: predicted classes (columns) of the true ones (rows); blue is right, orange is wrong.

    Args:
        counts: (K, K) sequences, rows the truth, columns the prediction.
        classes: K names.
    """
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    diagonal = np.eye(len(classes), dtype=bool)
    plot = empty_figure()
    for mask, colour in ((diagonal, NETWORK), (~diagonal, BASELINE)):
        plot.add_heatmap(
            z=np.where(mask, share, np.nan), zmin=0, zmax=1, showscale=False, xgap=2, ygap=2,
            colorscale=[[0, rgba(colour, 0.05)], [1, rgba(colour, 1.0)]], hoverinfo="skip",
        )  # fmt: skip
    if len(classes) <= _MOST_COUNTED:
        for i, j in np.ndindex(counts.shape):
            colour = "#ffffff" if share[i, j] > 0.5 else INK if counts[i, j] else MUTED
            plot.add_annotation(
                x=j, y=i, text=f"{counts[i, j]:,}" if counts[i, j] else "·", showarrow=False,
                font={"color": colour, "size": 13},
            )  # fmt: skip
    rows, columns = _class_labels(classes)
    places = np.arange(len(classes))
    shown = places[:: -(-len(classes) // _MOST_COLUMN_LABELS)]  # of many, some columns have a label
    plot.update_xaxes(
        title_text="what the network answers", tickvals=shown.tolist(), ticktext=[columns[k] for k in shown],
        tickangle=0,
    )  # fmt: skip
    plot.update_yaxes(
        autorange="reversed", showgrid=False, tickvals=places.tolist(), ticktext=rows, **LABEL_GAP
    )
    height = _LABEL_LINE * max(row.count("<br>") + 1 for row in rows) + _ROW_GAP
    plot.update_layout(height=max(260, height * len(classes) + 90))
    return plot


def _class_labels(classes: Sequence[str]) -> tuple[list[str], list[str]]:
    """Label the rows and the columns of a matrix: by names where they fit a phone, else numbered.

    >>> _class_labels(["run", "walk"])
    (['run', 'walk'], ['run', 'walk'])
    >>> _class_labels(["run", "walking upstairs with a bag"])
    (['run  1', 'walking upstairs<br>with a bag  2'], ['1', '2'])
    """
    names = [escaped(name) for name in classes]
    if len(classes) * (max(map(len, classes)) + 1) <= _MOST_LETTERS:
        return names, names
    numbers = [str(k + 1) for k in range(len(classes))]
    return [f"{_in_lines(name)}  {k}" for name, k in zip(classes, numbers, strict=True)], numbers


def _in_lines(label: str) -> str:
    """Break a label of an axis into two lines at most, so that it leaves room for the plot on a phone."""
    lines = textwrap.wrap(label, _LETTERS_OF_LINE, max_lines=2, placeholder="…")
    return "<br>".join(map(escaped, lines))


def comparison_figure(comparison: Any) -> go.Figure:
    """Draw each candidate's score with its interval, the best at the top, and the time of its fit."""
    is_labels = comparison.task == "labels"
    measure, title, is_largest_best = _MEASURES[comparison.task]
    rows = sorted(comparison.rows, key=lambda row: getattr(row, measure), reverse=is_largest_best)
    network = comparison.rows[0].name
    plot, widest = empty_figure(34 * len(rows) + 80), 0
    for k, row in enumerate(rows):
        score = getattr(row, measure)
        colour = (
            NETWORK if row.name == network else BASELINE if row.name == comparison.best_baseline else OTHER
        )
        plot.add_scatter(
            x=list(row.interval), y=[k, k], mode="lines", line={"color": rgba(colour, 0.45), "width": 5},
            hoverinfo="skip",
        )  # fmt: skip
        plot.add_scatter(
            x=[score], y=[k], mode="markers", marker={"color": colour, "size": 13}, cliponaxis=False,
            name=escaped(candidate_label(row.name)), hovertemplate="%{x:.1%}" if is_labels else "%{x:.4~g}",
        )  # fmt: skip
        score_text, fit_time = percent(score, 1) if is_labels else number(score, 3), duration(row.fit_seconds)
        widest = max(widest, len(score_text) + len(fit_time))
        plot.add_annotation(
            x=1, xref="paper", xanchor="left", xshift=8, y=k, showarrow=False, align="left",
            text=f"<b>{score_text}</b>  {fit_time}",
            font={"color": MUTED if colour == OTHER else colour, "size": 12},
        )  # fmt: skip
    plot.update_layout(hovermode="closest", margin={"r": 30 + 7 * widest})
    plot.update_yaxes(
        tickvals=list(range(len(rows))), ticktext=[_in_lines(candidate_label(row.name)) for row in rows],
        range=[len(rows) - 0.5, -0.5], showgrid=False, tickfont={"color": INK, "size": 13},
    )  # fmt: skip
    plot.update_xaxes(
        title_text=title, showgrid=True, nticks=6,
        tickformat=".0%" if is_labels else ".3~g",
        **({"range": [_axis_start(rows), 1.01]} if is_labels else {"rangemode": "tozero"}),
    )  # fmt: skip
    return plot


def _axis_start(rows: Sequence[Any]) -> float:
    """Start of the axis of accuracies: a round number below the lowest interval."""
    lowest = min(float(row.interval[0]) for row in rows)
    return max(math.floor(10 * lowest) / 10 - 0.02, -0.01)


def candidate_label(name: str) -> str:
    """Name of a model at the beginning of a line.

    >>> candidate_label("gru"), candidate_label("majority class"), candidate_label("1-NN DTW")
    ('GRU', 'Majority class', '1-NN DTW')
    """
    return capitalized(model_name(name))
