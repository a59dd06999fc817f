"""Figures of texts: attention between a text and its translation, influence of words on an answer."""

from typing import Any

from plotly import graph_objects as go

from unrolled.report.figures.theme import BASELINE, INK, NETWORK, empty_figure, escaped, rgba

_ROW, _MARGINS = 26, 110  # pixels
_LONGEST = 60  # tokens of a text that are drawn


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


def influence_figure(influence: Any, text: int = 0) -> go.Figure:
    """Draw the influence of each token of a text: bars for one answer, a cell for each token's answer.

    Blue speaks for the answer, orange against it; of a long text the first 60 tokens are drawn.

    Args:
        influence: the record.
        text: which of its texts, by position.
    """
    tokens = [escaped(token) for token in influence.words[text][:_LONGEST]]
    values = influence.influence[text][:_LONGEST, :_LONGEST]
    answers = [escaped(answer) for answer in influence.answers[text][:_LONGEST]]
    plot = empty_figure(_ROW * len(tokens) + _MARGINS)
    plot.update_layout(hovermode="closest")
    places = list(range(len(tokens)))
    names = {"tickvals": places, "showgrid": False, "tickfont": {"color": INK}}
    plot.update_yaxes(ticktext=tokens, range=[len(tokens) - 0.5, -0.5], **names)
    if not influence.per_word:
        colours = [NETWORK if value > 0 else BASELINE for value in values[0]]
        plot.add_bar(
            x=values[0], y=places, orientation="h", marker={"color": colours},
            hovertemplate="%{x:+.2f}<extra></extra>",
        )  # fmt: skip
        plot.update_xaxes(title_text=f"what it adds to the log odds of {answers[0]}", tickformat="+.3~g")
        return plot
    limit = float(abs(values).max()) or 1.0
    plot.add_heatmap(
        z=values, zmin=-limit, zmax=limit, showscale=False, xgap=2, ygap=2,
        colorscale=[[0, BASELINE], [0.5, "#ffffff"], [1, NETWORK]], hovertemplate="%{z:+.2f}<extra></extra>",
    )  # fmt: skip
    plot.update_xaxes(ticktext=tokens, side="top", title_text="token that is hidden", **names)
    plot.update_yaxes(ticktext=[f"{token} · {answer}" for token, answer in zip(tokens, answers, strict=True)])
    plot.update_layout(margin={"t": 60})
    return plot
