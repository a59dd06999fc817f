"""Arrays in .npz and .npy files, under the names that libraries give them."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unrolled.data.labelled.array_files import npz_parts, read_npy, read_npz
from unrolled.errors import ArgumentError, DataError

VALUES = np.arange(24.0).reshape(4, 3, 2)
LABELS = np.array([1, 0, 1, 0], dtype=np.uint8)


def _saved(*arrays: Any, **named: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, *arrays, **named)
    return buffer.getvalue()


def _npy(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (_saved(X=VALUES, y=LABELS), None),
        (_saved(x=VALUES, y=LABELS), None),
        (_saved(data=VALUES, labels=LABELS), None),
        (_saved(VALUES, LABELS), None),
        (_saved(x_train=VALUES, y_train=LABELS, x_test=VALUES[:1], y_test=LABELS[:1]), "train"),
        (_saved(X_test=VALUES, y_test=LABELS), "test"),
    ],
)
def test_arrays_are_found_by_their_usual_names(content: bytes, part: str | None) -> None:
    """Of NumPy, of Keras' mnist.npz, of the archives."""
    series, labels = read_npz(content, "steps.npz", part)
    assert series.values.tolist() == VALUES.reshape(-1, 2).tolist()
    assert labels is not None
    assert labels.tolist() == LABELS.tolist()


def test_arrays_without_names_are_noted() -> None:
    """np.savez(path, X, y) numbers them: the first was read as X."""
    notes = read_npz(_saved(VALUES, LABELS), "steps.npz", None)[0].notes
    assert notes == ("arrays without names: arr_0 was read as X and arr_1 as y",)


def test_the_parts_of_keras_are_train_and_test() -> None:
    """Which is read is said, never guessed."""
    content = _saved(x_train=VALUES, y_train=LABELS, x_test=VALUES, y_test=LABELS)
    assert npz_parts(content, "mnist.npz") == ("train", "test")
    with pytest.raises(
        ArgumentError, match=r"mnist\.npz has a part train and test; choose one with part='train'"
    ):
        read_npz(content, "mnist.npz", None)


def test_values_without_labels_are_for_prediction() -> None:
    """An .npz without y, and any .npy."""
    assert read_npz(_saved(x_test=VALUES), "steps.npz", "test")[1] is None
    series = read_npy(_npy(VALUES), "steps.npy")
    assert (series.lengths.tolist(), series.source) == ([3] * 4, "steps.npy")
    assert read_npy(_npy(VALUES[..., 0]), "steps.npy").values.shape == (12, 1)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (
            _npy(VALUES)[:90],
            "steps.npy: expected a whole .npy file, got a cut or damaged one. Fetch it again.",
        ),
        (
            _npy(np.array([np.ones(2), np.ones(3)], dtype=object)),
            (
                "steps.npy: expected numbers or texts, got Python objects. Save labels as "
                "np.array(y, dtype=str), and sequences of many lengths as a long table."
            ),
        ),
        (
            _npy(np.ones(4)),
            (
                "steps.npy: expected a list of sequences, got one sequence of 4 steps. Reshape your data: "
                "[x] is a list of one; so is x[None] for an array."
            ),
        ),
    ],
)
def test_a_bad_npy_is_one_sentence(content: bytes, sentence: str) -> None:
    """Cut, of Python objects, of one sequence."""
    with pytest.raises(DataError) as fault:
        read_npy(content, Path("steps.npy").name)
    assert str(fault.value) == sentence


def test_arrays_of_other_names_are_named() -> None:
    """With the call that saves them as they are looked for."""
    with pytest.raises(DataError) as fault:
        read_npz(_saved(values=VALUES), "steps.npz", None)
    assert str(fault.value) == (
        "steps.npz: expected arrays X and y, got values. Save them as np.savez(path, X=X, y=y)."
    )
