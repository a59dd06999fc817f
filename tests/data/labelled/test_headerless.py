"""Labels of tables of numbers without a header."""

from pathlib import Path

import numpy as np
import pytest

from unrolled.data.labelled.read import Labelled, read_labelled

RNG = np.random.default_rng(0)
VALUES = RNG.normal(size=(6, 4)).round(3)
KINDS = [1, 2, -1, 1, 2, -1]


def _read(rows: object, name: str, separator: str = "\t") -> Labelled:
    lines = [separator.join(map(str, row)) for row in np.asarray(rows, dtype=object)]
    Path(name).write_text("\n".join(lines) + "\n")
    return read_labelled(name)


def _with_first(first: object) -> np.ndarray:
    return np.column_stack([np.asarray(first, dtype=object), VALUES])


@pytest.mark.parametrize(
    ("name", "separator", "labels"),
    [
        ("Steps_TRAIN.tsv", "\t", KINDS),
        ("Steps_TEST.tsv", "\t", range(6)),  # a class each, as in Fungi
        ("Steps_TRAIN.txt", "  ", [f"{kind:.7e}" for kind in KINDS]),
        ("Steps_TEST.txt", ",", KINDS),
        ("steps.csv", ",", KINDS),
    ],
)
def test_the_first_column_holds_the_labels(name: str, separator: str, labels: object) -> None:
    """As the UCR archive writes them, with tabs, spaces or commas; said in a note."""
    read = _read(_with_first(list(labels)), name, separator)
    assert read.labels.tolist() == [int(float(label)) for label in labels]
    assert read.sequences.values.ravel().tolist() == VALUES.ravel().tolist()
    assert any("'column 1' was read as the labels" in note for note in read.sequences.notes)


def test_labels_stand_before_sequences_that_are_all_padded() -> None:
    """As in PLAID of the archive, whose longest sequence is in the other part."""
    rows = _with_first(KINDS)
    rows[:, -1] = "NaN"
    read = _read(rows, "Steps_TRAIN.tsv")
    assert read.labels.tolist() == list(KINDS)
    assert read.sequences.lengths.tolist() == [3] * 6


def test_the_last_column_may_hold_them() -> None:
    """As files of heartbeats do: 187 values, then 0.0 to 4.0."""
    read = _read(
        np.column_stack([VALUES.astype(object), np.array([0.0, 1.0] * 3, dtype=object)]), "beats.csv", ","
    )
    assert read.labels.tolist() == [0, 1] * 3
    assert read.sequences.lengths.tolist() == [4] * 6


@pytest.mark.parametrize(
    "rows",
    [
        VALUES,
        _with_first(range(6)),  # numbers of rows
        RNG.integers(0, 3, (6, 4)),  # several columns recur
        np.column_stack([VALUES[:, :2], [1, 2] * 3, VALUES[:, 2:]]),  # neither first nor last
    ],
)
def test_no_other_column_is_taken_for_labels(rows: np.ndarray) -> None:
    """Values are no labels; which column is can be said with label=."""
    read = _read(rows, "steps.tsv")
    assert read.labels is None
    assert read.sequences.lengths.tolist() == [np.shape(rows)[1]] * 6
