"""Figures of frames: those that were read, those that followed, and their forecasts."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from plotly import graph_objects as go

from unrolled.report.figures.theme import INK, RULE, empty_figure, escaped
from unrolled.report.wording import model_name

Floats = NDArray[np.float64]

_READ, _AHEAD = 2, 4  # frames that are drawn of those read, and of those that follow
_MOST_PIXELS = 64  # of a side: more would not be seen


def frames_figure(backtest: Any) -> go.Figure:
    """Draw the median forecast of a backtest: what happened, the network, the best baseline.

    A column is a frame, counted from the last that was read; colours are averaged to grey.
    """
    example, best = backtest.example, backtest.verdict.best_baseline
    network = backtest.table[0]["model"]
    read = np.arange(-min(_READ, len(example.inputs)), 0)
    ahead = np.unique(np.linspace(0, len(example.truth) - 1, _AHEAD).round().astype(int))
    empty = [np.full_like(_grey(example.inputs[0]), np.nan)] * len(read)
    rows = {
        "what happened": [
            *(_grey(example.inputs[k]) for k in read),
            *(_grey(example.truth[k]) for k in ahead),
        ],
        network: [*empty, *(_grey(example.forecasts[network][k]) for k in ahead)],
        best: [*empty, *(_grey(example.forecasts[best][k]) for k in ahead)],
    }
    names = [f"{k + 1:+d}" if k >= 0 else f"{k + 1:d}" for k in (*read.tolist(), *ahead.tolist())]
    truth = np.stack(rows["what happened"])
    low, high = float(truth.min()), float(truth.max())
    plot = empty_figure(320)
    plot.add_heatmap(
        z=_mosaic(list(rows.values())), zmin=low, zmax=high if high > low else low + 1, showscale=False,
        name="frames", colorscale=[[0, "#ffffff"], [1, INK]], hovertemplate="%{z:,.4~g}<extra></extra>",
    )  # fmt: skip
    height, width = (side + 1 for side in truth.shape[1:])
    plot.update_xaxes(
        tickvals=[width * (k + 0.5) for k in range(len(names))], ticktext=names, side="top", showgrid=False,
        tickfont={"color": INK}, title_text="frames from the last that was read", constrain="domain",
        showline=False, ticks="",
    )  # fmt: skip
    plot.update_yaxes(
        tickvals=[height * (k + 0.5) for k in range(len(rows))],
        ticktext=[escaped(model_name(name)) for name in rows],
        autorange="reversed", showgrid=False, tickfont={"color": INK}, scaleanchor="x", constrain="domain",
    )  # fmt: skip
    for row, frames in enumerate(rows.values()):
        for column in range(len(frames)):
            if row == 0 or column >= len(read):
                _add_border(plot, column * width, row * height, truth.shape[2], truth.shape[1])
    plot.update_layout(hovermode="closest", margin={"t": 60})
    return plot


def _add_border(plot: go.Figure, x: int, y: int, width: int, height: int) -> None:
    """Draw a line around a frame whose first pixel is at (x, y)."""
    corners = {"x0": x - 0.5, "y0": y - 0.5, "x1": x + width - 0.5, "y1": y + height - 0.5}
    plot.add_shape(type="rect", **corners, line={"color": RULE, "width": 1})


def _grey(frame: NDArray[Any]) -> Floats:
    """Return a frame (H, W), its channels averaged, of at most 64 pixels a side."""
    pixels = np.asarray(frame, dtype=np.float64)
    pixels = pixels.mean(0) if pixels.ndim == 3 else pixels
    step = -(-max(pixels.shape) // _MOST_PIXELS)
    return pixels[::step, ::step]


def _mosaic(rows: list[list[Floats]]) -> Floats:
    """Join frames to one picture, with a line of NaN below and beside each."""
    padded = [[np.pad(frame, ((0, 1), (0, 1)), constant_values=np.nan) for frame in row] for row in rows]
    return np.block(padded)
