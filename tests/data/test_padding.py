"""Padding is cut where it shows or is declared, and warned of where it may be meant."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from unrolled.data.axes import InputWarning
from unrolled.data.io.arrays import as_sequences
from unrolled.data.padding import cut_missing_ends, cut_to_lengths, equal_ends, warn_of_equal_ends
from unrolled.data.sequences import Sequences
from unrolled.errors import DataError

NAN = np.nan
PADDED = np.array([[1.0, 2, 3], [4, NAN, NAN], [5, NAN, 6]])


def test_steps_without_a_value_at_the_end_are_cut() -> None:
    """Not those in the middle, nor where one feature has a value; with a note."""
    series = cut_missing_ends(Sequences.from_arrays(PADDED), "X")
    assert series.lengths.tolist() == [3, 1, 3]
    assert series.notes == ("1 of 3 sequences end before steps without a value, which were left out",)
    half = Sequences.from_arrays([[[1.0, 2], [NAN, 3], [NAN, NAN]]])
    assert cut_missing_ends(half, "X").lengths.tolist() == [2]


def test_without_padding_nothing_changes() -> None:
    """Nor is anything copied."""
    series = Sequences.from_arrays([[1.0, NAN, 2.0], [3.0]])
    assert cut_missing_ends(series, "X") is series


@pytest.mark.parametrize(
    "X",
    [
        PADDED[:2],
        PADDED[:2, :, None],
        PADDED[:2].tolist(),
        pd.DataFrame(PADDED[:2]),
        torch.tensor(PADDED[:2]),
        np.ma.masked_invalid(PADDED[:2]),
        np.dstack([PADDED[:2], PADDED[:2]]),
    ],
)
def test_every_form_of_padded_input_is_cut(X: Any) -> None:
    """Arrays, lists, frames, tensors and masked arrays."""
    assert as_sequences(X).lengths.tolist() == [3, 1]


def test_a_sequence_without_any_value_is_refused() -> None:
    """By its id."""
    with pytest.raises(DataError, match=r"X, sequence '1': expected at least one value, got none. Leave"):
        cut_missing_ends(Sequences.from_arrays([[1.0, NAN], [NAN, NAN]]), "X")


@pytest.mark.parametrize(
    "kind", [list, np.array, torch.tensor, pd.Series, lambda x: np.array(x, dtype=float)]
)
def test_declared_lengths_cut_whatever_is_beyond(kind: Any) -> None:
    """Zeros, NaN or anything else."""
    X = np.array([[1.0, 2, 0], [4, 0, 7], [5, 6, NAN]])
    series = as_sequences(X, lengths=kind([2, 1, 2]))
    assert [one.values[:, 0].tolist() for one in series] == [[1, 2], [4], [5, 6]]


@pytest.mark.parametrize(
    ("lengths", "words"),
    [
        ([3, 3], r"X lengths: expected 3 whole numbers, one a sequence, got shape \(2,\)"),
        (["a", "b", "c"], "X lengths: expected 3 whole numbers"),
        ([3, 4, 1], "X lengths, sequence 1: expected a whole number from 1 to 3, the steps in X, got 4"),
        ([3, 1, 0], "X lengths, sequence 2: .* got 0"),
        ([3, 1.5, 1], "X lengths, sequence 1: .* got 1.5"),
        ([3, NAN, 1], "X lengths, sequence 1: .* got nan"),
    ],
)
def test_wrong_lengths_are_refused(lengths: Any, words: str) -> None:
    """With what came."""
    with pytest.raises(DataError, match=words):
        cut_to_lengths(Sequences.from_arrays(np.ones((3, 3))), lengths, "X")


def test_equal_steps_at_the_end_are_counted() -> None:
    """A whole sequence of them too; sequences do not run into each other."""
    parts = [[1.0, 0, 0], [0.0, 0, 0], [0.0, 1], [1.0], [1.0, 1, 2, 2]]
    assert equal_ends(Sequences.from_arrays(parts)).tolist() == [2, 3, 1, 1, 2]
    assert equal_ends(Sequences.from_arrays([[[1.0, 2], [1, 2]], [[1.0, 2], [3, 2]]])).tolist() == [2, 1]


def _padded(value: float | None, n: int = 20, steps: int = 12, features: int = 1) -> np.ndarray:
    """Noise that ends at 2 to 9 steps, then a value, or the last one."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, steps, features))
    for x, length in zip(X, rng.integers(2, 10, n), strict=True):
        x[length:] = x[length - 1] if value is None else value
    return X


@pytest.mark.parametrize("value", [0.0, -1.0, None])
@pytest.mark.parametrize("features", [1, 3])
def test_ends_that_look_padded_are_warned_of(value: float | None, features: int) -> None:
    """By zeros, by another number, by the last value."""
    series = as_sequences(_padded(value, features=features))
    with pytest.warns(InputWarning, match="X: 20 of 20 sequences end in 3 or more equal steps.* lengths="):
        warn_of_equal_ends(series, "X", stacklevel=1)


@pytest.mark.parametrize("features", [1, 3])
def test_starts_that_look_padded_are_warned_of(features: int) -> None:
    """By the same step in all; what a sequence holds at its own first value is none."""
    X = _padded(0.0, features=features)[:, ::-1]
    with pytest.warns(InputWarning, match="X: 20 of 20 sequences begin with 3 .* without them, in a list"):
        warn_of_equal_ends(as_sequences(X), "X", stacklevel=1)
    held = _padded(None, features=features)[:, ::-1]
    warn_of_equal_ends(as_sequences(held), "X", stacklevel=1)


@pytest.mark.parametrize(
    "X",
    [
        np.random.default_rng(0).normal(size=(30, 12)),
        np.random.default_rng(0).integers(0, 2, (200, 12)),
        _padded(0.0, n=9),
        np.pad(np.random.default_rng(0).normal(size=(30, 9)), ((0, 0), (0, 3))),
        [x[: 5 + k] for k, x in enumerate(_padded(0.0, n=12, steps=20))],
        np.zeros((30, 12)),
    ],
    ids=["noise", "coins", "few", "all alike", "ragged", "constant"],
)
def test_other_ends_are_not_warned_of(X: Any) -> None:
    """Chance, few sequences, ends that are alike in all of them."""
    warn_of_equal_ends(as_sequences(X), "X", stacklevel=1)


def test_lengths_with_an_index_of_ids_are_aligned() -> None:
    """As labels and weights are; an index that lacks an id is refused in the words of lengths."""
    frame = pd.DataFrame(
        {"unique_id": ["b"] * 3 + ["a"] * 4, "ds": [0, 1, 2, 0, 1, 2, 3], "y": np.arange(7.0)}
    )
    lengths = pd.Series([4, 2], index=["a", "b"])
    for given in (lengths, lengths.to_dict(), lengths[::-1]):
        assert as_sequences(frame, lengths=given).lengths.tolist() == [2, 4]
    with pytest.raises(DataError, match=r"lacks 'b'. Add them, or give lengths.to_numpy\(\)"):
        as_sequences(frame, lengths=pd.Series([4, 2], index=["a", "c"]))
