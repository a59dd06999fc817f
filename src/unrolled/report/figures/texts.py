"""Figures of texts: the attention between a text and its translation."""

from typing import Any

from plotly import graph_objects as go

from unrolled.report.figures.theme import INK, NETWORK, empty_figure, escaped, rgba

_ROW, _MARGINS = 26, 110  # pixels


def alignment_figure(alignment: Any) -> go.Figure:
    """Draw the weight of each source token (a column) in each token of the translation (a row)."""
    plot = empty_figure(_ROW * len(alignment.target) + _MARGINS)
    plot.add_heatmap(
        z=alignment.weights, zmin=0, zmax=1, showscale=False, xgap=2, ygap=2, name="attention",
        colorscale=[[0, rgba(NETWORK, 0.04)], [1, rgba(NETWORK, 1.0)]],
        hovertemplate="%{z:.0%}<extra></extra>",
    )  # fmt: skip
    plot.update_xaxes(
        tickvals=list(range(len(alignment.source))), ticktext=[escaped(token) for token in alignment.source],
        side="top", showgrid=False, tickfont={"color": INK},
    )  # fmt: skip
    plot.update_yaxes(
        tickvals=list(range(len(alignment.target))), ticktext=[escaped(token) for token in alignment.target],
        range=[len(alignment.target) - 0.5, -0.5], showgrid=False, tickfont={"color": INK},
    )  # fmt: skip
    plot.update_layout(hovermode="closest", margin={"t": 60})
    return plot
