"""The house of docs/architecture.md: imports go down only, nothing in a circle, nothing too large."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "src" / "unrolled"

# From the top down. Rooms on one floor do not know each other; a file that lies beside the rooms
# (errors.py, validation.py) belongs to the ground; the package's own __init__.py is the roof.
FLOORS = [
    {"roof"},
    {"cli"},
    {"evaluate", "probe", "stream"},
    {"models", "report"},
    {"train"},
    {"data", "nn"},
    {"stats", "kernels"},
    {"ground"},
]
LEVEL = {room: len(FLOORS) - k for k, floor in enumerate(FLOORS) for room in floor}


class Arrow(NamedTuple):
    """One import: from a module, to a module, on a line, inside a function or not."""

    origin: str
    target: str
    line: int
    function: str | None


def _module_name(path: Path, package: Path) -> str:
    parts = path.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _room(module: str, package: Path) -> str:
    if module == "unrolled":
        return "roof"
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


def _targets(node: ast.AST, module: str, is_package: bool, modules: set[str]) -> list[str]:
    """The modules that one import names, as deep as they go."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        parts = module.split(".") if is_package else module.split(".")[:-1]
        parts = parts[: len(parts) - node.level + 1] if node.level else []
        base = ".".join([*parts, *([node.module] if node.module else [])])
        inner = [f"{base}.{alias.name}" for alias in node.names]
        # the roof runs before every room, so its version may be read from anywhere
        inner = [name for name in inner if name != "unrolled.__version__"]
        return [name if name in modules else base for name in inner]
    argument = node.args[0] if isinstance(node, ast.Call) and node.args else None
    return [str(argument.value)] if isinstance(argument, ast.Constant) else []


def _arrows(package: Path) -> list[Arrow]:
    files = {_module_name(path, package): path for path in sorted(package.rglob("*.py"))}
    found: list[Arrow] = []
    for module, path in files.items():
        for node, function in _imports(ast.parse(path.read_text(encoding="utf-8"))):
            targets = _targets(node, module, path.name == "__init__.py", set(files))
            ours = [target for target in targets if target.partition(".")[0] == "unrolled"]
            found += [Arrow(module, target, node.lineno, function) for target in ours]
    return found


def _is_allowed(arrow: Arrow, package: Path) -> bool:
    # the one exception: a record's .plot() imports the figures when it is called
    if arrow.function == "plot" and arrow.target == "unrolled.report.figures.dispatch":
        return True
    here, there = _room(arrow.origin, package), _room(arrow.target, package)
    return here == there or LEVEL[here] > LEVEL[there]


def _circles(arrows: list[Arrow]) -> list[str]:
    """Circles of imports that run when a module loads (a late import inside a function closes none)."""
    edges: dict[str, set[str]] = {}
    for arrow in arrows:
        if arrow.function is None and arrow.origin != arrow.target:
            edges.setdefault(arrow.origin, set()).add(arrow.target)
    found, done = [], set()

    def walk(module: str, path: tuple[str, ...]) -> None:
        if module in path:
            found.append(" -> ".join([*path[path.index(module) :], module]))
        elif module not in done:
            for target in sorted(edges.get(module, ())):
                walk(target, (*path, module))
            done.add(module)

    for module in sorted(edges):
        walk(module, ())
    return found


def _faults(package: Path) -> list[str]:
    arrows = _arrows(package)
    up = [f"{a.origin} line {a.line}: {a.target}" for a in arrows if not _is_allowed(a, package)]
    return up + _circles(arrows)


def test_imports_go_down_only() -> None:
    """No room imports a room above it or beside it, and no files of a room import each other in a circle."""
    assert len(_arrows(SOURCES)) > 10  # files were read
    assert _faults(SOURCES) == []


def test_every_room_has_a_floor() -> None:
    """A new folder is put on a floor before anything can import it."""
    folders = {path.name for path in SOURCES.iterdir() if (path / "__init__.py").exists()}
    assert folders <= set(LEVEL)


@pytest.mark.parametrize(
    ("file", "code"),
    [
        ("data/io/read.py", "from unrolled.train import loop"),  # up
        ("data/io/read.py", "import unrolled.train.loop"),
        ("data/io/read.py", "from unrolled.nn import layers"),  # beside
        ("data/io/read.py", "from unrolled import train"),
        ("data/io/read.py", "from unrolled import Forecaster"),  # the roof
        ("data/io/read.py", "from ...train import fit"),
        ("data/io/read.py", "def f():\n    from unrolled.train import loop"),  # late is still up
        ("data/io/read.py", "try:\n    import unrolled.cli\nexcept ImportError:\n    pass"),
        ("data/io/read.py", "import importlib\nimportlib.import_module('unrolled.train.loop')"),
        ("data/io/read.py", "from unrolled.data.describe import analyse"),  # a circle of two
        ("validation.py", "from unrolled.kernels import tanh"),
        ("train/loop.py", "def plot():\n    from unrolled.report.html import page"),  # not the exception
        ("train/loop.py", "def draw():\n    from unrolled.report.figures.dispatch import figure"),
    ],
)
def test_a_planted_arrow_is_found(file: str, code: str, tmp_path: Path) -> None:
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
        "train/loop.py": "def plot():\n    from unrolled.report.figures.dispatch import figure",
    }
    for name, text in clean.items():
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        (path.parent / "__init__.py").touch()
    assert _faults(package) == []
    (package / file).write_text(code)
    assert _faults(package) != []


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
    return {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(SOURCES.rglob("*.py"))}


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
        given = function.args
        names = {a.arg for a in (*given.posonlyargs, *given.args, *given.kwonlyargs)} - {"self", "cls"}
        for node in ast.walk(function):
            if isinstance(node, ast.Assert) and not function.name.startswith("_"):
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
