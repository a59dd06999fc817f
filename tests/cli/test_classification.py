"""Steps that every kind of classification shares: compare, fit, write; predict."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from unrolled.cli.classification import (
    Examples,
    OutputPaths,
    compare_and_write,
    predict_and_write,
    refuse_unused_options,
)
from unrolled.errors import ArgumentError
from unrolled.models.sequence.classifier import SequenceClassifier
from unrolled.report.records import LabelledData

X = np.random.default_rng(0).normal(size=(24, 5)) + np.array([0.0, 2.0] * 12)[:, None]
Y = np.array(["low", "high"] * 12)


def _examples(rows: slice, *, labelled: bool = True) -> Examples:
    names = [f"s{k}" for k in range(24)][rows]
    data = LabelledData("file.csv", list(X[rows][..., None]), Y[rows], ("x",), ())
    labels = Y[rows] if labelled else None
    return Examples(X[rows], labels, "file.csv", {"id": names}, names, lambda _: data, ["a note"])


@pytest.fixture
def model() -> SequenceClassifier:
    """A small one."""
    return SequenceClassifier(cell="rnn", hidden_size=4, max_epochs=1, n_members=1, random_state=0)


def test_all_files_are_written_and_named(
    model: SequenceClassifier, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The table holds what was tested, the folder a model of all training data; JSON names both."""
    paths = OutputPaths(str(tmp_path / "p.csv"), str(tmp_path / "r.html"), str(tmp_path / "m"), json=True)
    compare_and_write(model, _examples(slice(16)), _examples(slice(16, 24)), None, paths)
    record = json.loads(capsys.readouterr().out)
    assert (record["source"], record["notes"], record["folds"]) == ("file.csv", ["a note"], None)
    assert record["written"] == [paths.report, paths.output, paths.save] == paths.paths
    table = pd.read_csv(tmp_path / "p.csv")
    assert table["id"].tolist() == [f"s{k}" for k in range(16, 24)]
    assert table["y"].tolist() == Y[16:].tolist()
    saved = SequenceClassifier.load(tmp_path / "m")
    np.testing.assert_array_equal(saved.predict_proba(X), model.predict_proba(X))
    assert "file.csv" in (tmp_path / "r.html").read_text(encoding="utf-8")


def test_without_paths_nothing_is_fitted_beside_the_comparison(
    model: SequenceClassifier, capsys: pytest.CaptureFixture[str]
) -> None:
    """The comparison fits copies."""
    compare_and_write(model, _examples(slice(24)), None, 2, OutputPaths(None, None, None, json=False))
    assert not model.__sklearn_is_fitted__()
    assert "24 sequences" in capsys.readouterr().out


@pytest.mark.parametrize("labelled", [True, False])
def test_predictions_stand_beside_names_and_labels(
    model: SequenceClassifier, capsys: pytest.CaptureFixture[str], tmp_path: Path, labelled: bool
) -> None:
    """On the screen the likeliest class; in the table the probability of every class, and y where known."""
    model.fit(X, Y)
    predict_and_write(model, _examples(slice(8), labelled=labelled), str(tmp_path / "p.csv"), json=False)
    table = pd.read_csv(tmp_path / "p.csv")
    expected = ["id", *(["y"] if labelled else []), "answer", "p-high", "p-low"]
    assert list(table.columns) == expected
    assert table["answer"].tolist() == model.predict(X[:8]).tolist()
    printed = capsys.readouterr().out.splitlines()
    assert printed[1].split()[:2] == ["s0", table["answer"][0]]
    assert printed[-1].startswith("Written: ")


@pytest.mark.parametrize(("used", "is_refused"), [({"cell", "hidden_size"}, False), ({"cell"}, True)])
def test_options_without_a_use_are_refused(used: set[str], is_refused: bool) -> None:
    """By name, with what is classified."""
    given: dict[str, Any] = {"cell": "gru", "hidden_size": 3}
    if not is_refused:
        refuse_unused_options(given, used, "texts")
        return
    with pytest.raises(ArgumentError, match="hidden_size: a classifier of texts has no use for it"):
        refuse_unused_options(given, used, "texts")
