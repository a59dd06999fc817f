"""Sections of a page that a script writes: between `<!-- begin: docs/SCRIPT.py -->` and `<!-- end -->`."""

from collections.abc import Mapping, Sequence
from pathlib import Path

_BEGIN, _END = "<!-- begin: docs/{} -->\n", "<!-- end -->\n"


def with_sections(page: str, sections: Mapping[str, str]) -> str:
    r"""Replace sections of a page, each by the name behind `begin: docs/`.

    >>> with_sections("<!-- begin: docs/a.py -->\nold<!-- end -->\nrest", {"a.py": "new\n"})
    '<!-- begin: docs/a.py -->\n\nnew\n<!-- end -->\nrest'
    """
    for name, text in sections.items():
        before, begin, rest = page.partition(_BEGIN.format(name))
        page = f"{before}{begin}\n{text}{_END}{rest.partition(_END)[2]}"
    return page


def check_or_write(pages: Mapping[Path, str], arguments: Sequence[str]) -> int:
    """Compare pages with what they must hold, or write them with --write; return 1 where one is stale."""
    stale = [path for path, text in pages.items() if not path.exists() or path.read_text("utf-8") != text]
    if "--write" in arguments:
        for path in stale:
            path.write_text(pages[path], "utf-8")
        return 0
    return int(bool(stale))
