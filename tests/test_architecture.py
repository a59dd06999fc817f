"""Structure of the package: levels of imports, sizes, mirrored tests, unique public names."""

import ast
import re
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "src" / "unrolled"
TESTS = ROOT / "tests"

# From the top down. Packages of one level do not import each other; a file that lies beside the packages
# (errors.py, validation.py) is on the lowest level, the package's own __init__.py on the highest.
LEVELS = [
    {"unrolled"},
    {"cli"},
    {"evaluate", "probe", "stream"},
    {"models", "report"},
    {"train"},
    {"data", "nn"},
    {"stats", "kernels"},
    {"ground"},
]
LEVEL = {package: len(LEVELS) - k for k, level in enumerate(LEVELS) for package in level}

# The one import upwards: a record draws itself when it is asked to.
PLOT = ("unrolled.record", "plot", "unrolled.report.figures.dispatch")

MAX_FILES = 12  # source files in a folder
LARGER_FOLDERS: dict[str, str] = {}  # folder: reason

# Source files without a test file of their own name: file, reason.
UNMIRRORED = {
    "cli/__main__.py": "three lines; tests/cli/test_main.py starts it",
}

# Test files of a folder as a whole, not of one source file: file, what they test.
WHOLE_FOLDER = {
    "cli/test_bad_input.py": "every command refuses the same bad input",
    "cli/test_bad_model.py": "every command refuses a damaged model",
    "cli/test_interrupt.py": "Ctrl-C during any command",
    "cli/test_main.py": "the program: help, version, exit status",
    "data/test_corpus.py": "files of many kinds, each beside what must come out of it",
    "kernels/rnn/test_arm.py": "the C++ driver on another architecture",
    "kernels/test_arguments.py": "the binding refuses operands that do not fit",
    "kernels/test_build.py": "wheels, with and without a compiler",
    "kernels/test_sanitizers.py": "all kernels under the sanitizers",
    "models/forecasting/test_covariates.py": "covariates from frame to forecast",
    "models/test_new_estimator.py": "an estimator of another domain on the base",
    "report/test_browser.py": "pages in a real browser",
    "stream/test_examples.py": "the scripts of examples/, against a server",
}

# Public names that stand in two modules on purpose: name, reason.
SHARED_NAMES = {
    "tanh": "kernels.reference is the NumPy twin of kernels, under one signature",
    "sigmoid": "kernels.reference is the NumPy twin of kernels, under one signature",
}


class ImportEdge(NamedTuple):
    """One import: from a module, to a module, on a line, inside a function or not."""

    origin: str
    target: str
    line: int
    function: str | None


def _module_name(path: Path, package: Path) -> str:
    parts = path.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _package(module: str, package: Path) -> str:
    if module == "unrolled":
        return "unrolled"
    first = module.split(".")[1]
    return "ground" if (package / f"{first}.py").exists() else first


def _imports(node: ast.AST, function: str | None = None) -> Iterator[tuple[ast.AST, str | None]]:
    """Every import statement and import_module call that runs, with the function it lies in."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            continue
        called = ast.unparse(child.func) if isinstance(child, ast.Call) else ""
        if isinstance(child, ast.Import | ast.ImportFrom) or called.endswith("import_module"):
            yield child, function
        inside = child.name if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) else function
        yield from _imports(child, inside)


def _targets(node: ast.AST, module: str, is_package: bool, modules: frozenset[str]) -> list[str]:
    """The modules that one import names, as deep as they go."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        parts = module.split(".") if is_package else module.split(".")[:-1]
        parts = parts[: len(parts) - node.level + 1] if node.level else []
        base = ".".join([*parts, *([node.module] if node.module else [])])
        inner = [f"{base}.{alias.name}" for alias in node.names]
        # the package's __init__ runs before every module, so its version may be read from anywhere
        inner = [name for name in inner if name != "unrolled.__version__"]
        return [name if name in modules else base for name in inner]
    argument = node.args[0] if isinstance(node, ast.Call) and node.args else None
    return [str(argument.value)] if isinstance(argument, ast.Constant) else []


@cache
def _tree(path: Path, changed_ns: int) -> ast.Module:
    """Parse a file; once, however many tests read it, unless it changes."""
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def _file_edges(path: Path, changed_ns: int, module: str, modules: frozenset[str]) -> list[ImportEdge]:
    """List the imports of one file within the package."""
    edges: list[ImportEdge] = []
    for node, function in _imports(_tree(path, changed_ns)):
        targets = _targets(node, module, path.name == "__init__.py", modules)
        ours = [target for target in targets if target.partition(".")[0] == "unrolled"]
        edges += [ImportEdge(module, target, node.lineno, function) for target in ours]
    return edges


def _edges(package: Path) -> list[ImportEdge]:
    files = {_module_name(path, package): path for path in sorted(package.rglob("*.py"))}
    modules = frozenset(files)
    edges = [
        edge
        for module, path in files.items()
        for edge in _file_edges(path, path.stat().st_mtime_ns, module, modules)
    ]
    return [edge for edge in edges if (edge.origin, edge.function, edge.target) != PLOT]


def _is_allowed(edge: ImportEdge, package: Path) -> bool:
    origin, target = _package(edge.origin, package), _package(edge.target, package)
    return origin == target or LEVEL[origin] > LEVEL[target]


def _circles(edges: set[tuple[str, str]]) -> list[str]:
    """Paths that lead back to where they began; imports inside functions are edges like all others."""
    targets: dict[str, set[str]] = defaultdict(set)
    for origin, target in edges:
        if origin != target:
            targets[origin].add(target)
    circles, done = [], set()

    def walk(module: str, path: tuple[str, ...]) -> None:
        if module in path:
            circles.append(" -> ".join([*path[path.index(module) :], module]))
        elif module not in done:
            for target in sorted(targets[module]):
                walk(target, (*path, module))
            done.add(module)

    for module in sorted(targets):
        walk(module, ())
    return circles


def _folder(module: str, package: Path) -> str:
    """The folder of a module, as a dotted name: unrolled.data.io of unrolled.data.io.csv."""
    is_folder = (package.parent / module.replace(".", "/")).is_dir()
    return module if is_folder else module.rpartition(".")[0]


def _faults(package: Path) -> list[str]:
    edges = _edges(package)
    upward = [f"{e.origin} line {e.line}: {e.target}" for e in edges if not _is_allowed(e, package)]
    return upward + _circles({(edge.origin, edge.target) for edge in edges})


def test_imports_go_down_only() -> None:
    """No package imports one above it or beside it, and no modules import each other in a circle."""
    assert len(_edges(SOURCES)) > 10  # files were read
    assert _faults(SOURCES) == []


def test_subpackages_form_no_circle() -> None:
    """Folders inside a package are on levels too: data/io imports data/parse, never the reverse."""
    folders = set()
    for edge in _edges(SOURCES):
        origin, target = _folder(edge.origin, SOURCES), _folder(edge.target, SOURCES)
        if origin.count(".") == target.count(".") == 2:  # unrolled.data.io, not unrolled.data itself
            folders.add((origin, target))
    assert ("unrolled.data.io", "unrolled.data.parse") in folders
    assert _circles(folders) == []


def test_every_package_has_a_level() -> None:
    """A new folder is put on a level before anything can import it."""
    folders = {path.name for path in SOURCES.iterdir() if (path / "__init__.py").exists()}
    assert folders <= set(LEVEL)


@pytest.mark.parametrize(
    ("file", "code"),
    [
        ("data/io/read.py", "from unrolled.train import loop"),  # up
        ("data/io/read.py", "import unrolled.train.loop"),
        ("data/io/read.py", "from unrolled.nn import layers"),  # beside
        ("data/io/read.py", "from unrolled import train"),
        ("data/io/read.py", "from unrolled import Forecaster"),  # the public namespace
        ("data/io/read.py", "from ...train import loop"),
        ("data/io/read.py", "def f():\n    from unrolled.train import loop"),  # late is still up
        ("data/io/read.py", "try:\n    import unrolled.cli\nexcept ImportError:\n    pass"),
        ("data/io/read.py", "import importlib\nimportlib.import_module('unrolled.train.loop')"),
        ("data/io/read.py", "from unrolled.data.describe import analyse"),  # a circle of two
        ("data/io/read.py", "def f():\n    from unrolled.data.describe import analyse"),  # a late one
        ("validation.py", "from unrolled.kernels import tanh"),
        ("record.py", "def plot():\n    from unrolled.report.html import page"),  # not the exception
        ("record.py", "def draw():\n    from unrolled.report.figures.dispatch import figure"),
        ("train/loop.py", "def plot():\n    from unrolled.report.figures.dispatch import figure"),
    ],
)
def test_a_planted_import_is_found(file: str, code: str, tmp_path: Path) -> None:
    """Each kind of forbidden import, put into a clean tree, turns the test red."""
    package = tmp_path / "unrolled"
    clean = {
        "data/describe/analyse.py": "from unrolled.data.io.read import read",
        "data/io/read.py": "from unrolled.validation import check_choice",
        "validation.py": "import math",
        "kernels/__init__.py": "from unrolled.validation import check_choice",
        "report/figures/dispatch.py": (
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import unrolled.cli"
        ),
        "report/html/page.py": "from unrolled import __version__",
        "record.py": "def plot():\n    from unrolled.report.figures.dispatch import figure",
        "train/loop.py": "from unrolled.record import plot",
    }
    for name, text in clean.items():
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        (path.parent / "__init__.py").touch()
    assert _faults(package) == []
    (package / file).write_text(code)
    assert _faults(package) != []


def _source_files() -> list[Path]:
    """Python files that hold definitions, as paths below the package."""
    files = (path.relative_to(SOURCES) for path in sorted(SOURCES.rglob("*.py")))
    return [path for path in files if path.name != "__init__.py"]


def test_no_folder_is_crowded() -> None:
    """At most twelve source files a folder, C++ included, but for those with a reason."""
    counts: dict[str, int] = defaultdict(int)
    for path in SOURCES.rglob("*"):
        if path.suffix in {".py", ".pyi", ".hpp", ".cpp", ".def"} and path.name != "__init__.py":
            counts[path.parent.relative_to(SOURCES).as_posix()] += 1
    assert {folder for folder, n in counts.items() if n > MAX_FILES} == set(LARGER_FOLDERS)


def test_tests_mirror_sources() -> None:
    """Each source file has the test file of its name, and each test file a source file or aspect of one."""
    sources = _source_files()
    mirrored = {TESTS / path.parent / f"test_{path.name}" for path in sources}
    missing = {path.relative_to(TESTS).as_posix() for path in mirrored if not path.exists()}
    assert missing == {f"{Path(f).parent}/test_{Path(f).name}" for f in UNMIRRORED}
    strays = [path for path in TESTS.rglob("test_*.py") if not _has_source(path, mirrored)]
    assert {path.relative_to(TESTS).as_posix() for path in strays} == set(WHOLE_FOLDER)


def _has_source(test: Path, mirrored: set[Path]) -> bool:
    """Tell test files of one source file (C++ included) or of an aspect of it, test_<source>_<aspect>.py."""
    if test in mirrored or test.parent in {TESTS, TESTS / "conformance"}:
        return True
    folder, name = SOURCES / test.parent.relative_to(TESTS), test.stem.removeprefix("test_")
    sources = {path.stem for path in folder.iterdir() if path.is_file()}
    return name in sources or any(name.startswith(f"{source}_") for source in sources)


def _public_definitions() -> dict[str, list[str]]:
    places: dict[str, list[str]] = defaultdict(list)
    for path, tree in _trees().items():
        for node in tree.body:
            is_overload = any(ast.unparse(each) == "overload" for each in getattr(node, "decorator_list", []))
            is_definition = isinstance(node, ast.FunctionDef | ast.ClassDef) and not is_overload
            if is_definition and not node.name.startswith("_"):
                places[node.name].append(path.relative_to(SOURCES).as_posix())
    return places


def test_no_public_name_exists_twice() -> None:
    """One class or module-level function a name, over the whole package."""
    doubled = {name: files for name, files in _public_definitions().items() if len(files) > 1}
    assert {name: files for name, files in doubled.items() if name not in SHARED_NAMES} == {}
    assert set(SHARED_NAMES) <= set(doubled)  # no reason is left of a name that is single now


def _functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def _lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without its docstring: that one is as long as its contract."""
    lines = function.end_lineno - function.lineno + 1
    if ast.get_docstring(function) is not None:
        text = function.body[0]
        lines -= text.end_lineno - text.lineno + 1
    return lines


def _trees() -> dict[Path, ast.Module]:
    return {path: _tree(path, path.stat().st_mtime_ns) for path in sorted(SOURCES.rglob("*.py"))}


def test_no_file_is_longer_than_400_lines() -> None:
    """Sources, kernels, tests and benchmarks alike."""
    files = [p for part in ("src", "tests", "benchmarks") for p in (ROOT / part).rglob("*")]
    code = [p for p in files if p.suffix in {".py", ".cpp", ".hpp", ".pyi"}]
    long = {str(p.relative_to(ROOT)): n for p in code if (n := len(p.read_text("utf-8").splitlines())) > 400}
    assert long == {}


def test_no_function_is_longer_than_60_lines() -> None:
    """And nine in ten stay under 40 lines."""
    sizes = {f"{p.name}:{f.name}": _lines(f) for p, tree in _trees().items() for f in _functions(tree)}
    assert {name: lines for name, lines in sizes.items() if lines > 60} == {}
    assert sum(lines >= 40 for lines in sizes.values()) <= len(sizes) / 10


def _asserted_arguments(tree: ast.AST) -> Iterator[str]:
    for function in _functions(tree):
        if function.name.startswith("_"):
            continue
        given = function.args
        names = {a.arg for a in (*given.posonlyargs, *given.args, *given.kwonlyargs)} - {"self", "cls"}
        for node in ast.walk(function):
            if isinstance(node, ast.Assert):
                used = {n.id for n in ast.walk(node.test) if isinstance(n, ast.Name)} & names
                yield from (f"{function.name} line {node.lineno}: {name}" for name in sorted(used))


def test_no_assert_meets_what_a_user_gave() -> None:
    """Assert is for our own bugs: in a public function none may look at an argument."""
    found = [f"{p.name} {fault}" for p, tree in _trees().items() for fault in _asserted_arguments(tree)]
    assert found == []
    planted = ast.parse("def fit(series, *, horizon):\n    assert horizon > 0")
    assert list(_asserted_arguments(planted)) == ["fit line 2: horizon"]


MACHINE_PATH = re.compile(r"(?<![\w.>/$}~-])/(work|home|root|opt|tmp|Users|mnt)/")


def _tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("this is no git checkout")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_no_file_names_a_path_of_one_machine() -> None:
    """What is committed works wherever it is cloned."""
    found = []
    for path in _tracked():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # a picture
        found += [f"{path.relative_to(ROOT)}: {m.group()}" for m in MACHINE_PATH.finditer(text)]
    assert found == []
    assert MACHINE_PATH.search("data = '/ho" + "me/someone/data'")
