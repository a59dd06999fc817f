"""Targets become positions among classes or numbers, or are refused."""

from typing import Any

import numpy as np
import pytest
import torch

from unrolled import DataError
from unrolled.probe.model.adapter import as_probed_model
from unrolled.probe.model.targets import class_numbers, encode_targets

from .conftest import RAGGED, Last, Steps


@pytest.mark.parametrize("classes", [None, np.arange(2)])
def test_a_target_a_sequence_is_refused_for_an_output_a_step(classes: object) -> None:
    """A layer without a readout answers every step; its author meant the last."""
    with pytest.raises(DataError, match="y: expected a list for each sequence, one label or number a step"):
        encode_targets([0, 1], torch.tensor([3, 4]), classes, per_step=True, caller="order y")


EYE = np.eye(3, dtype=int)


@pytest.mark.parametrize("kind", [np.array, list, torch.tensor, lambda y: y.astype(float), lambda y: y == 1])
def test_one_hot_rows_are_classes(kind: Any) -> None:
    """Of numbers, booleans and tensors: a module of several outputs is no regression for them."""
    numbers = [0, 2, 1, 1, 0]
    probed = as_probed_model(Last(), RAGGED, kind(EYE[numbers]))
    assert probed.task == "class"
    np.testing.assert_array_equal(probed.targets, numbers)


def test_one_hot_steps_are_classes() -> None:
    """A list of them a sequence."""
    numbers = [np.arange(len(x)) % 3 for x in RAGGED]
    probed = as_probed_model(Steps(), RAGGED, [EYE[part] for part in numbers])
    assert probed.task == "class"
    np.testing.assert_array_equal(probed.targets, as_probed_model(Steps(), RAGGED, numbers).targets)


def test_two_columns_and_one_are_classes_of_a_single_output() -> None:
    """One-hot rows, and numbers in a column."""
    for y in (EYE[[0, 1, 1, 0, 1], :2], np.array([[0], [1], [1], [0], [1]])):
        probed = as_probed_model(Last(answers=1), RAGGED, y)
        assert (probed.task, probed.targets.tolist()) == ("class", [0, 1, 1, 0, 1])


@pytest.mark.parametrize(
    ("y", "K", "per_step"),
    [
        (np.array([[0.5, 0.5], [1.0, 0.0]]), 2, False),
        (np.array([[1, 1, 0], [1, 0, 0]]), 3, False),
        (np.eye(3), 2, False),
        (np.eye(3, dtype=int), 3, True),
        ([0, 1], 2, False),
        (None, 2, False),
    ],
)
def test_other_targets_stay(y: Any, K: int, per_step: bool) -> None:
    """Numbers, several labels a row, another number of columns, tags in an array."""
    assert class_numbers(y, K, per_step=per_step) is y
