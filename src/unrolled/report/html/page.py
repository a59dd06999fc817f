"""Forecast report as one HTML file that holds everything and needs no network."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
from plotly.offline import get_plotlyjs

from unrolled import __version__
from unrolled.atomic_write import write_atomically
from unrolled.report.html import forecast_sections
from unrolled.report.html.markup import paragraph
from unrolled.report.records import Forecast, ModelCard
from unrolled.report.wording import time_words


def write_forecast_report(
    path: str | Path,
    *,
    description: Any,
    forecast: Forecast,
    backtest: Any,
    model_card: ModelCard,
    why_untested: str = "",
) -> Path:
    """Write the forecast report: data, forecast, backtest and model, as one HTML file.

    Args:
        path: the file to make or replace.
        description: a record of kind "description".
        forecast: a record of kind "forecast".
        backtest: a record of kind "backtest"; None where it could not be run, which the page says first.
        model_card: what was fitted.
        why_untested: the reason, where there is no backtest.

    Returns:
        The path written to.

    Raises:
        StorageError: the file cannot be written; what stood there before still stands.
    """
    return write_page(path, forecast_page(description, forecast, backtest, model_card, why_untested))


def write_page(path: str | Path, text: str) -> Path:
    """Write a page, whole or not at all."""
    return write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def forecast_page(
    description: Any, forecast: Forecast, backtest: Any, model_card: ModelCard, why_untested: str = ""
) -> str:
    """Render the forecast report as text: see `write_forecast_report`."""
    parts = [
        forecast_sections.forecast_verdict(forecast, backtest, why_untested),
        forecast_sections.forecast_section(forecast),
        forecast_sections.backtest_section(backtest, forecast) if backtest is not None else "",
        forecast_sections.series_section(description, forecast),
        forecast_sections.model_section(model_card),
    ]
    return render_page(
        "Forecast report",
        forecast_sections.forecast_title(description, forecast),
        forecast_sections.forecast_extent(forecast),
        parts,
    )


def render_page(kicker: str, title: str, span: str, parts: Sequence[str]) -> str:
    """Render a page around its parts.

    Args:
        kicker: kind of the page, above the title.
        title: title.
        span: extent of the data, below the title.
        parts: HTML; empty ones are left out.
    """
    inside = files("unrolled.report.html")
    return Template(inside.joinpath("page.html").read_text("utf-8")).substitute(
        kicker=escape(kicker),
        title=escape(title),
        span=escape(span),
        version=__version__,
        style=inside.joinpath("style.css").read_text("utf-8"),
        script=inside.joinpath("page.js").read_text("utf-8"),
        plotly=get_plotlyjs(),
        body="\n".join(part for part in parts if part),
        footer=paragraph(f"Made by unrolled {__version__} on {time_words(np.datetime64('today'), 'D')}."),
    )
