"""Figures of the probes order, length, activations and feedforward.

Records are read by attribute, as in `dispatch.py`.
"""

import math
from collections.abc import Callable, Sequence
from itertools import cycle
from typing import Any

import numpy as np
from plotly import graph_objects as go
from plotly.subplots import make_subplots

from unrolled.formatting import duration, number, percent
from unrolled.report.figures.theme import (
    INK,
    LABEL_GAP,
    MUTED,
    NETWORK,
    OTHER,
    PALETTE,
    VEIL,
    empty_figure,
    escaped,
    label_lines,
    log_ticks,
    rgba,
)

_FAINTEST = 1e-30  # a loss of 0 on a log axis
_MOST_EPOCH_TICKS = 8  # no half epoch is among them
_BAR_HEIGHT = 52  # of a bar with two lines of words beside it, on a phone too
_LETTER = 8  # width of a letter beside a figure, in pixels


def order_figure(order: Any) -> go.Figure:
    """Scores of the network on rearranged steps, and of networks retrained without order."""
    is_class = order.task == "class"
    measure = "accuracy" if is_class else "error"
    words = {
        "original": "as they are",
        "reversed": "reversed",
        "shuffled": "steps shuffled",
        "blocks shuffled": f"blocks of {order.block} shuffled",
    }
    bars = []
    for row in order.table:
        changed = f"{percent(row['flipped'])} of answers change" if is_class else ""
        remark = "" if row["arrangement"] == "original" else changed
        colour = NETWORK if row["arrangement"] == "original" else rgba(NETWORK, 0.45)
        bars.append((words[row["arrangement"]], row[measure], remark, colour))
    retrained = order.retrained
    if retrained is not None and retrained.original is not None:
        scores = retrained.accuracies or (math.sqrt(retrained.original), math.sqrt(retrained.shuffled))
        bars.append(("trained anew, as they are", scores[0], "on held-out sequences", OTHER))
        bars.append(("trained anew, shuffled", scores[1], "on held-out sequences", rgba(OTHER, 0.55)))
    format_length = share_text if is_class else number
    return _bars(bars, format_length, "right answers" if is_class else "error (RMSE)")


def share_text(share: float) -> str:
    """Format the label of a share, with a decimal where it is no whole percentage.

    >>> share_text(0.575), share_text(0.5), share_text(float("nan"))
    ('57.5 %', '50 %', 'unknown')
    """
    return percent(share, 1).replace(".0 %", " %")


def _bars(
    bars: Sequence[tuple[str, float, str, str]], format_length: Callable[[float], str], axis: str
) -> go.Figure:
    """Bars from 0, the first at the top: name, length, a remark below the name, colour."""
    plot = empty_figure(_BAR_HEIGHT * len(bars) + 60)
    lengths = [length for _, length, _, _ in bars]
    plot.add_bar(
        x=lengths, y=list(range(len(bars))), orientation="h", width=0.56, cliponaxis=False,
        marker={"color": [colour for *_, colour in bars]}, text=[format_length(length) for length in lengths],
        textposition="outside", textfont={"size": 13}, hoverinfo="skip",
    )  # fmt: skip
    names = [
        f"{escaped(name)}<br><span style='color:{MUTED};font-size:11px'>{escaped(remark)}</span>"
        if remark
        else name
        for name, _, remark, _ in bars
    ]
    plot.update_yaxes(
        autorange="reversed", tickvals=list(range(len(bars))), ticktext=names, showgrid=False,
        tickfont={"color": INK, "size": 13}, **LABEL_GAP,
    )  # fmt: skip
    is_share = format_length is share_text
    longest = max(len(format_length(length)) for length in lengths)
    plot.update_layout(
        margin={"r": 12 + _LETTER * longest}
    )  # beside the longest bar, however narrow the page
    plot.update_xaxes(
        title_text=axis, range=[0, 1.0 if is_share else max(*lengths, 1e-12)],
        tickformat=".0%" if is_share else ".3~g", tickvals=[0, 0.5, 1] if is_share else None, nticks=4,
        tickangle=0,  # beside long names the bars are short
    )  # fmt: skip
    return plot


def length_figure(length: Any) -> go.Figure:
    """Draw the score by length of the sequences."""
    is_class = length.task == "class"
    plot = empty_figure(340)
    lengths = [row.length for row in length.rows]
    plot.add_scatter(
        x=lengths + lengths[::-1],
        y=[row.high for row in length.rows] + [row.low for row in length.rows][::-1],
        fill="toself", fillcolor=rgba(NETWORK, 0.13), line={"width": 0}, hoverinfo="skip", mode="lines",
    )  # fmt: skip
    plot.add_scatter(
        x=lengths, y=[row.score for row in length.rows], mode="lines+markers",
        line={"color": NETWORK, "width": 2.4}, marker={"color": NETWORK, "size": 9}, cliponaxis=False,
        hoverinfo="skip",
    )  # fmt: skip
    plot.add_vline(x=length.trained_length, line={"color": INK, "width": 1, "dash": "dot"}, layer="below")
    plot.add_hline(y=length.baseline_score, line={"color": OTHER, "width": 1, "dash": "dot"})
    first, last = (abs(length.rows[k].score - length.baseline_score) for k in (0, -1))
    at_start = first > last  # where the words are farther from a score
    plot.add_annotation(
        x=0 if at_start else 1, xref="paper", xanchor="left" if at_start else "right", yanchor="top",
        y=length.baseline_score, showarrow=False,
        text="always the same answer" if is_class else "always the mean", bgcolor=VEIL,
        font={"color": MUTED, "size": 12},
    )  # fmt: skip
    for row in length.rows:
        plot.add_annotation(
            x=math.log10(row.length), y=row.score, yanchor="bottom", yshift=6, showarrow=False,
            text=share_text(row.score) if is_class else number(row.score, 3), bgcolor=VEIL,
            font={"color": NETWORK, "size": 12},
        )  # fmt: skip
    plot.update_layout(margin={"r": 30})
    plot.update_xaxes(
        type="log", tickvals=lengths, ticktext=_length_labels(length.rows),
        title_text="steps in the longest sequence", tickangle=0, tickfont={"color": MUTED, "size": 11},
    )  # fmt: skip
    plot.update_yaxes(title_text="right answers" if is_class else "error", rangemode="tozero")
    if is_class:
        plot.update_yaxes(range=[0, 1.12], tickvals=[0, 0.25, 0.5, 0.75, 1], tickformat=".0%")
    return plot


def _length_labels(rows: Sequence[Any]) -> list[str]:
    """Label each length, and how its sequences were made where that differs from the length before.

    A word whose neighbour on the left has one stands a line lower, so that they have room on a phone.
    """
    labels, is_low, is_worded = [], False, False
    for k, row in enumerate(rows):
        is_next_to_word, is_worded = is_worded, k == 0 or row.preparation != rows[k - 1].preparation
        is_low = is_worded and is_next_to_word and not is_low
        lines = [f"{row.length:,}", *[""] * is_low, row.preparation] if is_worded else [f"{row.length:,}"]
        labels.append("<br>".join(lines))
    return labels


def feedforward_figure(feedforward: Any) -> go.Figure:
    """Draw the scores of two networks with as many weights, one without recurrence."""
    is_class = feedforward.task == "class"
    bars = []
    for side, colour, what in (
        (feedforward.recurrent, NETWORK, "with recurrence"),
        (feedforward.feedforward, OTHER, "without"),
    ):
        weights = f"{side.parameters:,} weights, {duration(side.seconds)} to train"
        bars.append((what, side.score, weights, colour))
    format_length = share_text if is_class else number
    return _bars(bars, format_length, "right answers" if is_class else "error (RMSE)")


def activations_figure(activations: Any) -> go.Figure:
    """Draw the losses of each training above, and the growth of gradients with each activation below."""
    rows = activations.rows
    plot = make_subplots(rows=2, row_heights=[0.6, 0.4], vertical_spacing=0.16)
    plot.update_layout(empty_figure(360 + 40 * len(rows)).layout)
    colours = dict(zip((row.name for row in rows), cycle(PALETTE)))
    ends = []
    for row in rows:
        epochs = np.arange(1, row.losses.shape[1] + 1)
        for losses in row.losses:
            plot.add_scatter(
                x=epochs, y=losses, mode="lines", line={"color": rgba(colours[row.name], 0.3), "width": 1},
                hoverinfo="skip", row=1, col=1,
            )  # fmt: skip
        median = _median_losses(row.losses)
        plot.add_scatter(
            x=epochs, y=median, mode="lines", name=escaped(row.name), row=1, col=1,
            line={"color": colours[row.name], "width": 2.6}, hovertemplate="%{y:.3~g}",
        )  # fmt: skip
        finite_losses = median[np.isfinite(median)]
        if len(finite_losses):
            ends.append((math.log10(max(finite_losses[-1], _FAINTEST)), row.name, colours[row.name]))
    span = _loss_range(rows)
    label_lines(plot, ends, span)
    longest = max(len("".join(_score_words(row, activations.task))) for row in rows)
    plot.update_layout(margin={"r": max(plot.layout.margin.r or 0, 16 + _LETTER * longest)})
    ticks = log_ticks(10 ** span[0], 10 ** span[1])
    plot.update_yaxes(
        type="log", title_text="loss", tickvals=ticks, ticktext=[number(t, 2) for t in ticks], row=1, col=1
    )
    epochs = max(row.losses.shape[1] for row in rows)
    plot.update_xaxes(
        title_text="epoch", dtick=max(1, -(-epochs // _MOST_EPOCH_TICKS)), tick0=1, row=1, col=1
    )
    _add_gradient_growth(plot, activations, colours)
    return plot


def _loss_range(rows: Sequence[Any]) -> tuple[float, float]:
    """Choose the range of the loss axis, as logarithms; a training that explodes exceeds it."""
    all_losses = np.concatenate([row.losses.ravel() for row in rows])
    usual_losses = np.concatenate([[*_median_losses(row.losses), *row.losses[:, 0]] for row in rows])
    all_losses, usual_losses = (
        losses[np.isfinite(losses) & (losses > 0)] for losses in (all_losses, usual_losses)
    )
    if not len(usual_losses):  # all broke down before their first epoch ended
        return -1.0, 1.0
    return math.log10(all_losses.min()) - 0.1, math.log10(usual_losses.max()) + 0.15


def _median_losses(losses: Any) -> Any:
    """Return the median (E,) of the finite losses of each epoch; NaN where there are none."""
    going = np.isfinite(losses).any(axis=0)
    middle = np.full(losses.shape[1], np.nan)
    middle[going] = np.nanmedian(np.where(np.isfinite(losses), losses, np.nan)[:, going], axis=0)
    return middle


def _score_words(row: Any, task: str) -> tuple[str, str]:
    """Word the mean score of an activation, and how many of its trainings diverged."""
    score = share_text(row.score) if task == "class" else number(row.score, 3)
    n_diverged = int(row.diverged.sum())
    return score, f", {n_diverged} of {len(row.diverged)} lost" if n_diverged else ""


def _add_gradient_growth(plot: go.Figure, activations: Any, colours: dict[str, str]) -> None:
    """Add a row for each activation: growth of gradients by seed, mean score, diverged trainings."""
    rows = activations.rows
    plot.add_scatter(
        x=[1, 1], y=[-0.5, len(rows) - 0.5], mode="lines", line={"color": INK, "width": 1}, hoverinfo="skip",
        row=2, col=1,
    )  # fmt: skip
    for k, row in enumerate(rows):
        growths = row.growth_after[np.isfinite(row.growth_after)]
        plot.add_scatter(
            x=growths, y=np.full(len(growths), k), mode="markers", row=2, col=1, hoverinfo="skip",
            marker={"color": rgba(colours[row.name], 0.65), "size": 10},
        )  # fmt: skip
        score, lost = _score_words(row, activations.task)
        plot.add_annotation(
            x=1, xref="paper", xanchor="left", xshift=8, y=k, yref="y2", showarrow=False, align="left",
            text=f"<b>{score}</b>{lost}",
            font={"color": colours[row.name], "size": 12},
        )  # fmt: skip
    plot.update_yaxes(
        tickvals=list(range(len(rows))), ticktext=[escaped(row.name) for row in rows], showgrid=False,
        range=[len(rows) - 0.5, -0.5], tickfont={"color": INK, "size": 13}, row=2, col=1,
    )  # fmt: skip
    plot.update_xaxes(
        title_text="factor by which a gradient grows a step back", tickprefix="×", tickformat=".2~f",
        showgrid=True, nticks=6, row=2, col=1,
    )  # fmt: skip
