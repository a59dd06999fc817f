"""X is read in either layout, padded or not; its columns are counted as scikit-learn counts them."""

import numpy as np
import pandas as pd
import pytest

from unrolled.data.io.arrays import as_sequences
from unrolled.errors import DataError
from unrolled.models.sequence.inputs import (
    count_columns,
    count_table_steps,
    feature_names,
    read_inputs,
    require_table_steps,
)

TABLE = np.arange(12.0).reshape(3, 4)
FRAME = pd.DataFrame(TABLE, columns=list("abcd"))


def test_lengths_before_padding_was_cut_are_kept() -> None:
    """By lengths, or NaN at the ends; a layout is read first."""
    inputs = read_inputs(TABLE[:, None], "X", layout="nct", lengths=[4, 1, 2])
    assert inputs.data.lengths.tolist() == [4, 1, 2]
    assert inputs.given_lengths.tolist() == [4, 4, 4]
    padded = np.where(TABLE > 9, np.nan, TABLE)
    inputs = read_inputs(padded, "X", layout=None, lengths=None)
    assert (inputs.data.lengths.tolist(), inputs.given_lengths.tolist()) == ([4, 4, 2], [4, 4, 4])
    assert inputs.X is padded


def test_steps_of_a_table_are_counted() -> None:
    """Of arrays and frames with a row a sequence, and of lists where they are asked for."""
    for X in (TABLE, FRAME):
        assert count_table_steps(X, as_sequences(X), lists=False) == 4
    rows = TABLE.tolist()
    assert [count_table_steps(rows, as_sequences(rows), lists=lists) for lists in (True, False)] == [4, 0]
    for X in (TABLE[:, :, None], [TABLE[0], TABLE[1][:2]]):
        assert count_table_steps(X, as_sequences(X), lists=True) == 0


def test_columns_of_the_source_are_counted_and_named() -> None:
    """Steps of a wide frame, features of others."""
    long = pd.DataFrame({"unique_id": [1, 1, 2], "ds": [0, 1, 0], "u": 1.0, "v": 2.0})
    for X, names in ((FRAME, list("abcd")), (long, ["u", "v"])):
        data = as_sequences(X)
        assert count_columns(data) == len(names)
        assert feature_names(X, data)["feature_names_in_"].tolist() == names
    assert count_columns(as_sequences(TABLE)) == 1
    assert feature_names(TABLE, as_sequences(TABLE)) == {}


def test_a_table_of_another_width_is_refused() -> None:
    """In scikit-learn's words; other input has no width."""
    with pytest.raises(DataError, match="X has 3 features, but Net is expecting 4 features as input"):
        require_table_steps(3, 4, "Net")
    for steps, expected in ((4, 4), (0, 4), (3, 0)):
        require_table_steps(steps, expected, "Net")
