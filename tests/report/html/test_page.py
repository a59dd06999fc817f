"""The page: one file, whole or not at all, the verdict first, nothing from anywhere else."""

import json
import re
import resource
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from unrolled.errors import StorageError
from unrolled.report.html.forecast_sections import evenly_spaced
from unrolled.report.html.page import forecast_page, write_forecast_report


def _page(told: Any, **changes: Any) -> str:
    parts = {
        "description": told.description,
        "forecast": told.forecast,
        "backtest": told.backtest,
        "model_card": told.story.card(),
    }
    return forecast_page(**(parts | changes))


def _own(text: str) -> str:
    """The page without plotly's code."""
    scripts = re.findall(r"<script>.*?</script>", text, flags=re.DOTALL)
    return text.replace(max(scripts, key=len), "")


class _Balance(HTMLParser):
    """Every tag that is opened is closed, in order."""

    VOID = ("meta", "br", "hr", "img", "input", "link")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.seen.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in {"script", "style"}:
            self.text.append(data)


def _read(text: str) -> _Balance:
    parser = _Balance()
    parser.feed(text)
    assert parser.open == []
    return parser


@pytest.mark.parametrize("name", ["single", "several"])
def test_the_page_is_well_formed_and_accessible(name: str, request: pytest.FixtureRequest) -> None:
    """Tags balance; language, title, one h1; each picture has its words; tables have heads."""
    text = _own(_page(request.getfixturevalue(name)))
    parsed = _read(text)
    assert '<html lang="en">' in text
    assert parsed.seen.count("h1") == 1
    assert parsed.seen.count("title") == 1
    assert text.count('role="img" aria-label="') == parsed.seen.count("figure") >= 6
    assert parsed.seen.count("figcaption") == parsed.seen.count("figure")
    assert parsed.seen.count("caption") == parsed.seen.count("table")
    assert text.count("<thead>") == parsed.seen.count("table")


def test_nothing_comes_from_anywhere_else(single: Any) -> None:
    """No address, no link, no import in our part, and a policy that forbids the rest of it to fetch."""
    text = _own(_page(single))
    assert re.findall(r"https?:|//cdn|@import|url\(|<link|<img|<iframe| src=| href=", text) == []
    assert "default-src 'none'" in text
    assert "connect-src" not in text


def test_the_verdict_comes_first(single: Any) -> None:
    """Before any chart: the headline, the sentence, and the network's error only beside its rival's."""
    text = _own(_page(single))
    before = text[: text.index("<figure")]
    words = " ".join(_read(_own(_page(single))).text)
    assert 'class="headline"' in before
    assert single.backtest.verdict.sentence.split(":")[0] in words.replace("\u00a0", " ")
    assert re.search(
        r"the LSTM was off by [\d.,]+ on average, the best simpler forecast \(.+?\) by [\d.,]+", words
    )


@pytest.mark.parametrize(
    ("outcome", "headline"),
    [
        ("better", "The LSTM beats every simpler forecast here."),
        ("no difference", "The LSTM shows no skill beyond simpler forecasts."),
        ("worse", "A simpler forecast does better here than the LSTM."),
        ("too few to tell", "Too few forecasts could be tested to tell whether the LSTM has skill."),
    ],
)
def test_each_outcome_has_its_headline(single: Any, outcome: str, headline: str) -> None:
    """In words that a stranger understands."""
    verdict = replace(single.backtest.verdict, outcome=outcome)
    assert headline in _page(single, backtest=replace(single.backtest, verdict=verdict))


def test_an_untested_forecast_is_called_a_guess(single: Any) -> None:
    """No score appears anywhere, and the reason does."""
    text = _own(_page(single, backtest=None, why_untested="a.csv: too short"))
    words = " ".join(_read(text).text)
    assert "Nobody has tested this LSTM forecast: treat it as a guess." in words
    assert "A.csv: too short." in words or "a.csv: too short" in words
    assert re.search(r"\b(MAE|RMSE|MASE|CRPS)\b", words) is None


def test_every_model_stands_in_the_table(single: Any) -> None:
    """The network and each baseline, with every measure."""
    words = " ".join(_read(_own(_page(single))).text)
    for name in ("LSTM", "Last value", "Drift on", "AR(1) on"):
        assert name in words
    for head in ("MAE", "× best", "RMSE", "MASE", "sMAPE", "CRPS", "In the 80\u00a0% band"):
        assert head in words


def test_a_name_cannot_break_out(single: Any) -> None:
    """The evil series name appears as text and nowhere as markup, in HTML and in the charts' JSON."""
    text = _own(_page(single))
    assert "document.title='owned'</script>" not in text
    assert "<b>&amp;" not in text
    assert "document.title='owned'" in "".join(_read(text).text)
    for spec in re.findall(r'<script type="application/json">(.*?)</script>', text, flags=re.DOTALL):
        assert "<" not in spec
        assert json.loads(spec)["data"]


def test_a_few_of_many_series_are_drawn_and_it_says_so(several: Any) -> None:
    """Four, spread over the file; the count is on the page."""
    text = _own(_page(several))
    assert evenly_spaced(6) == [0, 1, 3, 5]
    assert "4 of 6 series are drawn, spread evenly over the file." in text
    for k in range(6):
        assert (f"<h3>shop {k}</h3>" in text) == (k in evenly_spaced(6))


def test_what_was_fitted_is_told(single: Any) -> None:
    """Cell, sizes, weights, transform and its reason, window, epochs, seconds, seed, versions."""
    words = " ".join(_read(_own(_page(single))).text)
    model = single.story.model
    told = ["LSTM, 1 layer of 4 units", f"{model.n_parameters_:,}", "the last 12 months", "Time to fit"]
    for text in (*told, model.transform_, model.transform_reason_, "Seed", "torch"):
        assert text in words


def test_what_the_data_looks_like_is_told(single: Any) -> None:
    """Facts, yearly means, growth, and any warning."""
    described = replace(single.description, warnings=("the sky is falling",), notes=("rows were sorted",))
    text = _page(single, description=described)
    for words in ("120 months", "monthly, no gaps", "Yearly means", "Growth by month"):
        assert words in text
    assert "The sky is falling." in text
    assert "On reading: Rows were sorted." in text


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
                model_card=single.story.card(),
            )  # fmt: skip
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert "what stood there before is unchanged" in str(caught.value)
    assert path.read_text() == "old"
    assert [inside.name for inside in tmp_path.iterdir()] == ["page.html"]
