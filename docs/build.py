"""Builds the docs as a small static site that works offline: `make docs`, then open docs/_site/index.html."""
# ruff: noqa: T201 (a script)

import re
import shutil
from html import escape
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt  # both come with rich, which the package needs
from markdown_it.token import Token
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name

ROOT = Path(__file__).parents[1]
SITE = ROOT / "docs" / "_site"
# (page in the repository, page of the site, its name in the menu)
PAGES = [
    ("README.md", "index.html", "unrolled"),
    ("docs/tutorial-1-sequences.md", "tutorial-1-sequences.html", "Tutorial 1"),
    ("docs/tutorial-2-memory.md", "tutorial-2-memory.html", "Tutorial 2"),
    ("docs/tutorial-3-streams.md", "tutorial-3-streams.html", "Tutorial 3"),
    ("docs/tutorial-4-text.md", "tutorial-4-text.html", "Tutorial 4"),
    ("docs/estimators.md", "estimators.html", "Estimators"),
    ("docs/text.md", "text.html", "Text"),
    ("docs/audio.md", "audio.html", "Sound"),
    ("docs/video.md", "video.html", "Frames"),
    ("docs/streams.md", "streams.html", "Live streams"),
    ("docs/dates.md", "dates.html", "Dates and calendars"),
    ("docs/serving.md", "serving.html", "Serving streams"),
    ("docs/layers.md", "layers.html", "Layers"),
    ("docs/convert.md", "convert.html", "Conversion"),
    ("docs/benchmarks.md", "benchmarks.html", "Benchmarks"),
    ("docs/architecture.md", "architecture.html", "Architecture"),
    ("CONTRIBUTING.md", "contributing.html", "Contributing"),
    ("CHANGELOG.md", "changelog.html", "Changelog"),
]
_STYLE = """
body { font: 16px/1.6 "DejaVu Sans", system-ui, sans-serif; color: #1c2127; margin: 0 auto; max-width: 52rem;
  padding: 1.5rem 1.25rem 5rem; }
nav { display: flex; flex-wrap: wrap; gap: .4rem 1.6rem; border-bottom: 1px solid #dfe2e5;
  padding-bottom: .8rem; }
nav [aria-current] { color: inherit; font-weight: bold; text-decoration: none; }
h1, h2 { line-height: 1.25; margin: 2.2em 0 .6em; } h1 { margin-top: 1.2em; }
a { color: #0067a8; } img { max-width: 100%; height: auto; }
pre, pre.highlight { background: #f7f6f3; border-radius: 4px; font: 13px/1.5 "DejaVu Sans Mono", monospace;
  overflow-x: auto; padding: .8rem 1rem; margin: 1rem 0; }
pre.text { background: none; border-left: 4px solid #dfe2e5; border-radius: 0; }
@media (min-width: 720px) { pre.text { white-space: pre-wrap; } } /* on a phone, rows must not break */
@media (max-width: 719px) { pre { font-size: 11px; } }
p code, li code, td code { background: #f7f6f3; padding: .1em .3em; font-size: .88em; }
table { border-collapse: collapse; display: block; overflow-x: auto; }
td, th { border-bottom: 1px solid #dfe2e5; padding: .45rem 1rem .45rem 0; text-align: left;
  vertical-align: top; }
"""


def html_of(markdown: str, source: str) -> str:
    """The page's body; links and pictures lead to their places in the site."""
    renderer = MarkdownIt("commonmark", {"highlight": _coloured}).enable("table")
    tokens = renderer.parse(markdown)
    for token in (t for block in tokens for t in (block, *(block.children or []))):
        for name in {"href", "src"} & set(token.attrs):
            token.attrSet(name, _in_site(str(token.attrs[name]), source))
    _name_headings(tokens)
    return str(renderer.renderer.render(tokens, renderer.options, {}))


def _coloured(code: str, language: str, _attributes: str) -> str:
    if language in {"", "text"}:
        return f'<pre class="text">{escape(code)}</pre>'
    lexer = get_lexer_by_name(language.replace("shell", "bash"))
    inner = highlight(code, lexer, HtmlFormatter(nowrap=True))
    return f'<pre class="highlight">{inner}</pre>'


def _name_headings(tokens: list[Token]) -> None:
    """So that a link can lead to a section, named as on GitHub."""
    for opening, words in pairwise(tokens):
        if opening.type == "heading_open":
            opening.attrSet("id", re.sub(r"[^\w -]", "", words.content.lower()).replace(" ", "-"))


def _in_site(link: str, source: str) -> str:
    """Where a link of a page leads in the site: other pages are HTML there, and images lie beside them."""
    if re.match(r"\w+:|#", link):
        return link
    target, _, section = link.partition("#")
    place = (ROOT / source).parent.joinpath(target).resolve().relative_to(ROOT).as_posix()
    names = {page: name for page, name, _ in PAGES}
    place = names.get(place, place.removeprefix("docs/"))
    return f"{place}#{section}" if section else place


def build(site: Path = SITE) -> list[Path]:
    """Write every page, and what the pages show; returns the pages."""
    shutil.rmtree(site, ignore_errors=True)
    site.mkdir(parents=True)
    shutil.copytree(ROOT / "docs" / "images", site / "images")
    shutil.copytree(ROOT / "benchmarks" / "results", site / "benchmarks" / "results")
    style = HtmlFormatter(style="friendly").get_style_defs(".highlight") + _STYLE
    for source, name, title in PAGES:
        here = {name: ' aria-current="page"'}
        menu = "".join(f'<a href="{page}"{here.get(page, "")}>{words}</a>' for _, page, words in PAGES)
        body = html_of((ROOT / source).read_text(encoding="utf-8"), source)
        page = (
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{title}</title><style>{style}</style></head>\n"
            f"<body><nav>{menu}</nav>\n<main>{body}</main></body></html>\n"
        )
        (site / name).write_text(page, encoding="utf-8")
    return [site / name for _, name, _ in PAGES]


if __name__ == "__main__":
    build()
    print(f"Open {SITE / 'index.html'}")
