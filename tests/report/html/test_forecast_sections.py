"""Sections of the forecast report: the verdict first, then forecast, backtest, data and model."""

import re
from dataclasses import replace
from typing import Any

import pytest

from unrolled.report.html.forecast_sections import evenly_spaced

from .conftest import forecast_html, parsed, without_plotly


def test_the_verdict_comes_first(single: Any) -> None:
    """Before any chart: the headline, the sentence, and the network's error only beside its baseline's."""
    text = without_plotly(forecast_html(single))
    before = text[: text.index("<figure")]
    words = " ".join(parsed(without_plotly(forecast_html(single))).text)
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
    assert headline in forecast_html(single, backtest=replace(single.backtest, verdict=verdict))


def test_an_untested_forecast_is_called_a_guess(single: Any) -> None:
    """No score appears anywhere, and the reason does."""
    text = without_plotly(forecast_html(single, backtest=None, why_untested="a.csv: too short"))
    words = " ".join(parsed(text).text)
    assert "Nobody has tested this LSTM forecast: treat it as a guess." in words
    assert "A.csv: too short." in words or "a.csv: too short" in words
    assert re.search(r"\b(MAE|RMSE|MASE|CRPS)\b", words) is None


def test_the_table_lists_every_model(single: Any) -> None:
    """The network and each baseline, with every measure."""
    words = " ".join(parsed(without_plotly(forecast_html(single))).text)
    for name in ("LSTM", "Last value", "Drift on", "AR(1) on"):
        assert name in words
    for head in ("MAE", "× best", "RMSE", "MASE", "sMAPE", "CRPS", "In the 80\u00a0% band"):
        assert head in words


def test_the_caption_counts_the_series_that_are_drawn(several: Any) -> None:
    """Four, spread over the file; the count is on the page."""
    text = without_plotly(forecast_html(several))
    assert evenly_spaced(6) == [0, 1, 3, 5]
    assert "4 of 6 series are drawn, spread evenly over the file." in text
    for k in range(6):
        assert (f"<h3>shop {k}</h3>" in text) == (k in evenly_spaced(6))


def test_what_was_fitted_is_reported(single: Any) -> None:
    """Cell, sizes, weights, transform and its reason, window, epochs, seconds, seed, versions."""
    words = " ".join(parsed(without_plotly(forecast_html(single))).text)
    model = single.report.model
    facts = ["LSTM, 1 layer of 4 units", f"{model.n_parameters_:,}", "the last 12 months", "Time to fit"]
    for text in (*facts, model.transform_, model.transform_reason_, "Seed", "torch"):
        assert text in words


def test_what_the_data_looks_like_is_reported(single: Any) -> None:
    """Facts, yearly means, growth, and any warning."""
    described = replace(single.description, warnings=("the sky is falling",), notes=("rows were sorted",))
    text = forecast_html(single, description=described)
    for words in ("120 months", "monthly, no gaps", "Yearly means", "Growth by month"):
        assert words in text
    assert "The sky is falling." in text
    assert "On reading: Rows were sorted." in text
