"""Figure of a recording: its spectrogram, the state of the network and its decision under each other."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from plotly import graph_objects as go
from plotly.subplots import make_subplots

from unrolled.report.figures.theme import BASELINE, NETWORK, PALETTE, VEIL, empty_figure, escaped

Floats = NDArray[np.float64]

_MOST_COLUMNS = 600  # of a heat map: a screen shows no more
_MOST_LABELS = 5  # whose probability is drawn
_RANGE_DB = 60.0  # below the loudest, where the spectrogram ends
_HERTZ = (200, 500, 1000, 2000, 4000, 8000)  # that are named on its axis
_HEIGHT = 680


def recording_figure(trace: Any) -> go.Figure:
    """Draw a recording's spectrogram, the state of the network behind it, and what it decides.

    Units stand in the order in which they are most active, as in `states_figure`.
    """
    plot = make_subplots(rows=3, shared_xaxes=True, row_heights=[0.36, 0.34, 0.3], vertical_spacing=0.04)
    plot.update_layout(empty_figure(_HEIGHT).layout)
    _add_spectrogram(plot, trace)
    _add_states(plot, trace)
    _add_decisions(plot, trace)
    plot.update_xaxes(title_text="seconds", row=3, col=1)
    plot.update_layout(hovermode="closest")
    return plot


def _add_spectrogram(plot: go.Figure, trace: Any) -> None:
    frames, step = _pooled(trace.frames, trace.step_s)
    top = float(frames.max())
    plot.add_heatmap(
        z=frames.T, x=_times(len(frames), step), zmin=top - _RANGE_DB, zmax=top, showscale=False,
        colorscale=[[0, "#ffffff"], [0.5, "#9cc3df"], [1, "#0b2f4e"]],
        hovertemplate="%{x:.2f} s: %{z:.0f} dB<extra></extra>", row=1, col=1,
    )  # fmt: skip
    named = [hertz for hertz in _HERTZ if trace.hertz[0] <= hertz <= trace.hertz[-1]]
    places = np.interp(named, trace.hertz, np.arange(len(trace.hertz)))
    ticks = [f"{hertz / 1000:g} kHz" if hertz >= 1000 else f"{hertz} Hz" for hertz in named]
    plot.update_yaxes(title_text="sound", tickvals=places, ticktext=ticks, showgrid=False, row=1, col=1)


def _add_states(plot: go.Figure, trace: Any) -> None:
    order = np.argsort(np.abs(trace.states).argmax(axis=0), kind="stable")
    states, step = _pooled(trace.states[:, order], trace.state_s)
    largest = max(float(np.abs(states).max()), 1e-12)
    plot.add_heatmap(
        z=states.T, x=_times(len(states), step), zmin=-largest, zmax=largest, showscale=False,
        colorscale=[[0, BASELINE], [0.5, "#ffffff"], [1, NETWORK]],
        hovertemplate="%{x:.2f} s: %{z:.2f}<extra></extra>", row=2, col=1,
    )  # fmt: skip
    plot.update_yaxes(title_text="units of its state", showticklabels=False, showgrid=False, row=2, col=1)


def _add_decisions(plot: go.Figure, trace: Any) -> None:
    """Add the probability of the likeliest labels, each named at its peak; the blank has no line."""
    decisions, step = _pooled(trace.decisions, trace.step_s)
    times = _times(len(decisions), step)
    is_named = np.array([label != "" for label in trace.labels])
    order = [k for k in np.argsort(-decisions.max(axis=0), kind="stable").tolist() if is_named[k]]
    drawn = order if trace.written is not None else order[:_MOST_LABELS]
    for place, k in enumerate(drawn):
        colour = NETWORK if trace.written is not None else PALETTE[place % len(PALETTE)]
        label = "space" if trace.labels[k] == " " else trace.labels[k]
        plot.add_scatter(
            x=times, y=100 * decisions[:, k], mode="lines", name=escaped(label), showlegend=False,
            line={"color": colour, "width": 1.8}, row=3, col=1,
            hovertemplate=f"%{{x:.2f}} s: {escaped(label)} %{{y:.0f}} %<extra></extra>",
        )  # fmt: skip
        if trace.written is None:
            _name_line(plot, float(times[-1]), 100 * float(decisions[-1, k]), label, colour)
    for word in trace.written or ():
        middle = (word.start_s + word.end_s) / 2
        _add_words(plot, middle, 112, word.text, NETWORK)
    upper = 125 if trace.written is not None else 104
    plot.update_yaxes(title_text="decision, %", range=[-4, upper], tickvals=[0, 50, 100], row=3, col=1)


def _name_line(plot: go.Figure, x: float, y: float, label: str, colour: str) -> None:
    if y >= 100 / _MOST_LABELS:
        _add_words(plot, x, min(y + 2, 96), label, colour, anchor="right")


def _add_words(plot: go.Figure, x: float, y: float, text: str, colour: str, anchor: str = "center") -> None:
    plot.add_annotation(
        x=x, y=y, text=escaped(text), showarrow=False, bgcolor=VEIL, xanchor=anchor,
        font={"color": colour, "size": 12}, row=3, col=1,
    )  # fmt: skip


def _pooled(rows: Floats, step_s: float) -> tuple[Floats, float]:
    """Average neighbouring rows (T, ...) until there are few enough to draw; return their step too."""
    size = -(-len(rows) // _MOST_COLUMNS)
    starts = np.arange(0, len(rows), size)
    sums = np.add.reduceat(rows, starts, axis=0)
    return sums / np.diff(starts, append=len(rows))[:, None], size * step_s


def _times(n: int, step_s: float) -> Floats:
    """Return the middle of each of n steps."""
    return np.asarray((np.arange(n) + 0.5) * step_s, dtype=np.float64)
