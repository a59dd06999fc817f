"""Write the table of source files in docs/architecture.md from their own first lines.

Exits with 1 where the page is stale; `python docs/module_table.py --write` renews it.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from sections import check_or_write, with_sections

ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "src" / "unrolled"
PAGE = ROOT / "docs" / "architecture.md"
_KINDS = {".py", ".pyi", ".hpp", ".cpp", ".def", ".html", ".js", ".css"}


def summary(path: Path) -> str:
    """Return the first sentence of a file: of its docstring, or of the comment that opens it."""
    text = path.read_text("utf-8")
    if path.suffix in {".py", ".pyi"}:
        text = ast.get_docstring(ast.parse(text)) or ""
    else:
        opening = re.match(r"(?:\s*(?://|/\*|<!--)[^\n]*\n)+", text)
        text = re.sub(r"//|/\*|\*/|<!--|-->", "", opening.group()) if opening else ""
    paragraph = " ".join(text.strip().split("\n\n")[0].split())
    return re.split(r"(?<=[.:]) (?=[A-Z])", paragraph)[0].rstrip(".:").replace("|", "\\|")


def _rows(folder: Path) -> Iterator[str]:
    for path in sorted(folder.iterdir()):
        if path.suffix in _KINDS and path.name not in {"__init__.py", "__main__.py"}:
            yield f"| `{path.name}` | {summary(path)} |\n"


def table() -> str:
    """Return the section: a heading and a table for every folder of the package."""
    parts = []
    for folder in [SOURCES, *sorted(path for path in SOURCES.rglob("*") if path.is_dir())]:
        rows = list(_rows(folder))
        if not rows:
            continue
        name = folder.relative_to(SOURCES).as_posix() + "/" if folder != SOURCES else "unrolled/"
        about = summary(folder / "__init__.py") + ".\n\n" if (folder / "__init__.py").exists() else ""
        parts.append(f"### `{name}`\n\n{about}| file | contents |\n|---|---|\n{''.join(rows)}\n")
    return "".join(parts)


def fresh(page: str) -> str:
    """Return the page with its table written anew."""
    return with_sections(page, {"module_table.py": table()})


if __name__ == "__main__":
    sys.exit(check_or_write({PAGE: fresh(PAGE.read_text("utf-8"))}, sys.argv[1:]))
