"""The page in a real browser: every chart is drawn, nothing is fetched, no script of the data's runs."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from unrolled.cli.sequence_report import sequence_model_card
from unrolled.report.html.page import write_forecast_report
from unrolled.report.html.sequence_page import write_classification_report, write_probe_report
from unrolled.report.records import LabelPredictions

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
)  # fmt: skip


@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
@pytest.mark.parametrize("width", [1280, 500])
def test_every_chart_is_drawn(single: Any, tmp_path: Path, width: int) -> None:
    """The document after its scripts ran: an SVG in each figure, the evil name as text, the title ours."""
    path = write_forecast_report(
        tmp_path / "page.html",
        description=single.description,
        forecast=single.forecast,
        backtest=single.backtest,
        model_card=single.report.card(),
    )
    document, complaints = _drawn(path, tmp_path, width)
    assert document.count("<figure") >= 6
    assert "<title>owned</title>" not in document
    assert complaints == []


@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
@pytest.mark.parametrize("page", ["classification", "probes"])
def test_pages_on_labelled_sequences_are_drawn(probed: Any, tmp_path: Path, page: str) -> None:
    """As narrow as a phone; a class with an evil name is text."""
    path, model_card = tmp_path / "page.html", sequence_model_card(probed.model)
    if page == "probes":
        records = list(probed.probes.values())
        write_probe_report(path, records=records, refusals=[], data=probed.data, model_card=model_card)
    else:
        columns = probed.comparison.columns
        answers = LabelPredictions(columns["y"], columns["gru"])
        write_classification_report(
            path, comparison=probed.comparison, data=probed.data, predictions=answers, model_card=model_card
        )
    document, complaints = _drawn(path, tmp_path, 500)
    assert document.count("<figure") == (8 if page == "probes" else 5)
    assert "<title>owned</title>" not in document
    assert complaints == []


def _drawn(path: Path, tmp_path: Path, width: int) -> tuple[str, list[str]]:
    """The document after its scripts ran, with an SVG in each figure, and what the console complained of."""
    command = [
        BROWSER, *QUIET, f"--user-data-dir={tmp_path / 'profile'}", f"--window-size={width},2000",
        "--virtual-time-budget=15000", "--enable-logging=stderr", "--dump-dom", path.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    figures = re.findall(r"<figure.*?</figure>", done.stdout, flags=re.DOTALL)
    assert all('class="main-svg"' in one for one in figures)
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]
