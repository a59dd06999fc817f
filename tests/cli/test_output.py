"""Output of the commands: JSON, tables that are cut short, files of three formats."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from unrolled.cli.output import print_json, print_notes, print_predictions, print_written_paths, write_table


def test_json_is_one_line_without_nan(capsys: pytest.CaptureFixture[str]) -> None:
    """NaN is null, so that every parser reads it; letters stay."""
    print_json({"loss": np.float64("nan"), "name": "größe"})
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert json.loads(out) == {"loss": None, "name": "größe"}


def test_notes_are_sentences_on_stderr_without_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    """A file cannot command the terminal."""
    notes: Any = SimpleNamespace(notes=("rows were \x1b[31msorted",))
    print_notes(notes)
    assert capsys.readouterr() == ("", "Note: Rows were [31msorted.\n")


def test_predictions_are_aligned_and_cut_at_twenty(capsys: pytest.CaptureFixture[str]) -> None:
    """The rest is counted; the file would hold it."""
    ids = [f"run {k}" for k in range(22)]
    print_predictions(ids, ["up"] * 22, [0.25] * 22)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["sequence", "answer", "sure"]
    assert lines[1] == "run 0     up      0.250"
    assert len(lines) == 1 + 20 + 1
    assert lines[-1] == "... and 2 more sequences; --output writes them all to a file."


def test_each_written_path_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """In the order given."""
    print_written_paths(["a.csv", "b.html"])
    assert capsys.readouterr().out == "Written: a.csv\nWritten: b.html\n"


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.parquet", "T.PARQUET"])
def test_a_table_is_written_in_the_format_of_its_suffix(tmp_path: Path, name: str) -> None:
    """And read back equal."""
    frame = pd.DataFrame({"ds": [1, 2], "gru": [0.5, 0.25]})
    write_table(frame, str(tmp_path / name))
    read = pd.read_parquet if name.lower().endswith("parquet") else pd.read_csv
    pd.testing.assert_frame_equal(read(tmp_path / name), frame)
