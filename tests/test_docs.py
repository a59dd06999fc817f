"""The pages say what is so: their examples print what they show, their links lead somewhere."""

import importlib.util
import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from inspect import signature
from pathlib import Path
from types import ModuleType

import pytest
import torch

import unrolled as ur

ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "src" / "unrolled"


def _script(name: str, module_name: str = "") -> ModuleType:
    """A script of docs/, which is no package."""
    module_name = module_name or f"docs_{name}"
    spec = importlib.util.spec_from_file_location(module_name, ROOT / "docs" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# What the scripts share. Their folder is not put on the path: its benchmarks.py would hide the package.
sys.modules["sections"] = _script("sections", "sections")
examples, site = _script("examples"), _script("build")

RUN = [
    "README.md",
    "docs/tutorial-1-sequences.md",
    "docs/tutorial-2-memory.md",
    "docs/tutorial-3-streams.md",
    "docs/tutorial-4-text.md",
    "docs/estimators.md",
    "docs/text.md",
    "docs/audio.md",
    "docs/video.md",
    "docs/layers.md",
    "docs/streams.md",
    "docs/convert.md",
]


@pytest.fixture
def _one_thread() -> Iterator[None]:
    """Networks this small gain nothing from a second thread, and on a busy machine wait for it."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.timeout(600)  # half a minute on a quiet machine
@pytest.mark.usefixtures("_one_thread")
@pytest.mark.parametrize("page", RUN)
def test_every_example_prints_what_its_page_shows(page: str) -> None:
    """Python blocks and shell lines, run in order in an empty folder."""
    assert list(examples.examples((ROOT / page).read_text("utf-8")))  # they were found
    assert examples.faults_of(ROOT / page) == []


def _page(tmp_path: Path, shown: str, code: str = "print('error 100.0 of', 7)", note: str = "") -> Path:
    page = tmp_path / "page.md"
    page.write_text(f"# A page\n\n```python\n{code}\n```\n\nIt prints:\n\n```text{note}\n{shown}\n```\n")
    return page


@pytest.mark.parametrize("shown", ["error 100.0 of 7", "error  99.0 of 7", "error 101 of 7"])
def test_small_differences_between_machines_pass(shown: str, tmp_path: Path) -> None:
    """Two per cent of a number, and spaces."""
    assert examples.faults_of(_page(tmp_path, shown)) == []


@pytest.mark.parametrize(
    "shown", ["error 97.0 of 7", "miss 100.0 of 7", "error 100.0", "error 100.0 of 7\nmore"]
)
def test_a_planted_fault_is_found_with_its_line(shown: str, tmp_path: Path) -> None:
    """A number, a word, a missing word, a line that is not printed."""
    faults = examples.faults_of(_page(tmp_path, shown))
    assert faults[0] == "page.md line 4:"
    assert any(fault.startswith("- ") for fault in faults)


def test_a_page_may_allow_more(tmp_path: Path) -> None:
    """A block says by how much its numbers may differ."""
    assert examples.faults_of(_page(tmp_path, "error 90.0 of 7", note=" within 15 %")) == []
    assert examples.faults_of(_page(tmp_path, "error 80.0 of 7", note=" within 15 %")) != []


def test_what_a_page_does_not_show_is_a_fault(tmp_path: Path) -> None:
    """Output without a block beneath, and lines missing in the block."""
    page = tmp_path / "page.md"
    page.write_text("```python\nprint('unseen')\n```\n")
    assert examples.faults_of(page) == ["page.md line 2 prints what the page does not show:", "unseen\n"]
    assert examples.faults_of(_page(tmp_path, "1", "print(1)\nprint(2)")) == ["page.md line 4:", "+ 2"]


def test_a_draw_is_a_draw_whoever_is_ahead() -> None:
    """Rows that nearly tie may change places; a difference that is more than noise may not change."""
    verdict = "The LSTM is {} the best of its baselines ({}) over 24 origins; a difference this large would "
    verdict += "appear in {} of 100 such series if there were none: {}."
    shown = "lstm 85.8\nNaive 86.0\n" + verdict.format("0.2 % worse than", "Naive", 80, "no skill shown")
    now = "Naive 86.0\nlstm 85.7\n" + verdict.format("as good as", "AR1", 60, "no skill shown")
    assert examples.differences(shown, now) == []
    for other in (
        now.replace("no skill shown", "it has skill here"),
        now.replace("24 origins", "12 origins"),
        now.replace("as good as", "9.0 % better than"),
    ):
        assert examples.differences(shown, other) != []


def test_a_failing_line_names_its_page_and_the_reason(tmp_path: Path) -> None:
    """An exception carries the page's line; a shell line brings its sentence from stderr."""
    with pytest.raises(ZeroDivisionError) as caught:
        examples.faults_of(_page(tmp_path, "", "\n1 / 0"))
    assert (caught.traceback[-1].path.name, caught.traceback[-1].lineno + 1) == ("page.md", 5)
    page = tmp_path / "page.md"
    page.write_text("```shell\nmake nothing\nunrolled describe absent.csv  # not there\n```\n")
    with pytest.raises(RuntimeError, match=r"unrolled describe absent.csv .*status 2: .*absent.csv"):
        examples.faults_of(page)


def test_write_puts_what_is_printed_into_the_page(tmp_path: Path) -> None:
    """Twice in one page, so that the second block is found where the first has moved it."""
    page = tmp_path / "page.md"
    block = "```python\nprint('one\\ntwo\\nthree')\n```\n```text\nold\n```\n"
    page.write_text(block + "between\n" + block)
    assert examples.faults_of(page, write=True) != []
    assert page.read_text() == (block + "between\n" + block).replace("old", "one\ntwo\nthree")
    assert examples.faults_of(page) == []


class _Links(HTMLParser):
    """What a page refers to, and the names of its sections."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.sections: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(attrs)
        if tag == "a":
            self.links.append(said["href"] or "")
        elif "src" in said or tag == "link":
            self.loads.append(said.get("src") or said.get("href") or "")
        if "id" in said:
            self.sections.add(said["id"] or "")


def test_the_site_is_whole_and_offline(tmp_path: Path) -> None:
    """Every link between pages leads to a file and a section; nothing is loaded from elsewhere."""
    pages = {}
    for path in site.build(tmp_path / "site"):
        pages[path.name] = _Links()
        pages[path.name].feed(path.read_text("utf-8"))
    assert len(pages) == len(site.PAGES)
    for name, page in pages.items():
        assert len(page.links) >= 4, name  # the menu, at least
        assert [load for load in page.loads if not (tmp_path / "site" / load).is_file()] == [], name
        for link in page.links:
            target, _, section = link.partition("#")
            if link.startswith("https://"):
                continue
            assert not target or (tmp_path / "site" / target).is_file(), f"{name}: {link}"
            assert not section or section in pages[target or name].sections, f"{name}: {link}"


def test_the_drawings_are_those_of_the_script() -> None:
    """docs/images holds what docs/pictures.py draws now; run it when this fails."""
    for name, drawing in _script("pictures").drawings().items():
        assert (ROOT / "docs" / "images" / name).read_text("utf-8") == drawing


def test_the_readmes_picture_is_small() -> None:
    """Whoever opens the page on a phone pays for it."""
    assert (ROOT / "docs" / "images" / "report.png").stat().st_size < 200_000


def test_the_table_of_defaults_is_that_of_the_signatures() -> None:
    """docs/estimators.md lists every argument that both kinds of estimators take, with both defaults."""
    text = (ROOT / "docs" / "estimators.md").read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)` \| `(.+?)` \| `(.+?)` \| (.*?) ?\|$", text, re.MULTILINE)
    ours, theirs = (signature(kind).parameters for kind in (ur.Forecaster, ur.SequenceRegressor))
    shared = [name for name in ours if name in theirs]
    assert [(name, one, other) for name, one, other, _ in rows] == [
        (name, repr(ours[name].default), repr(theirs[name].default)) for name in shared
    ]
    assert all(reason for _, one, other, reason in rows if one != other)  # a difference has its reason


def test_the_defaults_of_the_language_model_are_those_of_its_signature() -> None:
    """docs/text.md lists the most important ones, one argument a row."""
    table = (ROOT / "docs" / "text.md").read_text("utf-8").split("| of LanguageModel |")[1].split("\n\n")[0]
    rows = re.findall(r"^\| `(\w+)` \| `(.+?)` \|", table, re.MULTILINE)
    defaults = signature(ur.LanguageModel).parameters
    assert len(rows) >= 8
    assert rows == [(name, repr(defaults[name].default)) for name, _ in rows]


def test_the_defaults_of_the_translator_are_those_of_its_signature() -> None:
    """docs/text.md lists them, one or two arguments a row."""
    text = (ROOT / "docs" / "text.md").read_text("utf-8")
    table = text.split("| of Translator |")[1].split("\n\n")[0]
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| (`.+?`) \|", table, re.MULTILINE)
    given = signature(ur.Translator).parameters
    assert len(rows) == 10
    for names, defaults in rows:
        for name, default in zip(names.split(", "), defaults.split(", "), strict=True):
            assert default == f"`{given[name.strip('`')].default!r}`", name


def test_the_tables_of_benchmarks_are_fresh() -> None:
    """README and two pages show what benchmarks/results holds; --write renews them."""
    tables = _script("benchmarks")
    readme = (ROOT / "README.md").read_text("utf-8")
    assert tables.fresh_readme(readme) == readme, "stale: run python docs/benchmarks.py --write"
    assert tables.PAGE.read_text("utf-8") == tables.page(), "stale: run python docs/benchmarks.py --write"
    serving = tables.SERVING.read_text("utf-8")
    assert tables.fresh_serving(serving) == serving, "stale: run python docs/benchmarks.py --write"
    planted = readme.replace("291 of 300", "292 of 300")
    assert tables.fresh_readme(planted) == readme != planted


def test_the_table_of_files_is_fresh() -> None:
    """docs/architecture.md lists every source file with its own first line; --write renews it."""
    module_table = _script("module_table")
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    assert module_table.fresh(page) == page, "stale: run python docs/module_table.py --write"
    assert "| `sequences.py` |" in page


def test_the_tables_of_dates_are_fresh() -> None:
    """docs/dates.md lists every notation that columns are read by; --write renews it."""
    date_table = _script("date_table")
    page = (ROOT / "docs" / "dates.md").read_text("utf-8")
    assert date_table.fresh(page) == page, "stale: run python docs/date_table.py --write"
    assert "| `31/01/2020` | day/month/year | 2020-01-31 |" in page
    planted = page.replace("| `31/01/2020` | day/month/year | 2020-01-31 |", "| `31/01/2020` |")
    assert date_table.fresh(planted) == page != planted


def test_a_script_says_which_pages_are_stale_and_writes_those(tmp_path: Path) -> None:
    """Exit status 1 where a page differs from what it must hold; with --write it holds that."""
    sections = _script("sections")
    page = tmp_path / "page.md"
    page.write_text("old", "utf-8")
    assert sections.check_or_write({page: "old"}, []) == 0
    assert sections.check_or_write({page: "new", tmp_path / "none.md": "x"}, []) == 1
    assert page.read_text("utf-8") == "old"
    assert sections.check_or_write({page: "new"}, ["--write"]) == 0
    assert page.read_text("utf-8") == "new"
