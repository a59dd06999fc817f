"""Pages as text, parsed, and without the code of plotly."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from unrolled.cli.sequence_report import label_texts, sequence_model_card
from unrolled.report.html.page import forecast_page
from unrolled.report.html.sequence_page import write_classification_report
from unrolled.report.records import LabelPredictions


def forecast_html(records: Any, **changes: Any) -> str:
    """Forecast report of one forecast, with some of its records changed."""
    parts = {
        "description": records.description,
        "forecast": records.forecast,
        "backtest": records.backtest,
        "model_card": records.report.card(),
    }
    return forecast_page(**(parts | changes))


def without_plotly(text: str) -> str:
    """The page without plotly's code."""
    scripts = re.findall(r"<script>.*?</script>", text, flags=re.DOTALL)
    return text.replace(max(scripts, key=len), "")


class TagParser(HTMLParser):
    """Every tag that is opened is closed, in order."""

    VOID = ("meta", "br", "hr", "img", "input", "link")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in {"script", "style"}:
            self.text.append(data)


def parsed(text: str) -> TagParser:
    """Page whose tags balance, as its tags and its visible text."""
    parser = TagParser()
    parser.feed(text)
    assert parser.open == []
    return parser


def classification_html(probed: Any, path: Path, **changes: Any) -> str:
    """Classification report, with some fields of the comparison changed, without the code of plotly."""
    comparison = replace(probed.comparison, **changes)
    network = comparison.columns[comparison.rows[0].name]
    answers = LabelPredictions(label_texts(comparison.columns["y"]), label_texts(network))
    written = write_classification_report(
        path,
        comparison=comparison,
        data=probed.data,
        predictions=answers,
        model_card=sequence_model_card(probed.model),
    )
    return without_plotly(written.read_text("utf-8"))
