"""Labels and numbers: as they came where they are good, one sentence where they are not."""

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from sklearn.exceptions import DataConversionWarning

from unrolled.data.io.targets import as_groups, as_labels, as_numbers, parse_labels
from unrolled.errors import DataError


def _fault_of(check: Any, y: Any, n: int = 3) -> str:
    with pytest.raises(DataError) as fault:
        check(y, n)
    return str(fault.value)


@pytest.mark.parametrize(
    "y",
    [
        ["walk", "run", "walk"],
        ("walk", "run", "walk"),
        np.array(["walk", "run", "walk"]),
        np.array(["walk", "run", "walk"], dtype=object),
        pd.Series(["walk", "run", "walk"]),
        pd.Series(["walk", "run", "walk"], dtype="category"),
        pl.Series(["walk", "run", "walk"]),
        pa.array(["walk", "run", "walk"]),
    ],
)
def test_texts_of_any_kind_are_texts(y: Any) -> None:
    """Lists, arrays, series and categories give the same array of texts."""
    labels = as_labels(y, 3)
    assert labels.dtype.kind == "U"
    assert labels.tolist() == ["walk", "run", "walk"]


@pytest.mark.parametrize(
    ("y", "kind"),
    [
        ([2, -1, 2], "i"),
        (np.array([2, -1, 2], dtype=np.int8), "i"),
        (np.array([2, -1, 2], dtype=object), "i"),
        (pd.Series([2, -1, 2], dtype="Int64"), "i"),
        (torch.tensor([2, -1, 2]), "i"),
        ([2.0, -1.0, 2.0], "f"),
        ([True, False, True], "b"),
    ],
)
def test_numbers_and_truths_stay_what_they_are(y: Any, kind: str) -> None:
    """The classes of the fitted model are of the kind that was given."""
    labels = as_labels(y, 3)
    assert labels.dtype.kind == kind
    assert (labels == np.asarray(y)).all()


@pytest.mark.parametrize(
    "y", [[1, 2.5, -3], np.array([1, 2.5, -3], dtype=np.float32), pd.Series([1, 2.5, -3])]
)
def test_numbers_to_learn_are_float64(y: Any) -> None:
    """Whatever they came as."""
    numbers = as_numbers(y, 3)
    assert numbers.dtype == np.float64
    assert numbers.tolist() == [1.0, 2.5, -3.0]


@pytest.mark.parametrize("check", [as_labels, as_numbers])
def test_a_column_vector_warns_and_is_flattened(check: Any) -> None:
    """(N, 1) is what a frame's column gives; scikit-learn's own warning says so, at the caller's line."""
    with pytest.warns(DataConversionWarning, match="A column-vector y was passed when a 1d array") as told:
        assert check(np.array([[1], [2], [3]]), 3).tolist() == [1, 2, 3]
    assert told[0].filename == __file__


@pytest.mark.parametrize("check", [as_labels, as_numbers])
@pytest.mark.parametrize(
    ("y", "sentence"),
    [
        ([1, 2], "y: expected 3 as X has 3 sequences, got 2."),
        ([1], "y: expected 3 as X has 3 sequences, got 1. A single sequence is given as [x] or x[None]."),
        ([1, 2, 3, 4], "y: expected 3 as X has 3 sequences, got 4."),
        (None, "y: this estimator requires y to be passed, but the target y is None."),
        (
            np.eye(3),
            (
                "y: expected one a sequence, shape (3,), got shape (3, 3). With a column a class, "
                "give y.argmax(axis=1)."
            ),
        ),
        (7, "y: expected one a sequence, shape (3,), got shape (). Give a list of them."),
        ("up", "y: expected one a sequence, shape (3,), got shape (). Give a list of them."),
        (
            [1, None, 2],
            "y, position 1: expected a label or a number, got None or NaN. Leave those sequences out.",
        ),
        (
            [1.0, np.nan, np.nan],
            (
                "y, position 1: expected a label or a number, got None or NaN, and 1 more like it. Leave "
                "those sequences out."
            ),
        ),
        (
            np.array([np.nan, 1.0, 2.0]),
            "y, position 0: expected a label or a number, got None or NaN. Leave those sequences out.",
        ),
        (
            np.array([1, 2, np.inf]),
            "y, position 2: expected a label or a number, got inf. Leave those sequences out.",
        ),
        (
            pd.Series([1, pd.NA, 2], dtype="Int64"),
            "y, position 1: expected a label or a number, got None or NaN. Leave those sequences out.",
        ),
        (
            ["a", 1, "b"],
            (
                "y: expected labels of one type, got 'a' (str) and, at position 1, 1 (int). Write all as "
                "texts: [str(label) for label in y]."
            ),
        ),
        (
            [1, True, 2],
            (
                "y: expected labels of one type, got 1 (int) and, at position 1, True (bool). Write all as "
                "texts: [str(label) for label in y]."
            ),
        ),
        ([{}, {}, {}], "y: expected texts or numbers, got dict (Unknown label type: unknown)."),
        ([[1], [1, 2], [3]], "y: expected texts or numbers, got list (Unknown label type: unknown)."),
        (
            [np.zeros((2, 3)), np.zeros((2, 2)), np.zeros((2, 4))],
            "y: expected one a sequence, shape (3,), got lists or arrays of several shapes.",
        ),
    ],
)
def test_what_is_neither_is_one_sentence(check: Any, y: Any, sentence: str) -> None:
    """Too few, too many, missing, of several types, of more axes: for classes and for numbers alike."""
    told = _fault_of(check, y)
    assert told.split(" ", 1)[0] in {"SequenceClassifier", "SequenceRegressor"}
    if told.startswith("SequenceRegressor"):  # which takes no classes
        columns = "With a column a class, give y.argmax(axis=1)."
        sentence = sentence.replace(
            columns, "One number a sequence is learned: give one column, y[:, 0], and fit a model for each."
        )
    assert told.split(" ", 1)[1] == sentence


@pytest.mark.parametrize(
    "y",
    [
        [b"up", b"down", b"up"],
        np.array([b"up", b"down", b"up"]),
        np.array([b"up", "down", b"up"], dtype=object),
        pd.Series([b"up", b"down", b"up"]),
    ],
)
def test_labels_of_bytes_are_texts(y: Any) -> None:
    """As HDF5 and SciPy's reader of ARFF hold them."""
    assert as_labels(y, 3).tolist() == ["up", "down", "up"]


@pytest.mark.parametrize(
    ("y", "sentence"),
    [
        (
            [1.5, 2.0, 0.25],
            (
                "expected classes, got numbers such as 1.5 (Unknown label type: continuous). Name the "
                "classes; SequenceRegressor learns numbers, of sequences of values."
            ),
        ),
        (
            np.array(["2020", "2021", "2022"], dtype="M8[Y]"),
            "expected texts or whole numbers, got datetime64[Y].",
        ),
        (np.array([1j, 2, 3]), "expected texts or whole numbers, got complex128."),
    ],
)
def test_what_names_no_class_is_one_sentence(y: Any, sentence: str) -> None:
    """Numbers with decimals are for the regressor."""
    assert _fault_of(as_labels, y) == f"SequenceClassifier y: {sentence}"


@pytest.mark.parametrize(
    ("y", "sentence"),
    [
        (["up", "up", "down"], "expected numbers, got 'up'. Learn classes with SequenceClassifier."),
        (["1", "2", "3"], "expected numbers, got '1'. Learn classes with SequenceClassifier."),
        (np.array([1j, 2, 3]), "expected numbers, got complex128. Learn classes with SequenceClassifier."),
        (
            [1.0, 2.0, 1e200],
            "expected numbers up to 1e+150, got 1e+200. Divide the column by a power of ten.",
        ),
    ],
)
def test_what_is_no_number_is_one_sentence(y: Any, sentence: str) -> None:
    """Texts are for the classifier, those that look like numbers too."""
    assert _fault_of(as_numbers, y).split(": ", 1)[1] == sentence


def test_who_is_named() -> None:
    """The caller says what messages call the labels."""
    with pytest.raises(DataError, match=r"^SequenceTagger y: expected 2"):
        as_labels([1], 2, who="SequenceTagger y")


@pytest.mark.parametrize(
    ("texts", "alphabet", "labels"),
    [
        (["1", "-2", "0"], (), [1, -2, 0]),
        (["1", "2"], ("1", "2", "x"), ["1", "2"]),
        (["01", "1"], (), ["01", "1"]),
        (["1.5", "2"], (), ["1.5", "2"]),
        (["9" * 30, "2"], (), ["9" * 30, "2"]),
        (["-0", "0"], (), ["-0", "0"]),
    ],
)
def test_only_whole_numbers_become_numbers(
    texts: list[str], alphabet: tuple[str, ...], labels: list[Any]
) -> None:
    """And two labels never become one."""
    assert parse_labels(texts, alphabet).tolist() == labels


def test_groups_are_numbered_as_they_occur() -> None:
    """Names of any kind; a number is not the text that looks like it."""
    assert as_groups([4.5, "1", 1, "1", 4.5], 5).tolist() == [0, 1, 2, 1, 0]
    assert as_groups(pd.Series(["bob", "ann", "bob"], index=[7, 8, 9]), 3).tolist() == [0, 1, 0]


def test_groups_that_are_none_are_one_sentence() -> None:
    """Too few, or one missing: it would make a group of strangers."""
    with pytest.raises(DataError) as fault:
        as_groups(["ann"], 3)
    sentence = "groups: expected 3 names, one a sequence, got shape (1,). Give one for each."
    assert str(fault.value) == sentence
    for missing in (None, float("nan"), pd.NA):
        with pytest.raises(DataError, match=f"groups: expected a name for each sequence, got {missing}"):
            as_groups([missing, 3, "ann"], 3)
