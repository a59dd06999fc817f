"""The section on texts: counted, shortened, escaped."""

import numpy as np

from unrolled.probe.influence_probe import InfluenceResult
from unrolled.report.html.text_sections import texts_extent, texts_section, tinted_texts
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
    assert texts_extent(TextData("a.txt", ["so good"], np.array([], dtype=str))) == "1 text of 2 words"


def test_of_many_classes_some_are_shown() -> None:
    """And the page says so."""
    names = np.array([f"c{k:02d}" for k in range(30)])
    assert "12 of 30 classes are shown." in texts_section(TextData("a.csv", ["t"] * 30, names))


def test_words_are_tinted_by_their_influence() -> None:
    """The strongest word of all texts fully, those against the answer in the other colour."""
    influence = InfluenceResult(
        sentence="", name="the GRU", words=(("<i>", "not"), ("so",)), answers=(("bad",), ("a<b",)),
        influence=(np.array([[-0.5, 2.0]]), np.array([[1.0]])),
        turns=(np.zeros((1, 2), dtype=bool), np.zeros((1, 1), dtype=bool)), per_word=False,
    )  # fmt: skip
    page = tinted_texts(influence)
    assert '<span class="against" style="--share:25%" title="-0.5">&lt;i&gt;</span>' in page
    assert '<span style="--share:100%" title="+2">not</span>' in page
    assert '<span style="--share:50%" title="+1">so</span>' in page
    assert "a&lt;b:" in page
