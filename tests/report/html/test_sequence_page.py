"""The pages on labelled sequences: whole, escaped, the answer first."""

import json
import re
from pathlib import Path
from typing import Any

from ..conftest import EVIL  # noqa: TID252 (the tests are no package)
from .conftest import classification_html


def test_a_classification_tells_all(probed: Any, tmp_path: Path) -> None:
    """The sentence, every row, what is confused, what the data looks like, what was fitted."""
    text = classification_html(probed, tmp_path / "page.html")
    for words in ("Can it be trusted?", "Which classes does it confuse?", "What the data looks like"):
        assert f"<h2>{words}</h2>" in text
    for row in probed.comparison.rows[1:]:
        assert f"{row.name[0].upper()}{row.name[1:]}" in text
    assert "On reading: Rows were sorted." in text
    assert f"{probed.model.n_parameters_:,}" in text
    assert text.count("<figure") == 1 + 1 + 2 + 1  # scores, confusion, a class each, loss
    assert text.count('role="img"') == text.count("<figure")


def test_a_class_cannot_break_out(probed: Any, tmp_path: Path) -> None:
    """The evil class appears as text and nowhere as markup, in HTML and in the charts' JSON."""
    text = classification_html(probed, tmp_path / "page.html")
    assert EVIL not in text
    assert "document.title=&#x27;owned&#x27;" in text
    for spec in re.findall(r'<script type="application/json">(.*?)</script>', text, flags=re.DOTALL):
        assert "<" not in spec
        assert json.loads(spec)["data"]
