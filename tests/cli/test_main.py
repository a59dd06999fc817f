"""The entry: help is quick and holds, statuses are what shells expect, faults are sentences."""

import gc
import os
import re
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import unrolled
from unrolled.cli import app, main
from unrolled.cli.options import SeriesColumns
from unrolled.errors import DataError

COMMANDS = (
    "describe", "forecast", "backtest", "classify", "probe", "serve", "tag", "transcribe", "translate",
    "generate",
)  # fmt: skip
HEAVY = {"numpy", "pandas", "torch", "plotly", "sklearn", "statsforecast", "rich", "pyarrow", "great_tables"}


def _run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "unrolled.cli", *words], capture_output=True, text=True, check=False
    )


def _status(*words: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(list(words))
    return int(end.value.code or 0)


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], None]:
    """Makes reading a file fail in a given way."""

    def plant(fault: BaseException) -> None:
        def fail(*_: object) -> None:
            raise fault

        monkeypatch.setattr(SeriesColumns, "read", fail)

    return plant


@pytest.mark.parametrize("words", [["--help"], ["--version"], *([name, "--help"] for name in COMMANDS)])
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    """What answers in a fifth of a second must not load torch to do so."""
    code = (
        "import sys\nfrom unrolled.cli import main\n"
        f"try:\n    main({words!r})\nexcept SystemExit as end:\n"
        "    print('loaded', *sorted({m.partition('.')[0] for m in sys.modules}), end.code)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    *_, loaded = out.splitlines()
    assert loaded.endswith(" 0")
    assert HEAVY & set(loaded.split()) == set()


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    """One place says which version this is."""
    assert _status("--version") == 0
    assert capsys.readouterr().out == f"unrolled {unrolled.__version__}\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_shows_examples(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """And every option in an example is one that the command has."""
    assert _status(name, "--help") == 0
    text = capsys.readouterr().out
    examples = re.findall(r"^ +(unrolled .+)$", text, flags=re.MULTILINE)
    assert len(examples) >= 3
    known = set(re.findall(r"^ +(?:-\w, )?(--[\w-]+)", text, flags=re.MULTILINE))
    used = {word for line in examples for word in line.split() if word.startswith("--")}
    assert used <= known


def _write_texts(folder: Path) -> None:
    """Write pairs of texts, tagged words and a letter."""
    words = {"ein": "a", "der": "the", "Hund": "dog", "Mann": "man", "rennt": "runs", "ruht": "rests"}
    rows = [[list(words)[(k * j) % 6] for j in (1, 5, 2, 3)] for k in range(30)]
    sides = {"de": [" ".join(row) for row in rows], "en": [" ".join(words[w] for w in row) for row in rows]}
    (folder / "pairs.csv").write_text("de,en\n" + "\n".join(map(",".join, zip(*sides.values(), strict=True))))
    for part in ("train", "val"):
        for language, texts in sides.items():
            (folder / f"{part}.{language}").write_text("\n".join(texts) + "\n")
    (folder / "letter.txt").write_text("ein Hund rennt\n\nder Mann ruht\n")
    named = ["Ms O", "Ann B-PER", "ran O"], ["Tom B-PER", "slept O"]
    (folder / "names.txt").write_text("\n\n".join("\n".join(named[k % 2]) for k in range(20)) + "\n")
    tokens = [("der", "DET"), ("Hund", "NOUN"), ("rennt", "VERB")]
    sentence = "\n".join(
        f"{k}\t{word}\t_\t{tag}" + "\t_" * 6 for k, (word, tag) in enumerate(tokens, start=1)
    )
    for part in ("train", "test"):
        (folder / f"{part}.conllu").write_text(f"{sentence}\n\n" * 20)


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_every_example_of_the_help_runs(
    name: str,
    sales: Path,
    months: Callable[..., Any],
    csv_file: Callable[..., Path],
    kinds: Callable[..., Path],
    tmp_path: Path,
) -> None:
    """As it is printed, in a folder with the files it names."""
    csv_file("newer.csv", months(126))
    rows = [(shop, *row) for shop in ("a", "b") for row in months(60)]
    csv_file("shops.csv", rows, ("shop", "day", "sold"))
    flagged = [(*row, k % 3 == 0) for k, row in enumerate(months(144))]
    csv_file(
        "promoted.csv",
        [(day, sold, int(flag)) for day, sold, flag in flagged[:120]],
        ("day", "sold", "promo"),
    )
    csv_file("plan.csv", [(day, int(flag)) for day, _, flag in flagged[120:]], ("day", "promo"))
    for file, form in {"train": "csv", "test": "csv", "unseen": "csv", "steps": "long"}.items():
        kinds(file, 40, form)
    _write_texts(tmp_path)
    if name == "probe":
        made = _run("classify", "train.csv", "--folds", "2", "--max-epochs", "2", "--save", "kinds")
        assert made.returncode == 0, made.stderr
    program = tmp_path / "bin" / "unrolled"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m unrolled.cli "$@"\n')
    program.chmod(0o755)
    lines = re.findall(r"^ +(unrolled .+)$", _run(name, "--help").stdout, flags=re.MULTILINE)
    for line in lines:
        path = f"{program.parent}:{os.environ['PATH']}"
        done = subprocess.run(
            ["sh", "-c", line], capture_output=True, text=True, check=False, env=os.environ | {"PATH": path}
        )
        assert done.returncode == 0, (line, done.stderr)


def test_python_dash_m_runs_the_same_program() -> None:
    """`python -m unrolled.cli` works where the script is not on the path."""
    done = _run("--version")
    assert (done.returncode, done.stdout) == (0, f"unrolled {unrolled.__version__}\n")


def test_a_fault_is_its_sentence_and_status_2(
    broken: Callable[[BaseException], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """On stderr, without a traceback; stdout stays empty."""
    broken(DataError("flow.csv row 41: expected a number, got 'n/a'."))
    assert _status("describe", "flow.csv", "--json") == 2
    out, err = capsys.readouterr()
    assert (out, err) == ("", "flow.csv row 41: expected a number, got 'n/a'.\n")


def test_a_bug_is_not_hidden(broken: Callable[[BaseException], None]) -> None:
    """What nobody foresaw keeps its traceback."""
    broken(ZeroDivisionError("ours"))
    with pytest.raises(ZeroDivisionError):
        main(["describe", "flow.csv"])


def test_a_warning_is_a_note_printed_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without the line of source that Python prints beside it."""

    def warned(arguments: object) -> int:
        del arguments
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            for _ in range(2):
                warnings.warn("plan.csv: use origins=4 next time.", stacklevel=1)
        return 0

    monkeypatch.setattr("unrolled.cli._run", warned)
    assert _status("describe", "flow.csv") == 0
    assert capsys.readouterr().err == "Note: Plan.csv: use --origins 4 next time.\n"


def test_ctrl_c_is_status_130(
    broken: Callable[[BaseException], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """As shells count it, with one word and no traceback."""
    broken(KeyboardInterrupt())
    assert _status("describe", "flow.csv") == 130
    assert capsys.readouterr().err == "Stopped.\n"


def test_collections_are_rarer_while_a_command_runs(sales: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And as before afterwards."""
    before, during = gc.get_threshold(), list[tuple[int, int, int]]()

    def read(*_: object) -> None:
        during.append(gc.get_threshold())
        sys.exit(0)

    monkeypatch.setattr(SeriesColumns, "read", read)
    gc.set_threshold(700, 10, 10)
    try:
        assert _status("describe", str(sales)) == 0
        assert gc.get_threshold() == (700, 10, 10)
    finally:
        gc.set_threshold(*before)
    assert during[0][0] >= 10_000


def test_a_reader_who_leaves_early_is_no_fault(sales: Path) -> None:
    """`unrolled describe ... | head -0` ends without a complaint."""
    command = f'"{sys.executable}" -m unrolled.cli describe "{sales}" | true'
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert done.stderr == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
@pytest.mark.parametrize("words", ["--version", "--help"])
def test_a_full_disk_behind_stdout_is_reported(words: str) -> None:
    """`unrolled ... > file` on a full disk: one sentence, status 2."""
    command = f'"{sys.executable}" -m unrolled.cli {words} > /dev/full'
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert done.stderr == "stdout: cannot be written, disk full (No space left on device). Free some space.\n"
    assert done.returncode == 2


def test_the_app_has_every_command_of_its_help() -> None:
    """Each file of the room is one command."""
    assert {command.name for command in app.registered_commands} == set(COMMANDS)
