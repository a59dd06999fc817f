"""Theme of the figures: colours, fonts, axes, labels; downsampling of long series."""

import math
from collections.abc import Sequence
from functools import cache
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray
from plotly import graph_objects as go

# Okabe and Ito's colours, darkened where needed to stand 4.5:1 on white; they differ in lightness too.
INK, MUTED, RULE = "#1d2329", "#5b6570", "#e6e4de"
NETWORK, BASELINE, OTHER = "#0067a8", "#b4530a", "#8a929a"
VEIL = "rgba(255,255,255,0.75)"  # behind words that stand on lines
PALETTE = (NETWORK, BASELINE, "#0b6b4f", "#8e3f7c", "#6f5f00", "#4b4f9e", "#5b6570", "#1d2329", "#a3390f")
FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "DejaVu Sans", sans-serif'

LABEL_GAP = {"ticks": "outside", "ticklen": 6, "tickcolor": "rgba(0,0,0,0)"}  # names a little off their axis

_MOST_POINTS = 4000  # beyond this a line of a screen's width cannot show more
_MOST_TICKS = 8  # of a log axis
_LINE_HEIGHT = 16  # pixels from one label to the next


def rgba(colour: str, opacity: float) -> str:
    """Make a colour partly transparent.

    >>> rgba("#0067a8", 0.25)
    'rgba(0,103,168,0.25)'
    """
    red, green, blue = (int(colour[k : k + 2], 16) for k in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"


def escaped(text: str) -> str:
    """Escape a user's text for plotly, which reads tags and %{} in it."""
    return escape(text, quote=False).replace("%{", "% {")


@cache
def _template() -> go.layout.Template:
    axis = {
        "gridcolor": RULE, "linecolor": RULE, "zeroline": False, "ticks": "", "automargin": True,
        "tickfont": {"color": MUTED, "size": 12}, "title": {"font": {"color": MUTED, "size": 12}},
    }  # fmt: skip
    return go.layout.Template(
        layout={
            "font": {"family": FONT, "color": INK, "size": 13},
            "paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)",
            "colorway": [NETWORK, BASELINE, OTHER],
            "margin": {"l": 8, "r": 12, "t": 12, "b": 8},
            "xaxis": {**axis, "showgrid": False, "ticks": "outside", "tickcolor": RULE},
            "yaxis": axis,
            "showlegend": False,
            "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "title": {"text": ""}},
            "hovermode": "x unified",
            "hoverlabel": {"bgcolor": "#ffffff", "bordercolor": RULE, "font": {"size": 13, "color": INK}},
            "bargap": 0.08,
        }
    )  # fmt: skip


def empty_figure(height: int = 340) -> go.Figure:
    """Make an empty figure with the theme."""
    figure = go.Figure()
    figure.update_layout(template=_template(), height=height)
    return figure


def label_lines(
    plot: go.Figure, ends: Sequence[tuple[float, str, str]], axis_range: tuple[float, float]
) -> None:
    """Label each line at its right end, without overlaps.

    Args:
        plot: the figure; of several plots the first is labelled.
        ends: height on the axis (of a log axis the logarithm), words and colour of each line.
        axis_range: the lowest and highest height that the axis shows.
    """
    share = np.ptp(plot.layout.yaxis.domain or (0, 1))
    low, high = axis_range
    step = _LINE_HEIGHT / max((plot.layout.height - 70) * share, 1) * max(high - low, 1e-12)  # a line of text
    ordered = sorted(ends)
    places = np.clip([end for end, _, _ in ordered], low, high)
    for k in range(1, len(places)):  # up, away from the one below
        places[k] = max(places[k], places[k - 1] + step)
    for k in reversed(range(len(places))):  # and down again, into the figure
        places[k] = min(places[k], high - (len(places) - 1 - k) * step)
    for (_, words, colour), place in zip(ordered, places.tolist(), strict=True):
        plot.add_annotation(
            x=1, xref="paper", xanchor="left", xshift=6, y=place, yref="y",
            yanchor="middle", text=escaped(words), showarrow=False, font={"color": colour, "size": 12},
        )  # fmt: skip
    longest = max((len(words) for _, words, _ in ends), default=0)
    plot.update_layout(margin={"r": max(plot.layout.margin.r or 0, 16 + 7 * longest)})
    plot.update_layout(yaxis={"range": axis_range})


def downsampled(values: NDArray[np.float64], most: int = _MOST_POINTS) -> NDArray[np.int64]:
    """Choose positions to draw: all, or the lowest and highest of each stretch, so that no peak is lost.

    >>> downsampled(np.array([0.0, 5.0, 1.0, 2.0, -3.0, 0.0]), most=4).tolist()
    [0, 1, 3, 4, 5]
    """
    if len(values) <= most:
        return np.arange(len(values))
    width = -(-2 * len(values) // most)
    edges = np.arange(0, len(values), width)
    low = np.where(np.isnan(values), np.inf, values)
    high = np.where(np.isnan(values), -np.inf, values)
    extremes = [
        (s + int(np.argmin(low[s : s + width])), s + int(np.argmax(high[s : s + width]))) for s in edges
    ]
    return np.unique(np.array([*extremes, (0, len(values) - 1)]))


def axis_times(times: NDArray[Any]) -> list[Any]:
    """Convert times to what plotly reads fastest: short ISO strings, or plain numbers."""
    if not np.issubdtype(times.dtype, np.datetime64):
        return list(times.tolist())
    days = times.astype("datetime64[D]")
    whole_days = bool(np.all(days == times))
    return list(np.datetime_as_string(days if whole_days else times.astype("datetime64[s]")))


def hover_time_format(freq_unit: str) -> str:
    """Return the d3 format of times in hover labels."""
    return {"year": "%Y", "quarter": "%B %Y", "month": "%B %Y", "hour": "%-d %B %Y, %H:%M"}.get(
        freq_unit, "%-d %B %Y, %H:%M" if freq_unit in {"minute", "second"} else "%-d %B %Y"
    )


def log_ticks(low: float, high: float) -> list[float]:
    """Choose at most eight round numbers between two positive bounds, as evenly as a log axis allows.

    >>> log_ticks(16.9, 2100)
    [20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0]
    >>> log_ticks(1650, 2380)
    [1700.0, 1800.0, 1900.0, 2000.0, 2100.0, 2200.0, 2300.0]
    """
    if not (0 < low < high < math.inf):
        return []
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for digits in ((1, 2, 5), (1, 3), (1,), (1, 1.5, 2, 3, 5, 7)):
        ticks = [tick for k in decades for d in digits if low <= (tick := d * 10.0**k) <= high]
        if 4 <= len(ticks) <= _MOST_TICKS:
            return ticks
    if high > 10 * low:
        powers = [tick for k in decades if low <= (tick := 10.0**k) <= high]
        return powers[:: -(-len(powers) // _MOST_TICKS)]
    raw = (high - low) / 4
    power = 10.0 ** math.floor(math.log10(raw))
    step = power * max(d for d in (1, 2, 5) if d * power <= raw)
    return [step * k for k in range(math.ceil(low / step), math.floor(high / step) + 1)]
