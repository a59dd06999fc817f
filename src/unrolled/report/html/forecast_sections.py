"""Sections of the forecast report, in the order of the page."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from unrolled.data.calendar.offsets import step_quantity
from unrolled.data.describe.diagnostics import percent_growth
from unrolled.formatting import UNDEFINED, as_sentence, join_words, number, number_column, percent
from unrolled.report.figures.backtest_table import BacktestTable, comparison_metric
from unrolled.report.figures.dispatch import (
    differences_figure,
    errors_figure,
    forecast_figure,
    growth_figure,
    loss_figure,
    origins_figure,
    recent_start,
    years_figure,
)
from unrolled.report.html.facts import description_facts, description_summary
from unrolled.report.html.markup import (
    chart,
    collapsible,
    definition_list,
    paragraph,
    section,
    side_by_side,
    table,
    verdict_box,
)
from unrolled.report.records import Forecast, ModelCard, SeriesForecast
from unrolled.report.wording import (
    forecast_table,
    level_percent,
    model_name,
    step_noun,
    time_words,
)

if TYPE_CHECKING:
    from unrolled.data.describe.description import Description

_MOST_DRAWN = 4  # series that are drawn when there are many
_MOST_LISTED = 36  # steps ahead that are listed

_HEADLINES = {
    "better": "The {network} beats every simpler forecast here.",
    "no difference": "The {network} shows no skill beyond simpler forecasts.",
    "worse": "A simpler forecast does better here than the {network}.",
    "too few to tell": "Too few forecasts could be tested to tell whether the {network} has skill.",
}
_TONES = {"better": "better", "worse": "worse"}

_ENDS = {
    "early": "it ended when nothing improved any more",
    "finished": "it ran to its end",
    "interrupted": "it was interrupted by hand",
}

_METRIC_MEANINGS = (
    ("MAE", "how far off on average, in the units of the data."),
    ("× best", "that error as a multiple of the best simpler forecast’s."),
    ("RMSE", "the same with large misses weighing more."),
    (
        "MASE",
        "MAE divided by the error of repeating the last (season’s) value in the past; below 1 is better.",
    ),
    ("sMAPE", "how far off in percent of forecast and truth together."),
    ("CRPS", "how far off the whole fan is; a narrow fan in the right place scores low."),
    (
        "In the band",
        "how much of what happened lay inside the band; the nearer to what it promises the better.",
    ),
)


def evenly_spaced(count: int) -> list[int]:
    """Choose the series that are drawn: all of a few, else some spread evenly over all.

    >>> evenly_spaced(3), evenly_spaced(1000)
    ([0, 1, 2], [0, 333, 666, 999])
    """
    return [int(k) for k in np.unique(np.linspace(0, count - 1, _MOST_DRAWN).astype(int))]


def forecast_title(description: Description, forecast: Forecast) -> str:
    """Title of the page: the file, and the series' name where it holds a single one."""
    source, name = description.source, forecast.series[0].id
    says_more = len(forecast.series) == 1 and not name.isdigit() and name not in source
    return f"{source}: {name}" if says_more else source


def forecast_extent(forecast: Forecast) -> str:
    """Describe the amount of data and its first and last time."""
    first = min(one.times[0] for one in forecast.series)
    last = max(one.times[-1] for one in forecast.series)
    count = sum(len(one.values) for one in forecast.series)
    amounts = f"{len(forecast.series):,} series, {count:,} values"
    amount = step_quantity(count, forecast.freq) if len(forecast.series) == 1 else amounts
    return f"{amount}, {time_words(first, forecast.freq)} to {time_words(last, forecast.freq)}"


def forecast_verdict(forecast: Forecast, backtest: Any, why_untested: str) -> str:
    """Verdict box: the outcome of the backtest, the next forecast, the error and the coverage."""
    name = model_name(forecast.model)
    if backtest is None:
        headline = f"Nobody has tested this {name} forecast: treat it as a guess."
        tone, detail = "open", as_sentence(why_untested)
    else:
        headline = _HEADLINES[backtest.verdict.outcome].format(network=name)
        tone, detail = _TONES.get(backtest.verdict.outcome, "open"), backtest.verdict.sentence
    tiles = [_next_tile(forecast.series[0], forecast)] if len(forecast.series) == 1 else []
    if backtest is not None:
        tiles += [_error_tile(backtest), _coverage_tile(backtest)]
    return verdict_box(tone, headline, detail, tiles)


def _next_tile(series: SeriesForecast, forecast: Forecast) -> tuple[str, str, str]:
    last_time = time_words(series.future_times[-1], forecast.freq)
    label = f"In {step_quantity(forecast.horizon, forecast.freq)}, {last_time}"
    small = ""
    if series.bands:
        level = min(series.bands, key=lambda level: abs(level - 80))
        low, high = (number(float(bound[-1])) for bound in series.bands[level])
        small = f"{level:g} % prediction interval: {low} to {high}, if the future resembles the past"
    return label, number(float(series.point[-1])), small


def _error_tile(backtest: Any) -> tuple[str, str, str]:
    network, best, metric = backtest.table[0], _best_row(backtest), comparison_metric(backtest)
    small = (
        f"the {model_name(network['model'])} was off by {number(network[metric])} on average, "
        f"the best simpler forecast ({model_name(best['model'])}) by {number(best[metric])}"
        + (", in usual changes of each series" if metric == "mase" else "")
    )
    return "Error, next to the best simpler forecast", f"{backtest.verdict.ratio:.2f}\u00a0×", small


def _coverage_tile(backtest: Any) -> tuple[str, str, str]:
    covered = backtest.table[0]["coverage"]
    return (
        f"What happened lay in the {level_percent(backtest.level)} band",
        percent(covered),
        f"of the time, replaying the past from {backtest.verdict.origins} moments",
    )


def _best_row(backtest: Any) -> dict[str, Any]:
    rows: list[dict[str, Any]] = backtest.table
    return next(row for row in rows if row["model"] == backtest.verdict.best_baseline)


def forecast_section(forecast: Forecast) -> str:
    """Section on the forecast, drawn over all data and over the last years, and listed."""
    positions = evenly_spaced(len(forecast.series))
    axis = " Equal heights are equal percentages." if forecast.log_axis else ""
    intro = (
        f"The line is the middle of what the {model_name(forecast.model)} expects; {_band_sentence(forecast)}"
    )
    hint = paragraph("Drag over a chart to look closer; double-click to go back.", "mouse")
    if len(forecast.series) == 1:
        series = forecast.series[0]
        since = f"Since {time_words(series.times[0], forecast.freq)}." + axis
        title = f"All {step_quantity(len(series.values), forecast.freq)}"
        if recent_start(series, forecast.freq) == 0:
            fans = chart(forecast_figure(forecast, recent=True), title, since)
        else:
            recent = chart(
                forecast_figure(forecast, recent=True), "The last stretch", "The same, closer." + axis
            )
            fans = side_by_side(chart(forecast_figure(forecast), title, since), recent)
        parts = [fans, _forecast_table(series, forecast)]
    else:
        intro = _selection_sentence(forecast, positions) + " " + intro
        charts = [
            chart(
                forecast_figure(forecast, k, recent=True), forecast.series[k].id, "The last stretch." + axis
            )
            for k in positions
        ]
        listings = [_forecast_table(forecast.series[k], forecast) for k in positions]
        parts = [side_by_side(*charts), *listings]
    return section("What comes next", intro, [hint, *parts])


def _band_sentence(forecast: Forecast) -> str:
    levels = [level_percent(level) for level in sorted(forecast.series[0].bands)]
    if not levels:
        return "there is no band."
    return f"the shaded band should hold {join_words(levels)} of what happens."


def _selection_sentence(forecast: Forecast, positions: list[int]) -> str:
    if len(positions) == len(forecast.series):
        return f"All {len(positions)} series are drawn."
    return f"{len(positions)} of {len(forecast.series):,} series are drawn, spread evenly over the file."


def _forecast_table(series: SeriesForecast, forecast: Forecast) -> str:
    heads, rows = forecast_table(series, forecast.freq)
    cut = f" The first {_MOST_LISTED} of {len(rows)} steps." if len(rows) > _MOST_LISTED else ""
    caption = f"{series.id}: {step_quantity(len(rows), forecast.freq)} ahead.{cut}"
    return collapsible(
        "The numbers" if len(forecast.series) == 1 else f"The numbers of {series.id}",
        table(caption, heads, rows[:_MOST_LISTED]),
    )


def backtest_section(backtest: Any, forecast: Forecast) -> str:
    """Section on the backtest: errors beside those of the baselines, and the forecasts made."""
    network, best = backtest.table[0]["model"], backtest.verdict.best_baseline
    name, baseline = model_name(network), model_name(best)
    forecasts = BacktestTable.of(backtest)
    origins = backtest.verdict.origins
    intro = (
        f"To find out, the past was replayed: from {origins} moments in it, each model forecast the next "
        f"{step_quantity(backtest.horizon, forecast.freq)}, knowing nothing later; then came the truth."
    )
    errors = chart(
        errors_figure(backtest),
        "Error as a multiple of the best simpler forecast’s",
        "Left of the line is better than every simpler forecast.",
    )
    if len(forecasts.ids) == 1:
        cutoffs, difference = forecasts.difference_by_origin(network, best)
        title = f"The {name} was closer in {int((difference < 0).sum())} of {len(cutoffs)} forecasts"
        caption = (
            f"Blue: by how much {name} was closer than {baseline}, by moment of forecast. "
            "Orange: the reverse."
        )
    else:
        ratios = forecasts.ratio_by_series(network, best)
        title = f"The {name} was closer in {int((ratios < 1).sum()):,} of {len(ratios):,} series"
        caption = f"Each bar is a series: its error divided by that of {baseline}. Below 1 it was closer."
    differences = chart(differences_figure(backtest), title, caption)
    judged = [one for one in forecast.series if one.id in set(forecasts.ids)]  # some may be left out
    charts = [
        chart(
            origins_figure(backtest, judged[k], log_axis=forecast.log_axis),
            "What was forecast, and what happened" + ("" if len(forecasts.ids) == 1 else f": {judged[k].id}"),
            f"Each thin line begins at a moment of forecast: {name} and, dotted, {baseline}.",
        )
        for k in evenly_spaced(len(judged))
    ]
    replay = charts[0] if len(charts) == 1 else side_by_side(*charts)
    remarks = [paragraph(remark, "lead") for remark in backtest.remarks]
    parts = [
        side_by_side(errors, differences),
        _error_table(backtest),
        *remarks,
        definition_list("words", _METRIC_MEANINGS),
        replay,
    ]
    return section("Can it be trusted?", intro, parts)


def _error_table(backtest: Any) -> str:
    rows, best = backtest.table, backtest.verdict.best_baseline
    metric = comparison_metric(backtest)
    best_error = _best_row(backtest)[metric]
    columns: list[list[str]] = [[f"{model_name(row['model'])} {row['note']}".strip() for row in rows]]
    columns.append(number_column([row["mae"] for row in rows]))
    columns.append([f"{row[metric] / best_error:.2f}" if best_error else UNDEFINED for row in rows])
    columns += [number_column([row[key] for row in rows]) for key in ("rmse", "mase", "smape", "crps")]
    columns.append([percent(row["coverage"]) for row in rows])
    heads = [
        "Model",
        "MAE",
        "× best",
        "RMSE",
        "MASE",
        "sMAPE",
        "CRPS",
        f"In the {level_percent(backtest.level)} band",
    ]
    styles = ["network", *("baseline" if row["model"] == best else "" for row in rows[1:])]
    lines = list(zip(*columns, strict=True))
    return table("Errors of every model from the same moments; lower is better.", heads, lines, styles)


def series_section(description: Description, forecast: Forecast) -> str:
    """Section on the data: facts, warnings, yearly means and growth."""
    word = step_noun(description.freq)
    charts = []
    if len(description.yearly_means) > 1:
        means = description.yearly_means
        charts.append(chart(years_figure(means), "Yearly means", "The mean of each year."))
    changes = percent_growth(forecast.series[0].values) if len(forecast.series) == 1 else np.empty(0)
    if len(changes) > 1:
        caption = f"How often it grew by how much from one {word} to the next; orange where it fell."
        charts.append(chart(growth_figure(changes), f"Growth by {word}", caption))
    warnings = [paragraph(as_sentence(text), "note") for text in description.warnings]
    notes = [paragraph(f"On reading: {as_sentence(note)}", "aside") for note in description.notes]
    chart_rows = [side_by_side(*charts)] if charts else []
    parts = [definition_list("facts", description_facts(description)), *warnings, *notes, *chart_rows]
    return section("What the data looks like", description_summary(description), parts)


def model_section(card: ModelCard) -> str:
    """Section on the model: its card and the loss while it trained."""
    parts = [definition_list("facts", card.facts)]
    history = card.history
    if history is not None and len(history.records) > 1:
        caption = (
            f"It first learned without {card.held_out}, to see how long learning helps: "
            f"{_ENDS[history.stopped]}, and {history.unit} {history.best_count} was the best."
        )
        if history.records[0].validation_loss is None:
            caption = f"Nothing was held out: {_ENDS[history.stopped]}."
        parts.append(chart(loss_figure(history), "Loss while it learned", caption))
    if card.command:
        parts.append(f'<p class="again">This page again: <code>{escape(card.command)}</code></p>')
    return section("What was fitted", as_sentence(card.why), parts)
