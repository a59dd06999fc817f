"""Classes and their weights, and a loss that is one sum however the batches are cut."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from unrolled.errors import ArgumentError, DataError
from unrolled.models.sequence.dataset import SequenceBatch
from unrolled.models.sequence.labels import (
    compute_class_weights,
    encode_labels,
    require_like_classes,
    weighted_cross_entropy,
)

CLASSES = np.array(["a", "b", "c"])
NUMBERS = np.array([0, 0, 0, 0, 1, 1, 2, 2, 2, 2])


def test_classes_are_sorted_and_encoded() -> None:
    """As scikit-learn sorts them."""
    classes, numbers = encode_labels(np.array([7, -1, 7, 3]), "y")
    assert classes.tolist() == [-1, 3, 7]
    assert numbers.tolist() == [2, 0, 2, 1]


def test_a_single_class_is_refused() -> None:
    """There is nothing to tell apart."""
    with pytest.raises(DataError) as fault:
        encode_labels(np.array(["up", "up"]), "SequenceClassifier y")
    assert str(fault.value) == (
        "SequenceClassifier y: expected at least two classes, got one class ('up') in all labels. Give "
        "examples of another class."
    )


def test_labels_of_another_type_are_refused() -> None:
    """None could be right; a label of no class is allowed."""
    require_like_classes(np.array(["d", "a"]), CLASSES, "y")
    require_like_classes(np.array([9.0]), np.arange(7), "y")
    with pytest.raises(
        DataError, match=r"y: expected labels like 0, as in fit, got '1'. Write both as texts"
    ):
        require_like_classes(np.array(["1"]), np.arange(2), "y")
    with pytest.raises(DataError, match=r"y: expected labels like 'a', as in fit, got 1. Write both"):
        require_like_classes(np.array([1]), CLASSES, "y")


@pytest.mark.parametrize(
    ("class_weight", "expected"),
    [
        (None, [1, 1, 1]),
        ("balanced", [10 / 12, 10 / 6, 10 / 12]),
        ({"b": 3}, [10 / 14, 30 / 14, 10 / 14]),
        ({"a": 0, "b": 1, "c": 0, "d": 5}, [0, 5, 0]),  # a class of another fold does no harm
    ],
)
def test_weights_are_one_on_average(class_weight: Any, expected: list[float]) -> None:
    """So that they change which classes count, and not the size of a step."""
    weights = compute_class_weights(class_weight, CLASSES, NUMBERS)
    np.testing.assert_allclose(weights, expected)
    assert weights[NUMBERS].mean() == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("class_weight", "sentence"),
    [
        ("balance", "class_weight: expected None, 'balanced' or a dict, got 'balance'."),
        ([1, 2, 3], "class_weight: expected None, 'balanced' or a dict, got [1, 2, 3]."),
        ({"A": 2}, "class_weight: 'A' is no class of y. Did you mean 'a'?"),
        ({"a": 0, "b": 0, "c": 0}, "class_weight: expected one above 0, got {'a': 0, 'b': 0, 'c': 0}."),
        (
            {"a": "2x", "b": -1},
            (
                "class_weight of 'a': expected a number at least 0, got '2x'.\n"
                "class_weight of 'b': expected a number at least 0, got -1."
            ),
        ),
    ],
)
def test_invalid_class_weights_are_refused(class_weight: Any, sentence: str) -> None:
    """One sentence each."""
    with pytest.raises(ArgumentError) as fault:
        compute_class_weights(class_weight, CLASSES, NUMBERS)
    assert str(fault.value) == sentence


def test_the_loss_is_the_formula() -> None:
    """Minus the weighted log probability of the class, over the sequences."""
    outputs, targets = torch.randn(5, 3), torch.tensor([2, 0, 1, 1, 2])
    weights = np.array([0.5, 2.0, 1.0])
    criterion = weighted_cross_entropy(weights, 1.0, "cpu")
    probabilities = outputs.double().softmax(1).numpy()
    expected = -np.mean([weights[k] * np.log(row[k]) for row, k in zip(probabilities, targets, strict=True)])
    value, _ = criterion(outputs, SequenceBatch(outputs, targets, targets))
    assert value.item() == pytest.approx(expected, rel=1e-6)


def test_padding_has_no_loss_and_long_sequences_count_by_their_steps() -> None:
    """One target a step: two batches, weighted by their rows, give the loss of both together."""
    outputs = torch.randn(4, 6, 3)
    targets = torch.randint(0, 3, (4, 6))
    targets[0, 4:] = targets[2, 1:] = -1
    criterion = weighted_cross_entropy(np.ones(3), (targets >= 0).sum().item() / 4, "cpu")

    def of(rows: slice) -> float:
        return criterion(outputs[rows], SequenceBatch(outputs[rows], targets, targets[rows]))[0].item()

    is_step = targets >= 0
    expected = nn.functional.cross_entropy(outputs[is_step], targets[is_step]).item()
    assert of(slice(None)) == pytest.approx(expected, rel=1e-6)
    assert (of(slice(0, 1)) + 3 * of(slice(1, 4))) / 4 == pytest.approx(expected, rel=1e-6)


def test_a_class_of_another_type_is_offered_with_its_type() -> None:
    """'0' is not 0: the offer says which is meant."""
    with pytest.raises(ArgumentError, match=r"'0' is no class of y. Did you mean 0, of type int\?"):
        compute_class_weights({"0": 2.0}, np.array([0, 1]), np.array([0, 1]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["kernels", "torch"])
@pytest.mark.parametrize("per_step", [False, True])
def test_the_gradient_of_the_criterion_is_autograds(per_step: bool, dtype: torch.dtype) -> None:
    """In the logits, by the kernels and by torch's operators, a padded step among them."""
    torch.manual_seed(0)
    shape = (4, 6, 3) if per_step else (4, 3)
    logits, targets = 3 * torch.randn(shape, dtype=dtype), torch.randint(0, 3, shape[:-1])
    if per_step:
        targets[1, 2:] = -1
    weights = np.array([0.5, 2.0, 1.0])
    leaf = logits.double().requires_grad_()
    total = nn.functional.cross_entropy(
        leaf.flatten(0, -2), targets.flatten(), torch.from_numpy(weights), ignore_index=-1, reduction="sum"
    )
    (total / (4 * 1.5)).backward()
    criterion = weighted_cross_entropy(weights, 1.5, "cpu")
    value, gradient = criterion(logits, SequenceBatch(logits, targets, targets))
    torch.testing.assert_close(value.double(), total.detach() / 6, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(gradient.double(), leaf.grad, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_label_smoothing_is_the_formula_and_its_gradient(dtype: torch.dtype) -> None:
    """Written out with q; the weight of a target weighs all of its classes."""
    torch.manual_seed(0)
    logits, targets = torch.randn(5, 3, dtype=dtype), torch.tensor([2, -1, 1, 1, 0])
    weights, sample_weights = np.array([0.5, 2.0, 1.0]), torch.tensor([1.0, 1.0, 0.5, 2.0, 0.5])
    leaf, q = logits.double().requires_grad_(), torch.full((5, 3), 0.3 / 3, dtype=torch.float64)
    for row, target in enumerate(targets.tolist()):
        q[row, target] += 0.7
    shares = torch.from_numpy(weights)[targets] * sample_weights * (targets >= 0)
    expected = -(shares * (q * leaf.log_softmax(1)).sum(1)).sum() / 5
    expected.backward()
    criterion = weighted_cross_entropy(weights, 1.0, "cpu", smoothing=0.3)
    value, gradient = criterion(logits, SequenceBatch(logits, targets, targets, sample_weights))
    torch.testing.assert_close(value.double(), expected.detach(), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(gradient.double(), leaf.grad, rtol=1e-5, atol=1e-6)
