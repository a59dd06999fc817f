"""Figures of the probes memory, gradients and states.

Records are read by attribute, as in `dispatch.py`.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from plotly import graph_objects as go
from plotly.subplots import make_subplots

from unrolled.data.calendar.offsets import step_quantity
from unrolled.formatting import number
from unrolled.report.figures.theme import (
    BASELINE,
    MUTED,
    NETWORK,
    OTHER,
    VEIL,
    empty_figure,
    escaped,
    label_lines,
    rgba,
)

_SHARE = 95  # per cent of the influence that lies within the window
_VANISHED, _EXPLODED = 1e-3, 10.0  # shares of a gradient that are called so
_FAINTEST = 1e-30  # smaller shares cannot be distinguished from 0 in float32
_PATHS = 20  # other sequences whose states' paths are drawn


def memory_figure(memory: Any) -> go.Figure:
    """Draw the influence of each step back, measured twice, as a share of the largest.

    Where the readout reads every state, it is the state's own span that is marked.
    """
    plot = empty_figure(360)
    window = memory.state_span.window if memory.pooled else memory.window
    subject, colour = ("what its state holds", MUTED) if memory.pooled else ("it", NETWORK)
    plot.add_vrect(
        x0=-0.5, x1=window + 0.5, fillcolor=rgba(colour, 0.07), line={"width": 0}, layer="below"
    )  # fmt: skip
    lines = (
        ("what its state still holds", memory.state, OTHER, {"width": 1.8, "dash": "dot"}, "lines"),
        ("answer, by exchanging the step", memory.occlusion, BASELINE, {"width": 1.6}, "lines+markers"),
        ("answer, by gradients", memory.gradient, NETWORK, {"width": 2.6}, "lines"),
    )
    for name, values, line_colour, line, mode in lines:
        is_measured = np.isfinite(values)
        if is_measured.any():
            plot.add_scatter(
                x=memory.steps_back[is_measured], y=_percent_of_largest(values[is_measured]),
                mode=mode, name=name, line={"color": line_colour, **line},
                marker={"color": line_colour, "size": 5}, hovertemplate="%{y:.0f} %",
            )  # fmt: skip
    _mark_half_life(plot, memory)
    plot.add_annotation(
        x=-0.5, y=129, xanchor="left", yanchor="top", xshift=6, showarrow=False,
        text=f"{_SHARE} % of {subject}<br>lies within {step_quantity(window, None)} back", align="left",
        font={"color": colour, "size": 12},
    )  # fmt: skip
    plot.update_layout(showlegend=True)
    plot.update_xaxes(title_text="steps back; 0 is the newest")
    plot.update_yaxes(title_text="influence, % of the largest", range=[0, 130], tickvals=[0, 25, 50, 75, 100])
    return plot


def half_life_words(memory: Any) -> str:
    """Describe where the influence is halved; empty where it never is."""
    if memory.half_life is None:
        return ""
    where = f"{number(memory.half_life, 2)} steps"
    return f"half is gone after {where}" if memory.peak == 0 else f"below half beyond {where}"


def _percent_of_largest(values: Any) -> Any:
    return 100 * values / max(float(values.max()), 1e-300)


def _mark_half_life(plot: go.Figure, memory: Any) -> None:
    half_life = memory.half_life
    if half_life is None:
        return
    plot.add_scatter(
        x=[half_life], y=[50], mode="markers", marker={"color": NETWORK, "size": 10}, hoverinfo="skip",
        showlegend=False,
    )  # fmt: skip
    plot.add_annotation(
        x=half_life, y=50, xanchor="left", yanchor="bottom", xshift=8, showarrow=False,
        text=half_life_words(memory), font={"color": NETWORK, "size": 12},
        bgcolor=VEIL,
    )  # fmt: skip


def gradients_figure(gradients: Any) -> go.Figure:
    """Draw the share of a gradient that the recurrence passes back, step by step, on a log axis."""
    plot = empty_figure(340)
    reported_layer = gradients.layers[gradients.worst_layer]
    extremes = []
    for k, layer in enumerate(gradients.layers):
        is_reported = k == gradients.worst_layer
        share = np.clip(layer.share, _FAINTEST, 1 / _FAINTEST)
        plot.add_scatter(
            x=gradients.steps_back, y=share, mode="lines", name=escaped(layer.name),
            line={"color": NETWORK if is_reported else OTHER, "width": 2.6 if is_reported else 1.6},
            hovertemplate="%{y:.2~g}",
        )  # fmt: skip
        extremes += [float(share.min()), float(share.max())]
    low, high = min(*extremes, 3e-4), max(*extremes, 30.0)
    span = (math.log10(low) - 0.4, math.log10(high) + 0.4)
    for edge, end, words in ((_VANISHED, span[0], "vanished"), (_EXPLODED, span[1], "exploded")):
        plot.add_hrect(
            y0=edge, y1=10**end, fillcolor=rgba(BASELINE, 0.08), line={"width": 0}, layer="below"
        )  # fmt: skip
        plot.add_annotation(
            x=0, xref="paper", y=end, xanchor="left", yanchor="bottom" if edge < 1 else "top", xshift=6,
            text=words, showarrow=False, font={"color": BASELINE, "size": 12},
        )  # fmt: skip
    if reported_layer.growth is not None:
        end = math.log10(float(np.clip(reported_layer.share[-1], _FAINTEST, 1 / _FAINTEST)))
        label_lines(plot, [(end, f"×{number(reported_layer.growth, 3)} a step", NETWORK)], span)
    powers = range(math.ceil(span[0]), math.floor(span[1]) + 1)
    tick_step = max(1, -(-len(powers) // 7))
    ticks = [k for k in powers if k % tick_step == 0]
    plot.update_yaxes(
        type="log", title_text="share of a gradient that is left", range=span,
        tickvals=[10.0**k for k in ticks], ticktext=[_power(k) for k in ticks],
    )  # fmt: skip
    plot.update_xaxes(title_text="steps back from the last one")
    plot.update_layout(showlegend=len(gradients.layers) > 1)
    return plot


def _power(k: int) -> str:
    """Format a power of ten: 1/100, 1, 10.

    >>> _power(-3), _power(0), _power(1), _power(-9)
    ('1/1,000', '1', '10', '10<sup>−9</sup>')
    """
    if abs(k) > 4:
        return f"10<sup>{'−' if k < 0 else ''}{abs(k)}</sup>"
    return f"{10**k:,}" if k >= 0 else f"1/{10**-k:,}"


def states_figure(states: Any) -> go.Figure:
    """Draw one sequence's states as a heat map, the share of memory, and the path of the state.

    Units stand in the order in which they are most active, so that a sequence of them shows as a diagonal.
    """
    first = int(states.sequence[0])
    in_first = states.sequence == first
    state, path = states.state[in_first], states.path
    largest = max(float(np.abs(state).max()), 1e-12)
    has_parts = bool(np.isfinite(states.memory_share[in_first]).any())
    has_path = path.shape[1] > 1
    heights = [0.44, *([0.18] if has_parts else []), *([0.38] if has_path else [])]
    plot = make_subplots(rows=len(heights), row_heights=heights, vertical_spacing=0.09)
    plot.update_layout(empty_figure(round(720 * sum(heights))).layout)
    plot.add_heatmap(
        z=state[:, np.argsort(np.abs(state).argmax(axis=0), kind="stable")].T, x=states.step[in_first],
        zmin=-largest, zmax=largest, colorscale=[[0, BASELINE], [0.5, "#ffffff"], [1, NETWORK]],
        colorbar={
            "thickness": 10, "len": 0.4, "y": 0.8, "outlinewidth": 0, "tickvals": [-largest, 0, largest],
            "ticktext": [number(-largest, 2), "0", number(largest, 2)], "tickfont": {"color": MUTED},
        },
        hovertemplate="step %{x}: %{z:.2f}<extra></extra>", row=1, col=1,
    )  # fmt: skip
    plot.update_yaxes(title_text="units", showticklabels=False, showgrid=False, row=1, col=1)
    if has_parts:
        _add_parts(plot, states, in_first)
    else:
        plot.update_xaxes(title_text="step", row=1, col=1)
    if has_path:
        _add_path(plot, states, in_first, row=len(heights))
    plot.update_layout(hovermode="closest")
    return plot


def _add_parts(plot: go.Figure, states: Any, in_first: NDArray[np.bool_]) -> None:
    """Add the share of memory in each step's update, below the heat map and on its axis."""
    plot.add_scatter(
        x=states.step[in_first], y=100 * states.memory_share[in_first], mode="lines", name="memory",
        line={"color": NETWORK, "width": 2}, fill="tozeroy", fillcolor=rgba(NETWORK, 0.12),
        hovertemplate="step %{x}: %{y:.0f} %<extra></extra>", row=2, col=1,
    )  # fmt: skip
    plot.update_xaxes(title_text="step", matches="x", row=2, col=1)
    plot.update_xaxes(showticklabels=False, row=1, col=1)
    plot.update_yaxes(title_text="memory, %", range=[0, 100], tickvals=[0, 50, 100], row=2, col=1)


def _add_path(plot: go.Figure, states: Any, in_first: NDArray[np.bool_], row: int) -> None:
    """Add the first two principal components: one sequence in blue, others grey."""
    others = [k for k in np.unique(states.sequence) if k != states.sequence[0]][:_PATHS]
    for k in others:
        path = states.path[states.sequence == k]
        plot.add_scatter(
            x=path[:, 0], y=path[:, 1], mode="lines", line={"color": rgba(OTHER, 0.5), "width": 1},
            hoverinfo="skip", row=row, col=1,
        )  # fmt: skip
    path = states.path[in_first]
    plot.add_scatter(
        x=path[:, 0], y=path[:, 1], mode="lines", line={"color": NETWORK, "width": 2.2}, hoverinfo="skip",
        row=row, col=1,
    )  # fmt: skip
    ends = path[[0, -1]]
    plot.add_scatter(
        x=ends[:, 0], y=ends[:, 1], mode="markers", hoverinfo="skip", row=row, col=1, cliponaxis=False,
        marker={"color": ["#ffffff", NETWORK], "size": 10, "line": {"color": NETWORK, "width": 2}},
    )  # fmt: skip
    upper = int(ends[1, 1] > ends[0, 1])  # the words stand away from the other end
    for k, words in enumerate(("first step", "last step")):
        side = 1 if k == upper else -1
        plot.add_annotation(
            x=ends[k, 0], y=ends[k, 1], text=words, showarrow=False, yshift=15 * side, bgcolor=VEIL,
            font={"color": NETWORK, "size": 12}, row=row, col=1,
        )  # fmt: skip
    along, across = (f"{100 * share:.0f} %" for share in states.explained[:2])
    plot.update_xaxes(
        title_text=f"the state’s main direction, {along} of its movement", showticklabels=False, ticks="",
        row=row, col=1,
    )  # fmt: skip
    plot.update_yaxes(title_text=f"second, {across}", showticklabels=False, row=row, col=1)
