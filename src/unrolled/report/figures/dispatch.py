"""Figures of forecasts, backtests and descriptions, and the figure of any record by its `kind`.

Records are read by attribute, so that nothing of the packages that make them is imported.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from plotly import graph_objects as go

from unrolled.formatting import number, percent
from unrolled.report.figures.backtest_table import BacktestTable, comparison_metric
from unrolled.report.figures.frames import frames_figure
from unrolled.report.figures.memory import gradients_figure, memory_figure, states_figure
from unrolled.report.figures.probes import (
    activations_figure,
    feedforward_figure,
    length_figure,
    order_figure,
)
from unrolled.report.figures.recordings import recording_figure
from unrolled.report.figures.sequences import comparison_figure
from unrolled.report.figures.texts import alignment_figure, influence_figure
from unrolled.report.figures.theme import (
    BASELINE,
    INK,
    MUTED,
    NETWORK,
    OTHER,
    axis_times,
    downsampled,
    empty_figure,
    escaped,
    hover_time_format,
    log_ticks,
    rgba,
)
from unrolled.report.records import Forecast, SeriesForecast
from unrolled.report.wording import level_percent, model_name, step_noun
from unrolled.validation import check_choice

_MOST_RATIO = 3.0  # of two errors; beyond, a bar would only flatten the others


def figure(record: Any) -> go.Figure:
    """Draw a record by its `kind`.

    Args:
        record: a description, a forecast (its first series), a backtest, of frames too, a history, a verdict,
            a comparison, an alignment, the trace of a recording, or a probe's record.

    Returns:
        A plotly figure.

    Raises:
        ArgumentError: the record has no `kind`, or one that has no figure.

    >>> from unrolled.train.history import History, TrainingRecord
    >>> figure(History((TrainingRecord(1, 1.0, 0.5, 0.6, 0.01, 0.1),), 1, "finished", 0.1)).data[0].name
    'while training'
    """
    return _FIGURES[check_choice("figure: record.kind", getattr(record, "kind", None), list(_FIGURES))](
        record
    )


def forecast_figure(forecast: Forecast, series: int = 0, *, recent: bool = False) -> go.Figure:
    """Draw a series with its forecast as a fan.

    Args:
        forecast: the record.
        series: which of its series, by position.
        recent: only the last years, drawn larger, instead of everything.
    """
    one = forecast.series[series]
    first = recent_start(one, forecast.freq) if recent else 0
    plot = empty_figure(380)
    _add_history(plot, one, first, forecast)
    _add_fan(plot, one, forecast)
    drawn_values = [one.values[first:], one.point, *(bound for band in one.bands.values() for bound in band)]
    _value_axis(plot, np.concatenate(drawn_values), log=forecast.log_axis)
    _label_ends(plot, one, forecast, with_band=recent)
    _time_axis(plot, forecast.freq)
    return plot


def recent_start(one: SeriesForecast, freq: str | None) -> int:
    """Start of the zoomed view: four horizons from the end, or five years of months, at least 30 steps."""
    per_year = {"month": 12, "quarter": 4, "year": 1}.get(step_noun(freq), 0)
    return max(len(one.values) - max(4 * len(one.point), 5 * per_year, 30), 0)


def _add_history(plot: go.Figure, one: SeriesForecast, first: int, forecast: Forecast) -> None:
    values, times = one.values[first:], one.times[first:]
    positions = downsampled(values)
    plot.add_scatter(
        x=axis_times(times[positions]), y=values[positions], mode="lines", name="observed",
        line={"color": INK, "width": 1.6}, hovertemplate="%{y:,.4~g}",
    )  # fmt: skip
    plot.update_layout(hovermode="x unified", meta={"target": escaped(forecast.target)})


def _add_fan(plot: go.Figure, one: SeriesForecast, forecast: Forecast) -> None:
    """Add the bands from wide to narrow, then the median; both begin at the last observation."""
    observed = np.flatnonzero(np.isfinite(one.values))
    last = observed[-1] if len(observed) else len(one.values) - 1
    start_time, start = one.times[last : last + 1], one.values[last : last + 1]
    ahead = axis_times(np.concatenate([start_time, one.future_times]))
    for level in sorted(one.bands, reverse=True):
        low, high = (np.concatenate([start, bound]) for bound in one.bands[level])
        edge = {"x": ahead, "mode": "lines", "line": {"width": 0}, "hovertemplate": "%{y:,.4~g}"}
        plot.add_scatter(**edge, y=high, name=f"{level_percent(level)} band, upper")
        plot.add_scatter(
            **edge, y=low, name=f"{level_percent(level)} band, lower", fill="tonexty",
            fillcolor=rgba(NETWORK, 0.16 if len(one.bands) > 1 else 0.2),
        )  # fmt: skip
    plot.add_scatter(
        x=ahead, y=np.concatenate([start, one.point]), mode="lines",
        name=f"{escaped(model_name(forecast.model))} forecast",
        line={"color": NETWORK, "width": 2.4}, hovertemplate="%{y:,.4~g}",
    )  # fmt: skip


def _label_ends(plot: go.Figure, one: SeriesForecast, forecast: Forecast, *, with_band: bool) -> None:
    """Write the last values of the forecast beside it."""
    ends = [(one.point[-1], True)]
    if with_band and one.bands:
        ends += [(bound[-1], False) for bound in one.bands[max(one.bands)]]
    for value, is_middle in ends:
        text = number(float(value))
        plot.add_annotation(
            x=1, xref="paper", y=_axis_position(value, forecast), xanchor="left", yanchor="middle", xshift=6,
            text=f"<b>{text}</b>" if is_middle else text, showarrow=False,
            font={"color": NETWORK, "size": 12},
        )  # fmt: skip
    widest = max(len(number(float(value))) for value, _ in ends)
    plot.update_layout(margin={"r": 16 + 8 * widest})


def _axis_position(value: float, forecast: Forecast) -> float:
    """Position of a value on the axis: annotations on a log axis are placed by the logarithm."""
    return math.log10(value) if forecast.log_axis and value > 0 else float(value)


def _value_axis(plot: go.Figure, values: NDArray[np.float64], *, log: bool) -> None:
    finite = values[np.isfinite(values)]
    if not log or len(finite) == 0 or finite.min() <= 0:
        plot.update_yaxes(tickformat=",.4~g")
        return
    ticks = log_ticks(float(finite.min()), float(finite.max()))
    edges = np.log10([finite.min(), finite.max()])
    margin = 0.06 * max(edges[1] - edges[0], 0.01)
    plot.update_yaxes(
        type="log", tickvals=ticks, ticktext=[number(t) for t in ticks],
        range=[edges[0] - margin, edges[1] + 2 * margin],
    )  # fmt: skip


def _time_axis(plot: go.Figure, freq: str | None) -> None:
    plot.update_xaxes(hoverformat=hover_time_format(step_noun(freq)))


def loss_figure(history: Any) -> go.Figure:
    """Draw the losses of every check over epochs or steps: of the training and of the validation set."""
    counts = [history.position(record) for record in history.records]
    plot = empty_figure(260)
    lines = [("while training", [e.train_loss for e in history.records], OTHER)]
    if history.records[0].validation_loss is not None:
        lines.append(("on the part held out", [e.validation_loss for e in history.records], NETWORK))
    for name, losses, colour in lines:
        plot.add_scatter(
            x=counts, y=losses, mode="lines", name=name, line={"color": colour, "width": 2},
            hovertemplate="%{y:.4~g}",
        )  # fmt: skip
    best = history.records.index(history.best)
    plot.add_scatter(
        x=[counts[best]], y=[lines[-1][1][best]], mode="markers", name="best",
        marker={"color": lines[-1][2], "size": 10}, hoverinfo="skip",
    )  # fmt: skip
    plot.update_layout(showlegend=True)
    plot.update_xaxes(title_text=history.unit, dtick=1 if counts[-1] <= 12 else None)
    plot.update_yaxes(title_text="loss", tickformat=".3~g")
    return plot


def errors_figure(backtest: Any) -> go.Figure:
    """Draw each model's mean error as a multiple of the best baseline's, the best at the top."""
    metric = comparison_metric(backtest)
    rows = sorted(backtest.table, key=lambda row: -row[metric])
    network, best = backtest.table[0]["model"], backtest.verdict.best_baseline
    best_error = next(row[metric] for row in rows if row["model"] == best) or math.nan
    ratios = [row[metric] / best_error for row in rows]
    names = [escaped(model_name(row["model"])) for row in rows]
    colours = [NETWORK if r["model"] == network else BASELINE if r["model"] == best else OTHER for r in rows]
    plot = empty_figure(34 * len(rows) + 60)
    for name, ratio, colour in zip(names, ratios, colours, strict=True):
        plot.add_scatter(
            x=[1, ratio], y=[name, name], mode="lines", line={"color": rgba(colour, 0.45), "width": 3},
            hoverinfo="skip",
        )  # fmt: skip
    plot.add_scatter(
        x=ratios, y=names, mode="markers+text", marker={"color": colours, "size": 13},
        text=[f"{ratio:.2f} ×" for ratio in ratios],
        textposition=["middle left" if ratio < 0.9995 else "middle right" for ratio in ratios],
        textfont={"color": [MUTED if c == OTHER else c for c in colours], "size": 13}, cliponaxis=False,
        hovertemplate="%{y}: %{x:.3f} times the best simpler forecast's error<extra></extra>",
    )  # fmt: skip
    plot.add_vline(x=1, line={"color": INK, "width": 1})
    _ratio_axis(plot, ratios)
    return plot


def _ratio_axis(plot: go.Figure, ratios: list[float]) -> None:
    """Set the range with margins for the numbers; a log axis where one model is far off."""
    low, high = min([*ratios, 1.0]), max([*ratios, 1.0])
    plot.update_layout(hovermode="closest")
    plot.update_yaxes(showgrid=False, tickfont={"color": INK, "size": 13})
    if high > 6:
        ticks = log_ticks(low * 0.8, high * 1.3)
        edges = [math.log10(low * 0.75), math.log10(high * 1.8)]
        plot.update_xaxes(type="log", range=edges, tickvals=ticks, ticktext=[f"{t:g} ×" for t in ticks])
        return
    span = max(high - low, 0.05)
    plot.update_xaxes(
        range=[low - 0.3 * span, high + 0.42 * span], tickformat=".3~g", ticksuffix=" ×", nticks=6
    )


def verdict_figure(verdict: Any) -> go.Figure:
    """Draw the network's error beside the best baseline's, which is 1."""
    plot = empty_figure(120)
    ratio = float(verdict.ratio)
    for x, name, colour in ((1.0, model_name(verdict.best_baseline), BASELINE), (ratio, "network", NETWORK)):
        plot.add_scatter(
            x=[x], y=[0], mode="markers+text", marker={"color": colour, "size": 16}, text=[escaped(name)],
            textposition="top center" if name != "network" else "bottom center", textfont={"color": colour},
            hovertemplate="%{x:.3f} ×<extra></extra>", cliponaxis=False,
        )  # fmt: skip
    _ratio_axis(plot, [ratio])
    plot.update_yaxes(visible=False, range=[-1, 1])
    return plot


def origins_figure(backtest: Any, past: SeriesForecast, *, log_axis: bool = False) -> go.Figure:
    """Draw the forecasts from each origin and the observed values of one series.

    Args:
        backtest: the record.
        past: the series, with what was observed.
        log_axis: whether equal percentages should look equal.
    """
    table = BacktestTable.of(backtest).of_series(past.id)
    network, best = backtest.table[0]["model"], backtest.verdict.best_baseline
    first = max(int(np.searchsorted(past.times, table.cutoff.min())) - backtest.horizon, 0)
    observed = dict(zip(axis_times(past.times[first:]), past.values[first:].tolist(), strict=True))
    plot = empty_figure(380)
    for name, colour, dash in ((best, BASELINE, "dot"), (network, NETWORK, "solid")):
        times, values = table.paths(name, observed)
        plot.add_scatter(
            x=times, y=values, mode="lines", line={"color": rgba(colour, 0.8), "width": 1.4, "dash": dash},
            name=escaped(model_name(name)), hoverinfo="skip",
        )  # fmt: skip
    positions = downsampled(past.values[first:]) + first
    plot.add_scatter(
        x=axis_times(past.times[positions]), y=past.values[positions], mode="lines", name="what happened",
        line={"color": INK, "width": 2.2}, hovertemplate="%{y:,.4~g}",
    )  # fmt: skip
    plot.update_layout(showlegend=True)
    drawn_values = [past.values[first:], table.models[network], table.models[best]]
    _value_axis(plot, np.concatenate(drawn_values), log=log_axis)
    return plot


def differences_figure(backtest: Any) -> go.Figure:
    """Draw the difference of two models' errors by origin, or their ratio by series."""
    table = BacktestTable.of(backtest)
    network, best = backtest.table[0]["model"], backtest.verdict.best_baseline
    plot = empty_figure(34 * len(backtest.table) + 60)  # as high as the errors beside it
    if len(table.ids) > 1:
        ratios = np.sort(np.minimum(table.ratio_by_series(network, best), _MOST_RATIO))
        plot.add_bar(
            x=np.arange(1, len(ratios) + 1), y=ratios - 1, base=1,
            marker={"color": [NETWORK if ratio < 1 else BASELINE for ratio in ratios]},
            customdata=ratios, hovertemplate="%{customdata:.3f} ×<extra></extra>",
        )  # fmt: skip
        plot.add_hline(y=1, line={"color": INK, "width": 1})
        plot.update_xaxes(title_text="series, the best first", tickformat="d")
        plot.update_yaxes(ticksuffix=" ×")
        return plot
    cutoffs, difference = table.difference_by_origin(network, best)
    colours = [NETWORK if d < 0 else BASELINE for d in difference]
    plot.add_bar(
        x=axis_times(cutoffs), y=difference, marker={"color": colours},
        hovertemplate="%{y:+,.4~g}<extra></extra>",
    )  # fmt: skip
    plot.add_hline(y=0, line={"color": INK, "width": 1})
    plot.update_yaxes(tickformat="+,.4~g")
    return plot


def years_figure(means: Mapping[int, float]) -> go.Figure:
    """Draw the mean of each calendar year."""
    plot = empty_figure(260)
    plot.add_bar(
        x=list(means),
        y=list(means.values()),
        marker={"color": rgba(NETWORK, 0.8)},
        hovertemplate="%{y:,.4~g}<extra></extra>",
    )
    plot.update_xaxes(tickformat="d", dtick=1 if len(means) <= 8 else None)
    plot.update_yaxes(tickformat=",.4~g")
    return plot


def growth_figure(growth: NDArray[np.float64]) -> go.Figure:
    """Draw a histogram of the growth from one step to the next, in per cent."""
    finite = growth[np.isfinite(growth)]
    low, high = np.quantile(finite, [0.002, 0.998]) if len(finite) else (-1.0, 1.0)
    # the few beyond are counted at the ends, or one wild step would flatten all others
    counts, edges = np.histogram(np.clip(finite, low, high), bins=min(41, max(9, int(len(finite) ** 0.5))))
    plot = empty_figure(260)
    middles = (edges[:-1] + edges[1:]) / 2
    plot.add_bar(
        x=middles, y=counts, width=np.diff(edges) * 0.92,
        marker={"color": [rgba(NETWORK if middle >= 0 else BASELINE, 0.8) for middle in middles]},
        hovertemplate="%{y} times<extra></extra>",
    )  # fmt: skip
    mean = float(np.mean(finite)) if len(finite) else 0.0
    words = {
        "text": f"mean {percent(mean / 100, 2, signed=True)}",
        "yanchor": "bottom",
        "y": 1,
        "xanchor": "left",
    }
    plot.add_vline(x=mean, line={"color": INK, "width": 1.5}, annotation=words)
    plot.update_layout(margin={"t": 26})
    plot.update_xaxes(tickformat="+.3~g", ticksuffix=" %")
    return plot


_FIGURES: dict[str, Callable[..., go.Figure]] = {
    "description": lambda description: years_figure(description.yearly_means),
    "forecast": forecast_figure,
    "backtest": errors_figure,
    "frame backtest": frames_figure,
    "history": loss_figure,
    "verdict": verdict_figure,
    "comparison": comparison_figure,
    "language comparison": comparison_figure,
    "translation comparison": comparison_figure,
    "recording trace": recording_figure,
    "transcription comparison": comparison_figure,
    "alignment": alignment_figure,
    "influence": influence_figure,
    "order": order_figure,
    "memory": memory_figure,
    "gradients": gradients_figure,
    "states": states_figure,
    "length": length_figure,
    "activations": activations_figure,
    "feedforward": feedforward_figure,
}
