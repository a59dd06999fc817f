"""Targets become positions among classes or numbers, or are refused."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from unrolled import DataError, SequenceClassifier
from unrolled.probe import states
from unrolled.probe.model.adapter import as_probed_model
from unrolled.probe.model.targets import are_class_numbers, class_numbers, encode_targets

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


def test_targets_of_a_frame_are_aligned_by_id() -> None:
    """As fit aligns them: what groupby gives is sorted by id."""
    ids = [f"r{k}" for k in (3, 0, 4, 1, 2)]
    X = pd.concat(
        [pd.DataFrame(x, columns=["u", "v"]).assign(unique_id=i) for i, x in zip(ids, RAGGED, strict=True)]
    )
    y = pd.Series([0, 1, 1, 0, 1], index=ids)
    model = SequenceClassifier(hidden_size=4, max_epochs=2, n_members=1).fit(X, y)
    assert as_probed_model(model, X, y.sort_index()).targets.tolist() == [0, 1, 1, 0, 1]
    assert as_probed_model(model, RAGGED, y.tolist()).targets.tolist() == [0, 1, 1, 0, 1]


def test_one_sequence_is_refused_as_many_of_one_step() -> None:
    """x[0] of (N, T, 1), for an estimator and a module."""
    block = np.random.default_rng(0).normal(size=(6, 9, 1))
    model = SequenceClassifier(hidden_size=4, max_epochs=2, n_members=1).fit(block, [0, 1] * 3)
    module = nn.GRU(1, 4, batch_first=True)
    for each in (model, module):
        with pytest.raises(DataError, match=r"which is one sequence of 9 steps.* Give one sequence as \[x\]"):
            states(each, block[0])
        states(each, [block[0]])


@pytest.mark.parametrize("gap", [None, float("nan"), -100])
def test_steps_without_a_label_have_no_target(gap: Any) -> None:
    """Of estimators and of modules; a sequence without any label is refused."""
    y, lengths = [[1, gap, 0], [gap, 1]], torch.tensor([3, 2])
    assert are_class_numbers(y, 3, per_step=True, caller="order y")
    assert are_class_numbers(y, 1, per_step=True, caller="order y")
    targets = encode_targets(y, lengths, np.arange(2), per_step=True, caller="order y")
    assert targets.tolist() == [[1, -100, 0], [-100, 1, -100]]
    with pytest.raises(DataError, match=r"order y\[1\]: expected a label at some step, got none. Leave"):
        encode_targets([[1, 0, 0], [gap, gap]], lengths, np.arange(2), per_step=True, caller="order y")
