"""Screens of all kinds: closed, narrow, of another alphabet; what stands in a file commands none of them."""

import importlib
import inspect
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from unrolled.cli.terminal import status_line

Run = Callable[..., Any]
TINY = ("--hidden-size", "4", "--max-steps", "8", "--window", "12", "--horizon", "2")
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def _shell(line: str, **environment: str) -> subprocess.CompletedProcess[str]:
    program = f'"{sys.executable}" -m unrolled.cli'
    return subprocess.run(
        ["sh", "-c", line.replace("unrolled", program, 1)],
        capture_output=True, text=True, check=False, env=os.environ | environment,
    )  # fmt: skip


def _shops(csv_file: Any, months: Any, name: str, scale: float = 1) -> Path:
    rows = [(name, month, value * scale) for month, value in months(60)]
    path: Path = csv_file("shops.csv", rows, ("shop", "month", "sold"))
    return path


@pytest.mark.parametrize("closed", [">&-", ">&- 2>&-"])
def test_a_closed_stdout_is_not_an_error(sales: Path, closed: str) -> None:
    """What is printed goes nowhere, as was asked."""
    done = _shell(f"unrolled describe sales.csv {closed}")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_an_error_is_reported_although_stdout_is_closed(sales: Path) -> None:
    """On stderr, with its status."""
    done = _shell("unrolled describe sale.csv >&-")
    assert done.returncode == 2
    assert done.stderr == "sale.csv: expected a file, got none of that name. Did you mean 'sales.csv'?\n"


def test_an_unwritable_stdout_is_reported(sales: Path) -> None:
    """Opened for reading only: a sentence, no traceback."""
    done = _shell("unrolled describe sales.csv 1< sales.csv")
    assert done.returncode == 2
    assert (
        done.stderr == "stdout: cannot be written, it is closed (Bad file descriptor). Send it elsewhere.\n"
    )


def test_letters_missing_in_the_encoding_are_replaced(csv_file: Any, months: Any) -> None:
    """A minus stays a minus; what has no likeness is a question mark."""
    _shops(csv_file, months, "Köln", scale=-1)
    words = " ".join(["shops.csv --id shop", *TINY])
    done = _shell(f"unrolled forecast {words}", **ASCII)
    assert done.returncode == 0
    title, head, row, _ = done.stdout.splitlines()
    assert title == "K?ln"
    assert head.split("  ")[-1] == "High, 80 %"
    assert float(row.split()[-1]) < 0
    payload = json.loads(_shell(f"unrolled forecast {words} --json", **ASCII).stdout)
    assert payload["forecast"][0]["shop"] == "Köln"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("[/red] [bold]x", "[/red] [bold]x"),
        (":smile:", ":smile:"),
        ("a\x1b[31mb\x07", "a[31mb"),
        ("north\nsouth", "north south"),
        ("x" * 500, "x" * 59 + "…"),
    ],
)
def test_names_are_printed_without_control_characters(
    unrolled: Run, csv_file: Any, months: Any, name: str, shown: str
) -> None:
    """It is printed as it stands, without control characters, on one line."""
    _shops(csv_file, months, name)
    answer = unrolled("forecast", "shops.csv", "--id", "shop", *TINY)
    assert answer.status == 0
    assert answer.out.splitlines()[0] == shown
    described = unrolled("describe", "shops.csv", "--target", "so\x1bld")
    assert described.status == 2
    assert "\x1b" not in described.err


@pytest.mark.parametrize("columns", ["0", "20"])
def test_no_number_is_truncated(sales: Path, columns: str) -> None:
    """Seven columns stand whole on the narrowest of screens, and in a pipe."""
    levels = "--level 80 --level 95 --level 99"
    done = _shell(" ".join(["unrolled forecast sales.csv", levels, *TINY]), COLUMNS=columns)
    head, *rows = done.stdout.splitlines()[1:]
    assert head.split("  ")[-1] == "High, 99 %"
    assert len({len(row) for row in [head, *rows]}) == 1
    assert [len(row.split()) for row in rows] == [9, 9]  # month, year, seven figures
    assert "…" not in done.stdout


@pytest.mark.parametrize(("scale", "exponent"), [(1e20, "e+22"), (1e-9, "e-07")])
def test_huge_and_tiny_figures_have_an_exponent(
    unrolled: Run, csv_file: Any, months: Any, scale: float, exponent: str
) -> None:
    """Neither thirty digits nor zeros alone."""
    _shops(csv_file, months, "a", scale)
    answer = unrolled("forecast", "shops.csv", "--id", "shop", *TINY)
    assert all(figure.endswith(exponent) for figure in answer.out.splitlines()[2].split()[2:])


def test_ctrl_c_during_the_start_prints_one_word() -> None:
    """Before there is anything to stop: status 130, no traceback."""
    code = (
        "import sys\n"
        "class Struck:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'typer': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Struck())\n"
        "import unrolled.cli\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "Stopped.\n")


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_status_line_is_shown_at_once_and_leaves_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, is_terminal: bool
) -> None:
    """After an error too; where no one sees it, nothing is written."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: is_terminal)

    def read() -> None:
        with status_line("reading sales.csv"):
            assert capsys.readouterr().err == ("reading sales.csv" if is_terminal else "")
            raise KeyError

    with pytest.raises(KeyError):
        read()
    assert capsys.readouterr().err == ("\r" + " " * 17 + "\r" if is_terminal else "")


@pytest.mark.parametrize("command", ["forecast", "backtest", "classify", "probe"])
def test_nothing_heavy_stands_before_the_status_line(command: str) -> None:
    """What each command imports before it says that it reads: a busy machine takes seconds over torch."""
    source = inspect.getsource(importlib.import_module(f"unrolled.cli.commands.{command}"))
    before = source.partition("with status_line")[0]
    in_functions = set(
        re.findall(r"^    from ([\w.]+) import", before.split("@option_groups")[1], flags=re.MULTILINE)
    )
    assert in_functions == {"unrolled.cli.paths", "unrolled.cli.terminal"}
