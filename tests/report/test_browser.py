"""The page in a real browser: every chart is drawn, nothing is fetched, no script of the data's runs."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from unrolled.report.page import write_report

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
)  # fmt: skip


@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
@pytest.mark.parametrize("width", [1280, 500])
def test_every_chart_is_drawn(single: Any, tmp_path: Path, width: int) -> None:
    """The document after its scripts ran: an SVG in each figure, the evil name as text, the title ours."""
    path = write_report(
        tmp_path / "page.html",
        description=single.description,
        forecast=single.forecast,
        backtest=single.backtest,
        model_card=single.story.card(),
    )
    command = [
        BROWSER, *QUIET, f"--user-data-dir={tmp_path / 'profile'}", f"--window-size={width},2000",
        "--virtual-time-budget=15000", "--enable-logging=stderr", "--dump-dom", path.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    figures = re.findall(r"<figure.*?</figure>", done.stdout, flags=re.DOTALL)
    assert len(figures) >= 6
    assert all('class="main-svg"' in one for one in figures)
    assert "<title>owned</title>" not in done.stdout
    complaints = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert complaints == []
