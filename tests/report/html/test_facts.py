"""Facts of a description: labels and texts, empty ones left out."""

from dataclasses import replace
from typing import Any

from unrolled.report.html.facts import description_facts, description_summary
from unrolled.stats.serial_correlation import OrderEvidence


def test_facts_of_one_series(single: Any) -> None:
    """Length and step in the words of its frequency; no fact without a text."""
    facts = dict(description_facts(single.description))
    assert facts["Length"] == "120 months"
    assert facts["Step"] == "monthly, no gaps"
    assert facts["Values"].endswith("none missing")
    assert facts["Grows on average by"].endswith("a month")
    assert all(facts.values())


def test_facts_of_many_series(several: Any) -> None:
    """Their number, and the range of their lengths where they differ."""
    description = several.description
    assert dict(description_facts(description))["Length"] == "6 series of 90 days"
    ragged = replace(description, length=(50, 90), gaps=2, missing=3)
    facts = dict(description_facts(ragged))
    assert facts["Length"] == "6 series of 50 to 90 days"
    assert facts["Step"] == "daily, 2 gaps"
    assert facts["Values"].endswith("3 missing")


def test_the_summary_says_whether_changes_tell_anything(single: Any) -> None:
    """A random walk is ordered and its changes are not; without an order there is nothing to say."""
    yes, no = OrderEvidence("carries information", 0.001, 120), OrderEvidence("no sign", 0.5, 119)
    walk = replace(single.description, order=yes, order_of_changes=no)
    assert "there may be little to learn here" in description_summary(walk)
    trend = replace(walk, order_of_changes=yes)
    assert "how it moved tells something about how it moves next" in description_summary(trend)
    assert description_summary(replace(walk, order=no)) == ""
