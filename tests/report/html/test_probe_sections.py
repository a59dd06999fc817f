"""Sections of the probe report: one for each probe, and a headline of the first findings."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from unrolled.cli.sequence_report import sequence_model_card
from unrolled.report.html.probe_sections import probe_section, probe_verdict
from unrolled.report.html.sequence_page import write_probe_report

from .conftest import without_plotly


def test_every_probe_has_its_question_answer_figure_and_numbers(probed: Any, tmp_path: Path) -> None:
    """In the order of the page; what could not be asked is told above."""
    records = list(probed.probes.values())
    path = write_probe_report(
        tmp_path / "page.html", records=records, refusals=["states: the model has none"], data=probed.data,
        model_card=sequence_model_card(probed.model),
    )  # fmt: skip
    text = without_plotly(path.read_text("utf-8"))
    assert text.count("<figure") == len(records) + 1
    assert text.count("The numbers</summary>") == len(records)
    assert "Skipped: States: the model has none." in text[: text.index("<figure")]
    assert "Grey: networks like it, trained anew." in text
    for record in records:
        answer = record.sentence.replace(" %", "\u00a0%").replace("'", "&#x27;")
        assert answer.replace("&#x27;", "’") in text.replace("&#x27;", "’")
    assert "state 0" not in text  # single units are no reading


def test_only_probes_that_ran_are_on_the_page(probed: Any, tmp_path: Path) -> None:
    """One probe: one question, and a headline without the others."""
    path = write_probe_report(
        tmp_path / "page.html", records=[probed.probes["length"]], refusals=[], data=probed.data,
        model_card=sequence_model_card(probed.model),
    )  # fmt: skip
    text = without_plotly(path.read_text("utf-8"))
    assert "What this network remembers." in text
    assert "Does order matter?" not in text
    assert "Skipped" not in text


def test_the_headline_joins_order_and_memory(probed: Any) -> None:
    """Two findings at most; three tiles at most."""
    html = probe_verdict(list(probed.probes.values()), [])
    assert "This network " in html
    assert html.count('class="big"') == 3
    assert "This network " not in probe_verdict([probed.probes["states"]], [])


def test_probes_of_numbers_speak_of_errors(probed: Any) -> None:
    """Neither the title nor the caption of a figure has a share of right answers."""
    record = replace(probed.probes["activations"], task="number")
    text = probe_section(record)
    assert "Beside it the error." in text
    assert "right answers" not in text.split("<script")[0]
