"""The page: one file, whole or not at all, the verdict first, nothing from anywhere else."""

import json
import re
import resource
from pathlib import Path
from typing import Any

import pytest

from unrolled.errors import StorageError
from unrolled.report.html.page import write_forecast_report

from .conftest import forecast_html, parsed, without_plotly


@pytest.mark.parametrize("name", ["single", "several"])
def test_the_page_is_well_formed_and_accessible(name: str, request: pytest.FixtureRequest) -> None:
    """Tags balance; language, title, one h1; each picture has its words; tables have heads."""
    text = without_plotly(forecast_html(request.getfixturevalue(name)))
    page = parsed(text)
    assert '<html lang="en">' in text
    assert page.tags.count("h1") == 1
    assert page.tags.count("title") == 1
    assert text.count('role="img" aria-label="') == page.tags.count("figure") >= 6
    assert page.tags.count("figcaption") == page.tags.count("figure")
    assert page.tags.count("caption") == page.tags.count("table")
    assert text.count("<thead>") == page.tags.count("table")


def test_nothing_comes_from_anywhere_else(single: Any) -> None:
    """No address, no link, no import in our part, and a policy that forbids the rest of it to fetch."""
    text = without_plotly(forecast_html(single))
    assert re.findall(r"https?:|//cdn|@import|url\(|<link|<img|<iframe| src=| href=", text) == []
    assert "default-src 'none'" in text
    assert "connect-src" not in text


def test_a_name_cannot_break_out(single: Any) -> None:
    """The evil series name appears as text and nowhere as markup, in HTML and in the charts' JSON."""
    text = without_plotly(forecast_html(single))
    assert "document.title='owned'</script>" not in text
    assert "<b>&amp;" not in text
    assert "document.title='owned'" in "".join(parsed(text).text)
    for spec in re.findall(r'<script type="application/json">(.*?)</script>', text, flags=re.DOTALL):
        assert "<" not in spec
        assert json.loads(spec)["data"]


def test_a_full_disk_leaves_the_old_page(single: Any, tmp_path: Path) -> None:
    """Written whole or not at all, and the sentence says what to do."""
    path = tmp_path / "page.html"
    path.write_text("old")
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, limit[1]))
    try:
        with pytest.raises(StorageError, match="disk full") as caught:
            write_forecast_report(
                path, description=single.description, forecast=single.forecast, backtest=single.backtest,
                model_card=single.report.card(),
            )  # fmt: skip
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert "what stood there before is unchanged" in str(caught.value)
    assert path.read_text() == "old"
    assert [inside.name for inside in tmp_path.iterdir()] == ["page.html"]
