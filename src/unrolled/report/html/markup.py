"""HTML elements of the reports; every text is escaped here, once."""

import json
from collections.abc import Iterable, Sequence
from html import escape

from plotly import graph_objects as go


def paragraph(text: str, style: str = "") -> str:
    """Render a paragraph of plain text; nothing where there is no text.

    >>> paragraph("a < b", "lead")
    '<p class="lead">a &lt; b</p>'
    """
    return f"<p{_class(style)}>{_escape(text)}</p>" if text else ""


def section(title: str, lead: str, parts: Iterable[str]) -> str:
    """Render a section with a title."""
    body = "\n".join(part for part in parts if part)
    return f"<section>\n<h2>{_escape(title)}</h2>\n{paragraph(lead, 'lead')}\n{body}\n</section>"


def chart(figure: go.Figure, title: str, caption: str) -> str:
    """Render a figure with its caption, which is also its accessible label.

    The figure's JSON lies beside it, where a series called `</script>` cannot end the script.
    """
    spec = {key: value for key, value in json.loads(figure.to_json()).items() if key in {"data", "layout"}}
    text = json.dumps(spec, separators=(",", ":")).replace("<", "\\u003c").replace("&", "\\u0026")
    words = _escape(f"Chart. {title}. {caption}")
    return (
        f"<figure data-chart>\n<figcaption><h3>{_escape(title)}</h3>{_escape(caption)}</figcaption>\n"
        f'<div class="plot" role="img" aria-label="{words}" style="height:{figure.layout.height}px"></div>\n'
        f'<script type="application/json">{text}</script>\n</figure>'
    )


def side_by_side(*charts: str) -> str:
    """Render charts side by side, one below the other on a narrow screen."""
    return '<div class="pair">\n' + "\n".join(charts) + "\n</div>"


def table(
    caption: str,
    heads: Sequence[str],
    rows: Iterable[Sequence[str]],
    styles: Sequence[str] = (),
    *,
    ends_in_text: bool = False,
) -> str:
    """Render a table whose first column names its rows, and whose others hold numbers.

    Args:
        caption: above it.
        heads: of the columns.
        rows: of it, each with as many cells.
        styles: classes of the first rows.
        ends_in_text: whether the last column holds texts: they begin at its left, and break into lines.
    """
    head = "".join(f'<th scope="col">{_escape(word)}</th>' for word in heads)
    lines = []
    for k, row in enumerate(rows):
        cells = "".join(f"<td>{_escape(cell)}</td>" for cell in row[1:])
        style = styles[k] if k < len(styles) else ""
        lines.append(f'<tr{_class(style)}><th scope="row">{_escape(row[0])}</th>{cells}</tr>')
    words, style_of_table = _escape(caption), _class("ends-in-text" if ends_in_text else "")
    return (
        f'<div class="scroll" role="region" aria-label="{words}" tabindex="0"><table{style_of_table}>\n'
        f"<caption><span>{words}</span></caption>\n<thead><tr>{head}</tr></thead>\n<tbody>\n"
        + "\n".join(lines)
        + "\n</tbody></table></div>"
    )


def tinted_words(words: Iterable[str], strengths: Iterable[float], hints: Iterable[str]) -> str:
    """Render words in a row, each with a ground of blue, or orange below 0, that is as strong as it counts.

    Args:
        words: of a text.
        strengths: of each, from -1 to 1.
        hints: of each, shown where a pointer rests on it.

    >>> tinted_words(["a", "<b>"], [0.5, -1.0], ["+1", "-2"])
    '<p class="tinted"><span style="--share:50%" title="+1">a</span> <span class="against" style=...'
    """
    spans = []
    for word, strength, hint in zip(words, strengths, hints, strict=True):
        style = f' style="--share:{abs(strength):.0%}" title="{_escape(hint)}"'
        spans.append(f"<span{_class('against' if strength < 0 else '')}{style}>{_escape(word)}</span>")
    return f'<p class="tinted">{" ".join(spans)}</p>'


def definition_list(style: str, items: Iterable[tuple[str, str]]) -> str:
    """Render a list of labels and texts."""
    inner = "\n".join(f"<div><dt>{_escape(name)}</dt> <dd>{_escape(text)}</dd></div>" for name, text in items)
    return f"<dl{_class(style)}>\n{inner}\n</dl>"


def verdict_box(tone: str, headline: str, detail: str, tiles: Iterable[tuple[str, str, str]]) -> str:
    """Render the verdict of a page: a headline, a sentence, and a few numbers with explanations.

    Args:
        tone: "better", "worse" or "open", which colours its edge.
        headline: the verdict.
        detail: the evidence.
        tiles: label, number and small print of each.
    """
    inner = "\n".join(
        f'<div><dt>{_escape(label)}</dt><dd class="big">{_escape(big)}</dd>'
        f'<dd class="small">{_escape(small)}</dd></div>'
        for label, big, small in tiles
    )
    return (
        f'<section class="verdict {tone}" aria-label="Verdict">\n{paragraph(headline, "headline")}\n'
        f'{paragraph(detail, "detail")}\n<dl class="tiles">\n{inner}\n</dl>\n</section>'
    )


def collapsible(title: str, inner: str) -> str:
    """Render content under a title that opens on a click."""
    return f"<details><summary>{_escape(title)}</summary>\n{inner}\n</details>"


def _escape(text: str) -> str:
    """Escape a text; no line breaks before a per cent sign."""
    return escape(text, quote=True).replace(" %", "\u00a0%")


def _class(style: str) -> str:
    return f' class="{style}"' if style else ""
