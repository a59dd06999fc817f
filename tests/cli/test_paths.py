"""Where a command may write: settled before any training, and nothing of the user's is overwritten."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from unrolled.cli.paths import check_paths, is_recording, require_single_recording
from unrolled.errors import ArgumentError

Run = Callable[..., Any]
_NAME = "expected a name, got ''. Give one, or leave"
_STRANGE = "--save: expected a new folder or a saved model, got a folder with other files"

PLACES: dict[str, tuple[tuple[str, ...], str]] = {
    "output over the input": (
        ("--output", "./sales.csv"),
        "--output: expected another file than the input sales.csv, got './sales.csv'. Name another.",
    ),
    "report over the input, by a link": (
        ("--report", "link.csv"),
        "--report: expected another file than the input sales.csv, got 'link.csv'. Name another.",
    ),
    "two options, one place": (
        ("--output", "next.csv", "--report", "next.csv"),
        "--report: expected another place than --output, got 'next.csv'. Name another.",
    ),
    "a file and a folder, one place": (
        ("--report", "new", "--save", "new"),
        "--save: expected another place than --report, got 'new'. Name another.",
    ),
    "a file inside the folder that is replaced": (
        ("--save", "kept", "--output", "kept/next.csv"),
        "--output: expected a place outside the folder of --save, got 'kept/next.csv'. Name another.",
    ),
    "a file inside the model that is read": (
        ("--model", "kept", "--report", "kept/config.json"),
        "--report: expected a place outside the folder of --model, got 'kept/config.json'. Name another.",
    ),
    "a folder for a file": (
        ("--report", "thesis"),
        "--report: expected a file, got an existing folder, thesis. Name a file.",
    ),
    "a device for a file": (
        ("--report", os.devnull),
        f"--report: expected a file, got a device, {os.devnull}. Name a file.",
    ),
    "a file for a folder": (
        ("--save", "link.csv"),
        (
            "--save: expected a folder, got an existing file, link.csv. Name a folder.\n"
            "--save: expected another file than the input sales.csv, got 'link.csv'. Name another."
        ),
    ),
    "a folder of somebody's work": (
        ("--save", "thesis"),
        f"{_STRANGE} (a.txt, b.txt, c.txt, ...). Name another.",
    ),
    "the folder of the input": (
        ("--save", "."),
        f"{_STRANGE} (kept, link.csv, sales.csv, ...). Name another.",
    ),
    "no folder above": (
        ("--save", "no/model"),
        "--save: there is no folder no. Make it or write elsewhere.",
    ),
    "a file above": (
        ("--output", "sales.csv/next.csv"),
        "--output: there is no folder sales.csv. Make it or write elsewhere.",
    ),
    "a name that is too long": (
        ("--report", "x" * 300),
        f"--report: {'x' * 40}... cannot be written (File name too long). Choose another name.",
    ),
    "no name to save": (("--save", ""), f"--save: {_NAME} --save out."),
    "no name to report": (("--report", ""), f"--report: {_NAME} --report out."),
    "no name to write": (("--output", ""), f"--output: {_NAME} --output out."),
    "no name to load": (("--model", ""), f"--model: {_NAME} --model out."),
}  # fmt: skip


@pytest.fixture
def desk(sales: Path, tmp_path: Path) -> Path:
    """A folder with an input, a link to it, somebody's work, and what looks like a saved model."""
    (tmp_path / "link.csv").symlink_to(sales)
    for folder, names in {
        "thesis": ("a.txt", "b.txt", "c.txt", "d.txt"),
        "kept": ("config.json", "model.safetensors", "README.md"),
    }.items():
        (tmp_path / folder).mkdir()
        for name in names:
            (tmp_path / folder / name).write_text(name)
    return tmp_path


def _content(folder: Path) -> dict[Path, bytes]:
    return {inside: inside.read_bytes() for inside in folder.rglob("*") if inside.is_file()}


@pytest.mark.parametrize("case", PLACES)
def test_an_impossible_path_is_reported_before_any_training(unrolled: Run, desk: Path, case: str) -> None:
    """The option, what it takes, what came; every file is as it was."""
    words, sentence = PLACES[case]
    before = _content(desk)
    answer = unrolled("forecast", "sales.csv", "--horizon", 3, *words)
    assert (answer.status, answer.out, answer.err) == (2, "", sentence + "\n")
    assert _content(desk) == before


def test_a_backtest_does_not_write_over_its_input(unrolled: Run, desk: Path) -> None:
    """Its page neither."""
    answer = unrolled("backtest", "sales.csv", "--report", desk / "sales.csv")
    assert answer.status == 2
    assert answer.err.startswith("--report: expected another file than the input sales.csv, got ")


@pytest.mark.parametrize("command", ["describe", "forecast", "backtest"])
def test_a_file_without_a_name_is_reported(unrolled: Run, command: str) -> None:
    """An empty variable of a script is not the current folder."""
    answer = unrolled(command, "")
    assert (answer.status, answer.out) == (2, "")
    assert answer.err == "FILE: expected a name, got ''. Give the file to read.\n"


def test_a_folder_that_cannot_be_written_to_is_reported(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system is asked; root may write everywhere, so that the answer is planted here."""
    monkeypatch.setattr(os, "access", lambda place, _: Path(place) != desk / "thesis")
    with pytest.raises(ArgumentError) as payload:
        check_paths({"FILE": "sales.csv"}, report="thesis/page.html")
    assert str(payload.value) == "--report: the folder thesis cannot be written to. Choose another one."
    check_paths({"FILE": "sales.csv"}, report="page.html")


@pytest.mark.parametrize("place", ["kept", "empty", "new"])
def test_a_saved_model_an_empty_and_a_new_folder_are_taken(desk: Path, place: str) -> None:
    """A model may be kept again where it was, even the one that is read."""
    (desk / "empty").mkdir()
    check_paths({"FILE": "sales.csv"}, folder=place)
    check_paths({"FILE": "sales.csv", "--model": place}, folder=place)


def test_all_that_is_wrong_is_reported_at_once(desk: Path) -> None:
    """A line each."""
    with pytest.raises(ArgumentError) as payload:
        check_paths({"FILE": "sales.csv"}, table="no/next.xlsx", report="thesis")
    assert [line.partition(":")[0] for line in str(payload.value).splitlines()] == [
        "--output",
        "--output",
        "--report",
    ]


def test_a_recording_is_told_by_its_suffix(tmp_path: Path) -> None:
    """And it is there."""
    (tmp_path / "a.WAV").write_bytes(b"")
    assert is_recording(str(tmp_path / "a.WAV"))
    assert not is_recording(str(tmp_path / "b.wav"))
    with pytest.raises(ArgumentError, match="expected one recording"):
        require_single_recording(str(tmp_path))
