"""The weights of attention are drawn as they are, beside the tokens of both texts."""

import numpy as np

from unrolled.models.text.translation.alignment import Alignment
from unrolled.report.figures.dispatch import figure


def test_an_alignment_is_drawn_with_its_tokens() -> None:
    """A row a token of the translation, the first at the top; letters of HTML are escaped."""
    weights = np.array([[0.9, 0.1, 0.0], [0.2, 0.7, 0.1]])
    plot = Alignment(("<b>", "Hund", "."), ("a", "dog"), weights, "a dog").plot()
    (heatmap,) = plot.data
    assert np.array_equal(np.asarray(heatmap.z), weights)
    assert plot.layout.xaxis.ticktext == ("&lt;b&gt;", "Hund", ".")
    assert plot.layout.yaxis.ticktext == ("a", "dog")
    low, high = plot.layout.yaxis.range
    assert low > high
    longer = figure(Alignment(("x",), tuple("abcdef"), np.ones((6, 1)), "abcdef"))
    assert longer.layout.height > plot.layout.height
