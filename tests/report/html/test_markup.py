"""Pieces of HTML: whatever a user wrote is escaped."""

import json
import re

from unrolled.report.figures.theme import empty_figure
from unrolled.report.html.markup import chart, collapsible, definition_list, paragraph, section, table

EVIL = "</script><script>alert('x')</script> & \"co\""


def test_every_piece_escapes_its_text() -> None:
    """Nothing of the evil name survives as markup, in text or in an attribute."""
    figure = empty_figure()
    figure.add_scatter(x=[1], y=[2], name=EVIL)
    pieces = [
        paragraph(EVIL),
        section(EVIL, EVIL, []),
        chart(figure, EVIL, EVIL),
        table(EVIL, [EVIL, "b"], [[EVIL, EVIL]]),
        definition_list("facts", [(EVIL, EVIL)]),
        collapsible(EVIL, ""),
    ]
    for piece in pieces:
        assert "alert" in piece
        assert "<script>" not in piece
        assert piece.count("</script>") == piece.count('<script type="application/json">')
        assert '"co"' not in re.sub(r"<script.*?</script>", "", piece, flags=re.DOTALL)


def test_the_figure_beside_a_chart_is_its_json() -> None:
    """The browser parses what was drawn, template and all."""
    figure = empty_figure(300)
    figure.add_scatter(x=[1], y=[2], name=EVIL)
    text = re.search(r'<script type="application/json">(.*?)</script>', chart(figure, "t", "c")).group(1)
    spec = json.loads(text)
    assert set(spec) == {"data", "layout"}
    assert spec["data"][0]["name"] == EVIL
    assert spec["layout"]["height"] == 300


def test_a_chart_has_an_accessible_label() -> None:
    """The caption is a figcaption and the label of the picture."""
    piece = chart(empty_figure(), "Growth", "How often.")
    assert "<figcaption><h3>Growth</h3>How often.</figcaption>" in piece
    assert 'role="img" aria-label="Chart. Growth. How often."' in piece


def test_a_table_names_its_rows_and_columns() -> None:
    """Heads have a scope, rows have their class."""
    piece = table("Errors.", ["Model", "MAE"], [["LSTM", "1.0"], ["Drift", "2.0"]], ["network"])
    assert piece.count('<th scope="col">') == 2
    assert '<tr class="network"><th scope="row">LSTM</th><td>1.0</td></tr>' in piece
    assert '<tr><th scope="row">Drift</th>' in piece
    assert "<caption>" in piece


def test_no_text_makes_no_paragraph() -> None:
    """Nothing is an empty string, not an empty line on the page."""
    assert paragraph("") == ""
