"""The record of a comparison: JSON, frames, and a table with its sentence."""

import json
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.neighbors import KNeighborsRegressor

from unrolled import compare

SIMPLE = ["majority class", "1-NN Euclidean"]


class Cut(ClassifierMixin, BaseEstimator):
    """Says 1 where the first step is above 0, whatever it is fitted on."""

    def fit(self, X: Any, y: Any) -> "Cut":
        self.classes_ = np.unique(y)
        return self

    def predict(self, X: Any) -> Any:
        return (np.array([np.ravel(x)[0] for x in X]) > 0).astype(int)


@pytest.fixture(scope="module")
def data() -> tuple[np.ndarray, np.ndarray]:
    """Sixty sequences of six steps; the class is whether the first step is above 0, the others are noise."""
    X = np.random.default_rng(0).normal(size=(60, 6))
    return X, (X[:, 0] > 0).astype(int)


def test_a_comparison_is_json(data: tuple[np.ndarray, np.ndarray]) -> None:
    """All but the answers, by name; numbers of numpy's kind are Python's."""
    X, y = data
    record = json.loads(json.dumps(compare(Cut(), X, y, baselines=SIMPLE).to_dict(), allow_nan=False))
    assert (record["kind"], record["rows"][0]["name"], record["folds"]) == ("comparison", "Cut", 5)
    assert len(record["rows"][0]["interval"]) == 2
    assert record["rows"][0]["p_value"] is None
    assert "columns" not in record


def test_frames_are_of_the_kind_that_came(data: tuple[np.ndarray, np.ndarray]) -> None:
    """Polars in, polars out; the interval's ends carry the level."""
    X, y = data
    result = compare(Cut(), pl.DataFrame(X, schema=list("abcdef")), y, baselines=SIMPLE, level=90)
    assert isinstance(result.to_frame(), pl.DataFrame)
    assert result.to_frame().columns == [
        "name", "note", "accuracy", "accuracy-lo-90", "accuracy-hi-90", "p_value", "fit_seconds",
        "predict_seconds",
    ]  # fmt: skip
    assert result.predictions.columns == ["y", "Cut", "majority class", "1-NN Euclidean"]
    numbers = compare(KNeighborsRegressor(), X, X[:, 0], baselines="mean of y")
    assert {"rmse", "rmse-lo-95", "mae", "r2"} < set(numbers.to_frame().columns)


def test_it_prints_a_table_and_a_sentence(data: tuple[np.ndarray, np.ndarray]) -> None:
    """Columns are even; the verdict and the remarks follow."""
    X, y = data
    result = compare(Cut(), X, y, baselines=SIMPLE)
    lines = str(result).splitlines()
    assert lines[0].split() == ["model", "accuracy", "95", "%", "interval", "p", "fit", "s", "predict", "s"]
    assert lines[1].split()[:9] == ["Cut", "100.0", "%", "87.4", "%", "to", "100.0", "%", "-"]
    assert len({len(line) for line in lines[:4]}) == 1
    assert " ".join(lines[4:]) == f" {result.sentence}"  # wrapped at 100 columns
    assert max(map(len, lines[4:])) <= 100
    numbers = compare(KNeighborsRegressor(), X, X[:, 0], baselines="mean of y")
    assert str(numbers).splitlines()[0].split()[1:4] == ["rmse", "95", "%"]
