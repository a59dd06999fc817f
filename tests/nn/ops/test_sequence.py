"""Cross-entropy of the kernels; stem and pooling are held against their modules in tests/nn/modules."""

import pytest
import torch
from torch import nn
from torch._subclasses import FakeTensorMode

from unrolled.nn.ops.sequence import Poolings, StemOperands, conv_stem, cross_entropy, pool, runs_on_kernels


@pytest.mark.parametrize(("rows", "classes"), [(1, 1), (2, 2), (5, 17), (300, 16), (64, 1000), (0, 3)])
def test_cross_entropy_equals_torchs(rows: int, classes: int) -> None:
    """Value and gradient, huge logits among them, the rows with a negative target left out."""
    torch.manual_seed(0)
    logits = torch.randn(rows, classes).mul_(torch.tensor([0.1, 1.0, 50.0])[torch.randint(3, (rows, 1))])
    targets, weights = torch.randint(-1, classes, (rows,)), torch.rand(classes) + 0.1
    leaf = logits.double().requires_grad_()
    expected = nn.functional.cross_entropy(
        leaf, targets, weights.double(), ignore_index=-1, reduction="sum"
    ) / max(rows, 1)  # fmt: skip
    expected.backward()
    value, gradient = cross_entropy(logits, targets, weights, max(rows, 1))
    torch.testing.assert_close(value.double(), expected.detach(), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(gradient.double(), leaf.grad, rtol=2e-6, atol=1e-8)


def test_rows_have_weights_by_the_sequence() -> None:
    """Six rows of two sequences; a weight of 2 counts twice."""
    torch.manual_seed(0)
    logits, targets = torch.randn(6, 3), torch.randint(0, 3, (6,))
    weights, row_weights = torch.rand(3) + 0.1, torch.tensor([2.0, 0.5])
    leaf = logits.double().requires_grad_()
    losses = nn.functional.cross_entropy(leaf, targets, weights.double(), reduction="none")
    expected = (losses.view(2, 3).sum(1) @ row_weights.double()) / 4
    expected.backward()
    value, gradient = cross_entropy(logits, targets, weights, 4, row_weights)
    torch.testing.assert_close(value.double(), expected.detach(), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(gradient.double(), leaf.grad, rtol=2e-6, atol=1e-8)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_logit_that_is_not_finite_is_passed_on(value: float, place: int) -> None:
    """As torch does, whichever class it is of: the loss must say that a training broke."""
    logits, targets = torch.zeros(1, 3), torch.tensor([1])
    logits[0, place] = value
    expected = nn.functional.cross_entropy(logits, targets)
    loss, _ = cross_entropy(logits, targets, torch.ones(3), 1.0)
    torch.testing.assert_close(loss, expected, equal_nan=True)


def test_a_target_that_is_no_class_is_refused() -> None:
    """It would be read beyond the row."""
    with pytest.raises(ValueError, match=r"targets: each must be below K=3; got 3"):
        cross_entropy(torch.zeros(2, 3), torch.tensor([0, 3]), torch.ones(3), 2.0)


def test_a_length_beyond_the_steps_is_refused() -> None:
    """By stem and pooling, before anything is read."""
    stem = StemOperands(
        torch.zeros(2, 5, 1), torch.ones(1), torch.zeros(4, 2, 9), torch.zeros(4), torch.tensor([5, 6])
    )
    with pytest.raises(ValueError, match=r"lengths: each must be from 0 to T=5; got 6 in row 1"):
        conv_stem(stem, 1, 1)
    with pytest.raises(ValueError, match=r"lengths: each must be from 0 to T=5; got -1 in row 0"):
        pool(torch.zeros(5, 2, 3), torch.tensor([-1, 5]), Poolings(0, -1, -1, 3))


def test_other_dtypes_are_not_for_the_kernels() -> None:
    """They compute stem and pooling in float32."""
    assert runs_on_kernels(torch.zeros(1), torch.zeros(2))
    assert not runs_on_kernels(torch.zeros(1), torch.zeros(1, dtype=torch.float64))


def test_where_operators_are_cast_or_watched_the_kernels_do_not_run() -> None:
    """They would be passed over; so would the class of a tensor that computes in another way."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert not runs_on_kernels(torch.zeros(1))
    with FakeTensorMode():
        fake = torch.zeros(1)
    assert not runs_on_kernels(fake)
