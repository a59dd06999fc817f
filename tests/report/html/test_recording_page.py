"""The page of one recording."""

from pathlib import Path
from typing import Any

import pytest

from tests.report.figures.test_recordings import make_trace
from unrolled.report.html.recording_page import write_recording_report
from unrolled.report.records import ModelCard

CARD: Any = ModelCard((("Network", "GRU"),), history=None, command="unrolled", held_out="nothing")


@pytest.mark.parametrize("words", [True, False])
def test_a_page_shows_sound_state_and_decision(words: bool, tmp_path: Path) -> None:
    """One chart; of a transcript the words with their times."""
    path = write_recording_report(tmp_path / "page.html", trace=make_trace(50, words=words), model_card=CARD)
    text = path.read_text(encoding="utf-8")
    assert text.count("<figure data-chart>") == 1
    assert "Above: the power of each band" in text
    assert ("Words and when they were written" in text) is words
    assert ("&lt;b&gt;yes" in text) is words
    assert "of that class, at the end" in text or words
