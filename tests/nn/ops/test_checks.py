"""Validation of lengths and resets: what is converted, and the fault that each error names."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from unrolled.errors import ArgumentError
from unrolled.nn.ops.checks import check_dense, check_lengths, check_resets, describe_type

B, T = 3, 5


@pytest.mark.parametrize(
    "lengths", [[5, 0, 2], np.array([5, 0, 2], np.int32), torch.tensor([5, 0, 2], dtype=torch.uint8)]
)
def test_lengths_become_int64(lengths: Any) -> None:
    """From a list, an array or a tensor of whole numbers."""
    checked = check_lengths("GRU", lengths, B, T)
    assert (checked.dtype, checked.tolist()) == (torch.int64, [5, 0, 2])


def test_without_a_batch_axis_there_is_one_length() -> None:
    """One number becomes a row of one; a list of one is refused."""
    assert check_lengths("GRU", 4, 1, T, is_batched=False).tolist() == [4]
    with pytest.raises(ArgumentError, match="expected one number, as the input has no batch axis"):
        check_lengths("GRU", [4], 1, T, is_batched=False)


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ([5, 6, 2], r"^GRU lengths: each must be from 0 to T=5; got 6 in row 1\."),
        ([5, 0, -1], r"^GRU lengths: each must be from 0 to T=5; got -1 in row 2\."),
        ([5, 0], r"^GRU lengths: expected 3 numbers, one a row; got shape \(2,\)"),
        ([5.0, 0.0, 2.0], r"^GRU lengths: expected whole numbers, got torch.float32"),
        ([True, False, True], r"^GRU lengths: expected whole numbers, got torch.bool"),
        (
            torch.zeros(3, dtype=torch.long, device="meta"),
            r"^GRU lengths: expected numbers, got a tensor on meta",
        ),
        ("532", r"^GRU lengths: expected a list, array or tensor of numbers; got str"),
        ([5, None], r"^GRU lengths: expected a list, array or tensor of numbers; got a list of 2"),
    ],
)
def test_wrong_lengths_are_refused(lengths: Any, message: str) -> None:
    """The error names the row, the shape or the dtype."""
    with pytest.raises(ArgumentError, match=message):
        check_lengths("GRU", lengths, B, T)


def test_resets_are_bool_of_rows_and_steps() -> None:
    """Batch first whatever the layer; without a batch axis, steps alone."""
    assert check_resets("GRU", np.eye(B, T, dtype=bool), B, T).shape == (B, T)
    assert check_resets("GRU", [True] * T, 1, T, is_batched=False).shape == (1, T)
    with pytest.raises(ArgumentError, match=r"^GRU resets: expected bool, got torch.int64"):
        check_resets("GRU", [[0] * T] * B, B, T)
    with pytest.raises(
        ArgumentError, match=r"^GRU resets: expected shape \(3, 5\), which is \(B, T\).*got \(5, 3\)"
    ):
        check_resets("GRU", torch.zeros(T, B, dtype=torch.bool), B, T)


def test_sparse_tensors_are_refused() -> None:
    """They have no plain axes."""
    with pytest.raises(ArgumentError, match=r"^x: expected a dense tensor, got torch.sparse_coo"):
        check_dense("x", torch.eye(2).to_sparse())
    check_dense("x", torch.eye(2))


def test_a_list_is_described_by_its_length() -> None:
    """Other values by their type."""
    assert [describe_type([1, 2]), describe_type((1,)), describe_type(None)] == [
        "a list of 2", "a tuple of 1", "NoneType",
    ]  # fmt: skip


def test_an_array_that_runs_backwards_is_an_array() -> None:
    """Torch has no negative strides, numpy's `[::-1]` has."""
    assert check_lengths("GRU", np.array([3, 1, 2])[::-1], 3, 5).tolist() == [2, 1, 3]
    mask = np.array([[True, False], [False, False]])
    assert check_resets("GRU", mask[:, ::-1], 2, 2).tolist() == [[False, True], [False, False]]


@pytest.mark.parametrize(
    "lengths",
    [
        np.array([1, 5, 3])[::-1], np.array([3, 5, 1], dtype=">i8"), np.array([3, 5, 1], dtype=object),
        np.array([3, 5, 1], dtype="uint16"), pd.Series([3, 5, 1], index=[7, 8, 9]), list(np.array([3, 5, 1])),
    ],
    ids=["reversed", "big endian", "objects", "uint16", "series", "list of numbers"],
)  # fmt: skip
def test_lengths_come_in_any_form(lengths: Any) -> None:
    """Arrays that torch cannot read are copied."""
    assert check_lengths("GRU", lengths, 3, 5).tolist() == [3, 5, 1]


@pytest.mark.parametrize("form", [np.flipud, list, pd.DataFrame, lambda resets: resets.astype(object)])
def test_resets_come_in_any_form(form: Any) -> None:
    """As lengths do."""
    resets = np.arange(15).reshape(3, 5) % 4 == 0
    expected = np.array(form(resets)).tolist()
    assert check_resets("GRU", form(resets), 3, 5).tolist() == expected


def test_lengths_without_values_pass_where_the_input_has_none() -> None:
    """On meta and for fake tensors the range cannot be looked at; elsewhere meta is refused."""
    lengths = torch.tensor([1, 9, 3], device="meta")
    assert check_lengths("GRU", lengths, 3, 5, has_values=False).is_meta
    with pytest.raises(ArgumentError, match="on meta, where there are none"):
        check_lengths("GRU", lengths, 3, 5)
    with FakeTensorMode() as mode:
        fake = mode.from_tensor(torch.tensor([1, 9, 3]))
        assert check_lengths("GRU", fake, 3, 5).shape == (3,)
