"""The top level is sorted, typed, complete and light."""

import ast
import importlib
import importlib.metadata
import inspect
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

import unrolled

LAZY_PACKAGES = [unrolled, unrolled.evaluate, unrolled.stream]


def _imported_for_type_checkers(package: ModuleType) -> dict[str, str]:
    """Name to module, as the `if TYPE_CHECKING` block of a package says it."""
    tree = ast.parse(inspect.getsource(package))
    (block,) = [n for n in tree.body if isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING"]
    return {alias.name: n.module for n in block.body for alias in n.names}


@pytest.mark.parametrize("package", LAZY_PACKAGES)
def test_the_public_names_are_distinct_and_all_load(package: ModuleType) -> None:
    """`__all__` reads as a list of contents (ruff keeps it sorted), and `dir` shows it."""
    assert len(package.__all__) == len(set(package.__all__))
    for name in package.__all__:
        assert getattr(package, name) is not None, name
    assert dir(package) == sorted(package.__all__)


@pytest.mark.parametrize("package", LAZY_PACKAGES)
def test_type_checkers_see_what_is_loaded(package: ModuleType) -> None:
    """The lazy table and the imports under TYPE_CHECKING name the same things from the same modules."""
    sources = {
        name: f"{module}.{name}" if inspect.ismodule(getattr(package, name)) else module
        for name, module in _imported_for_type_checkers(package).items()
    }
    assert sources == package._SOURCES
    eager = set(package.__all__) - set(package._SOURCES) - {"__version__"}
    assert eager == {name for name in vars(package) if name.endswith("Error")}


def test_an_unknown_name_is_an_attribute_error() -> None:
    """A name that is not there fails as it does on any module."""
    with pytest.raises(AttributeError, match="module 'unrolled' has no attribute 'forecast'"):
        _ = unrolled.forecast


def test_importing_the_package_loads_nothing_but_the_standard_library() -> None:
    """`import unrolled` brings in neither torch nor NumPy nor pandas: that is what keeps it quick."""
    code = (
        "import sys; before = set(sys.modules); import unrolled; "
        "print(*sorted({m.partition('.')[0] for m in set(sys.modules) - before}))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    foreign = set(ran.stdout.split()) - set(sys.stdlib_module_names)
    assert foreign == {"unrolled"}


def test_every_library_that_is_imported_is_declared() -> None:
    """One that only comes along with another may be gone with its next version."""
    root = Path(__file__).parents[1]
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = {name: lines for name, lines in project["optional-dependencies"].items() if name != "dev"}
    lines = sum(extras.values(), project["dependencies"])
    declared = {re.split(r"[<>= ]", line)[0].replace("-", "_") for line in lines}
    modules = {"scikit_learn": "sklearn"}
    known = {modules.get(name, name) for name in declared} | {"unrolled"} | set(sys.stdlib_module_names)
    imported = set()
    for path in (root / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                imported.add(node.module.partition(".")[0])
    assert "numpy" in imported
    assert imported <= known, imported - known


def test_the_version_has_one_source() -> None:
    """What was installed calls itself what the package does."""
    assert importlib.metadata.version("unrolled") == unrolled.__version__


@pytest.mark.parametrize("name", ["evaluate", "examples", "kernels", "nn", "probe", "stream"])
def test_a_module_is_reached_by_attribute(name: str) -> None:
    """`unrolled.nn` works after `import unrolled` alone."""
    code = f"import unrolled; print(unrolled.{name}.__name__)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == unrolled._SOURCES[name]
