"""Axes of arrays are read as they are meant, or it is said how they were read."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from unrolled.data.axes import InputWarning, axes_words, channels_last, warn_of_few_steps
from unrolled.data.io.arrays import as_sequences
from unrolled.errors import DataError

BLOCK = np.arange(30.0).reshape(2, 3, 5)  # 2 sequences, 3 features, 5 steps


def _ragged(*lengths: int) -> np.ndarray:
    objects = np.empty(len(lengths), dtype=object)
    for k, steps in enumerate(lengths):
        objects[k] = BLOCK[k, :, :steps]
    return objects


@pytest.mark.parametrize("X", [BLOCK, list(BLOCK), BLOCK.tolist(), _ragged(5, 5)])
def test_channels_first_is_turned_round(X: Any) -> None:
    """Arrays, lists of arrays and of lists, arrays of objects: (N, F, T) is read as (N, T, F)."""
    series = as_sequences(X, layout="nct")
    assert series.lengths.tolist() == [5, 5]
    assert series[1].values.tolist() == BLOCK[1].T.tolist()


def test_ragged_channels_first() -> None:
    """Each sequence by itself."""
    assert as_sequences(_ragged(5, 2), layout="nct").lengths.tolist() == [5, 2]


@pytest.mark.parametrize(
    "X", [BLOCK[:, 0], list(BLOCK[:, 0]), pd.DataFrame(BLOCK[:, 0]), [pd.DataFrame(BLOCK[0].T)]]
)
def test_what_has_no_feature_axis_or_has_columns_stays(X: Any) -> None:
    """A table of one number a step has no axes to change, a frame has columns."""
    assert as_sequences(X, layout="nct").values.tolist() == as_sequences(X).values.tolist()


def test_channels_last_leaves_what_it_is_given() -> None:
    """The caller's array is not written to."""
    assert np.shares_memory(channels_last(BLOCK), BLOCK)
    assert channels_last(BLOCK[:, 0]) is not None


@pytest.mark.parametrize("X", [BLOCK, list(BLOCK), np.ones((4, 1, 9)), [np.ones((2, 3)), np.ones((1, 3))]])
def test_fewer_steps_than_features_are_warned_of(X: Any) -> None:
    """In every sequence; with the ways out."""
    with pytest.warns(InputWarning, match="X: every sequence has fewer steps than features: .* layout='nct'"):
        warn_of_few_steps(X, as_sequences(X), "X", stacklevel=1)


@pytest.mark.parametrize(
    "X",
    [
        BLOCK.swapaxes(1, 2),
        [np.ones((2, 3)), np.ones((9, 3))],
        np.ones((4, 3, 3)),
        [pd.DataFrame(BLOCK[0], columns=list("abcde"))],
        pd.DataFrame(np.ones((9, 2))),
    ],
)
def test_others_are_not_warned_of(X: Any) -> None:
    """One sequence is long enough, or a frame names its columns."""
    warn_of_few_steps(X, as_sequences(X), "X", stacklevel=1)


def test_what_was_read_is_said() -> None:
    """Sequences, steps and features."""
    assert axes_words(as_sequences(BLOCK)) == "2 sequences of 3 steps, 5 features a step"
    assert axes_words(as_sequences(_ragged(5, 2), layout="nct")) == (
        "2 sequences of 2 to 5 steps, 3 features a step"
    )


@pytest.mark.parametrize("X", [np.ones((7, 1)), pd.DataFrame({"x": np.ones(7)})])
def test_a_table_of_one_column_is_one_sequence(X: Any) -> None:
    """As x[0] of (N, T, 1) is; both ways out work."""
    with pytest.raises(
        DataError, match=r"a table of 1 feature\(s\), shape \(7, 1\), which is one sequence of 7"
    ):
        as_sequences(X)
    assert as_sequences([X]).lengths.tolist() == [7]
    assert as_sequences(np.asarray(X)[None]).lengths.tolist() == [7]
    assert as_sequences(np.asarray(X)[:, :, None]).lengths.tolist() == [1] * 7
