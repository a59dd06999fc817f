"""The section on texts: counted, shortened, escaped."""

import numpy as np

from unrolled.report.html.text_sections import texts_extent, texts_section
from unrolled.report.records import TextData

DATA = TextData(
    "a.csv", ["so <b>good</b>", "bad " * 90, "good"], np.array(["x", "y", "x"]), ("one row less",)
)


def test_texts_of_each_class_are_shown_and_escaped() -> None:
    """A text is a text and nowhere markup; a long one is cut."""
    page = texts_section(DATA)
    assert "<b>" not in page
    assert "so &lt;b&gt;good&lt;/b&gt; · good" in page
    assert "bad b..." in page
    assert page.count("bad") < 60
    assert "On reading: One row less." in page


def test_the_extent_counts_texts_words_and_classes() -> None:
    """For the head of the page."""
    assert texts_extent(DATA) == "3 texts of 1 to 90 words, 2 classes"


def test_of_many_classes_some_are_shown() -> None:
    """And the page says so."""
    names = np.array([f"c{k:02d}" for k in range(30)])
    assert "12 of 30 classes are shown." in texts_section(TextData("a.csv", ["t"] * 30, names))
