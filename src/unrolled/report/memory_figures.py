"""Figures of what a network remembers: how far its memory reaches, and what becomes of its gradients.

Records are read by attribute, as in `report/figures.py`.
"""

import math
from typing import Any

import numpy as np
from plotly import graph_objects as go

from unrolled.report.style import NETWORK, OTHER, SIMPLE, blank, faded, label, label_lines
from unrolled.report.wording import number, steps

_SHARE = 95  # per cent of the influence that lies within the window
_VANISHED, _EXPLODED = 1e-3, 10.0  # shares of a gradient that are called so
_FAINTEST = 1e-30  # below it float32 tells nothing


def memory_figure(memory: Any) -> go.Figure:
    """The influence of each step back, measured twice, as a share of the largest."""
    plot = blank(360)
    window = memory.window
    plot.add_vrect(
        x0=-0.5, x1=window + 0.5, fillcolor=faded(NETWORK, 0.07), line={"width": 0}, layer="below"
    )  # fmt: skip
    lines = (
        ("what its state still holds", memory.state, OTHER, {"width": 1.8, "dash": "dot"}, "lines"),
        ("answer, by exchanging the step", memory.occlusion, SIMPLE, {"width": 1.6}, "lines+markers"),
        ("answer, by gradients", memory.gradient, NETWORK, {"width": 2.6}, "lines"),
    )
    for name, values, colour, line, mode in lines:
        asked = np.isfinite(values)
        if asked.any():
            plot.add_scatter(
                x=memory.steps_back[asked], y=_of_largest(values[asked]), mode=mode, name=name,
                line={"color": colour, **line}, marker={"color": colour, "size": 5},
                hovertemplate="%{y:.0f} %",
            )  # fmt: skip
    _mark_half_life(plot, memory)
    plot.add_annotation(
        x=-0.5, y=112, xanchor="left", yanchor="middle", xshift=6, showarrow=False,
        text=f"{_SHARE} % of it lies within {steps(window + 1, None)}", font={"color": NETWORK, "size": 12},
    )  # fmt: skip
    plot.update_layout(showlegend=True)
    plot.update_xaxes(title_text="steps back; 0 is the newest")
    plot.update_yaxes(title_text="influence, % of the largest", range=[0, 120], tickvals=[0, 25, 50, 75, 100])
    return plot


def _of_largest(values: Any) -> Any:
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
        text=f"half is gone after {number(half_life, 2)} steps", font={"color": NETWORK, "size": 12},
        bgcolor="rgba(255,255,255,0.75)",
    )  # fmt: skip


def gradients_figure(gradients: Any) -> go.Figure:
    """What the recurrence hands back of a gradient, step by step, on a log axis."""
    plot = blank(340)
    told = gradients.layers[gradients.told]
    tops = []
    for k, layer in enumerate(gradients.layers):
        mine = k == gradients.told
        share = np.clip(layer.share, _FAINTEST, 1 / _FAINTEST)
        plot.add_scatter(
            x=np.arange(len(share)), y=share, mode="lines", name=label(layer.name),
            line={"color": NETWORK if mine else OTHER, "width": 2.6 if mine else 1.6},
            hovertemplate="%{y:.2~g}",
        )  # fmt: skip
        tops += [float(share.min()), float(share.max())]
    low, high = min(*tops, 3e-4), max(*tops, 30.0)
    span = (math.log10(low) - 0.4, math.log10(high) + 0.4)
    for edge, end, words in ((_VANISHED, span[0], "vanished"), (_EXPLODED, span[1], "exploded")):
        plot.add_hrect(
            y0=edge, y1=10**end, fillcolor=faded(SIMPLE, 0.08), line={"width": 0}, layer="below"
        )  # fmt: skip
        plot.add_annotation(
            x=0, xref="paper", y=end, xanchor="left", yanchor="bottom" if edge < 1 else "top", xshift=6,
            text=words, showarrow=False, font={"color": SIMPLE, "size": 12},
        )  # fmt: skip
    if told.growth is not None:
        end = math.log10(float(np.clip(told.share[-1], _FAINTEST, 1 / _FAINTEST)))
        label_lines(plot, [(end, f"×{number(told.growth, 3)} a step", NETWORK)], span)
    powers = range(math.ceil(span[0]), math.floor(span[1]) + 1)
    every = max(1, -(-len(powers) // 7))
    ticks = [k for k in powers if k % every == 0]
    plot.update_yaxes(
        type="log", title_text="share of a gradient that is left", range=span,
        tickvals=[10.0**k for k in ticks], ticktext=[_power(k) for k in ticks],
    )  # fmt: skip
    plot.update_xaxes(title_text="steps back from the last one")
    plot.update_layout(showlegend=len(gradients.layers) > 1)
    return plot


def _power(k: int) -> str:
    """A power of ten in words: 1/100, 1, 10.

    >>> _power(-3), _power(0), _power(1), _power(-9)
    ('1/1,000', '1', '10', '10<sup>−9</sup>')
    """
    if abs(k) > 4:
        return f"10<sup>{'−' if k < 0 else ''}{abs(k)}</sup>"
    return f"{10**k:,}" if k >= 0 else f"1/{10**-k:,}"
