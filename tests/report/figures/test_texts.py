"""The weights of attention, and the influence of words, are drawn as they are, beside the tokens."""

import numpy as np

from unrolled.models.text.translation.alignment import Alignment
from unrolled.probe.influence_probe import InfluenceResult
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


def test_influence_is_drawn_as_bars_or_as_a_cell_for_each_pair() -> None:
    """One answer of a text: a bar a word; an answer a word: rows of answers, columns of hidden words."""
    one = InfluenceResult(
        sentence="", name="the GRU", words=(("<i>", "not", "x"),), answers=(("bad",),),
        influence=(np.array([[-0.5, 2.0, 0.25]]),), turns=(np.zeros((1, 3), dtype=bool),), per_word=False,
    )  # fmt: skip
    (bars,) = one.plot().data
    assert list(bars.x) == [-0.5, 2.0, 0.25]
    assert one.plot().layout.yaxis.ticktext == ("&lt;i&gt;", "not", "x")
    values = np.array([[1.0, -3.0], [0.5, 2.0]])
    each = InfluenceResult(
        sentence="", name="the GRU", words=(("a", "dog"),), answers=(("D", "N"),), influence=(values,),
        turns=(np.zeros((2, 2), dtype=bool),), per_word=True,
    )  # fmt: skip
    (heatmap,) = each.plot().data
    assert np.array_equal(np.asarray(heatmap.z), values)
    assert (heatmap.zmin, heatmap.zmax) == (-3.0, 3.0)
    assert each.plot().layout.yaxis.ticktext == ("a · D", "dog · N")
